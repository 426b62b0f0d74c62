/** Objectives that follow a schedule are measured where it ends; one that never ends, at the last step that was done. */
import { expect, it } from "vitest";
import { train } from "../../src/runtime/node/index.js";
import { spread } from "../support/numbers.js";
import { loadModel } from "../support/model.js";

const model = (beta: string): string => `
model Weighed(D = 2) {
  data x : real[D]
  latent z : real[D]
  density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z, 1) }
  density q(z | x) { z ~ Normal(x |> dense(D), 0.7) }
  train { maximize ELBO(p, q, beta = ${beta})  optimizer = sgd(lr = 0.01), batch = 10, epochs = 3 }
}`;

it.each([
  // 10 steps an epoch, 30 in all: the last has seen 29
  ["exponential(1, 0.5, epochs = 1)", {}, 0.5 ** 2.9],
  ["exponential(0.1, 1.5, epochs = 1)", {}, 0.1 * 1.5 ** 2.9],
  ["exponential(1, 0.5, epochs = 1)", { steps: 11 }, 0.5],
  ["step_decay(1, 0.5, epochs = 1)", {}, 0.25],
  ["warmup(exponential(1, 0.5, epochs = 1), epochs = 1)", {}, 0.5 ** 2.9],
  ["linear(0, 0.8, epochs = 20)", {}, 0.8],
  ["warmup(0.5, epochs = 20)", { steps: 5 }, 0.5],
] as const)("%s, %o: %d", async (beta, options, weight) => {
  const { model: definition } = loadModel(model(beta));
  const trained = await train(definition, {
    data: { x: { shape: [100, 2], data: Float32Array.from(spread(200, 1, 3)) } },
    engine: "reference",
    ...options,
  });
  const { terms } = await trained.evaluate();
  await trained.close();
  const [bound, likelihood, kl] = Object.values(terms).map((t) => t.value);
  expect((likelihood! - bound!) / kl!).toBeCloseTo(weight, 5);
});
