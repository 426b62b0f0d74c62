/**
 * log q at other conditions than those that it is drawn at, or the draw at others: no KL of the drawn density. Values against quadrature, or the sum over states,
 * written out in plain arithmetic; gradients by their central differences.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { explain } from "../../src/codegen/explain.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, logSoftmax, type Vectors } from "../support/numbers.js";
import { integrate, rule } from "../support/quadrature.js";

const text = (objective: string): string => `
model M {
  data x : real[2], y : real
  latent c : binary, z : real, k : category[3]
  param a : real, t : real, A : real[2], b : real, K : real[2, 3], w : real[3]
  density p(c, z | y) { c ~ Bernoulli(logits = t)   z ~ Normal(a * y - t * c, 1) }
  density q(c, z | x, y) { c ~ Bernoulli(logits = x @ A)   z ~ Normal(x @ A + b * y + t * c, 0.8) }
  density r(k) { k ~ Categorical(logits = w) }
  density s(k | x) { k ~ Categorical(logits = x @ K) }
  train { maximize ${objective}   optimizer = sgd(lr = 1), batch = 100, steps = 1 }
}`;
const at: Vectors = { a: [0.5], t: [0.25], A: [0.5, -0.25], b: [0.375], K: [0.5, -0.25, 0.125, 1, 0.75, -0.5], w: [0.25, -0.5, 0.125] };
const x = [0.75, -0.5];
const y = 1.25;

const line = rule("real", 1, 0, 400);
const logNormal = (z: number, mean: number, scale: number): number =>
  -0.5 * ((z - mean) / scale) ** 2 - Math.log(scale) - 0.5 * Math.log(2 * Math.PI);
const dot = (u: readonly number[], v: readonly number[]): number => u.reduce((s, e, i) => s + e * v[i]!, 0);
/** Parameters of q and p given c at scaled x, at y. */
const loc = (w: Vectors, by: number, of: number, c: number): number => by * dot(x, w["A"]!) + w["b"]![0]! * of + w["t"]![0]! * c;
const prior = (w: Vectors, of: number, c: number): number => w["a"]![0]! * of - w["t"]![0]! * c;
const overBits = (w: Vectors, f: (c: number) => number): number => {
  const one = 1 / (1 + Math.exp(-dot(x, w["A"]!)));
  return one * f(1) + (1 - one) * f(0);
};
const overZ = (w: Vectors, by: number, of: number, c: number, f: (z: number) => number): number => {
  const mean = loc(w, by, of, c);
  return integrate(line, (u) => Math.exp(logNormal(u, 0, 0.8)) * f(mean + u));
};
const classes = (w: Vectors, by: number): number[] =>
  logSoftmax([0, 1, 2].map((k) => by * (x[0]! * w["K"]![k]! + x[1]! * w["K"]![3 + k]!)));

const cases: readonly (readonly [objective: string, exact: (w: Vectors) => number])[] = [
  [
    "E[c, z ~ q(c, z | x, y)](log p(z | c, y) - log q(z | c, y, x = 2 * x))",
    (w) => overBits(w, (c) => overZ(w, 1, y, c, (z) => logNormal(z, prior(w, y, c), 1) - logNormal(z, loc(w, 2, y, c), 0.8))),
  ],
  [
    "E[z ~ q(z | y, c = 1, x = 2 * x)](log p(z | y, c = 1) - log q(z | x, y, c = 1))",
    (w) => overZ(w, 2, y, 1, (z) => logNormal(z, prior(w, y, 1), 1) - logNormal(z, loc(w, 1, y, 1), 0.8)),
  ],
  [
    "E[c, z ~ q(c, z | x, y)](log p(z | c, y) - log q(z | c, x, y = 1))",
    (w) => overBits(w, (c) => overZ(w, 1, y, c, (z) => logNormal(z, prior(w, y, c), 1) - logNormal(z, loc(w, 1, 1, c), 0.8))),
  ],
  [
    "E[c, z ~ q(c, z | x, y)](log p(z | c, y) - log q(z | x, y, c = 1))",
    (w) => overBits(w, (c) => overZ(w, 1, y, c, (z) => logNormal(z, prior(w, y, c), 1) - logNormal(z, loc(w, 1, y, 1), 0.8))),
  ],
  [
    "E[k ~ s(k | x)](log r(k) - log s(k | x = 2 * x))",
    (w) => {
      const [drawn, other, p] = [classes(w, 1), classes(w, 2), logSoftmax(w["w"]!)];
      return drawn.reduce((sum, l, k) => sum + Math.exp(l) * (p[k]! - other[k]!), 0);
    },
  ],
];

const closed = (objective: string): readonly string[] => {
  const { derived } = compile({ path: "m.gm", text: text(objective) });
  return (
    (derived &&
      explain(derived)
        .train[0]?.latents.filter((l) => l.estimator === "closed-form KL")
        .map((l) => l.variable)) ??
    []
  );
};

describe("a density at other conditions than the draw", () => {
  it.each(cases)("%s", async (objective, exact) => {
    expect(closed(objective)).toEqual([]);
    const rows = 100;
    const data = { x: Array.from({ length: rows }, () => x).flat(), y: Array.from({ length: rows }, () => y) };
    const { gradients, value } = await gradientsOf(loadModel(text(objective)).model, { weights: at, data, rows, steps: 100, seed: 5 });
    expect(Math.abs(value.mean[0]! - exact(at))).toBeLessThan(4 * value.standardError[0]! + 1e-5);
    const want = differences(exact, at);
    for (const [name, { mean, standardError }] of Object.entries(gradients))
      mean.forEach((g, i) => expect(Math.abs(g - want[name]![i]!), `${name}[${i}]`).toBeLessThan(4 * standardError[i]! + 1e-4));
  });

  it.each([
    ["E[c, z ~ q(c, z | x, y)](log p(z | c, y) - log q(z | c, x, y))", ["z"]],
    ["E[k ~ s(k | x = 2 * x)](log r(k) - log s(k | x = 2 * x))", ["k"]],
    ["E[k ~ s(k | x = 2 * x)](log r(k) - log s(k | x = 3 * x))", []],
  ])("%s has a KL of %j", (objective, variables) => expect(closed(objective)).toEqual(variables));
});

it("is no bound of the evidence", () => {
  const model = (at: string): string => `
model B {
  data x : real[2]
  latent z : real
  param A : real[2]
  density p(x, z) { z ~ Normal(0, 1)   x ~ Normal(z, 1) }
  density q(z | x) { z ~ Normal(x @ A, 0.5) }
  train { maximize ELBO(p, q)   optimizer = sgd(lr = 1), batch = 10, steps = 1 }
  evaluate {
    one = E[z ~ q(z | x)](log p(x, z) - log q(z | ${at}))
    family = E[z[1..4] ~ q(z | x)](logmeanexp[i in 1..4](log p(x, z[i]) - log q(z[i] | ${at})))
  }
}`;
  const bounds = (at: string): readonly (string | undefined)[] => {
    const { derived } = compile({ path: "m.gm", text: model(at) });
    return derived!.evaluations.map((e) => e.objective?.bound);
  };
  expect(bounds("x")).toEqual(["lower bound", "lower bound"]);
  expect(bounds("x = 2 * x")).toEqual(["estimate", "estimate"]);
});

it("Binomials of other totals have no closed form: the sum over the states of q, which may lie outside of p", async () => {
  const binomials = (q: number, p: number): string => `
model K {
  data x : real
  latent n : count
  param a : real, b : real
  density p(n) { n ~ Binomial(${p}, logits = b) }
  density q(n | x) { n ~ Binomial(${q}, logits = a * x) }
  train { maximize E[n ~ q(n | x)](log p(n) - log q(n | x)) by score(baseline = none)   optimizer = sgd(lr = 1), batch = 100, steps = 1 }
}`;
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);
  const chance = (n: number, k: number, logit: number): number => {
    const one = 1 / (1 + Math.exp(-logit));
    return choose(n, k) * one ** k * (1 - one) ** (n - k);
  };
  const exact = [0, 1, 2, 3, 4, 5].reduce((sum, k) => {
    const q = chance(5, k, 0.5);
    return sum + q * (Math.log(chance(7, k, -0.25)) - Math.log(q));
  }, 0);
  const of = async (q: number, p: number) => {
    const { model } = loadModel(binomials(q, p));
    const run = { weights: { a: [1], b: [-0.25] }, data: { x: Array.from({ length: 100 }, () => 0.5) }, rows: 100, steps: 100, seed: 2 };
    return (await gradientsOf(model, run)).value;
  };
  const wider = await of(5, 7);
  expect(Math.abs(wider.mean[0]! - exact)).toBeLessThan(4 * wider.standardError[0]!);
  expect((await of(5, 5)).standardError[0]).toBeLessThan(1e-6);
});
