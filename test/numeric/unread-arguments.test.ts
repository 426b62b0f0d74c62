/** Nets that read none of an argument, or in one field alone: their results have none of its samples, states or rows. Against the closed form. */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

const [W, U] = [0.5, 0.7];
const value = Math.tanh(W * U);
const slope = 1 - value ** 2;

const model = (objective: string): string => `
model M {
  data x : real
  latent b : binary, c : category[3], z : real
  param w : real, u : real
  net f(a) = tanh(w * u)
  net g(a) {
    k = f(a)
    return (same = k, own = a)
  }
  net h(a) = g(a).same
  density r(b, c, z) {
    c ~ Categorical(logits = zeros(3))
    b ~ Bernoulli(logits = f(c))
    z ~ Normal(0, 1)
  }
  train { maximize ${objective}   optimizer = sgd(lr = 0.1), batch = 4, steps = 1 }
}`;

const P = 1 / (1 + Math.exp(-value));

describe("a net that ignores what it is given", () => {
  // the derivative of the objective in f's value
  it.each<[objective: string, derivative: number]>([
    ["max[b](f(b))", 1],
    ["min[b](f(b))", 1],
    ["max[b, c](f(b) + h(c))", 2],
    ["max[b, c](f(b) * g(b).own + f(c))", 2],
    ["max[b](g(b).same)", 1],
    ["max[b](h(b) * (1 + b))", 2],
    ["E[b, c, z ~ r(b, c, z)](f(z))", 1],
    ["E[b ~ r(b)](b)", P * (1 - P)],
    ["E[b ~ r(b)](f(b) * b)", P + value * P * (1 - P)],
    ["E[z[1..4] ~ r(z)](sum[i in 1..4](f(z[i])))", 4],
    ["E[z[1..4] ~ r(z)](mean[i in 1..4](g(z[i]).same))", 1],
    ["E[z[1..4] ~ r(z)](max[i in 1..4](f(z[i])))", 1],
    ["E[z[1..4] ~ r(z)](logsumexp[i in 1..4](h(z[i]))^2)", 2 * (value + Math.log(4))],
    ["E[z[1..4] ~ r(z)](logmeanexp[i in 1..4](f(z[i]))) by dreg", 1],
    ["f(x)", 1],
  ])("%s", async (objective, derivative) => {
    const { gradients } = await gradientsOf(loadModel(model(objective)).model, {
      weights: { w: [W], u: [U] },
      data: { x: [0.1, 0.2, 0.3, 0.4] },
      rows: 4,
    });
    expect(gradients["w"]!.mean[0]!).toBeCloseTo(derivative * slope * U, 6);
    expect(gradients["u"]!.mean[0]!).toBeCloseTo(derivative * slope * W, 6);
  });
});
