/**
 * Densities and their summaries against quadrature and summation: each integrates (sums) to one, and mean, variance, entropy, mode and cdf
 * agree with the density itself. Nothing here reuses the formulas under test.
 */
import { describe, expect, test } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { Distribution, Tensor } from "../../src/runtime/index.js";
import { integrate, rule, type Domain } from "../support/quadrature.js";

type Numbers = Readonly<Record<string, number>>;

function values(fn: (x: Tensor) => Tensor, xs: readonly number[]): readonly number[] {
  return [...compute(({ x }) => fn(x!), { x: xs }).data];
}
const value = (fn: () => Tensor): number => compute(fn, {}).data[0]!;

interface Continuous {
  readonly name: string;
  readonly dist: Distribution<never>;
  readonly params: Numbers;
  readonly domain: Domain;
  readonly scale?: number;
  readonly centre?: number;
}

const on = <P>(dist: Distribution<P>, params: P, domain: Domain, scale = 1, centre = 0): Continuous => ({
  name: `${dist.name}(${Object.entries(params as Numbers)
    .map(([k, v]) => `${k} = ${v}`)
    .join(", ")})`,
  dist: dist as unknown as Distribution<never>,
  params: params as Numbers,
  domain,
  scale,
  centre,
});

const continuous: readonly Continuous[] = [
  on(gmc.normal, { loc: 0, scale: 1 }, "real"),
  on(gmc.normal, { loc: -3, scale: 0.2 }, "real", 0.2, -3),
  on(gmc.laplace, { loc: 0, scale: 0.7 }, "real"),
  on(gmc.logistic, { loc: 0.5, scale: 2 }, "real", 2, 0.5),
  on(gmc.gumbel, { loc: -1, scale: 1.5 }, "real", 1.5, -1),
  on(gmc.cauchy, { loc: 1, scale: 0.5 }, "real", 0.5, 1),
  on(gmc.studentT, { df: 5, loc: 1, scale: 2 }, "real", 2, 1),
  on(gmc.studentT, { df: 30, loc: 0, scale: 1 }, "real"),
  on(gmc.gamma, { concentration: 2.5, rate: 1.5 }, "positive"),
  on(gmc.gamma, { concentration: 0.4, rate: 3 }, "positive"),
  on(gmc.exponential, { rate: 2 }, "positive"),
  on(gmc.logNormal, { loc: 0.3, scale: 0.6 }, "positive"),
  on(gmc.halfNormal, { scale: 1.7 }, "positive"),
  on(gmc.beta, { alpha: 2, beta: 3.5 }, "unit"),
  on(gmc.beta, { alpha: 0.7, beta: 0.6 }, "unit"),
  on(gmc.uniform, { low: 0, high: 1 }, "unit"),
];

describe("continuous densities against quadrature", () => {
  for (const { name, dist, params, domain, scale, centre } of continuous) {
    test(name, () => {
      const quadrature = rule(domain, scale, centre);
      const p = params as never;
      const logs = values((x) => dist.logProb(x, p), quadrature.nodes);
      const density = (i: number): number => Math.exp(logs[i]!);
      expect(integrate(quadrature, (_, i) => density(i))).toBeCloseTo(1, 7);
      const finiteMean = dist.name !== "Cauchy";
      const mean = integrate(quadrature, (x, i) => x * density(i));
      expect(dist.mean !== undefined).toBe(finiteMean);
      if (dist.mean) expect(value(() => dist.mean!(p))).toBeCloseTo(mean, 6);
      const variance = integrate(quadrature, (x, i) => (x - mean) ** 2 * density(i));
      if (dist.variance) expect(value(() => dist.variance!(p))).toBeCloseTo(variance, 5);
      if (dist.entropy) {
        const entropy = integrate(quadrature, (_, i) => (density(i) === 0 ? 0 : -density(i) * logs[i]!));
        expect(value(() => dist.entropy!(p))).toBeCloseTo(entropy, 6);
      }
      if (dist.mode && !(name.startsWith("Gamma(concentration = 0") || name.startsWith("Beta(alpha = 0"))) {
        const mode = value(() => dist.mode!(p));
        const [at, around] = [values((x) => dist.logProb(x, p), [mode])[0]!, Math.max(...logs)];
        expect(at).toBeGreaterThanOrEqual(around - 1e-9);
      }
      if (dist.cdf) {
        let below = 0;
        const cumulative = quadrature.weights.map((w, i) => (below += density(i) === 0 ? 0 : w * density(i)));
        const probes = [0.03, 0.2, 0.5, 0.8, 0.97].map((q) => quadrature.nodes[cumulative.findIndex((c) => c >= q)]!);
        const own = values((x) => dist.cdf!(x, p), probes);
        probes.forEach((at, i) => {
          // The density's integral below `at`: a half-line up to the centre or `at`, and what is left between them (0 and `at` elsewhere).
          const from = domain === "real" ? Math.min(at, centre!) : 0;
          const tail = domain === "real" ? rule("positive", scale) : { nodes: [], weights: [] };
          const between = rule("unit");
          const below = values(
            (x) => dist.logProb(x, p),
            [...tail.nodes.map((t) => from - t), ...between.nodes.map((t) => from + (at - from) * t)],
          ).map(Math.exp);
          const total = integrate(tail, (_, j) => below[j]!) + (at - from) * integrate(between, (_, j) => below[tail.nodes.length + j]!);
          expect(own[i]!, `cdf at ${at}`).toBeCloseTo(total, 6);
        });
      }
    });
  }
});

interface Discrete {
  readonly name: string;
  readonly dist: Distribution<never>;
  readonly params: Numbers;
  readonly support: readonly number[];
}
const over = <P>(dist: Distribution<P>, params: P, last: number): Discrete => ({
  name: `${dist.name}(${JSON.stringify(params)})`,
  dist: dist as unknown as Distribution<never>,
  params: params as Numbers,
  support: Array.from({ length: last + 1 }, (_, i) => i),
});

const discrete: readonly Discrete[] = [
  over(gmc.bernoulli, { logits: 1.3 }, 1),
  over(gmc.bernoulli, { probs: 0.2 }, 1),
  over(gmc.bernoulli, { probs: 1 }, 1),
  over(gmc.bernoulli, { probs: 0 }, 1),
  over(gmc.poisson, { rate: 3.7 }, 60),
  over(gmc.poisson, { rate: 45 }, 200),
  over(gmc.binomial, { total: 12, probs: 0.3 }, 12),
  over(gmc.binomial, { total: 40, logits: -0.4 }, 40),
  over(gmc.binomial, { total: 5, probs: 1 }, 5),
  over(gmc.negativeBinomial, { total: 2.5, probs: 0.4 }, 150),
  over(gmc.negativeBinomial, { total: 7, logits: 0.5 }, 250),
  over(gmc.discretizedLogistic, { loc: 128, scale: 20 }, 255),
  over(gmc.discretizedLogistic, { loc: 3, scale: 5 }, 255),
  over(gmc.discretizedLogistic, { loc: 250.4, scale: 0.05 }, 255),
];

describe("discrete masses against summation", () => {
  for (const { name, dist, params, support } of discrete) {
    test(name, () => {
      const p = params as never;
      const logs = values((x) => dist.logProb(x, p), support);
      const mass = logs.map(Math.exp);
      const total = mass.reduce((a, b) => a + b, 0);
      expect(total).toBeCloseTo(1, 9);
      const mean = support.reduce((sum, x, i) => sum + x * mass[i]!, 0);
      const variance = support.reduce((sum, x, i) => sum + (x - mean) ** 2 * mass[i]!, 0);
      expect(value(() => dist.mean!(p))).toBeCloseTo(mean, 7);
      expect(value(() => dist.variance!(p))).toBeCloseTo(variance, 6);
      if (dist.entropy)
        expect(value(() => dist.entropy!(p))).toBeCloseTo(-mass.reduce((sum, m) => sum + (m > 0 ? m * Math.log(m) : 0), 0), 8);
      if (dist.mode) expect(logs[value(() => dist.mode!(p))]!).toBeGreaterThanOrEqual(Math.max(...logs) - 1e-12);
      if (dist.cdf) {
        const own = values((x) => dist.cdf!(x, p), support);
        let below = 0;
        support.forEach((_, i) => expect(own[i]!).toBeCloseTo((below += mass[i]!), 9));
      }
    });
  }

  test("categorical from logits and from probs", () => {
    const logits = [0.3, -1, 2, 0];
    const weights = logits.map(Math.exp);
    const total = weights.reduce((a, b) => a + b, 0);
    const probs = weights.map((w) => w / total);
    const support = [0, 1, 2, 3];
    for (const params of [
      () => ({ logits: gmc.constant(logits) }),
      () => ({ probs: gmc.constant(probs) }),
      () => ({ probs: gmc.constant(weights) }),
    ]) {
      const out = compute(
        ({ x }) => {
          const dist = params() as { logits: Tensor };
          return {
            each: gmc.categorical.logProb(x!, dist),
            oneHot: gmc.oneHotCategorical.logProb(gmc.oneHot(x!, 4), dist),
            mean: gmc.categorical.mean(dist),
            variance: gmc.categorical.variance(dist),
            entropy: gmc.categorical.entropy(dist),
            mode: gmc.categorical.mode(dist),
          };
        },
        { x: support },
      );
      support.forEach((k) => {
        expect(out["each"]!.data[k]!).toBeCloseTo(Math.log(probs[k]!), 12);
        expect(out["oneHot"]!.data[k]!).toBeCloseTo(Math.log(probs[k]!), 12);
      });
      const mean = probs.reduce((sum, p, k) => sum + p * k, 0);
      expect(out["mean"]!.data[0]!).toBeCloseTo(mean, 12);
      expect(out["variance"]!.data[0]!).toBeCloseTo(
        probs.reduce((sum, p, k) => sum + p * (k - mean) ** 2, 0),
        12,
      );
      expect(out["entropy"]!.data[0]!).toBeCloseTo(-probs.reduce((sum, p) => sum + p * Math.log(p), 0), 12);
      expect(out["mode"]!.data[0]).toBe(2);
      expect(out["mode"]!.dtype).toBe("i32");
    }
  });

  test("a category of probability 0 is -Infinity, and silent elsewhere", () => {
    const out = compute(({ x }) => gmc.categorical.logProb(x!, { probs: gmc.constant([0.5, 0, 0.5]) }), { x: [0, 1, 2] });
    expect([...out.data].map((v) => (v === -Infinity ? v : Math.round(v * 1e9) / 1e9))).toEqual([-0.693147181, -Infinity, -0.693147181]);
    const entropy = compute(() => gmc.categorical.entropy({ probs: gmc.constant([0.5, 0, 0.5]) }), {});
    expect(entropy.data[0]!).toBeCloseTo(Math.LN2, 12);
  });

  test("multinomial sums to one over all compositions, and refuses other totals", () => {
    const probs = [0.2, 0.5, 0.3];
    const all: number[][] = [];
    for (let a = 0; a <= 4; a++) for (let b = 0; a + b <= 4; b++) all.push([a, b, 4 - a - b]);
    const x = { shape: [all.length, 3], data: all.flat() };
    const logs = compute(({ x: counts }) => gmc.multinomial.logProb(counts!, { total: 4, probs: gmc.constant(probs) }), { x });
    expect([...logs.data].reduce((sum, v) => sum + Math.exp(v), 0)).toBeCloseTo(1, 10);
    // (2, 1, 1): 4! / 2! * 0.2^2 * 0.5 * 0.3
    const at = all.findIndex(([a, b]) => a === 2 && b === 1);
    expect(logs.data[at]!).toBeCloseTo(Math.log(12 * 0.04 * 0.15), 10);
    const wrong = compute(() => gmc.multinomial.logProb(gmc.constant([1, 1, 1]), { total: 4, probs: gmc.constant(probs) }), {});
    expect(wrong.data[0]).toBe(-Infinity);
  });
});

describe("stability", () => {
  test("bernoulli logits far out", () => {
    const out = values((x) => gmc.bernoulli.logProb(x, { logits: 800 }), [1, 0]);
    expect(out).toEqual([0, -800]);
  });
  test("discretised logistic far in its tail and with a tiny scale keeps its digits", () => {
    // Closed form far from the centre: log(sigma(a) - sigma(b)) -> b + log(e^(1/s) - 1) as both go to -Infinity.
    const [far] = values((x) => gmc.discretizedLogistic.logProb(x, { loc: 200, scale: 0.5 }), [10]);
    expect(far!).toBeCloseTo((9.5 - 200) / 0.5 + Math.log(Math.expm1(2)), 9);
    const [inside] = values((x) => gmc.discretizedLogistic.logProb(x, { loc: 100, scale: 1e-3 }), [100]);
    expect(inside!).toBeCloseTo(0, 12);
  });
  test("outside the support", () => {
    expect(values((x) => gmc.exponential.logProb(x, { rate: 1 }), [-1])).toEqual([-Infinity]);
    expect(values((x) => gmc.halfNormal.logProb(x, { scale: 1 }), [-1])).toEqual([-Infinity]);
    expect(values((x) => gmc.uniform.logProb(x, { low: 2, high: 4 }), [1, 2, 3, 4, 5])).toEqual([
      -Infinity,
      -Math.LN2,
      -Math.LN2,
      -Math.LN2,
      -Infinity,
    ]);
    expect(values((x) => gmc.delta.logProb(x, { loc: 2 }), [1, 2])).toEqual([-Infinity, 0]);
  });
});
