/** A model of several orders as it is measured and drawn from: of each line the ensemble, the mean of p over all of its orders. */
import { describe, expect, it } from "vitest";
import { train } from "../../src/runtime/node/index.js";
import { hostStream } from "../../src/runtime/graph/random.js";
import { loadModel } from "../support/model.js";

const D = 5;

/** Copies of a fair bit, each right with probability 0.95. */
function copies(rows: number): { shape: number[]; data: Float32Array } {
  const stream = hostStream(1, "copies");
  const data = new Float32Array(rows * D);
  for (let i = 0; i < rows; i++) {
    const bit = stream.below(2);
    for (let j = 0; j < D; j++) data[i * D + j] = stream.below(20) === 0 ? 1 - bit : bit;
  }
  return { shape: [rows, D], data };
}

const trained = (body: string, objective: string, steps: number, declared = "") =>
  train(
    loadModel(
      `model M { data x : binary[${D}] ${declared} ${body}
        train { maximize ${objective}  optimizer = adam(lr = 3e-2), batch = 50, steps = ${steps} }  evaluate { nll = -${objective} } }`,
    ).model,
    { data: { x: copies(200) }, engine: "reference", seed: 3 },
  );

describe("the objective, as an evaluation shows it beside the metrics", () => {
  it("is that of the ensemble", async () => {
    const session = await trained("density p(x) { x ~ Bernoulli(logits = made(x, [7, 6], orders = 5)) }", "log p(x)", 60);
    const { metrics, terms } = await session.evaluate();
    expect(metrics["nll"]!.orders).toBe(5);
    expect(terms["log p(x)"]!.value).toBeCloseTo(-metrics["nll"]!.value, 9);
    session.close();
  });

  it("is so with latents", async () => {
    const session = await trained(
      "density p(x, c) { c ~ Categorical(logits = zeros(2))  x ~ Bernoulli(logits = made(x, [6], orders = 4) + b[c]) }",
      "log p(x)",
      20,
      "latent c : category[2]  param b : real[2, 5] init Normal(0, 1)",
    );
    const { metrics, terms } = await session.evaluate();
    expect(Object.values(terms)[0]!.value).toBeCloseTo(-metrics["nll"]!.value, 9);
    session.close();
  });
});
