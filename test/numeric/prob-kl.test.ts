/** Closed-form divergences against quadrature, summation and (for vectors) the definition by moments. */
import { describe, expect, test } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { Distribution, Tensor, TensorLike } from "../../src/runtime/index.js";
import { integrate, rule, type Domain } from "../support/quadrature.js";

type Loose = Distribution<Record<string, TensorLike>>;
const loose = <P>(dist: Distribution<P>): Loose => dist as unknown as Loose;
type Pair = (q: Record<string, TensorLike>, p: Record<string, TensorLike>) => Tensor;
const pair = (fn: unknown): Pair => fn as Pair;
const value = (fn: () => Tensor): number => compute(fn, {}).data[0]!;
const logs = (dist: Loose, params: Record<string, TensorLike>, xs: readonly number[]): readonly number[] => [
  ...compute(({ x }) => dist.logProb(x!, params), { x: xs }).data,
];

const { closedFormKL: table } = gmc;

describe("by quadrature", () => {
  const cases: readonly [Pair, Loose, Record<string, number>, Loose, Record<string, number>, Domain][] = [
    [pair(table.Normal.Normal), loose(gmc.normal), { loc: 0.4, scale: 0.7 }, loose(gmc.normal), { loc: -1, scale: 1.8 }, "real"],
    [pair(table.Laplace.Laplace), loose(gmc.laplace), { loc: 0, scale: 0.7 }, loose(gmc.laplace), { loc: 0, scale: 1.8 }, "real"],
    [
      pair(table.LogNormal.LogNormal),
      loose(gmc.logNormal),
      { loc: 0.4, scale: 0.5 },
      loose(gmc.logNormal),
      { loc: 0, scale: 0.9 },
      "positive",
    ],
    [pair(table.HalfNormal.HalfNormal), loose(gmc.halfNormal), { scale: 0.5 }, loose(gmc.halfNormal), { scale: 1.4 }, "positive"],
    [pair(table.Exponential.Exponential), loose(gmc.exponential), { rate: 2.5 }, loose(gmc.exponential), { rate: 0.6 }, "positive"],
    [pair(table.Exponential.Gamma), loose(gmc.exponential), { rate: 2.5 }, loose(gmc.gamma), { concentration: 2, rate: 0.6 }, "positive"],
    [pair(table.Gamma.Exponential), loose(gmc.gamma), { concentration: 2.2, rate: 2 }, loose(gmc.exponential), { rate: 0.6 }, "positive"],
    [
      pair(table.Gamma.Gamma),
      loose(gmc.gamma),
      { concentration: 2.2, rate: 2 },
      loose(gmc.gamma),
      { concentration: 0.8, rate: 0.5 },
      "positive",
    ],
    [pair(table.Beta.Beta), loose(gmc.beta), { alpha: 2.2, beta: 3 }, loose(gmc.beta), { alpha: 1.4, beta: 0.8 }, "unit"],
  ];
  for (const [kl, q, qParams, p, pParams, domain] of cases) {
    test(`${q.name} ${JSON.stringify(qParams)} || ${p.name} ${JSON.stringify(pParams)}`, () => {
      const quadrature = rule(domain);
      const lq = logs(q, qParams, quadrature.nodes);
      const lp = logs(p, pParams, quadrature.nodes);
      const exact = integrate(quadrature, (_, i) => (Math.exp(lq[i]!) === 0 ? 0 : Math.exp(lq[i]!) * (lq[i]! - lp[i]!)));
      expect(value(() => kl(qParams, pParams))).toBeCloseTo(exact, 6);
      if (q.name === p.name) expect(value(() => kl(qParams, qParams))).toBeCloseTo(0, 12);
    });
  }

  test("Laplace at a distance, against the integral in three pieces", () => {
    const [a, b, s, t] = [0.3, 1.5, 0.6, 1.1];
    const f = (x: number): number => {
      const lq = -Math.abs(x - a) / s - Math.log(2 * s);
      return Math.exp(lq) * (lq + Math.abs(x - b) / t + Math.log(2 * t));
    };
    const half = rule("positive");
    const unit = rule("unit");
    const finite = (y: number): number => (Number.isFinite(y) ? y : 0);
    const exact =
      integrate(half, (d) => finite(f(a - d))) +
      (b - a) * integrate(unit, (u) => f(a + (b - a) * u)) +
      integrate(half, (d) => finite(f(b + d)));
    expect(value(() => gmc.klLaplace({ loc: a, scale: s }, { loc: b, scale: t }))).toBeCloseTo(exact, 7);
  });

  test("uniform within uniform, and reaching out of it", () => {
    expect(value(() => gmc.klUniform({ low: 0, high: 1 }, { low: -1, high: 3 }))).toBeCloseTo(Math.log(4), 12);
    expect(value(() => gmc.klUniform({ low: 0, high: 4 }, { low: -1, high: 3 }))).toBe(Infinity);
  });
});

describe("by summation", () => {
  const sum = (q: Loose, qParams: Record<string, TensorLike>, p: Loose, pParams: Record<string, TensorLike>, last: number): number => {
    const support = Array.from({ length: last + 1 }, (_, i) => i);
    const [lq, lp] = [logs(q, qParams, support), logs(p, pParams, support)];
    return support.reduce((total, _, i) => total + (Math.exp(lq[i]!) === 0 ? 0 : Math.exp(lq[i]!) * (lq[i]! - lp[i]!)), 0);
  };
  test("bernoulli: logits, probs, both; certain q", () => {
    const [a, b] = [1 / (1 + Math.exp(-0.8)), 0.25];
    const exact = a * Math.log(a / b) + (1 - a) * Math.log((1 - a) / (1 - b));
    const l = Math.log(b / (1 - b));
    for (const [q, p] of [
      [{ logits: 0.8 }, { logits: l }],
      [{ logits: 0.8 }, { probs: b }],
      [{ probs: a }, { logits: l }],
      [{ probs: a }, { probs: b }],
    ] as const) {
      expect(value(() => gmc.klBernoulli(q, p))).toBeCloseTo(exact, 12);
    }
    expect(value(() => gmc.klBernoulli({ probs: 1 }, { probs: b }))).toBeCloseTo(-Math.log(b), 12);
    expect(value(() => gmc.klBernoulli({ probs: 0 }, { logits: l }))).toBeCloseTo(-Math.log(1 - b), 12);
  });
  test("categorical, also with q_k = 0", () => {
    const q = [0.5, 0, 0.5];
    const p = [0.2, 0.3, 0.5];
    const kl = () => gmc.klCategorical({ probs: gmc.constant(q) }, { probs: gmc.constant(p) });
    expect(value(kl)).toBeCloseTo(0.5 * Math.log(2.5), 12);
    const logits = value(() => gmc.klOneHotCategorical({ logits: gmc.constant([0.1, 2, -1]) }, { logits: gmc.zeros([3]) }));
    const w = [0.1, 2, -1].map(Math.exp);
    const total = w.reduce((a, b) => a + b, 0);
    expect(logits).toBeCloseTo(
      w.reduce((s, v) => s + (v / total) * Math.log((3 * v) / total), 0),
      12,
    );
    // Rows of q against one p.
    const rows = compute(({ l }) => gmc.klCategorical({ logits: l! }, { logits: gmc.zeros([2]) }), {
      l: { shape: [3, 2], data: [0, 0, 1, 1, 50, 0] },
    });
    expect([...rows.data].map((v) => Math.round(v * 1e9) / 1e9)).toEqual([0, 0, Math.round(Math.LN2 * 1e9) / 1e9]);
  });
  test("poisson and binomial", () => {
    expect(value(() => gmc.klPoisson({ rate: 3 }, { rate: 4.5 }))).toBeCloseTo(
      sum(loose(gmc.poisson), { rate: 3 }, loose(gmc.poisson), { rate: 4.5 }, 80),
      10,
    );
    const exact = sum(loose(gmc.binomial), { total: 9, probs: 0.3 }, loose(gmc.binomial), { total: 9, probs: 0.55 }, 9);
    expect(value(() => gmc.klBinomial({ total: 9, probs: 0.3 }, { total: 9, probs: 0.55 }))).toBeCloseTo(exact, 10);
    expect(value(() => gmc.klBinomial({ total: 9, probs: 0.3 }, { total: 8, probs: 0.55 }))).toBeNaN();
  });
});

describe("vectors", () => {
  test("dirichlet, against quadrature over the segment (V = 2 is a beta)", () => {
    const q = { concentration: [2.2, 3] };
    const p = { concentration: [1.4, 0.8] };
    const own = value(() =>
      gmc.klDirichlet({ concentration: gmc.constant(q.concentration) }, { concentration: gmc.constant(p.concentration) }),
    );
    expect(own).toBeCloseTo(
      value(() => gmc.klBeta({ alpha: 2.2, beta: 3 }, { alpha: 1.4, beta: 0.8 })),
      10,
    );
    // Merging two categories of a Dirichlet adds their concentrations: equal other halves leave the KL of the merged one plus that of the split.
    const wide = value(() =>
      gmc.klDirichlet({ concentration: gmc.constant([2.2, 1, 2]) }, { concentration: gmc.constant([1.4, 0.5, 0.3]) }),
    );
    const merged = value(() => gmc.klBeta({ alpha: 2.2, beta: 3 }, { alpha: 1.4, beta: 0.8 }));
    const split = value(() => gmc.klBeta({ alpha: 1, beta: 2 }, { alpha: 0.5, beta: 0.3 }));
    expect(wide).toBeCloseTo(merged + split, 10);
  });

  const trilQ = { shape: [2, 2], data: [0.8, 0, 0.3, 1.1] };
  const trilP = { shape: [2, 2], data: [1.5, 0, -0.6, 0.9] };
  test("multivariate normals, against quadrature in the plane", () => {
    const h = 0.05;
    const axis = Array.from({ length: 321 }, (_, i) => -8 + i * h);
    const points = axis.flatMap((a) => axis.map((b) => [a, b])).flat();
    const out = compute(
      ({ x, a, b }) => ({
        q: gmc.multivariateNormal.logProb(x!, { loc: gmc.constant([0.4, -0.2]), scaleTril: a! }),
        p: gmc.multivariateNormal.logProb(x!, { loc: gmc.constant([-0.5, 0.1]), scaleTril: b! }),
        diagonal: gmc.sum(gmc.normal.logProb(x!, { loc: gmc.constant([-0.5, 0.1]), scale: gmc.constant([1.2, 0.7]) }), [-1]),
        kl: gmc.klMultivariateNormal({ loc: gmc.constant([0.4, -0.2]), scaleTril: a! }, { loc: gmc.constant([-0.5, 0.1]), scaleTril: b! }),
        klDiagonal: gmc.klMultivariateNormalNormal(
          { loc: gmc.constant([0.4, -0.2]), scaleTril: a! },
          { loc: gmc.constant([-0.5, 0.1]), scale: gmc.constant([1.2, 0.7]) },
        ),
        klStandard: gmc.klMultivariateNormalNormal({ loc: gmc.constant([0.4, -0.2]), scaleTril: a! }, { loc: 0, scale: 1 }),
      }),
      { x: { shape: [axis.length ** 2, 2], data: points }, a: trilQ, b: trilP },
    );
    const kl = (p: string): number => {
      let total = 0;
      const [lq, lp] = [out["q"]!.data, out[p]!.data];
      for (let i = 0; i < lq.length; i++) total += Math.exp(lq[i]!) * (lq[i]! - lp[i]!);
      return total * h * h;
    };
    expect(out["kl"]!.data[0]!).toBeCloseTo(kl("p"), 7);
    expect(out["klDiagonal"]!.data[0]!).toBeCloseTo(kl("diagonal"), 7);
    // Against N(0, I): (tr C + |m|^2 - D - log det C) / 2.
    const [l11, l21, l22] = [0.8, 0.3, 1.1];
    expect(out["klStandard"]!.data[0]!).toBeCloseTo(0.5 * (l11 ** 2 + l21 ** 2 + l22 ** 2 + 0.16 + 0.04 - 2) - Math.log(l11 * l22), 10);
  });

  test("a batch of factors against one prior", () => {
    const both = compute(({ a, m }) => gmc.klMultivariateNormalNormal({ loc: m!, scaleTril: a! }, { loc: 0, scale: 1 }), {
      a: { shape: [2, 2, 2], data: [...trilQ.data, ...trilP.data] },
      m: { shape: [2, 2], data: [1, 0, 0, 2] },
    });
    expect(both.shape).toEqual([2]);
    const one = (l: readonly number[], m: readonly number[]): number =>
      0.5 * (l[0]! ** 2 + l[2]! ** 2 + l[3]! ** 2 + m[0]! ** 2 + m[1]! ** 2 - 2) - Math.log(l[0]! * l[3]!);
    expect(both.data[0]!).toBeCloseTo(one(trilQ.data, [1, 0]), 10);
    expect(both.data[1]!).toBeCloseTo(one(trilP.data, [0, 2]), 10);
  });
});
