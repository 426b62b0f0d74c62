/** Objectives that need the value of a log-density of which an estimator gives the gradient alone. Their gradients: test/numeric/known-values.test.ts. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const model = (statement: string): string => `model M(D = 60, H = 30) {
  data v : binary[D], y : category[10], s : real
  latent h : binary[H], g : binary[H], z : real[2], b : binary
  param W : real[D, H], U : real[10, H], V : real[H, H], free : real = 1, A : real[2, D], F : real[2, D]
  density p(v, y, h, g) { energy -(v @ W @ h) - U[y] @ h - h @ V @ g }
  density r(v, h) { energy -(v @ W @ h) }
  density rz(v, h | z) { energy -(v @ W @ h) - (z @ A) @ v }
  density rb(v, h | b) { energy -(v @ W @ h) - b * sum(v) }
  density qh(h | v) { h ~ Bernoulli(logits = v @ W) }
  density qz(z | v) { z ~ Normal(F @ v, 1) }
  density qb(b | v) { b ~ Bernoulli(logits = sum(v) * free) }
  train { maximize ${statement}   batch = 4 }
}`;

const errorsOf = (statement: string): readonly string[] =>
  compile({ path: "model.gm", text: model(statement) }).diagnostics.flatMap((d) => (d.severity === "error" ? [d.code] : []));

const needed: readonly (readonly [string, string])[] = [
  ["a square", "-(log r(v))^2 by cd(k = 1)"],
  ["an exponential", "exp(log r(v)) by pcd(k = 1, chains = 10)"],
  ["a product with itself", "log r(v) * log r(v) by cd(k = 1)"],
  ["times what is trained", "free * log r(v) by cd(k = 1)"],
  ["over what is trained", "log r(v) / exp(free) by cd(k = 1)"],
  ["times a draw that is moved", "E[z ~ qz(z | v)](z[1] * log r(v)) by cd(k = 1)"],
  ["the greater of a log-density and twice it", "max(stack(log r(v), 2 * log r(v))) by cd(k = 1)"],
  ["a condition", "where(greater(log r(v), 0), free, 0) by cd(k = 1)"],
  ["the log of a mixture with another density", "log(exp(log r(v)) + exp(-sum(v * F[1]))) by cd(k = 1)"],
  ["the mean by a score, given the sample", "E[z ~ qz(z | v)](log rz(v | z)) by z: score and cd(k = 1)"],
  ["the mean over states, given the state", "E[b ~ qb(b | v)](log rb(v | b)) by cd(k = 1)"],
  ["times a state", "E[b ~ qb(b | v)](b * log r(v)) by cd(k = 1)"],
  [
    "weights that are not normalised",
    "E[z[1..3] ~ qz(z | v)](sum[i in 1..3](stop(exp(log rz(v | z[i]))) * log qz(z[i] | v))) by cd(k = 1)",
  ],
  ["what is hidden, by samples", "exp(log p(v, y)) by gibbs(steps = 10) and pcd(k = 1, chains = 10)"],
  ["log Z beside a bound", "exp(log p(v, y)) by mean_field(steps = 10) and pcd(k = 1, chains = 10)"],
  ["what takes the place of a likelihood", "exp(log r(v)) by nce"],
];

describe("a value that is not known", () => {
  it.each(needed)("is needed, and refused: %s", (_name, statement) => {
    expect(errorsOf(statement)).toEqual(["GM3536"]);
  });

  it.each([
    ["alone", "log r(v) by cd(k = 1)"],
    ["times data", "s * log r(v) by cd(k = 1)"],
    ["times a weight that is held", "stop(free) * log r(v) by cd(k = 1)"],
    ["times a weight that is not moved", "free * log r(v) over W by cd(k = 1)"],
    ["times a draw that is held", "E[z ~ qz(z | v)](stop(z[1]) * log r(v)) over W by cd(k = 1)"],
    ["beside a square of something else", "log r(v) - free^2 by cd(k = 1)"],
    ["in rows that a condition chooses", "where(equal(y, 1), log r(v), 0) by cd(k = 1)"],
    ["a ratio in which it cancels", "exp(log r(v, h = 0) - log r(v)) by cd(k = 1)"],
    ["a ratio times what is trained", "free * (log r(v, h = 0) - log r(v)) by cd(k = 1)"],
    ["the greater of two that it adds to alike", "max(stack(log r(v, h = 0), log r(v, h = 1))) by cd(k = 1)"],
    ["a softmax that it adds to alike", "sum(softmax(stack(log r(v, h = 0), log r(v, h = 1))) * stack(1, free)) by cd(k = 1)"],
    ["the mean of differentiable samples", "E[z ~ qz(z | v)](log rz(v | z)) by cd(k = 1)"],
    ["the mean by a score, for a log Z of its own", "E[h ~ qh(h | v)](log r(v, h) - log qh(h | v)) by h: score and cd(k = 1)"],
    ["the mean over states, for a log Z of its own", "E[b ~ qb(b | v)](b + log r(v)) by cd(k = 1)"],
    [
      "a bound over a family",
      "E[h[1..5] ~ qh(h | v)](logmeanexp[i in 1..5](log r(v, h[i]) - log qh(h[i] | v))) by h: vimco and pcd(k = 1, chains = 10)",
    ],
    ["hidden units by samples", "log p(v, y) by gibbs(steps = 10) and pcd(k = 1, chains = 10)"],
  ])("is not needed: %s", (_name, statement) => {
    expect(errorsOf(statement)).toEqual([]);
  });
});
