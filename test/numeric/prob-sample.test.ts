/**
 * Samplers: Kolmogorov–Smirnov and chi-square tests against the densities (which prob-density.test.ts holds against quadrature), moments of
 * vector draws, rows that do not care how a batch was cut, and gradients that are whole or zero.
 */
import { describe, expect, test } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { Distribution, DrawShape, Rows, Tensor, TensorLike } from "../../src/runtime/index.js";
import { rule, type Domain } from "../support/quadrature.js";

type Loose = Distribution<Record<string, TensorLike>>;
const loose = <P>(dist: Distribution<P>): Loose => dist as unknown as Loose;

const rng = [12345, 678, 9, 0];
const rows = (size: number): Rows => ({ kind: "rows", size });

function draw(
  dist: Loose,
  params: Record<string, TensorLike | readonly number[]>,
  shape: DrawShape,
  state: readonly number[] = rng,
): Float64Array {
  const lifted = (): Record<string, TensorLike> =>
    Object.fromEntries(
      Object.entries(params).map(([k, v]) => [
        k,
        typeof v === "object" && Array.isArray(v) ? gmc.constant(v as number[]) : (v as TensorLike),
      ]),
    );
  return Float64Array.from(compute(() => dist.sample(gmc.rootKey().at("x"), lifted(), shape), {}, { rng: state }).data);
}

/** The CDF as a table: the density's running integral over quadrature nodes, interpolated. */
function cdfOf(dist: Loose, params: Record<string, number>, domain: Domain, scale: number, centre: number): (x: number) => number {
  const { nodes, weights } = rule(domain, scale, centre, 4000);
  const density = [...compute(({ x }) => dist.logProb(x!, params), { x: nodes }).data].map(Math.exp);
  let below = 0;
  const table = nodes.map((_, i) => {
    const mass = density[i] === 0 ? 0 : weights[i]! * density[i]!;
    below += mass;
    return below - mass / 2;
  });
  return (x) => {
    let [low, high] = [0, nodes.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (nodes[middle]! <= x) low = middle;
      else high = middle;
    }
    if (x <= nodes[0]!) return 0;
    if (x >= nodes.at(-1)!) return 1;
    return table[low]! + ((x - nodes[low]!) / (nodes[high]! - nodes[low]!)) * (table[high]! - table[low]!);
  };
}

const N = 20000;
/** Of the Kolmogorov distribution: exceeded with probability 1e-4 by a right sampler. Seeds are fixed, so a pass stays a pass. */
const LIMIT = 2.23;

describe("Kolmogorov–Smirnov", () => {
  const cases: readonly [Loose, Record<string, number>, Domain, number, number][] = [
    [loose(gmc.normal), { loc: 1, scale: 2 }, "real", 2, 1],
    [loose(gmc.laplace), { loc: -1, scale: 0.5 }, "real", 0.5, -1],
    [loose(gmc.logistic), { loc: 0, scale: 1 }, "real", 1, 0],
    [loose(gmc.gumbel), { loc: 2, scale: 0.7 }, "real", 0.7, 2],
    [loose(gmc.cauchy), { loc: 0.5, scale: 2 }, "real", 2, 0.5],
    [loose(gmc.studentT), { df: 3, loc: 1, scale: 0.5 }, "real", 0.5, 1],
    [loose(gmc.studentT), { df: 0.8, loc: 0, scale: 1 }, "real", 1, 0],
    [loose(gmc.gamma), { concentration: 3.2, rate: 2 }, "positive", 1, 0],
    [loose(gmc.gamma), { concentration: 1, rate: 1 }, "positive", 1, 0],
    [loose(gmc.gamma), { concentration: 0.3, rate: 0.5 }, "positive", 1, 0],
    [loose(gmc.gamma), { concentration: 80, rate: 10 }, "positive", 1, 0],
    [loose(gmc.exponential), { rate: 3 }, "positive", 1, 0],
    [loose(gmc.logNormal), { loc: 0.2, scale: 0.8 }, "positive", 1, 0],
    [loose(gmc.halfNormal), { scale: 1.5 }, "positive", 1, 0],
    [loose(gmc.beta), { alpha: 2, beta: 5 }, "unit", 1, 0],
    [loose(gmc.beta), { alpha: 0.5, beta: 0.5 }, "unit", 1, 0],
    [loose(gmc.uniform), { low: 0, high: 1 }, "unit", 1, 0],
  ];
  for (const [dist, params, domain, scale, centre] of cases) {
    test(`${dist.name} ${JSON.stringify(params)}`, () => {
      const sorted = draw(dist, params, [N]).sort();
      const cdf = cdfOf(dist, params, domain, scale, centre);
      let distance = 0;
      sorted.forEach((x, i) => {
        const p = cdf(x);
        distance = Math.max(distance, p - i / N, (i + 1) / N - p);
      });
      expect(distance * Math.sqrt(N)).toBeLessThan(LIMIT);
    });
  }

  test("the test itself sees a wrong scale of 10 %", () => {
    const sorted = draw(loose(gmc.normal), { loc: 0, scale: 1.1 }, [N]).sort();
    const cdf = cdfOf(loose(gmc.normal), { loc: 0, scale: 1 }, "real", 1, 0);
    const distance = sorted.reduce((d, x, i) => Math.max(d, cdf(x) - i / N, (i + 1) / N - cdf(x)), 0);
    expect(distance * Math.sqrt(N)).toBeGreaterThan(LIMIT);
  });
});

/** Chi-square against the masses; cells of fewer than 8 expected are pooled. As a z-score by Wilson & Hilferty's cube root. */
function chiSquare(sample: Float64Array, mass: readonly number[]): number {
  const counts = new Float64Array(mass.length + 1);
  for (const x of sample) {
    expect(Number.isInteger(x) && x >= 0).toBe(true);
    counts[Math.min(x, mass.length)]! += 1;
  }
  const expected = [...mass.map((m) => m * sample.length), (1 - mass.reduce((a, b) => a + b, 0)) * sample.length];
  let [statistic, cells, pooledExpected, pooledCount] = [0, 0, 0, 0];
  expected.forEach((e, i) => {
    pooledExpected += e;
    pooledCount += counts[i]!;
    if (pooledExpected < 8 && i < expected.length - 1) return;
    if (pooledExpected < 1e-6) expect(pooledCount).toBe(0);
    else {
      statistic += (pooledCount - pooledExpected) ** 2 / pooledExpected;
      cells += 1;
    }
    [pooledExpected, pooledCount] = [0, 0];
  });
  const freedom = Math.max(1, cells - 1);
  return (Math.cbrt(statistic / freedom) - (1 - 2 / (9 * freedom))) / Math.sqrt(2 / (9 * freedom));
}

describe("chi-square", () => {
  const N = 5000;
  const cases: readonly [Loose, Record<string, number>, number][] = [
    [loose(gmc.bernoulli), { logits: 0.7 }, 1],
    [loose(gmc.bernoulli), { probs: 0.05 }, 1],
    [loose(gmc.poisson), { rate: 0.3 }, 20],
    [loose(gmc.poisson), { rate: 9.9 }, 60],
    [loose(gmc.poisson), { rate: 10.1 }, 60],
    [loose(gmc.poisson), { rate: 120 }, 300],
    [loose(gmc.binomial), { total: 7, probs: 0.4 }, 7],
    [loose(gmc.binomial), { total: 7, probs: 0.9 }, 7],
    [loose(gmc.binomial), { total: 50, probs: 0.21 }, 50],
    [loose(gmc.binomial), { total: 300, probs: 0.7 }, 300],
    [loose(gmc.binomial), { total: 4000, probs: 0.001 }, 40],
    [loose(gmc.binomial), { total: 12, probs: 1 }, 12],
    [loose(gmc.negativeBinomial), { total: 2.5, probs: 0.6 }, 120],
    [loose(gmc.discretizedLogistic), { loc: 100, scale: 3 }, 255],
    [loose(gmc.discretizedLogistic), { loc: 2, scale: 6 }, 255],
  ];
  for (const [dist, params, last] of cases) {
    test(`${dist.name} ${JSON.stringify(params)}`, () => {
      const support = Array.from({ length: last + 1 }, (_, i) => i);
      const mass = [...compute(({ x }) => dist.logProb(x!, params), { x: support }).data].map(Math.exp);
      expect(Math.abs(chiSquare(draw(dist, params, [N]), mass))).toBeLessThan(4);
    });
  }

  test("a Poisson too small by 5 % is seen", () => {
    const mass = [...compute(({ x }) => gmc.poisson.logProb(x!, { rate: 120 }), { x: Array.from({ length: 301 }, (_, i) => i) }).data].map(
      Math.exp,
    );
    expect(chiSquare(draw(loose(gmc.poisson), { rate: 114 }, [N]), mass)).toBeGreaterThan(4);
  });

  test("large counts: mean and variance", () => {
    for (const [dist, params, mean, variance] of [
      [loose(gmc.poisson), { rate: 1e5 }, 1e5, 1e5],
      [loose(gmc.binomial), { total: 1e6, probs: 0.3 }, 3e5, 2.1e5],
    ] as const) {
      const sample = draw(dist, params, [N]);
      const m = sample.reduce((a, b) => a + b, 0) / N;
      const v = sample.reduce((a, b) => a + (b - m) ** 2, 0) / N;
      expect(Math.abs(m - mean)).toBeLessThan(4 * Math.sqrt(variance / N));
      expect(Math.abs(v / variance - 1)).toBeLessThan(0.05);
    }
  });

  test("categorical and one-hot", () => {
    const probs = [0.1, 0.6, 0, 0.3];
    expect(Math.abs(chiSquare(draw(loose(gmc.categorical), { probs }, [N]), probs))).toBeLessThan(4);
    const hot = draw(loose(gmc.oneHotCategorical), { probs }, [N, 4]);
    const index = Float64Array.from({ length: N }, (_, i) => hot.slice(4 * i, 4 * i + 4).indexOf(1));
    expect(Math.abs(chiSquare(index, probs))).toBeLessThan(4);
    for (let i = 0; i < 100; i++) expect(hot.slice(4 * i, 4 * i + 4).reduce((a, b) => a + b, 0)).toBe(1);
  });

  test("multinomial: totals hold, every margin is binomial", () => {
    const probs = [0.5, 0.05, 0.2, 0, 0.25];
    const out = draw(loose(gmc.multinomial), { total: 9, probs }, [rows(N), 5]);
    for (let i = 0; i < N; i++) expect(out.slice(5 * i, 5 * i + 5).reduce((a, b) => a + b, 0)).toBe(9);
    probs.forEach((p, v) => {
      const margin = Float64Array.from({ length: N }, (_, i) => out[5 * i + v]!);
      const support = Array.from({ length: 10 }, (_, i) => i);
      const mass = [...compute(({ x }) => gmc.binomial.logProb(x!, { total: 9, probs: p }), { x: support }).data].map(Math.exp);
      expect(Math.abs(chiSquare(margin, mass)), `category ${v}`).toBeLessThan(4);
    });
  });

  test("multinomial with a total for each row", () => {
    const totals = [0, 3, 500];
    const out = compute(
      ({ n }) => gmc.multinomial.sample(gmc.rootKey().at("v"), { total: n!, logits: gmc.zeros([6]) }, [rows(3), 6]),
      { n: totals },
      { rng },
    );
    expect(totals.map((_, i) => [...out.data.slice(6 * i, 6 * i + 6)].reduce((a, b) => a + b, 0))).toEqual(totals);
  });
});

/** Mean and covariance of draws [n, D]. */
function moments(data: Float64Array, size: number): { mean: number[]; covariance: number[][] } {
  const n = data.length / size;
  const mean = Array.from(
    { length: size },
    (_, j) => Array.from({ length: n }, (_, i) => data[i * size + j]!).reduce((a, b) => a + b, 0) / n,
  );
  const covariance = mean.map((mj, j) =>
    mean.map((mk, k) => {
      let total = 0;
      for (let i = 0; i < n; i++) total += (data[i * size + j]! - mj) * (data[i * size + k]! - mk);
      return total / n;
    }),
  );
  return { mean, covariance };
}

describe("draws of vectors", () => {
  test("multivariate normal", () => {
    const tril = [2, 0, 0, -1, 1.5, 0, 0.5, 0.3, 0.8];
    const out = compute(
      () =>
        gmc.multivariateNormal.sample(gmc.rootKey().at("x"), { loc: gmc.constant([1, -2, 0]), scaleTril: gmc.constant(tril, [3, 3]) }, [
          rows(N),
          3,
        ]),
      {},
      { rng },
    );
    const { mean, covariance } = moments(Float64Array.from(out.data), 3);
    [1, -2, 0].forEach((m, i) => expect(Math.abs(mean[i]! - m)).toBeLessThan(0.06));
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        const exact = [0, 1, 2].reduce((sum, k) => sum + tril[3 * i + k]! * tril[3 * j + k]!, 0);
        expect(Math.abs(covariance[i]![j]! - exact)).toBeLessThan(0.13);
      }
    }
  });

  test("low-rank normal", () => {
    const factor = [1, 2, -1, 0.5, 0, 0.7, 0.2, -1.1];
    const out = compute(
      () =>
        gmc.lowRankNormal.sample(
          gmc.rootKey().at("x"),
          { loc: gmc.constant([0, 1, 2, 3]), factor: gmc.constant(factor, [2, 4]), scale: gmc.constant([0.5, 1, 1.5, 0.2]) },
          [rows(N), 4],
        ),
      {},
      { rng },
    );
    const { mean, covariance } = moments(Float64Array.from(out.data), 4);
    [0.5, 1, 1.5, 0.2].forEach((s, i) => {
      expect(Math.abs(mean[i]! - i)).toBeLessThan(0.07);
      for (let j = 0; j < 4; j++) {
        const exact = factor[i]! * factor[j]! + factor[4 + i]! * factor[4 + j]! + (i === j ? s * s : 0);
        expect(Math.abs(covariance[i]![j]! - exact)).toBeLessThan(0.16);
      }
    });
  });

  test("dirichlet: on the simplex, with its mean and variance, also far below one", () => {
    for (const concentration of [
      [2, 0.7, 4],
      [0.02, 0.05, 0.01],
    ]) {
      const out = draw(loose(gmc.dirichlet), { concentration }, [rows(N), 3]);
      const total = concentration.reduce((a, b) => a + b, 0);
      const { mean, covariance } = moments(out, 3);
      expect(out.every((v) => v > 0)).toBe(true);
      for (let i = 0; i < 50; i++) expect(out.slice(3 * i, 3 * i + 3).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10);
      concentration.forEach((c, i) => {
        const m = c / total;
        const v = (m * (1 - m)) / (total + 1);
        expect(Math.abs(mean[i]! - m)).toBeLessThan(5 * Math.sqrt(v / N));
        expect(Math.abs(covariance[i]![i]! / v - 1)).toBeLessThan(0.1);
      });
    }
  });
});

describe("rows", () => {
  const samplers: readonly [string, (key: gmc.Key, B: Rows) => Tensor][] = [
    ["normal [k, B, 3]", (key, B) => gmc.normal.sample(key, { loc: 0, scale: 1 }, [4, B, 3])],
    ["gamma [B, 2]", (key, B) => gmc.gamma.sample(key, { concentration: 0.6, rate: 1 }, [B, 2])],
    ["poisson [B]", (key, B) => gmc.poisson.sample(key, { rate: 12 }, [B])],
    ["binomial [B, 2]", (key, B) => gmc.binomial.sample(key, { total: 40, probs: 0.4 }, [B, 2])],
    ["multinomial [B, 3]", (key, B) => gmc.multinomial.sample(key, { total: 5, logits: gmc.zeros([3]) }, [B, 3])],
    ["categorical [2, B]", (key, B) => gmc.categorical.sample(key, { logits: gmc.zeros([5]) }, [2, B])],
    [
      "mixture [B, 2]",
      (key, B) => gmc.logisticMixture.sample(key, { logits: gmc.zeros([3]), loc: gmc.constant([-5, 0, 5]), scale: 1 }, [B, 2]),
    ],
    ["low-rank normal [B, 4]", (key, B) => gmc.lowRankNormal.sample(key, { loc: 0, factor: gmc.ones([2, 4]), scale: 1 }, [B, 4])],
  ];
  for (const [name, sampler] of samplers) {
    test(`${name}: a batch of 7 is its parts of 3 and 4`, () => {
      const run = (size: number, offset: number) =>
        compute(() => sampler(gmc.rootKey().at("x"), rows(size)), {}, { rng: [5, 6, 7, offset] });
      const whole = run(7, 0);
      const parts = [run(3, 0), run(4, 3)];
      const axis = whole.shape.indexOf(7);
      const inner = whole.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
      const outer = whole.data.length / inner / 7;
      const joined: number[] = [];
      for (let a = 0; a < outer; a++) {
        for (const part of parts) {
          const size = part.shape[axis]! * inner;
          joined.push(...part.data.slice(a * size, (a + 1) * size));
        }
      }
      expect(joined).toEqual([...whole.data]);
      expect(new Set(joined).size).toBeGreaterThan(1);
    });
  }
});

describe("gradients of samples", () => {
  /** d mean(f(sample)) / d params by vjp, and by central differences with the same random numbers. */
  function compare(dist: Loose, params: Record<string, number>): { own: number[]; numeric: number[] } {
    const names = Object.keys(params);
    const objective = (p: Record<string, Tensor>): Tensor =>
      gmc.mean(gmc.square(gmc.sin(dist.sample(gmc.rootKey().at("x"), p, [rows(64)]))));
    const value = (p: Record<string, number>): number => compute((inputs) => objective(inputs), p, { rng }).data[0]!;
    const gradients = compute(
      (inputs) => {
        const made = gmc.grad(
          objective(inputs),
          names.map((n) => inputs[n]!),
        );
        return Object.fromEntries(names.map((n, i) => [n, made[i]!]));
      },
      params,
      { rng },
    );
    const h = 1e-6;
    return {
      own: names.map((n) => gradients[n]!.data[0]!),
      numeric: names.map((n) => (value({ ...params, [n]: params[n]! + h }) - value({ ...params, [n]: params[n]! - h })) / (2 * h)),
    };
  }

  const pathwise: readonly [Loose, Record<string, number>][] = [
    [loose(gmc.normal), { loc: 0.3, scale: 0.8 }],
    [loose(gmc.laplace), { loc: 0.3, scale: 0.8 }],
    [loose(gmc.logistic), { loc: 0.3, scale: 0.8 }],
    [loose(gmc.gumbel), { loc: 0.3, scale: 0.8 }],
    [loose(gmc.cauchy), { loc: 0.3, scale: 0.1 }],
    [loose(gmc.uniform), { low: -0.5, high: 1.2 }],
    [loose(gmc.exponential), { rate: 1.4 }],
    [loose(gmc.halfNormal), { scale: 1.1 }],
    [loose(gmc.logNormal), { loc: -0.2, scale: 0.4 }],
    [loose(gmc.delta), { loc: 0.4 }],
  ];
  for (const [dist, params] of pathwise) {
    test(`${dist.name} is reparameterised`, () => {
      expect(dist.reparameterised).toBe(true);
      const { own, numeric } = compare(dist, params);
      own.forEach((g, i) => expect(Math.abs(g - numeric[i]!)).toBeLessThan(1e-6 * Math.max(1, Math.abs(numeric[i]!))));
      expect(own.some((g) => Math.abs(g) > 1e-3)).toBe(true);
    });
  }

  test("multivariate and low-rank normals are reparameterised", () => {
    const tril = [1, 0, 0.4, 0.8];
    const full = (p: Record<string, Tensor>): Tensor =>
      gmc.mean(gmc.sin(gmc.multivariateNormal.sample(gmc.rootKey().at("x"), { loc: 0.1, scaleTril: p["a"]! }, [rows(40), 2])));
    const low = (p: Record<string, Tensor>): Tensor =>
      gmc.mean(gmc.sin(gmc.lowRankNormal.sample(gmc.rootKey().at("x"), { loc: 0.1, factor: p["a"]!, scale: 0.3 }, [rows(40), 2])));
    for (const [objective, entries] of [
      [full, [0, 2, 3]],
      [low, [0, 1, 2, 3]],
    ] as const) {
      const feed = (data: number[]) => ({ a: { shape: [2, 2], data } });
      const own = compute((p) => gmc.grad(objective(p), [p["a"]!])[0]!, feed(tril), { rng }).data;
      for (const i of entries) {
        const shift = (h: number): number => compute(objective, feed(tril.map((v, j) => (i === j ? v + h : v))), { rng }).data[0]!;
        expect(own[i]!).toBeCloseTo((shift(1e-6) - shift(-1e-6)) / 2e-6, 7);
      }
    }
  });

  const cut: readonly [Loose, Record<string, number>][] = [
    [loose(gmc.bernoulli), { logits: 0.4 }],
    [loose(gmc.poisson), { rate: 3 }],
    [loose(gmc.binomial), { total: 30, probs: 0.4 }],
    [loose(gmc.negativeBinomial), { total: 3, probs: 0.4 }],
    [loose(gmc.discretizedLogistic), { loc: 100, scale: 4 }],
  ];
  for (const [dist, params] of cut) {
    test(`${dist.name} is cut: its gradient is zero, not half of one`, () => {
      expect(dist.reparameterised).toBe(false);
      expect(compare(dist, params).own).toEqual(Object.keys(params).map(() => 0));
    });
  }
  test("vector and mixture draws without a pathwise gradient are cut", () => {
    const zero = (fn: (p: Tensor) => Tensor): void =>
      expect([...compute(({ p }) => gmc.grad(gmc.sum(gmc.square(fn(p!))), [p!])[0]!, { p: [0.5, 1.5, 1] }, { rng }).data]).toEqual([
        0, 0, 0,
      ]);
    const key = (): gmc.Key => gmc.rootKey().at("x");
    zero((p) => gmc.oneHotCategorical.sample(key(), { logits: p }, [rows(5), 3]));
    zero((p) => gmc.multinomial.sample(key(), { total: 4, probs: p }, [rows(5), 3]));
    zero((p) => gmc.discretizedLogisticMixture.sample(key(), { logits: p, loc: p, scale: p }, [rows(5)]));
  });
});
