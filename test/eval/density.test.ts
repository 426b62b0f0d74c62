/** log p(x) anywhere, for models that measure it exactly, against the closed form; and its picture. */
import { expect, test } from "vitest";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { drawDensity } from "../../src/cli/run/pictures.js";
import { exactDensity } from "../../src/runtime/eval/density.js";
import { loadModel } from "../support/model.js";

const mixture = (evaluations: string): string => `
model M(K = 2) {
  data x : real[2]
  latent c : category[K]
  param w : real[K] = 0
  param m : real[K, 2] init Normal(0, 1)
  density p(x, c) { c ~ Categorical(logits = w) x ~ Normal(m[c], 0.5) }
  train { maximize log p(x) optimizer = sgd(lr = 0.01), batch = 4, epochs = 1 }
  evaluate { ${evaluations} }
}`;
const rows = { shape: [40, 2], data: Float32Array.from({ length: 80 }, (_, i) => Math.sin(i * i)) };

test.each(["nll = -log p(x)", "lp = log p(x)", "bpd = -log p(x) / (2 * log(2))"])("%s is log p of any row", async (text) => {
  const trained = await train(loadModel(mixture(text)).model, { data: { x: rows }, engine: referenceEngine, seed: 1 });
  const { m, w } = await trained.weights();
  const points = Float32Array.from({ length: 2 * 1201 }, (_, i) => 3 * Math.cos(i * 0.7));
  const found = await trained.logDensity({ shape: [1201, 2], data: points });
  const total = Math.exp(w!.data[0]!) + Math.exp(w!.data[1]!);
  for (const i of [0, 1, 499, 500, 1200]) {
    let p = 0;
    for (const c of [0, 1]) {
      const square = (points[2 * i]! - m!.data[2 * c]!) ** 2 + (points[2 * i + 1]! - m!.data[2 * c + 1]!) ** 2;
      p += ((Math.exp(w!.data[c]!) / total) * Math.exp(-square / (2 * 0.25))) / (2 * Math.PI * 0.25);
    }
    expect(found![i]).toBeCloseTo(Math.log(p), 4);
  }
  const [drawing] = await drawDensity(trained);
  expect(drawing).toMatchObject({ stem: "density", extension: "svg" });
  expect(drawing!.content).toContain("data:image/png;base64,");
  trained.close();
});

test("a bound, a conditional density and a model without an evaluation have none", () => {
  const model = (text: string) => loadModel(text).model;
  expect(exactDensity(model(mixture("nll = -log p(x)")))).toEqual({ metric: "nll", variable: "x", times: -1 });
  expect(exactDensity(model(mixture("two = 2 * log p(x)")))).toBeUndefined();
  expect(
    exactDensity(
      model(`
model M {
  data x : real[2], y : category[3]
  param m : real[3, 2] = 0
  density p(x | y) { x ~ Normal(m[y], 1) }
  train { maximize log p(x | y) batch = 4, epochs = 1 }
  evaluate { nll = -log p(x | y) }
}`),
    ),
  ).toBeUndefined();
  expect(
    exactDensity(
      model(`
model M {
  data x : real[2]
  latent z : real[2]
  density p(x, z) { z ~ Normal(0, 1) x ~ Normal(tanh(z), 1) }
  density q(z | x) { z ~ Normal(x |> dense(2), 1) }
  train { maximize ELBO(p, q) batch = 4, epochs = 1 }
  evaluate { nll = -IWAE(p, q, k = 5) }
}`),
    ),
  ).toBeUndefined();
});
