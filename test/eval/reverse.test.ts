/** Annealing backwards from chains that start at the data: log Z from above, beside the forward run's from below, against enumeration. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { evaluate, referenceEngine, type Engine, type Evaluation, type Result } from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { datasetOf, type ArraysBySplit } from "../../src/runtime/train/arrays.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { warningsOf } from "../../src/runtime/eval/warnings.js";
import { loadModel } from "../support/model.js";
import { bilinear, bits, dotN, logSum, spread, type Numbers } from "../numeric/energy-cases.js";
import { exactly } from "../numeric/pipeline-cases.js";

const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);

interface Setup {
  readonly text: string;
  readonly weights: Readonly<Record<string, Numbers>>;
  readonly data: ArraysBySplit["train"];
}

const logZOf = async (setup: Setup, engine: Engine, seed: number): Promise<Result> =>
  (await measured(setup, engine, seed)).metrics["logZ"]!;

async function measured({ text, weights, data }: Setup, engine: Engine, seed: number): Promise<Evaluation> {
  const { model } = loadModel(text);
  const session = await engine.open();
  try {
    const dataset = datasetOf(model, { train: data });
    for (const { path, spec } of leavesOf(model.weights))
      await session.write(path, { dtype: "f32", shape: spec.shape, data: Float32Array.from(weights[path] ?? []) });
    return await evaluate({ session, model, dataset, seed, averaged: new Set(), reconstruction: false, terms: false });
  } finally {
    session.dispose();
  }
}

const states = (n: number): Numbers[] => bits(n).map((a) => a.value);
const bitsOf = (rows: number, width: number): Float32Array =>
  Float32Array.from({ length: rows * width }, (_, i) => ((i * 2654435761) >>> 7) & 1);

const rbm = (line: string, scale = 1): Setup & { readonly exact: number } => {
  const weights = { W: exactly(spread(24, 2.2 * scale, 1)), a: exactly(spread(4, 0.8, 2)), b: exactly(spread(6, 0.9, 3)) };
  return {
    text: `model M {
  data v : binary[6]
  latent h : binary[4]
  param W : real[6, 4], a : real[4], b : real[6]
  density p(v, h) { energy -(v @ W @ h) - a @ h - b @ v }
  evaluate { ${line} }
}`,
    weights,
    data: { v: bitsOf(30, 6) },
    exact: logSum(states(6).flatMap((v) => states(4).map((h) => bilinear(v, weights.W, h) + dotN(weights.a, h) + dotN(weights.b, v)))),
  };
};

afterEach(() => vi.restoreAllMocks());

describe.each(engines.filter((e) => available.includes(e.name)))("$name", (engine) => {
  it("brings log Z between two bounds", async () => {
    const setup = rbm("logZ = ais(chains = 100, temperatures = 300, reverse = 50)");
    const result = await logZOf(setup, engine, 1);
    const [p] = result.partitions!;
    const { reverse } = p!;
    expect(result.bound).toBe("lower bound");
    expect(Math.abs(result.value - setup.exact)).toBeLessThan(4 * result.standardError!);
    expect(Math.abs(reverse!.value - setup.exact)).toBeLessThan(4 * reverse!.standardError!);
    expect(reverse!.standardError).toBeLessThan(0.1);
    expect(reverse).toMatchObject({ sweeps: 50, gap: reverse!.value - result.value });
    expect(reverse!.effectiveSampleSize).toBeGreaterThan(50);
  });
});

describe("reverse runs", () => {
  it("err on the high side where the forward ones err on the low", async () => {
    const setup = rbm("logZ = ais(chains = 10, temperatures = 2, reverse = 50)", 2);
    let [below, above] = [0, 0];
    const seeds = 40;
    for (let seed = 0; seed < seeds; seed++) {
      const { value, partitions } = await logZOf(setup, referenceEngine, seed);
      below += (value - setup.exact) / seeds;
      above += (partitions![0]!.reverse!.value - setup.exact) / seeds;
    }
    expect(below).toBeLessThan(-0.02);
    expect(above).toBeGreaterThan(0.02);
  });

  it("settle the layers that have no data", async () => {
    const weights = { W: exactly(spread(15, 1.6, 1)), U: exactly(spread(12, 1.9, 2)), b: exactly(spread(5, 0.8, 3)) };
    const setup = {
      text: `model M {
  data v : binary[5]
  latent g : binary[3], k : binary[4]
  param W : real[5, 3], U : real[3, 4], b : real[5]
  density p(v, g, k) { energy -(v @ W @ g) - g @ U @ k - b @ v }
  evaluate { logZ = ais(chains = 100, temperatures = 200, reverse = 40) }
}`,
      weights,
      data: { v: bitsOf(30, 5) },
    };
    const exact = logSum(
      states(5).flatMap((v) =>
        states(3).flatMap((g) => states(4).map((k) => bilinear(v, weights.W, g) + bilinear(g, weights.U, k) + dotN(weights.b, v))),
      ),
    );
    const { partitions } = await logZOf(setup, referenceEngine, 2);
    const { reverse } = partitions![0]!;
    expect(Math.abs(reverse!.value - exact)).toBeLessThan(4 * reverse!.standardError!);
  });

  it("start from documents of the length, for each length", async () => {
    const weights = { W: exactly(spread(8, 1.1, 4)), a: exactly([0.3, -0.4]) };
    const data = { v: Float32Array.of(1, 0, 2, 0, 0, 5, 1, 1, 3, 0, 0, 0, 0, 1, 1, 1) };
    const setup = {
      text: `model M {
  data v : count[4]
  latent h : binary[2]
  param W : real[4, 2], a : real[2]
  density p(v, h) { energy -(v @ W @ h) - sum(v) * (a @ h) }
  evaluate { logZ = ais(chains = 100, temperatures = 100, reverse = 20) }
}`,
      weights,
      data,
    };
    const logZ = (N: number): number =>
      logSum(
        states(2).map((h) => {
          const words = [0, 1, 2, 3].map((v) => weights.W[2 * v]! * h[0]! + weights.W[2 * v + 1]! * h[1]!);
          return N * (dotN(weights.a, h) + logSum(words));
        }),
      );
    const exact = (3 * logZ(3) + logZ(7)) / 4;
    const { partitions } = await logZOf(setup, referenceEngine, 3);
    expect(partitions![0]).toMatchObject({ conditions: 2 });
    const { reverse } = partitions![0]!;
    expect(Math.abs(reverse!.value - exact)).toBeLessThan(4 * reverse!.standardError! + 1e-3);
  });

  it("tell of a mode that forward runs miss: data know of it", async () => {
    // y = 1: g copies v, and 12 nats more likely than y = 0, where all are free coins; hotter, the coins win, and no path leads back
    const D = 60;
    const a = Math.fround(D * Math.LN2 + 12);
    const v = bitsOf(50, D);
    const setup = {
      text: `model M {
  data v : binary[${D}], y : binary
  latent g : binary[${D}]
  param a : real
  density p(v, y, g) { energy -y * (12 * (v @ g) - 6 * sum(v) - 6 * sum(g) + a) }
  evaluate { logZ = ais(chains = 20, temperatures = 100, reverse = 100) }
}`,
      weights: { a: [a] },
      data: { v, y: new Float32Array(50).fill(1) },
    };
    const exact = logSum([2 * D * Math.LN2, a + D * Math.log(2 + 2 * Math.exp(-6))]);
    const { value, standardError, partitions } = await logZOf(setup, referenceEngine, 1);
    const { reverse } = partitions![0]!;
    // the error bar of the forward run knows nothing of what it missed
    expect(value).toBeLessThan(exact - 5);
    expect(standardError).toBeLessThan(2);
    expect(reverse!.value).toBeGreaterThan(exact - 1);
    expect(reverse!.gap).toBeGreaterThan(5);
  });
});

describe("warnings", () => {
  it("call a probability above 1 impossible, and what log Z must be at the least", async () => {
    // h on: all units on, and 12 nats more likely than all else; few rows are there, and hot chains never
    const D = 30;
    const [b, w] = [-2, 6];
    const a = Math.fround(12 + D * Math.log1p(Math.exp(b)) - D * Math.log1p(Math.exp(b + w)));
    const setup = {
      text: `model M {
  data v : binary[${D}]
  latent h : binary[1]
  param W : real[${D}, 1], a : real[1], b : real[${D}]
  density p(v, h) { energy -(v @ W @ h) - a @ h - b @ v }
  evaluate { logZ = ais(chains = 20, temperatures = 100)   nll = -log p(v) }
}`,
      weights: { W: Array.from({ length: D }, () => w), a: [a], b: Array.from({ length: D }, () => b) },
      data: { v: Float32Array.from({ length: 50 * D }, (_, i) => (i < 3 * D ? 1 : i % 8 === 0 ? 1 : 0)) },
    };
    const { metrics, warnings } = await measured(setup, referenceEngine, 1);
    const { impossible } = metrics["nll"]!;
    expect(impossible).toMatchObject({ rows: 3, of: 50 });
    // of the row of ones alone, log f = b D + log(1 + exp(a + w D))
    expect(impossible!.most).toBeCloseTo(b * D + a + w * D - metrics["logZ"]!.value, 3);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^nll is impossible: 6\.0 % of the rows have a probability above 1, so logZ is too low by \d+\.\d nats or more\..*reverse = 1000/u,
      ),
    ]);
  });

  it("are none where all is well", async () => {
    const setup = rbm("logZ = ais(chains = 100, temperatures = 300, reverse = 50)   nll = -log p(v)");
    const { metrics, warnings } = await measured(setup, referenceEngine, 1);
    expect(metrics["nll"]!.impossible).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  const partition = (more: object): Readonly<Record<string, Result>> => ({
    logZ: {
      label: "ais(p)",
      value: 10,
      standardError: 0.1,
      unit: "nats",
      k: null,
      bound: "estimate",
      partitions: [
        {
          name: "logZ",
          method: "ais",
          sampler: "block",
          chains: 100,
          temperatures: 50,
          conditions: 1,
          effectiveSampleSize: 40,
          logWeightDeviation: 1,
          standardError: 0.1,
          ...more,
        },
      ],
    },
  });
  const reverse = (gap: number): object => ({
    reverse: { value: 10 + gap, standardError: 0.1, sweeps: 100, effectiveSampleSize: 30, gap },
  });

  it.each([
    ["a gap that errors do not explain", reverse(3), /^logZ is not known better than to 3\.0 nats/u],
    ["bounds that contradict each other", reverse(-2), /^logZ: the upper bound lies 2\.0 nats below the lower one, which cannot be/u],
    ["one chain that decides", { effectiveSampleSize: 1.2 }, /^logZ: of 100 chains the weights are worth 1\.2,.*`pilot = 200`/u],
    [
      "values at which one chain decides",
      { effectiveSampleSize: 1.2, conditions: 9, pilot: 50, sampleSizes: { median: 30, few: 2 } },
      /^logZ: of 100 chains the weights are worth 1\.2 at the worst, and less than 2 at 2 of its 9 values.*more --temperatures$/u,
    ],
  ])("name %s", (_, more, text) => {
    expect(warningsOf(partition(more))).toEqual([expect.stringMatching(text)]);
  });

  it("name a line that is no number", () => {
    const ppl: Result = { label: "perplexity(p)", value: NaN, standardError: null, unit: "per ordered word", k: null, bound: "exact" };
    expect(warningsOf({ ppl })).toEqual([expect.stringMatching(/^ppl is no number/u)]);
    expect(warningsOf({ ppl: { ...ppl, value: 900 } })).toEqual([]);
  });

  it("name the first row that a line does not measure", async () => {
    const text = `model M {
      data x : real
      param m : real
      density p(x) { x ~ Normal(m, 1) }
      train { maximize log p(x) }
      evaluate { half = -log(x) }
    }`;
    const { metrics } = await measured({ text, weights: { m: [0] }, data: { x: Float32Array.of(1, -1, 2, -3, 4) } }, referenceEngine, 1);
    expect(metrics["half"]?.unmeasured).toEqual({ rows: 2, of: 5, first: 2 });
    expect(warningsOf(metrics)).toEqual([expect.stringContaining("that of 2 of 5 rows are none, the first of them row 2: look for rows")]);
  });

  it.each([reverse(0.4), reverse(-0.3), {}])("let %o pass", (more) => {
    expect(warningsOf(partition(more))).toEqual([]);
  });
});
