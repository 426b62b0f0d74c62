/** Terms of an objective that stand at every state of a latent: their metrics are means under the latent's probabilities, computed here by loops. */
import { describe, expect, it } from "vitest";
import { terms } from "gmc/runtime";
import { loadModel, runModel } from "../support/model.js";

const prior = "a ~ Categorical(logits = pa) b ~ Bernoulli(logits = pb[a])";
const source = (objective: string, p: string): string => `
model States {
  data x : real[1]
  latent a : category[3], b : binary
  param pa : real[3], ra : real[3], pb : real[3], rb : real[3], mu : real[3]
  density p(x, a, b) { ${p} x ~ Normal(mu[a] + b, 1) }
  density q(a, b | x) { a ~ Categorical(logits = ra * sum(x)) b ~ Bernoulli(logits = rb[a] * sum(x)) }
  train { maximize ${objective} batch = 2, epochs = 1 }
}`;
const state = { pa: [0.2, -0.3, 0.5], ra: [0.7, -0.4, 0.1], pb: [0.3, -0.8, 1.1], rb: [-0.6, 0.9, 0.4], mu: [-1, 0.4, 2] };
const x = [0.8, -1.3];

/** Each metric of the objective of `text`, the mean over the rows; and the objective itself. */
function metricsOf(objective: string, p = prior): Readonly<Record<string, number>> {
  const loaded = loadModel(source(objective, p));
  const { value } = loaded.model.train[0]!.updates[0]!;
  const outputs = runModel(
    loaded,
    ({ w, x: data, key }) => ({ objective: value({ w, data, key } as never), ...Object.fromEntries(terms()) }),
    { data: { x: { shape: [2, 1], data: x } }, state },
  );
  return Object.fromEntries(Object.entries(outputs).map(([name, rows]) => [name, rows.reduce((n, v) => n + v, 0) / rows.length]));
}

const logSoftmax = (logits: readonly number[]): readonly number[] => {
  const total = Math.log(logits.reduce((n, l) => n + Math.exp(l), 0));
  return logits.map((l) => l - total);
};
const logBernoulli = (b: number, logit: number): number => -Math.log1p(Math.exp(b === 1 ? -logit : logit));

interface Prior {
  readonly a: (b: number) => readonly number[];
  readonly b: (a: number) => number;
}

/** The mean over rows and over q(a, b | x) of each part; p by its logits. */
function byLoops(p: Prior): Record<"pa" | "pb" | "px" | "qa" | "qb", number> {
  const total = { pa: 0, pb: 0, px: 0, qa: 0, qb: 0 };
  for (const v of x) {
    const qa = logSoftmax(state.ra.map((r) => r * v));
    for (const a of [0, 1, 2]) {
      for (const b of [0, 1]) {
        const qb = logBernoulli(b, state.rb[a]! * v);
        const weight = Math.exp(qa[a]! + qb) / x.length;
        total.pa += weight * logSoftmax(p.a(b))[a]!;
        total.pb += weight * logBernoulli(b, p.b(a));
        total.px += weight * (-0.5 * Math.log(2 * Math.PI) - 0.5 * (v - state.mu[a]! - b) ** 2);
        total.qa += weight * qa[a]!;
        total.qb += weight * qb;
      }
    }
  }
  return total;
}

describe("terms at every state", () => {
  const exact = byLoops({ a: () => state.pa, b: (a) => state.pb[a]! });

  it("are means under the posterior, and the KL of each latent is one of them", () => {
    const found = metricsOf("ELBO(p, q)");
    expect(Object.keys(found).sort()).toEqual(["KL(q(a | x), p(a))", "KL(q(b | a, x), p(b | a))", "log p(x | a, b)", "objective"]);
    expect(found["KL(q(a | x), p(a))"]).toBeCloseTo(exact.qa - exact.pa, 6);
    expect(found["KL(q(b | a, x), p(b | a))"]).toBeCloseTo(exact.qb - exact.pb, 6);
    expect(found["log p(x | a, b)"]).toBeCloseTo(exact.px, 6);
    expect(found["objective"]).toBeCloseTo(exact.px + exact.pa + exact.pb - exact.qa - exact.qb, 6);
  });

  it("are so where no KL is closed, what weighs the states among them", () => {
    const found = metricsOf("E[a, b ~ q(a, b | x)](log p(x, a, b) - 2 * log q(a | x) - 3 * log q(b | a, x))");
    expect(found["log p(a)"]).toBeCloseTo(exact.pa, 6);
    expect(found["log p(b | a)"]).toBeCloseTo(exact.pb, 6);
    expect(found["log p(x | a, b)"]).toBeCloseTo(exact.px, 6);
    expect(found["log q(a | x)"]).toBeCloseTo(exact.qa, 6);
    expect(found["log q(b | a, x)"]).toBeCloseTo(exact.qb, 6);
    expect(found["objective"]).toBeCloseTo(exact.px + exact.pa + exact.pb - 2 * exact.qa - 3 * exact.qb, 6);
  });

  it("have no KL where the prior reads what is drawn after", () => {
    const found = metricsOf("ELBO(p, q)", "b ~ Bernoulli(logits = pb[1]) a ~ Categorical(logits = pa * (1 + b))");
    const other = byLoops({ a: (b) => state.pa.map((l) => l * (1 + b)), b: () => state.pb[0]! });
    expect(found["log p(a | b)"]).toBeCloseTo(other.pa, 6);
    expect(found["log q(a | x)"]).toBeCloseTo(other.qa, 6);
    expect(found["KL(q(b | a, x), p(b))"]).toBeCloseTo(other.qb - other.pb, 6);
    expect(found["objective"]).toBeCloseTo(other.px + other.pa + other.pb - other.qa - other.qb, 6);
  });
});

describe("a layer whose KL has no closed form", () => {
  it("has its rate as a metric: the difference of two terms, and on average the KL", () => {
    // q draws upwards, so the prior of z1 reads what is drawn after it
    const [x0, a, w, s1, s2, s] = [0.7, 0.6, 1.3, 0.8, 0.5, 0.9];
    const loaded = loadModel(`
model Up {
  data x : real[1]
  latent z1 : real[1], z2 : real[1]
  param b : real[1] = 0
  density p(x, z1, z2) { z2 ~ Normal(0, 1) z1 ~ Normal(${w} * z2, ${s}) x ~ Normal(z1 + b, 1) }
  density q(z1, z2 | x) { z1 ~ Normal(x, ${s1}) z2 ~ Normal(${a} * z1, ${s2}) }
  train { maximize ELBO(p, q) batch = 2, epochs = 1 }
}`);
    const { value } = loaded.model.train[0]!.updates[0]!;
    const rows = 40_000;
    const found = runModel(
      loaded,
      ({ w: weights, x: data, key }) => ({ objective: value({ w: weights, data, key } as never), ...Object.fromEntries(terms()) }),
      { data: { x: { shape: [rows, 1], data: Array.from({ length: rows }, () => x0) } }, state: { b: [0] } },
    );
    const rate = found["KL(q(z1 | x), p(z1 | z2)), sampled"]!;
    for (const row of [0, 1, 2]) {
      expect(rate[row]).toBeCloseTo(found["log q(z1 | x)"]![row]! - found["log p(z1 | z2)"]![row]!, 6);
      expect(found["objective"]![row]).toBeCloseTo(found["log p(x | z1)"]![row]! - rate[row]! - found["KL(q(z2 | z1), p(z2))"]![row]!, 6);
    }
    const squared = (1 - w * a) ** 2 * (x0 ** 2 + s1 ** 2) + (w * s2) ** 2;
    const exact = -Math.log(s1) - 0.5 + Math.log(s) + squared / (2 * s ** 2);
    const mean = rate.reduce((n, v) => n + v, 0) / rows;
    const error = Math.sqrt(rate.reduce((n, v) => n + (v - mean) ** 2, 0)) / rows;
    expect(Math.abs(mean - exact)).toBeLessThan(4 * error);
  });
});
