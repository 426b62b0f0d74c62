/**
 * Estimators of gradients beside data that may be missing: rows that have the value are certain of it, so nothing of the draw's score may be left in
 * them. Against exact gradients of a model whose states are listed in plain arithmetic, differentiated by central differences.
 */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, logSumExp, spread, type Vectors } from "../support/numbers.js";

type Weights = Vectors<"w" | "mu" | "nu" | "a" | "b" | "c" | "d">;

const K = 3;
const MODEL = (objective: string, by: string): string => `
model M(K = ${K}) {
  data x : real, y : category[K]?
  latent h : binary[2]
  param w : real[K], mu : real[K], nu : real[2], a : real[K], b : real[K], c : real[2], d : real[K]
  param e : real, f : real
  density p(x, y, h) {
    y ~ Categorical(logits = w)
    h ~ Bernoulli(logits = nu * w[y])
    x ~ Normal(mu[y] + sum(h * nu), 0.7)
  }
  density q(y, h | x) {
    y ~ Categorical(logits = a * x + b)
    h ~ Bernoulli(logits = c * d[y])
  }
  train { maximize ${objective} by ${by}
    optimizer = sgd(0.1), batch = 6, steps = 1 }
}`;

const at: Weights = {
  w: spread(K, 0.8, 2),
  mu: spread(K, 1.5, 3),
  nu: spread(2, 1.1, 5),
  a: spread(K, 0.9, 4),
  b: spread(K, 0.6, 7),
  c: spread(2, 1.2, 8),
  d: spread(K, 0.9, 9),
};
const x = 0.75;

const logBits = (h: readonly number[], logits: readonly number[]): number =>
  h.reduce((s, bit, i) => s + bit * logits[i]! - Math.log1p(Math.exp(logits[i]!)), 0);
const pairs = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;
const classes = [0, 1, 2];
const logQy = (w: Weights, y: number): number => {
  const logits = w.a.map((a, k) => a * x + w.b[k]!);
  return logits[y]! - logSumExp(logits);
};
const logQh = (w: Weights, h: readonly number[], y: number): number =>
  logBits(
    h,
    w.c.map((c) => c * w.d[y]!),
  );
const logP = (w: Weights, y: number, h: readonly number[]): number => {
  const loc = w.mu[y]! + h[0]! * w.nu[0]! + h[1]! * w.nu[1]!;
  const logX = -0.5 * ((x - loc) / 0.7) ** 2 - Math.log(0.7) - 0.5 * Math.log(2 * Math.PI);
  return (
    w.w[y]! -
    logSumExp(w.w) +
    logBits(
      h,
      w.nu.map((n) => n * w.w[y]!),
    ) +
    logX
  );
};

/** Of a row: all that may be drawn, the log-probability of it, and its log weight. `known`: the class, where the data have it. */
const draws = (w: Weights, known: number | undefined): readonly (readonly [number, number])[] =>
  (known === undefined ? classes : [known]).flatMap((y) =>
    pairs.map((h) => {
      const drawn = (known === undefined ? logQy(w, y) : 0) + logQh(w, h, y);
      return [drawn, logP(w, y, h) - drawn] as const;
    }),
  );
const elbo = (w: Weights, known: number | undefined): number => draws(w, known).reduce((s, [log, v]) => s + Math.exp(log) * v, 0);
const iwae = (w: Weights, known: number | undefined): number => {
  const all = draws(w, known);
  return all.reduce((s, [l, v]) => all.reduce((t, [m, u]) => t + Math.exp(l + m) * (logSumExp([u, v]) - Math.log(2)), s), 0);
};

const ROWS = 200;
const cases: readonly (readonly [string, string, (w: Weights, known: number | undefined) => number])[] = [
  ["ELBO(p, q)", "enumerate", elbo],
  ["ELBO(p, q)", "score(baseline = none)", elbo],
  ["ELBO(p, q)", "score", elbo],
  ["ELBO(p, q)", "score(baseline = e * x + f)", elbo],
  ["ELBO(p, q)", "score(baseline = leave_one_out, k = 3)", elbo],
  ["ELBO(p, q)", "y: enumerate, h: disarm", elbo],
  ["ELBO(p, q)", "y: score, h: local_expectation", elbo],
  ["ELBO(p, q)", "y: score(baseline = leave_one_out, k = 2), h: arm", elbo],
  ["ELBO(p, q)", "y: enumerate, h: rebar", elbo],
  ["IWAE(p, q, k = 2)", "score(baseline = none)", iwae],
  ["IWAE(p, q, k = 2)", "score", iwae],
  ["IWAE(p, q, k = 2)", "vimco", iwae],
];

describe("a class that half of the rows miss", () => {
  const exact = new Map([elbo, iwae].map((f) => [f, differences((w: Weights) => (f(w, undefined) + f(w, 1)) / 2, at)]));
  it.each(cases)("%s by %s", async (objective, by, value) => {
    const { model } = loadModel(MODEL(objective, by));
    const data = { x: Array<number>(ROWS).fill(x), y: Array.from({ length: ROWS }, (_, i) => (i % 2 === 0 ? -1 : 1)) };
    const weights = { ...at, e: [0.5], f: [-1] };
    const { gradients } = await gradientsOf(model, { weights, data, rows: ROWS, steps: 20, burnIn: 5, seed: 3 });
    for (const [name, values] of Object.entries(exact.get(value)!))
      values.forEach((v, i) =>
        expect(Math.abs(gradients[name]!.mean[i]! - v), `${name}[${i}]`).toBeLessThan(4.5 * gradients[name]!.standardError[i]! + 1e-4),
      );
  });

  it.each(cases)("that none of the rows misses: no step of q(y | x), %s by %s", async (objective, by) => {
    const { model } = loadModel(MODEL(objective, by));
    const weights = { ...at, e: [0.5], f: [-1] };
    const { gradients } = await gradientsOf(model, { weights, data: { x: [x, -x], y: [2, 0] }, rows: 2, burnIn: 1, seed: 3 });
    for (const name of ["a", "b"]) gradients[name]!.mean.forEach((v) => expect(v).toBeCloseTo(0, 12));
  });
});
