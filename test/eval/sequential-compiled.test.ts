/** Samples that the sampler of compiled models draws, entry after entry, against the density that the same models evaluate: frequencies of all states. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runSequential } from "../../src/runtime/eval/sequential.js";
import { leavesOf, referenceEngine } from "../../src/runtime/index.js";
import { loadModel, runModel } from "../support/model.js";
import { allStates, someWeights } from "../support/ordered.js";

const example = (name: string): string => readFileSync(`examples/${name}.gm`, "utf8");
const bernoulli = (shape: string, logits: string): string =>
  `model M { data x : binary[${shape}]  density p(x) { x ~ Bernoulli(logits = ${logits}) }  train { maximize log p(x) } }`;

/** Text, event shape, states of an entry. */
const cases: readonly (readonly [name: string, text: string, shape: readonly number[], states: number])[] = [
  ["made.gm", example("made").replace("784, widths = [500]", "4, widths = [6]"), [4], 2],
  ["in reverse", bernoulli("4", 'made(x, [6], activation = tanh, order = "reverse")'), [4], 2],
  ["in an order by chance", bernoulli("4", "made(x, [6], activation = tanh, order = 5)"), [4], 2],
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
    const session = await referenceEngine.open();
    for (const { path, spec } of leavesOf(loaded.weights))
      await session.write(path, { dtype: "f32", shape: spec.shape, data: Float32Array.from(weights[path] ?? []) });
    const density = loaded.model.densities["p"];
    if (!density?.sequential) throw new Error("not drawn entry after entry");
    const rows = 3000;
    const out = await runSequential(density, density.sequential, {
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
  });
});
