/** Units and bounds of measures that a constant scales. */
import { expect, test } from "vitest";
import { loadModel } from "../support/model.js";

const measure = (text: string): readonly (string | undefined)[] => {
  const { model } = loadModel(`
model M(D = 4) {
  data x : real[D]
  latent z : real[D]
  density p(x, z) { z ~ Normal(0, 1) x ~ Normal(z, 1) }
  density q(z | x) { z ~ Normal(x |> dense(D), 1) }
  train { maximize ELBO(p, q) batch = 4, epochs = 1 }
  evaluate { m = ${text} }
}`);
  const metric = model.evaluate?.["m"];
  if (metric?.kind !== "rows") throw new Error("no metric of rows");
  return [metric.unit, metric.bound];
};

test.each([
  ["-IWAE(p, q, k = 5)", "nats", "upper bound"],
  ["-IWAE(p, q, k = 5) / (D * log(2))", "bits per dim", "upper bound"],
  ["-(ELBO(p, q) / (3 * D * log(2)))", "bits per dim", "upper bound"],
  ["ELBO(p, q) / -log(2)", "bits", "upper bound"],
  ["ELBO(p, q) / log(2)", "bits", "lower bound"],
  ["2 * ELBO(p, q)", "", "lower bound"],
  ["-log p(x) / D", "", "exact"],
  ["log p(x, z = x) / log(2)", "bits", "exact"],
  ["log p(x)", "nats", "exact"],
  ["ELBO(p, q, beta = 0.5)", "nats", "estimate"],
  ["log p(x) * ELBO(p, q)", "", "estimate"],
  ["log p(x) - ELBO(p, q)", "nats", "estimate"],
  ["E[z ~ q(z | x)](sum(z))", "", undefined],
  ["EffectiveSampleSize(p, q, k = 20)", "", "estimate"],
  ["E[z ~ q(z | x)](exp(log p(x, z)))", "", "estimate"],
])("%s: %s, %s", (text, unit, bound) => expect(measure(text)).toEqual([unit, bound]));
