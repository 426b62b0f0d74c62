/** A model that has no data variable: `train` takes it as the command line does. */
import { expect, test } from "vitest";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { train as trainByNode } from "../../src/runtime/node/index.js";
import { loadModel } from "../support/model.js";

const model = (evaluation: string): ReturnType<typeof loadModel>["model"] =>
  loadModel(`model Energy {
    latent z : real[2], x : real[2]
    flow f on real[2] = affine
    density p(x, z) { z ~ Normal(0, 1) x = f(z) }
    objective free = E[x ~ p(x)](log p(x) + sum(x^2) / 2)
    train { minimize free optimizer = sgd(lr = 1e-12), batch = 20, steps = 5 }
    ${evaluation}
  }`).model;

test.each([
  ["gmc/runtime", train],
  ["gmc/node", trainByNode],
])("%s trains, validates and evaluates it", async (_, run) => {
  const trained = await run(model("evaluate { kl = free }"), { data: {}, engine: referenceEngine });
  const { metrics, protocol } = await trained.evaluate();
  // KL(p, exp(-U) / Z) - log Z is that of p = Normal(0, 1) itself: 0 - log 2 pi
  expect(metrics["kl"]!.value).toBeCloseTo(-Math.log(2 * Math.PI), 5);
  expect(protocol).toMatchObject({ dataset: "none", rows: 10_000 });
  expect((await trained.sample(3)).values["x"]!.shape).toEqual([3, 2]);
  trained.close();
});

test("also without a line to evaluate, and with rows of splits that are empty", async () => {
  const trained = await train(model(""), { data: {}, validation: {}, test: {}, engine: referenceEngine });
  expect((await trained.evaluate()).terms).not.toEqual({});
  trained.close();
  const named = train(model(""), { data: { y: [1] }, engine: referenceEngine });
  await expect(named).rejects.toMatchObject({ code: "GM4004", help: ["it has none: pass an empty one, data: {}"] });
});
