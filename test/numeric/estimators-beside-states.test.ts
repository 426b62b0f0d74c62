/**
 * Estimators that draw several related samples inside of sums over states, and of one another: what they reduce leaves no axis behind. Value and gradient
 * against the sum over all states, in plain arithmetic.
 */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, logSoftmax, type Vectors } from "../support/numbers.js";

const text = (objective: string, by: string): string => `
model M {
  data x : real
  latent z : binary, b : binary, c : category[3], v : binary[2]
  param a : real, t : real, w : real[3], u : real[3], s : real[2]
  density q(z, b, c, v | x) {
    z ~ Bernoulli(logits = a * x)
    b ~ Bernoulli(logits = t)
    c ~ Categorical(logits = w)
    v ~ Bernoulli(logits = s)
  }
  density m(b, z, v | x) {
    b ~ Bernoulli(logits = t)
    z ~ Bernoulli(logits = a * x)
    v ~ Bernoulli(logits = s * b)
  }
  density r(c) { c ~ Categorical(logits = u) }
  train { maximize ${objective} by ${by}   optimizer = sgd(lr = 1), batch = 2, steps = 1 }
}`;
const at: Vectors = { a: [0.5], t: [-0.25], w: [0.5, -0.25, 1], u: [-0.5, 0.75, 0.125], s: [0.375, -1] };
const x = 0.75;

const one = (logit: number): number => 1 / (1 + Math.exp(-logit));
const cross = (w: Vectors): number => logSoftmax(w["u"]!).reduce((s, l, i) => s + Math.exp(logSoftmax(w["w"]!)[i]!) * l, 0);

const halves = (w: Vectors): number => one(w["t"]![0]!) * one(w["s"]![0]!) + one(-w["t"]![0]!) / 2;

const cases: readonly (readonly [objective: string, by: string, exact: (w: Vectors) => number])[] = [
  ["E[z, b, c ~ q(z, b, c | x)](log r(c))", "z: enumerate, b: disarm, c: score(baseline = leave_one_out, k = 3)", cross],
  [
    "E[z, b, c ~ q(z, b, c | x)](z * log r(c))",
    "z: enumerate, b: arm, c: score(baseline = leave_one_out, k = 2)",
    (w) => one(w["a"]![0]! * x) * cross(w),
  ],
  // nothing reads z, drawn between the two
  ["E[b, z, v ~ m(b, z, v | x)](v[1])", "arm", halves],
  ["E[b, z, v ~ m(b, z, v | x)](v[1])", "b: local_expectation, z: score(baseline = leave_one_out, k = 3), v: disarm", halves],
  ["E[c, b, v ~ q(c, b, v | x)](v[2])", "c: score(baseline = leave_one_out, k = 3), b: arm, v: disarm", (w) => one(w["s"]![1]!)],
  [
    "E[z, b, v ~ q(z, b, v | x)](z + v[1])",
    "z: enumerate, b: disarm, v: local_expectation",
    (w) => one(w["a"]![0]! * x) + one(w["s"]![0]!),
  ],
];

describe("related samples beside states", () => {
  it.each(cases)("%s by %s", async (objective, by, exact) => {
    const rows = 200;
    const { gradients, value } = await gradientsOf(loadModel(text(objective, by)).model, {
      weights: at,
      data: { x: Array.from({ length: rows }, () => x) },
      rows,
      steps: 60,
      seed: 2,
    });
    expect(Math.abs(value.mean[0]! - exact(at))).toBeLessThan(5 * value.standardError[0]! + 1e-6);
    const want = differences(exact, at);
    for (const [name, { mean, standardError }] of Object.entries(gradients))
      mean.forEach((g, i) => expect(Math.abs(g - want[name]![i]!), `${name}[${i}]`).toBeLessThan(5 * standardError[i]! + 1e-5));
  });
});
