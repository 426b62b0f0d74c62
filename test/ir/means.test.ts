/** Which data a model reconstructs: those whose distribution has a mean, by the table of distributions. */
import { expect, test } from "vitest";
import { canReconstruct } from "../../src/runtime/eval/draw.js";
import { referenceEngine } from "../../src/runtime/index.js";
import { train } from "../../src/runtime/training.js";
import { loadModel } from "../support/model.js";

const mixtureOf = (dist: string) =>
  loadModel(`
model M(K = 2) {
  data x : real
  latent c : category[K]
  param mu : real[K] init Normal(0, 1)
  density p(x, c) { c ~ Categorical(logits = zeros(K))  x ~ ${dist} }
  train { maximize log p(x)   batch = 4, steps = 1 }
}`).model;

test("a Student's t of one degree of freedom has no mean, one of more has", async () => {
  for (const dist of ["StudentT(1, mu[c], 0.5)", "StudentT(1 / 2, mu[c], 0.5)", "Cauchy(mu[c], 0.5)"]) {
    const model = mixtureOf(dist);
    expect(canReconstruct(model), dist).toBe(false);
    const trained = await train(model, { data: { x: Float32Array.of(-1, 0, 1, 2) }, engine: referenceEngine });
    expect(JSON.stringify(await trained.evaluate({ split: "train" })), dist).not.toContain("squared error");
    trained.close();
  }
  expect(canReconstruct(mixtureOf("StudentT(1.5, mu[c], 0.5)"))).toBe(true);
});
