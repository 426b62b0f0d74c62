/**
 * The parameters that the sampler draws each entry by, which it computes from what it kept of earlier entries, against those that the net computes
 * in full from the finished sample: they are the same, since no entry's parameters read it or later ones. The reference engine computes in float64,
 * and hands values and means out in float32.
 */
import { describe, expect, it } from "vitest";
import { runSequential } from "../../src/runtime/eval/sequential.js";
import { leavesOf, referenceEngine } from "../../src/runtime/index.js";
import { hostStream } from "../../src/runtime/graph/random.js";
import { type Loaded, loadModel, runModel } from "../support/model.js";
import { someWeights } from "../support/ordered.js";

const ROWS = 4;
const ROUNDING = 1e-6;
const WEIGHTS = "param W : real[3, 3] init Normal(0, 1), b : real[3] init Normal(0, 1), c : real[6] init Normal(0, 1)";
const SHIFT = "net sh(v) = pad(v, low = [1], high = [0])[1..6]  net late(v) = concat(zeros(1), v[1..5])";
/** Images moved down. */
const DOWN = [1, 2, 3].map((rows) => `net down${rows}(v) = pad(v, low = [${rows}, 0, 0], high = [0, 0, 0])[1..4]`).join("  ");

/** A density whose means are a net of the variable itself, so that the sampler's `mean` of an entry is what the net gave. */
const normal = (mean: string, shape = "6"): string =>
  `model M { data x : real[${shape}]  ${WEIGHTS} ${shape === "6" ? SHIFT : shape === "4, 4, 1" ? DOWN : ""}
    density p(x) { x ~ Normal(${mean}, 0.5) }  train { maximize log p(x) } }`;

interface Compared {
  /** The greatest difference, relative to the greatest mean. */
  readonly error: number;
  readonly notes: readonly string[];
}

async function compared(loaded: Loaded): Promise<Compared> {
  const density = loaded.model.densities["p"];
  if (!density?.sequential) throw new Error("not drawn entry after entry");
  const all = someWeights(loaded, 3);
  const weights = Object.fromEntries(Object.entries(all).map(([path, values]) => [path, values.map((v) => 0.7 * v)]));
  const session = await referenceEngine.open();
  for (const { path, spec } of leavesOf(loaded.weights))
    await session.write(path, { dtype: "f32", shape: spec.shape, data: Float64Array.from(weights[path]!) as never });
  const notes: string[] = [];
  const options = { session, model: loaded.model, averaged: new Set<string>(), seed: 4, given: {}, rows: ROWS };
  const out = await runSequential(density, { ...options, onNote: (note) => notes.push(note) });
  const [value, mean] = [out["value:x"]!, out["mean:x"]!];
  const { loc = [] } = runModel(loaded, ({ f, w, x, key }) => ({ loc: (f("paramsP")(w, key, x) as never as { loc: never }).loc }), {
    data: { x: { shape: value.shape, data: Array.from(value.data), dtype: "f32" } },
    state: weights,
  });
  session.dispose();
  expect(loc.length).toBe(mean.data.length);
  const size = Math.max(...loc.map(Math.abs));
  return { error: Math.max(...loc.map((l, i) => Math.abs(l - mean.data[i]!))) / size, notes };
}

/** `kept`: nothing is computed in full. */
const cases: readonly (readonly [mean: string, kept: boolean, shape?: string])[] = [
  ["x |> made([8])", true],
  ['x |> made([8], order = "reverse")', true],
  ["x |> made([8], order = [3, 1, 2, 6, 5, 4])", true],
  ["x |> nade(9)", true],
  ["x |> nade(9) |> masked_dense(6)", true],
  ["x |> nade(9) |> tanh |> masked_dense(12) |> relu |> masked_dense(6)", true],
  ["x |> nade(9) |> nade(5)", true],
  ["x |> nade(9) |> sh |> masked_dense(6)", false],
  ["sh(x) |> masked_dense(6)", true],
  ["sh(x) |> sigmoid |> masked_dense(6)", true],
  ["sh(sh(x)) |> sigmoid |> masked_dense(6)", false],
  ["late(x) |> sigmoid |> masked_dense(12) |> relu |> masked_dense(6)", true],
  ["(x |> made([8])) + (sh(x) |> sigmoid |> made([5]))", true],
  ["x |> made([8]) |> sh |> made([8])", true],
  ["sh(x |> made([8])) + late(x)", true],
  ["((x |> made([8])) + (x |> nade(4))) |> tanh |> masked_dense(6)", false],
  ["((x |> made([8])) + (x |> nade(4))) |> tanh |> nade(3)", false],
  ["(x |> nade(4)) * exp(0.1 * (x |> made([8])))", true],
  ["concat(b, x[1..3] @ W)", true],
  ["concat(b, sigmoid(x[1..3]) @ W)", true],
  ["concat(b, stack(sum(x[1..3]), sum(x[1..3]), sum(x[1..3])) * b)", true],
  ["concat(b, x[1..3] |> mlp([8]) |> dense(3))", true],
  ["concat(x[1..3] |> made([6]), x[1..3] |> dense(5) |> sigmoid |> dense(3))", true],
  ["concat(x[1..3] |> made([6]), (x[1..3] |> mlp([5]) |> dense(3)) + (x[4..6] |> made([5])))", true],
  ["concat(b, b * x[1..3]) + (x |> nade(4))", true],
  ["concat(sh(x)[1..3], sigmoid(sh(x)[1..3]) @ W)", true],
  ["concat(zeros(3), (x[1..3] |> nade(4)) @ W)", true],
  ["concat(zeros(3), (pad(x[1..3], low = [0], high = [3]) |> sigmoid |> dense(3)))", false],
  ["concat(zeros(3), (concat(sh(x)[1..3], x[1..2]) |> sigmoid |> dense(3)))", false],
  ["concat(zeros(2), transpose(stack(x[1..2], x[1..2] * b[1..2])) |> flatten)", false],
  ["x |> causal_conv(4, 2, strict = true) |> relu |> causal_conv(4, 2) |> relu |> dense(1)", true, "6, 1"],
  [
    "pad(x, low = [1, 0], high = [0, 0])[1..6] |> sigmoid |> causal_conv(4, 2) |> relu |> causal_conv(4, 2, dilation = 2) |> dense(1)",
    true,
    "6, 1",
  ],
  ["concat(zeros(3, 1), (x[1..3] |> causal_conv(4, 2) |> tanh |> flatten |> dense(3) |> reshape(3, 1)), axis = 1)", true, "6, 1"],
  ["concat(zeros(2, 2), (x[1..2] |> flatten |> mlp([6]) |> dense(4) |> reshape(2, 2)), axis = 1)", true, "4, 2"],
  [
    "concat(zeros(2, 2), (pad(x, low = [1, 0], high = [0, 0])[1..2] |> sigmoid |> flatten |> dense(4) |> reshape(2, 2)), axis = 1)",
    true,
    "4, 2",
  ],
  [
    "(x |> pixelcnn(2, 1)) + concat(zeros(2, 2, 1), (x[1..2] |> flatten |> mlp([6]) |> dense(4) |> reshape(2, 2, 1)), axis = 1)",
    true,
    "4, 2, 1",
  ],
  [
    "(x |> pixelcnn(2, 1)) + concat(zeros(2, 2, 1), (pad(x, low = [1, 0, 0], high = [0, 0, 0])[1..2] |> sigmoid |> flatten |> dense(4) |> reshape(2, 2, 1)), axis = 1)",
    false,
    "4, 2, 1",
  ],
  [
    "concat(zeros(1, 3), (x[1..1] |> flatten |> dense(9) |> reshape(3, 3)), axis = 1) |> flatten |> masked_dense(4, channels = 3) |> dense(2)",
    true,
    "4, 2",
  ],
  ["x |> pixelcnn(4, 1)", true, "3, 3, 1"],
  ["x |> gated_pixelcnn(4, 1)", true, "3, 3, 1"],
  ['down2(x |> avg_pool(3, stride = 1, padding = "same"))', true, "4, 4, 1"],
  ["down2(x |> max_pool(2) |> upsample(2))", false, "4, 4, 1"],
  ['down3(x |> avg_pool(2) |> upsample(2, method = "bilinear"))', false, "4, 4, 1"],
  ["down2(pool(x, 2, 2) |> upsample(2))", false, "4, 4, 1"],
  ["down2(reflect_pad(x, 1))[1..4, 2..5]", true, "4, 4, 1"],
];

describe("parameters while drawing are those of the finished sample", () => {
  it.each(cases.map(([mean, kept, shape]) => ({ mean, kept, shape })))("$mean", async ({ mean, kept, shape }) => {
    const { error, notes } = await compared(loadModel(normal(mean, shape)));
    expect(error).toBeLessThan(ROUNDING);
    expect(notes.length === 0, notes.join()).toBe(kept);
  });
});

describe("windows that reach their own pixel or later ones are refused", () => {
  it.each([
    'down2(x |> avg_pool(5, stride = 1, padding = "same"))',
    'down2(x |> max_pool(3, stride = 1, padding = "same") |> max_pool(3, stride = 1, padding = "same"))',
    'down2(x |> avg_pool(2) |> upsample(2, method = "bilinear"))',
    "down2(pool(x, 4, 1) |> upsample(4))[1..4, 1..4]",
    "down1(reflect_pad(x, 1))[1..4, 2..5]",
  ])("%s", (mean) => {
    expect(() => loadModel(normal(mean, "4, 4, 1"))).toThrow(/GM3721/u);
  });
});

/** A net of six entries, by chance: most of those whose first layer on each path hides the entry itself are proven. */
function randomNet(below: (n: number) => number, depth: number): string {
  const inner = (): string => randomNet(below, depth - 1);
  if (depth === 0) return ["x", "sh(x)", "late(x)"][below(3)]!;
  const e = inner();
  const forms: readonly (() => string)[] = [
    () => `(${e} |> masked_dense(6))`,
    () => `(${e} |> masked_dense(12) |> relu |> masked_dense(6))`,
    () => `(${e} |> made([7]))`,
    () => `(${e} |> nade(5))`,
    () => `(${e} |> reshape(6, 1) |> causal_conv(3, 2) |> tanh |> causal_conv(3, 2, dilation = 2) |> dense(1) |> flatten)`,
    () => `(${e} |> reshape(6, 1) |> causal_conv(2, 2, strict = true) |> dense(1) |> flatten)`,
    () => `sigmoid(${e})`,
    () => `sh(${e})`,
    () => `late(${e})`,
    () => `(c * ${e})`,
    () => `(${e} + ${inner()})`,
    () => `(${e} + tanh(${e} |> masked_dense(6)))`,
    () => `concat(b, ${e}[1..3] @ W)`,
    () => `concat(${e}[1..3], ${inner()}[4..6])`,
    () => `concat(b, sigmoid(${e}[1..3]) |> dense(3))`,
    () => `concat(${e}[1..2], ${inner()}[1..4])`,
  ];
  return forms[below(forms.length)]!();
}

describe("random nets", () => {
  it("that are proven are drawn by what they give", async () => {
    const stream = hostStream(5, "nets");
    let kept = 0;
    const wanted = 40;
    let proven = 0;
    for (let tries = 0; proven < wanted && tries < 20 * wanted; tries++) {
      const net = randomNet((n) => stream.below(n), 2 + stream.below(3));
      let loaded: Loaded;
      try {
        loaded = loadModel(normal(net));
      } catch {
        continue;
      }
      if (loaded.model.densities["p"]?.sequential === undefined) continue;
      proven++;
      const { error, notes } = await compared(loaded);
      expect(error, net).toBeLessThan(ROUNDING);
      if (notes.length === 0) kept++;
    }
    expect(proven).toBe(wanted);
    expect(kept).toBeGreaterThan(wanted / 2);
  }, 120_000);
});
