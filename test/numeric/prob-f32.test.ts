/**
 * Distributions in float32 (the onnx engine) against float64 (the reference): densities and their gradients to tolerance, also where
 * parameters are extreme; samples entry by entry, up to draws that sit on a threshold.
 */
import { describe, expect, test } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import type { Engine, HostTensor } from "../../src/runtime/engines/engine.js";
import * as gmc from "../../src/runtime/index.js";
import type { Graph, Tensor } from "../../src/runtime/index.js";

const available = (await onnxEngine.probe()).available;
if (!available) console.log("prob-f32: onnxruntime-node is not installed, float32 tests skipped");

async function run(
  engine: Engine,
  graph: Graph,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<Readonly<Record<string, HostTensor>>> {
  const session = await engine.open({ threads: 1 });
  try {
    const executable = await session.compile({
      name: "p",
      stages: [{ kind: "call", name: "c", graph }],
      fetch: Object.keys(graph.outputs),
    });
    return await executable.run(feeds);
  } finally {
    session.dispose();
  }
}

const rng: HostTensor = { dtype: "u32", shape: [4], data: Uint32Array.of(11, 22, 3, 0) };
const B: gmc.Rows = { kind: "rows", size: 600 };
const key = (): gmc.Key => gmc.rootKey().at("x");

describe.skipIf(!available)("samples", () => {
  const mixed = () => gmc.constant(Array.from({ length: 600 }, (_, i) => [0.05, 0.7, 3, 9.5, 30, 4000][i % 6]!));
  const cases: readonly [string, () => Tensor, number][] = [
    ["normal", () => gmc.normal.sample(key(), { loc: 1, scale: 2 }, [3, B]), 0],
    ["laplace", () => gmc.laplace.sample(key(), { loc: 1, scale: 2 }, [B]), 0],
    ["logistic", () => gmc.logistic.sample(key(), { loc: 1, scale: 2 }, [B]), 0],
    ["gumbel", () => gmc.gumbel.sample(key(), { loc: 1, scale: 2 }, [B]), 0],
    ["cauchy", () => gmc.cauchy.sample(key(), { loc: 0, scale: 1 }, [B]), 0],
    ["exponential", () => gmc.exponential.sample(key(), { rate: 3 }, [B]), 0],
    ["gamma", () => gmc.gamma.sample(key(), { concentration: mixed(), rate: 2 }, [B]), 0.005],
    ["beta", () => gmc.beta.sample(key(), { alpha: mixed(), beta: 0.4 }, [B]), 0.005],
    ["dirichlet", () => gmc.dirichlet.sample(key(), { concentration: gmc.constant([0.1, 1, 5]) }, [B, 3]), 0.005],
    ["studentT", () => gmc.studentT.sample(key(), { df: 4, loc: 0, scale: 1 }, [B]), 0.005],
    ["poisson", () => gmc.poisson.sample(key(), { rate: mixed() }, [B]), 0.005],
    ["binomial", () => gmc.binomial.sample(key(), { total: gmc.add(gmc.floor(mixed()), 20), probs: 0.35 }, [B]), 0.005],
    ["multinomial", () => gmc.multinomial.sample(key(), { total: 40, logits: gmc.constant([0, 1, -1, 2, 0]) }, [B, 5]), 0.01],
    ["categorical", () => gmc.cast(gmc.categorical.sample(key(), { logits: gmc.constant([0, 1, -1, 2]) }, [B]), "f32"), 0.005],
    [
      "discretizedLogisticMixture",
      () =>
        gmc.discretizedLogisticMixture.sample(
          key(),
          { logits: gmc.zeros([3]), loc: gmc.constant([10, 90, 250]), scale: gmc.constant([1, 9, 20]) },
          [B],
        ),
      0.005,
    ],
    [
      "multivariateNormal",
      () => gmc.multivariateNormal.sample(key(), { loc: 0, scaleTril: gmc.constant([1, 0, 0.5, 2], [2, 2]) }, [B, 2]),
      0,
    ],
  ];
  for (const [name, draw, share] of cases) {
    test(name, async () => {
      const graph = gmc.stage({}, () => ({ y: draw() }));
      const [own, exact] = [await run(onnxEngine, graph, { rng }), await run(referenceEngine, graph, { rng })];
      const [a, b] = [own["y"]!.data, exact["y"]!.data];
      expect([...a].every(Number.isFinite)).toBe(true);
      let different = 0;
      for (let i = 0; i < a.length; i++) if (!(Math.abs(a[i]! - b[i]!) <= 2e-4 * (1 + Math.abs(b[i]!)))) different++;
      expect(different / a.length).toBeLessThanOrEqual(share);
      expect(new Set(a).size).toBeGreaterThan(1);
    });
  }
});

describe.skipIf(!available)("densities and their gradients", () => {
  const xs = (values: readonly number[]): Tensor => gmc.constant([...values]);
  type Case = readonly [string, readonly number[], readonly number[], (x: Tensor, p: Tensor) => Tensor];
  const cases: readonly Case[] = [
    ["normal", [-30, 0, 1e-3, 40], [0.01, 1, 100, 5], (x, p) => gmc.normal.logProb(x, { loc: 0.3, scale: p })],
    ["bernoulli logits", [0, 1, 0, 1], [90, -90, 0.2, 1e-6], (x, p) => gmc.bernoulli.logProb(x, { logits: p })],
    ["bernoulli probs", [0, 1, 0, 1], [1e-7, 0.999, 0.5, 1], (x, p) => gmc.bernoulli.logProb(x, { probs: p })],
    ["logistic", [-200, 0, 3, 200], [1, 0.1, 2, 0.5], (x, p) => gmc.logistic.logProb(x, { loc: 0, scale: p })],
    ["discretizedLogistic", [0, 100, 128, 255], [0.05, 0.01, 30, 3], (x, p) => gmc.discretizedLogistic.logProb(x, { loc: 120, scale: p })],
    ["gamma", [1e-6, 0.5, 3, 50], [0.1, 1, 2.5, 30], (x, p) => gmc.gamma.logProb(x, { concentration: p, rate: 0.7 })],
    ["beta", [1e-6, 0.5, 0.9, 0.999], [0.1, 1, 2.5, 30], (x, p) => gmc.beta.logProb(x, { alpha: p, beta: 2 })],
    ["studentT", [-50, 0, 3, 400], [1, 2.5, 10, 4], (x, p) => gmc.studentT.logProb(x, { df: p, loc: 0, scale: 2 })],
    ["poisson", [0, 1, 30, 5], [1e-4, 0.5, 20, 90], (x, p) => gmc.poisson.logProb(x, { rate: p })],
    ["poisson, many", [1e6, 1005000, 20, 16], [1e6, 1e6, 35.5, 4e4], (x, p) => gmc.poisson.logProb(x, { rate: p })],
    ["binomial, many", [30000, 70100, 16, 99990], [-0.8, 0.9, -9, 9.5], (x, p) => gmc.binomial.logProb(x, { total: 100000, logits: p })],
    ["gamma, large", [7, 900, 5e4, 1e6], [16, 850, 1e5, 7e5], (x, p) => gmc.gamma.logProb(x, { concentration: p, rate: 0.7 })],
    ["beta, large", [0.01, 0.5, 0.9, 0.999], [1, 20, 350, 3000], (x, p) => gmc.beta.logProb(x, { alpha: p, beta: 18 })],
    ["studentT, large", [-50, 0, 3, 400], [31, 33, 1e4, 1e7], (x, p) => gmc.studentT.logProb(x, { df: p, loc: 0, scale: 2 })],
    [
      "negativeBinomial, many",
      [1, 30, 4e4, 1e6],
      [200, 1, 5e4, 1e6],
      (x, p) => gmc.negativeBinomial.logProb(x, { total: p, logits: -0.4 }),
    ],
    ["negativeBinomial", [0, 1, 30, 5], [0.1, 0.5, 20, 9], (x, p) => gmc.negativeBinomial.logProb(x, { total: p, logits: -0.4 })],
    ["laplace", [-30, 0, 1, 40], [0.1, 1, 100, 5], (x, p) => gmc.laplace.logProb(x, { loc: 0.3, scale: p })],
    ["gumbel", [-3, 0, 1, 40], [1, 1, 10, 5], (x, p) => gmc.gumbel.logProb(x, { loc: 0.3, scale: p })],
    ["cauchy", [-3000, 0, 1, 40], [1, 0.1, 10, 5], (x, p) => gmc.cauchy.logProb(x, { loc: 0.3, scale: p })],
  ];
  for (const [name, values, params, density] of cases) {
    test(name, async () => {
      const graph = gmc.stage({ p: { shape: [values.length] } }, ({ p }) => {
        const y = density(xs(values), p);
        return { y, g: gmc.grad(gmc.sum(y), [p])[0]! };
      });
      const feeds = { p: { dtype: "f32", shape: [params.length], data: Float32Array.from(params) } as const };
      const [own, exact] = [await run(onnxEngine, graph, feeds), await run(referenceEngine, graph, feeds)];
      for (const output of ["y", "g"]) {
        own[output]!.data.forEach((v, i) => {
          const want = exact[output]!.data[i]!;
          expect(Number.isFinite(want), `${output} ${i}: ${want}`).toBe(true);
          expect(Math.abs(v - want), `${output} at x = ${values[i]}, p = ${params[i]}: ${v}, not ${want}`).toBeLessThanOrEqual(
            1e-4 * Math.max(1, Math.abs(want)),
          );
        });
      }
    });
  }
});

// scipy.stats: logpmf, logpdf
const published: readonly [string, number, () => Tensor][] = [
  ["Poisson(1e6) at 1e6", -7.826693896204233, () => gmc.poisson.logProb(1e6, { rate: 1e6 })],
  ["Poisson(1e6) at 1,005,000", -20.30840625986457, () => gmc.poisson.logProb(1005000, { rate: 1e6 })],
  ["Poisson(35.5) at 20", -6.44496253112608, () => gmc.poisson.logProb(20, { rate: 35.5 })],
  ["Binomial(1e5, 0.3) at 30,000", -5.89508052655583, () => gmc.binomial.logProb(30000, { total: 100000, probs: 0.3 })],
  ["Binomial(1e5, 0.7) at 70,100", -6.132371602790954, () => gmc.binomial.logProb(70100, { total: 100000, probs: 0.7 })],
  ["NegativeBinomial(4e4, 1/2) at 40,200", -6.816951635042642, () => gmc.negativeBinomial.logProb(40200, { total: 4e4, logits: 0 })],
  ["NegativeBinomial(1e4, 1/84) at 120", -3.3202969001667952, () => gmc.negativeBinomial.logProb(120, { total: 1e4, probs: 1 / 84 })],
  ["StudentT(1e4) at 1.3", -1.7639766316067713, () => gmc.studentT.logProb(1.3, { df: 1e4, loc: 0, scale: 1 })],
  ["StudentT(1e6) at 1.3", -1.763938914179764, () => gmc.studentT.logProb(1.3, { df: 1e6, loc: 0, scale: 1 })],
  ["StudentT(40) at -2", -2.8790465686390254, () => gmc.studentT.logProb(-2, { df: 40, loc: 0, scale: 1 })],
  ["Gamma(1e5, 2) at 50,100", -6.183986653848651, () => gmc.gamma.logProb(50100, { concentration: 1e5, rate: 2 })],
  ["Gamma(1e5, 2) at 49,900", -6.180519983214426, () => gmc.gamma.logProb(49900, { concentration: 1e5, rate: 2 })],
  ["Gamma(20, 1) at 15", -2.886930366257502, () => gmc.gamma.logProb(15, { concentration: 20, rate: 1 })],
  ["Beta(5e4, 8e4) at 0.385", 5.6482247303647455, () => gmc.beta.logProb(0.385, { alpha: 5e4, beta: 8e4 })],
  ["Beta(3, 40) at 0.2", -1.4745003675807151, () => gmc.beta.logProb(0.2, { alpha: 3, beta: 40 })],
  [
    "Dirichlet(2e4, 3e4, 5.01e4) at (0.2, 0.3, 0.5)",
    11.378868764819345,
    () => gmc.dirichlet.logProb(gmc.constant([0.2, 0.3, 0.5]), { concentration: gmc.constant([2e4, 3e4, 5.01e4]) }),
  ],
];

describe.each([referenceEngine, ...(available ? [onnxEngine] : [])])("log-probabilities of large counts on $name", (engine) => {
  test.each(published)("%s", async (_, want, density) => {
    const graph = gmc.stage({ zero: { shape: [] } }, ({ zero }) => ({ y: gmc.add(density(), zero) }));
    const { y } = await run(engine, graph, { zero: { dtype: "f32", shape: [], data: Float32Array.of(0) } });
    expect(Math.abs(Number(y!.data[0]) - want)).toBeLessThan(engine.name === "reference" ? 1e-6 : 2e-4);
  });
});
