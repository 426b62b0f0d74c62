/** Samples that the sampler of compiled models draws, entry after entry, against the density that the same models evaluate: frequencies of all states. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runSequential, type SequentialOptions } from "../../src/runtime/eval/sequential.js";
import { leavesOf, referenceEngine } from "../../src/runtime/index.js";
import type { EngineSession, HostTensor } from "../../src/runtime/engines/engine.js";
import { type Loaded, loadModel, runModel } from "../support/model.js";
import { allStates, someWeights } from "../support/ordered.js";

const example = (name: string): string => readFileSync(`examples/${name}.gm`, "utf8");
const bernoulli = (shape: string, logits: string): string =>
  `model M { data x : binary[${shape}]  density p(x) { x ~ Bernoulli(logits = ${logits}) }  train { maximize log p(x) } }`;

/** Text, event shape, states of an entry. */
const cases: readonly (readonly [name: string, text: string, shape: readonly number[], states: number])[] = [
  ["made.gm", example("made").replace("784, widths = [500]", "4, widths = [6]"), [4], 2],
  ["in reverse", bernoulli("4", 'made(x, [6], activation = tanh, order = "reverse")'), [4], 2],
  ["in an order by chance", bernoulli("4", "made(x, [6], activation = tanh, order = 5)"), [4], 2],
  [
    "masked nets of some entries",
    bernoulli("5", "concat(made(x[1..2], [6], activation = tanh), made(x[3..5], [6], activation = tanh) + (x[1..2] |> dense(3)))"),
    [5],
    2,
  ],
  ["pixelcnn.gm", example("pixelcnn").replace("28, 28, 1", "2, 2, 1").replace("C = 16, blocks = 5", "C = 2, blocks = 1"), [2, 2, 1], 2],
  ["gated PixelCNN", bernoulli("2, 2, 1", "gated_pixelcnn(x, 2, 1)"), [2, 2, 1], 2],
  ["two channels at once", bernoulli("2, 2", "x |> causal_conv(2, 2, strict = true)"), [2, 2], 2],
  ["channels in order", bernoulli("1, 2, 2", 'x |> masked_conv(2, 3, mask = "A", groups = 2)'), [1, 2, 2], 2],
  [
    "a mixture whose weights are the same for all entries",
    "model M { data x : binary[4]  param w : real[3]  density p(x) { m = made_values(x, [6], 3)   x ~ Mixture(w, Bernoulli(logits = m)) }  train { maximize log p(x) } }",
    [4],
    2,
  ],
  [
    "categories",
    "model M { data x : category[3][3]  density p(x) { x ~ Categorical(logits = onehot(x) |> wavenet(2, [1, 2], 3, outputs = 3)) }  train { maximize log p(x) } }",
    [3],
    3,
  ],
];

async function opened(loaded: Loaded, weights: Readonly<Record<string, readonly number[]>>): Promise<EngineSession> {
  const session = await referenceEngine.open();
  for (const { path, spec } of leavesOf(loaded.weights))
    await session.write(path, { dtype: "f32", shape: spec.shape, data: Float32Array.from(weights[path] ?? []) });
  return session;
}

/** Counts of states are as probable as their log-probabilities say. */
function expectFrequencies(counts: readonly number[], log: readonly number[]): void {
  const rows = counts.reduce((a, b) => a + b, 0);
  // States that are expected less than 5 times are counted as one.
  const expected = log.map((l) => rows * Math.exp(l));
  const rare = expected.map((e) => e < 5);
  const sum = (values: readonly number[], which: boolean): number => values.reduce((t, v, i) => t + (rare[i] === which ? v : 0), 0);
  const cells = [
    ...expected.flatMap((e, i) => (rare[i] ? [] : [[counts[i] ?? 0, e] as const])),
    [sum(counts, true), sum(expected, true)] as const,
  ];
  const used = cells.filter(([, e]) => e >= 1);
  const chi = used.reduce((t, [c, e]) => t + (c - e) ** 2 / e, 0);
  const freedom = used.length - 1;
  expect(freedom).toBeGreaterThan(2);
  // Four standard deviations of a chi-square above its mean.
  expect(chi).toBeLessThan(freedom + 4 * Math.sqrt(2 * freedom));
  expect(sum(counts, true)).toBeLessThan(sum(expected, true) + 30);
}

describe("samples follow the density that is evaluated", () => {
  it.each(cases)("%s", async (_, text, shape, states) => {
    const loaded = loadModel(text);
    const weights = someWeights(loaded, 3);
    const n = shape.reduce((a, b) => a * b, 1);
    const all = states ** n;
    const dtype = states === 2 ? "f32" : "i32";
    const { log = [] } = runModel(loaded, ({ f, w, x }) => ({ log: f("logP")(w, x["x"]) }), {
      data: { x: { shape: [all, ...shape], data: allStates(n, states), dtype } },
      state: weights,
    });
    const session = await opened(loaded, weights);
    const density = loaded.model.densities["p"];
    if (!density?.sequential) throw new Error("not drawn entry after entry");
    const rows = 3000;
    const out = await runSequential(density, {
      session,
      model: loaded.model,
      averaged: new Set(),
      seed: 4,
      given: {},
      rows,
    });
    const drawn = out["value:x"]?.data ?? [];
    const counts = new Array<number>(all).fill(0);
    for (let r = 0; r < rows; r++) {
      let state = 0;
      for (let i = 0; i < n; i++) state = state * states + Number(drawn[r * n + i]);
      counts[state] = (counts[state] ?? 0) + 1;
    }
    expectFrequencies(counts, log);
  });
});

describe("several variables, one drawn after the other", () => {
  const text = `model M {
    data x : binary[2], m : binary[1], y : binary[3]
    density p(x, m, y) {
      x ~ Bernoulli(logits = x |> nade(3))
      m ~ Bernoulli(logits = x |> dense(1))
      y ~ Bernoulli(logits = made(y, [6], activation = tanh) + (m |> dense(3)) + (x |> dense(3)))
    }
    train { maximize log p(x, m, y) }
  }`;
  const [loaded, all] = [loadModel(text), allStates(6)];
  const weights = someWeights(loaded, 3);
  const part = (from: number, to: number): number[] => all.filter((_, i) => i % 6 >= from && i % 6 < to);
  const columns = { x: [0, 2], m: [2, 3], y: [3, 6] } as const;
  const { log = [] } = runModel(loaded, ({ f, w, x }) => ({ log: f("logP")(w, x["x"], x["m"], x["y"]) }), {
    data: Object.fromEntries(
      Object.entries(columns).map(([name, [from, to]]) => [name, { shape: [64, to - from], data: part(from, to), dtype: "f32" as const }]),
    ),
    state: weights,
  });
  const density = loaded.model.densities["p"]!;
  const draw = async (
    rows: number,
    more: Partial<SequentialOptions> = {},
  ): Promise<(name: keyof typeof columns, row: number) => number[]> => {
    const session = await opened(loaded, weights);
    const out = await runSequential(density, { session, model: loaded.model, averaged: new Set(), seed: 4, given: {}, rows, ...more });
    return (name, row) => {
      const width = columns[name][1] - columns[name][0];
      return Array.from(out[`value:${name}`]!.data.slice(row * width, (row + 1) * width));
    };
  };
  const stateOf = (bits: readonly number[]): number => bits.reduce((state, bit) => 2 * state + bit, 0);

  it("follow the density, and what is drawn between them", async () => {
    expect(density.sequential?.map((s) => s.variable)).toEqual(["x", "y"]);
    const rows = 3000;
    const progress: number[] = [];
    const of = await draw(rows, { onProgress: (done, total) => progress.push(done / total) });
    const counts = log.map(() => 0);
    for (let r = 0; r < rows; r++) counts[stateOf([...of("x", r), ...of("m", r), ...of("y", r)])]!++;
    expectFrequencies(counts, log);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
  });

  it("known entries are of the last, or of the one that is named", async () => {
    const rows = 4;
    const full = (width: number, value: number): HostTensor => ({
      dtype: "f32",
      shape: [rows, width],
      data: new Float32Array(rows * width).fill(value),
    });
    const last = await draw(rows, { known: { values: full(3, 1), mask: full(3, 1) } });
    const first = await draw(rows, { known: { variable: "x", values: full(2, 1), mask: full(2, 1) } });
    for (let r = 0; r < rows; r++) {
      expect(last("y", r)).toEqual([1, 1, 1]);
      expect(first("x", r)).toEqual([1, 1]);
    }
    await expect(draw(rows, { known: { variable: "m", values: full(1, 1), mask: full(1, 1) } })).rejects.toThrow(
      /`m` of p\(x, m, y\) is not drawn entry by entry/u,
    );
  });
});
