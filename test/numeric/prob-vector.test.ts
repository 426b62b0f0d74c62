/** Densities over vectors and mixtures against explicit matrix algebra and against their definitions. */
import { describe, expect, test } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import { integrate, rule } from "../support/quadrature.js";

type Matrix = readonly (readonly number[])[];

/** Inverse and log-determinant by Gauss–Jordan elimination with pivots. */
function invert(a: Matrix): { inverse: number[][]; logDet: number } {
  const n = a.length;
  const m = a.map((row, i) => [...row, ...a.map((_, j) => (i === j ? 1 : 0))]);
  let logDet = 0;
  for (let c = 0; c < n; c++) {
    const pivot = m.slice(c).reduce((best, row, i) => (Math.abs(row[c]!) > Math.abs(m[best]![c]!) ? c + i : best), c);
    [m[c], m[pivot]] = [m[pivot]!, m[c]!];
    const p = m[c]![c]!;
    logDet += Math.log(Math.abs(p));
    m[c] = m[c]!.map((v) => v / p);
    for (let r = 0; r < n; r++) {
      if (r === c) continue;
      const f = m[r]![c]!;
      m[r] = m[r]!.map((v, j) => v - f * m[c]![j]!);
    }
  }
  return { inverse: m.map((row) => row.slice(n)), logDet };
}

function gaussianLogProb(x: readonly number[], loc: readonly number[], covariance: Matrix): number {
  const { inverse, logDet } = invert(covariance);
  const d = x.map((v, i) => v - loc[i]!);
  const quadratic = d.reduce((sum, di, i) => sum + d.reduce((s, dj, j) => s + di * inverse[i]![j]! * dj, 0), 0);
  return -0.5 * (quadratic + logDet + x.length * Math.log(2 * Math.PI));
}

const tril = [
  [1.3, 0, 0],
  [-0.4, 0.9, 0],
  [0.2, 0.5, 2],
];
const covariance = tril.map((a) => tril.map((b) => a.reduce((s, v, k) => s + v * b[k]!, 0)));
const xs = [
  [0.1, -1, 2],
  [3, 0.5, -0.7],
];
const loc = [0.5, 0, -1];
const feed = (rows: Matrix) => ({ shape: [rows.length, rows[0]!.length], data: rows.flat() });

describe("multivariate normal", () => {
  const exact = xs.map((x) => gaussianLogProb(x, loc, covariance));
  test("one factor for all rows; the upper triangle is not read", () => {
    const dirty = tril.map((row, i) => row.map((v, j) => (j > i ? 99 : v)));
    for (const factor of [tril, dirty]) {
      const out = compute(({ x, l }) => gmc.multivariateNormal.logProb(x!, { loc: gmc.constant(loc), scaleTril: l! }), {
        x: feed(xs),
        l: feed(factor),
      });
      expect(out.shape).toEqual([2]);
      exact.forEach((v, i) => expect(out.data[i]!).toBeCloseTo(v, 10));
    }
  });
  test("a covariance instead of its factor", () => {
    const out = compute(({ x, c }) => gmc.multivariateNormal.logProb(x!, { loc: gmc.constant(loc), covariance: c! }), {
      x: feed(xs),
      c: feed(covariance),
    });
    exact.forEach((v, i) => expect(out.data[i]!).toBeCloseTo(v, 10));
  });
  test("a factor for each row, and sample axes in front", () => {
    const factors = [tril, tril.map((row) => row.map((v) => 2 * v))];
    const scaled = covariance.map((row) => row.map((v) => 4 * v));
    const out = compute(({ x, l }) => gmc.multivariateNormal.logProb(gmc.stack([x!, gmc.mul(2, x!)], 0), { loc: 0, scaleTril: l! }), {
      x: feed(xs),
      l: { shape: [2, 3, 3], data: factors.flat(2) },
    });
    expect(out.shape).toEqual([2, 2]);
    const zero = [0, 0, 0];
    const double = xs.map((x) => x.map((v) => 2 * v));
    const expected = [
      gaussianLogProb(xs[0]!, zero, covariance),
      gaussianLogProb(xs[1]!, zero, scaled),
      gaussianLogProb(double[0]!, zero, covariance),
      gaussianLogProb(double[1]!, zero, scaled),
    ];
    expected.forEach((v, i) => expect(out.data[i]!).toBeCloseTo(v, 10));
  });
  test("mean, variance, entropy, covariance", () => {
    const out = compute(
      ({ l }) => {
        const params = { loc: gmc.constant(loc), scaleTril: l! };
        return {
          mean: gmc.multivariateNormal.mean(params),
          variance: gmc.multivariateNormal.variance(params),
          entropy: gmc.multivariateNormal.entropy(params),
          covariance: gmc.covarianceOf(params),
        };
      },
      { l: feed(tril) },
    );
    expect([...out["mean"]!.data]).toEqual(loc);
    covariance.forEach((row, i) => expect(out["variance"]!.data[i]!).toBeCloseTo(row[i]!, 12));
    covariance.flat().forEach((v, i) => expect(out["covariance"]!.data[i]!).toBeCloseTo(v, 12));
    // 1/2 log det(2 pi e C)
    expect(out["entropy"]!.data[0]!).toBeCloseTo(0.5 * (invert(covariance).logDet + 3 * (Math.log(2 * Math.PI) + 1)), 10);
  });
});

describe("low-rank normal", () => {
  const factor = [
    [1, -0.5, 2],
    [0.3, 0.8, -1],
  ];
  const noise = [0.5, 1.2, 0.8];
  const full = (scale: readonly number[]): number[][] =>
    [0, 1, 2].map((i) => [0, 1, 2].map((j) => factor.reduce((s, row) => s + row[i]! * row[j]!, 0) + (i === j ? scale[i]! ** 2 : 0)));
  test("equals the full covariance: a scale for each entry, and one for all", () => {
    for (const [scale, spread] of [
      [() => gmc.constant(noise), noise],
      [() => 0.7, [0.7, 0.7, 0.7]],
    ] as const) {
      const out = compute(({ x, w }) => gmc.lowRankNormal.logProb(x!, { loc: gmc.constant(loc), factor: w!, scale: scale() }), {
        x: feed(xs),
        w: feed(factor),
      });
      xs.forEach((x, i) => expect(out.data[i]!).toBeCloseTo(gaussianLogProb(x, loc, full(spread)), 10));
    }
  });
  test("a mixture's factors: [K, 1, Z, D] against [B, D]", () => {
    const factors = [factor, factor.map((row) => row.map((v) => -0.5 * v))];
    const out = compute(({ x, w }) => gmc.lowRankNormal.logProb(x!, { loc: 0, factor: w!, scale: gmc.constant(noise) }), {
      x: feed(xs),
      w: { shape: [2, 1, 2, 3], data: factors.flat(2) },
    });
    expect(out.shape).toEqual([2, 2]);
    const quarter = full(noise).map((row, i) =>
      row.map((v, j) => 0.25 * (v - (i === j ? noise[i]! ** 2 : 0)) + (i === j ? noise[i]! ** 2 : 0)),
    );
    xs.forEach((x, i) => {
      expect(out.data[i]!).toBeCloseTo(gaussianLogProb(x, [0, 0, 0], full(noise)), 10);
      expect(out.data[2 + i]!).toBeCloseTo(gaussianLogProb(x, [0, 0, 0], quarter), 10);
    });
  });
  test("its gradient, against finite differences", () => {
    const objective = (w: gmc.Tensor, x: gmc.Tensor): gmc.Tensor =>
      gmc.sum(gmc.lowRankNormal.logProb(x, { loc: gmc.constant(loc), factor: w, scale: 0.7 }));
    const own = compute(({ x, w }) => gmc.grad(objective(w!, x!), [w!])[0]!, { x: feed(xs), w: feed(factor) }).data;
    factor.flat().forEach((_, i) => {
      const at = (h: number): number => {
        const moved = factor.flat().map((v, j) => (i === j ? v + h : v));
        return compute(({ x, w }) => objective(w!, x!), { x: feed(xs), w: { shape: [2, 3], data: moved } }).data[0]!;
      };
      expect(own[i]!).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 6);
    });
  });
  test("variance and entropy", () => {
    const out = compute(
      ({ w }) => {
        const params = { loc: gmc.constant(loc), factor: w!, scale: gmc.constant(noise) };
        return { variance: gmc.lowRankNormal.variance(params), entropy: gmc.lowRankNormal.entropy(params) };
      },
      { w: feed(factor) },
    );
    full(noise).forEach((row, i) => expect(out["variance"]!.data[i]!).toBeCloseTo(row[i]!, 12));
    expect(out["entropy"]!.data[0]!).toBeCloseTo(0.5 * (invert(full(noise)).logDet + 3 * (Math.log(2 * Math.PI) + 1)), 10);
  });
});

describe("dirichlet", () => {
  test("integrates to one over the triangle, with its entropy", () => {
    const concentration = [1.5, 2.2, 3];
    const grid = rule("unit", 1, 0, 120);
    // (s, t) -> (s t, s (1 - t), 1 - s), Jacobian s
    const points = grid.nodes.flatMap((s) => grid.nodes.map((t) => [s * t, s * (1 - t), 1 - s]));
    const logs = compute(({ x }) => gmc.dirichlet.logProb(x!, { concentration: gmc.constant(concentration) }), { x: feed(points) }).data;
    const weight = (i: number): number => {
      const [row, column] = [Math.floor(i / grid.nodes.length), i % grid.nodes.length];
      return grid.weights[row]! * grid.weights[column]! * grid.nodes[row]!;
    };
    const mass = [...logs].reduce((sum, v, i) => sum + weight(i) * Math.exp(v), 0);
    expect(mass).toBeCloseTo(1, 8);
    const entropy = -[...logs].reduce((sum, v, i) => sum + (Number.isFinite(v) ? weight(i) * Math.exp(v) * v : 0), 0);
    expect(compute(() => gmc.dirichlet.entropy({ concentration: gmc.constant(concentration) }), {}).data[0]!).toBeCloseTo(entropy, 7);
  });
});

describe("mixtures", () => {
  const logits = [0.2, -0.5, 1];
  const weights = logits.map(Math.exp).map((w, _, all) => w / all.reduce((a, b) => a + b, 0));
  const locs = [-2, 0.5, 3];
  const scales = [0.5, 1, 0.7];

  test("logistic mixture, entry by entry, against its definition; integrates to one; mean and variance", () => {
    const quadrature = rule("real", 1, 0.5);
    const params = () => ({ logits: gmc.constant(logits), loc: gmc.constant(locs), scale: gmc.constant(scales) });
    const logs = compute(({ x }) => gmc.logisticMixture.logProb(x!, params()), { x: quadrature.nodes }).data;
    const density = (x: number): number =>
      weights.reduce((sum, w, k) => {
        const e = Math.exp(-Math.abs(x - locs[k]!) / scales[k]!);
        return sum + (w * e) / (scales[k]! * (1 + e) ** 2);
      }, 0);
    quadrature.nodes.forEach((x, i) => Math.abs(x) < 20 && expect(Math.exp(logs[i]!)).toBeCloseTo(density(x), 10));
    const mean = integrate(quadrature, (x, i) => x * Math.exp(logs[i]!));
    expect(compute(() => gmc.logisticMixture.mean(params()), {}).data[0]!).toBeCloseTo(mean, 6);
    const variance = integrate(quadrature, (x, i) => (x - mean) ** 2 * Math.exp(logs[i]!));
    expect(compute(() => gmc.logisticMixture.variance(params()), {}).data[0]!).toBeCloseTo(variance, 5);
  });

  test("discretised mixture sums to one over bytes, with its mean and variance", () => {
    const params = () => ({ logits: gmc.constant(logits), loc: gmc.constant([20, 130, 254]), scale: gmc.constant([5, 0.4, 10]) });
    const bytes = Array.from({ length: 256 }, (_, i) => i);
    const mass = [...compute(({ x }) => gmc.discretizedLogisticMixture.logProb(x!, params()), { x: bytes }).data].map(Math.exp);
    expect(mass.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10);
    const mean = mass.reduce((sum, m, x) => sum + m * x, 0);
    expect(compute(() => gmc.discretizedLogisticMixture.mean(params()), {}).data[0]!).toBeCloseTo(mean, 8);
    const variance = mass.reduce((sum, m, x) => sum + m * (x - mean) ** 2, 0);
    expect(compute(() => gmc.discretizedLogisticMixture.variance(params()), {}).data[0]!).toBeCloseTo(variance, 6);
    const cdf = compute(({ x }) => gmc.discretizedLogisticMixture.cdf(x!, params()), { x: bytes }).data;
    let below = 0;
    mass.forEach((m, i) => expect(cdf[i]!).toBeCloseTo((below += m), 10));
  });

  test("one component for a whole event: mixture of Gaussians [K, 1, D]", () => {
    const mixture = gmc.eventMixture("GaussianMixture", gmc.normal, 1);
    const means = [
      [0, 0, 0],
      [1, 2, -1],
      [-1, 0.5, 3],
    ];
    const out = compute(({ x, mu }) => mixture.logProb(x!, { logits: gmc.constant(logits), loc: mu!, scale: 0.8 }), {
      x: feed(xs),
      mu: { shape: [3, 1, 3], data: means.flat() },
    });
    expect(out.shape).toEqual([2]);
    xs.forEach((x, i) => {
      const terms = means.map(
        (m, k) => weights[k]! * m.reduce((p, v, j) => p * (Math.exp(-(((x[j]! - v) / 0.8) ** 2) / 2) / (0.8 * Math.sqrt(2 * Math.PI))), 1),
      );
      expect(out.data[i]!).toBeCloseTo(Math.log(terms.reduce((a, b) => a + b, 0)), 10);
    });
    // A draw sits near one component in all its entries.
    const sample = compute(
      ({ mu }) =>
        mixture.sample(gmc.rootKey().at("x"), { logits: gmc.constant(logits), loc: gmc.mul(100, mu!), scale: 0.1 }, [
          { kind: "rows", size: 2000 },
          3,
        ]),
      { mu: { shape: [3, 1, 3], data: means.flat() } },
      { rng: [3, 1, 4, 0] },
    );
    const counts = [0, 0, 0];
    for (let i = 0; i < 2000; i++) {
      const k = means.findIndex((m) => m.every((v, j) => Math.abs(sample.data[3 * i + j]! - 100 * v) < 1));
      expect(k).toBeGreaterThanOrEqual(0);
      counts[k]! += 1;
    }
    counts.forEach((c, k) => expect(Math.abs(c / 2000 - weights[k]!)).toBeLessThan(4 * Math.sqrt(weights[k]! / 2000)));
  });
});

describe("weights of mixtures", () => {
  test("as probs, and beside a component whose parameters have the same names", () => {
    const p = [0.1, 0.8];
    const mixed = gmc.mixture("Mixture", gmc.bernoulli);
    const params = () => ({ probs: gmc.constant([0.3, 0.7]), of: { probs: gmc.constant(p) } });
    const out = compute(
      ({ x }) => ({ logs: mixed.logProb(x!, params()), mean: mixed.mean(params()), variance: mixed.variance(params()) }),
      { x: [0, 1] },
    );
    const one = 0.3 * 0.1 + 0.7 * 0.8;
    expect(out["logs"]!.data[0]!).toBeCloseTo(Math.log(1 - one), 12);
    expect(out["logs"]!.data[1]!).toBeCloseTo(Math.log(one), 12);
    expect(out["mean"]!.data[0]!).toBeCloseTo(one, 12);
    expect(out["variance"]!.data[0]!).toBeCloseTo(one * (1 - one), 12);
    const logits = compute(
      ({ x }) =>
        mixed.logProb(x!, {
          logits: gmc.constant([0.3, 0.7].map(Math.log)),
          of: { logits: gmc.constant(p.map((v) => Math.log(v / (1 - v)))) },
        }),
      { x: [0, 1] },
    );
    expect(logits.data[1]!).toBeCloseTo(Math.log(one), 12);
    const draws = compute(() => mixed.sample(gmc.rootKey().at("x"), params(), [{ kind: "rows", size: 4000 }]), {}, { rng: [1, 2, 3, 0] });
    expect(Math.abs([...draws.data].reduce((a, b) => a + b, 0) / 4000 - one)).toBeLessThan(0.03);
  });

  test("for each row: weights [K, B] of a mixture over events", () => {
    const mixture = gmc.eventMixture("GaussianMixture", gmc.normal, 1);
    const x = { shape: [2, 2], data: [0.5, -1, 2, 0.3] };
    const means = { shape: [2, 1, 2], data: [0, 0, 1, -1] };
    const probs = { shape: [2, 2], data: [0.9, 0.2, 0.1, 0.8] };
    const density = (row: number, k: number): number =>
      [0, 1].reduce((p, j) => p * (Math.exp(-((x.data[2 * row + j]! - means.data[2 * k + j]!) ** 2) / 2) / Math.sqrt(2 * Math.PI)), 1);
    const out = compute(({ x: t, m, w }) => mixture.logProb(t!, { probs: w!, loc: m!, scale: 1 }), { x, m: means, w: probs });
    [0, 1].forEach((row) => {
      const total = [0, 1].reduce((s, k) => s + probs.data[2 * k + row]! * density(row, k), 0);
      expect(out.data[row]!).toBeCloseTo(Math.log(total), 10);
    });
    // Rows draw by their own weights.
    const sample = compute(
      ({ w }) =>
        mixture.sample(gmc.rootKey().at("x"), { probs: w!, loc: gmc.constant([-50, 50], [2, 1, 1]), scale: 1 }, [
          500,
          { kind: "rows", size: 2 },
          1,
        ]),
      { w: probs },
      { rng: [1, 2, 3, 0] },
    );
    [0, 1].forEach((row) => {
      const second = [...sample.data].filter((_, i) => i % 2 === row).filter((v) => v > 0).length / 500;
      expect(Math.abs(second - probs.data[2 + row]!)).toBeLessThan(0.08);
    });
  });
});

describe("relaxations", () => {
  const key = (): gmc.Key => gmc.rootKey().at("z");
  const shape = [{ kind: "rows", size: 4000 } as const];
  test("at a low temperature, concrete draws are nearly discrete with the right odds; straight-through draws are discrete", () => {
    const soft = compute(() => gmc.concreteBernoulli(key(), { logits: 0.8 }, 0.01, shape), {}, { rng: [1, 2, 3, 0] }).data;
    const p = 1 / (1 + Math.exp(-0.8));
    expect(Math.abs([...soft].filter((v) => v > 0.5).length / 4000 - p)).toBeLessThan(0.03);
    expect([...soft].filter((v) => v > 0.05 && v < 0.95).length).toBeLessThan(250);
    const hard = compute(() => gmc.straightThroughBernoulli(key(), { logits: 0.8 }, 0.5, shape), {}, { rng: [1, 2, 3, 0] }).data;
    expect(new Set([...hard].map((v) => Math.round(v * 1e9) / 1e9))).toEqual(new Set([0, 1]));
    const oneHot = compute(
      () => gmc.straightThroughCategorical(key(), { logits: gmc.constant(Array.from({ length: 3 }, (_, i) => i)) }, 0.5, [...shape, 3]),
      {},
      { rng: [1, 2, 3, 0] },
    );
    const mean = [0, 1, 2].map((k) => [...oneHot.data].filter((_, i) => i % 3 === k).reduce((a, b) => a + b, 0) / 4000);
    const total = 1 + Math.E + Math.E ** 2;
    [1, Math.E, Math.E ** 2].forEach((w, k) => expect(Math.abs(mean[k]! - w / total)).toBeLessThan(0.03));
  });
  test("the straight-through gradient is that of the relaxation", () => {
    const gradient = (draw: (l: gmc.Tensor) => gmc.Tensor) =>
      compute(({ l }) => gmc.grad(gmc.sum(draw(l!)), [l!])[0]!, { l: 0.3 }, { rng: [1, 2, 3, 0] }).data[0]!;
    const soft = gradient((l) => gmc.concreteBernoulli(key(), { logits: l }, 0.5, shape));
    expect(gradient((l) => gmc.straightThroughBernoulli(key(), { logits: l }, 0.5, shape))).toBeCloseTo(soft, 9);
    expect(Math.abs(soft)).toBeGreaterThan(1);
  });
});

describe("data helpers", () => {
  test("binarize draws each entry with its probability, afresh in each step", () => {
    const x = { shape: [3000, 2], data: Array.from({ length: 6000 }, (_, i) => (i % 2 === 0 ? 0.2 : 1)) };
    const at = (step: number) => compute(({ x: v }) => gmc.binarize(gmc.rootKey().at("x"), v!), { x }, { rng: [7, 0, step, 0] }).data;
    const [first, second] = [at(0), at(1)];
    expect(Math.abs([...first].filter((_, i) => i % 2 === 0).reduce((a, b) => a + b, 0) / 3000 - 0.2)).toBeLessThan(0.03);
    expect([...first].filter((v, i) => i % 2 === 1 && v !== 1)).toEqual([]);
    expect([...first]).not.toEqual([...second]);
  });
  test("dequantize stays in its cell of [0, 1)", () => {
    const x = { shape: [256, 1], data: Array.from({ length: 256 }, (_, i) => i) };
    const out = compute(({ x: v }) => gmc.dequantize(gmc.rootKey().at("x"), v!), { x }, { rng: [7, 0, 0, 0] }).data;
    out.forEach((v, i) => expect(Math.floor(v * 256)).toBe(i));
  });
});
