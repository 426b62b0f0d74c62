/** Units and bounds of measures that a constant scales. */
import { expect, test } from "vitest";
import { loadModel } from "../support/model.js";

const PLAIN = "z ~ Normal(0, 1) x ~ Normal(z, 1)";
/** Its class is summed out where q does not draw it, its u integrated out. */
const SUMMED = "c ~ Categorical(logits = zeros(3)) z ~ Normal(0, 1) x ~ Normal(z + m[c], 1)";
const INTEGRATED = "u ~ Normal(0, 1) z ~ Normal(u, 1) x ~ Normal(z, 1)";

const measure = (text: string, p = PLAIN): readonly (string | undefined)[] => {
  const { model } = loadModel(`
model M(D = 4) {
  data x : real[D]
  latent z : real[D]
  ${p === SUMMED ? "latent c : category[3] param m : real[3]" : p === INTEGRATED ? "latent u : real[D]" : ""}
  density p(x, z${p === SUMMED ? ", c" : p === INTEGRATED ? ", u" : ""}) { ${p} }
  density q(z | x) { z ~ Normal(x |> dense(D), 1) }
  train { maximize E[z ~ q(z | x)](log p(x, z) - log q(z | x)) batch = 4, epochs = 1 }
  evaluate { m = ${text} }
}`);
  const metric = model.evaluate?.["m"];
  if (metric?.kind !== "rows") throw new Error("no metric of rows");
  return [metric.unit, metric.bound];
};

test.each([
  ["-IWAE(p, q, k = 5)", "nats", "upper bound"],
  ["-IWAE(p, q, k = 5) / (D * log(2))", "differential bits per dim", "upper bound"],
  ["-(ELBO(p, q) / (3 * D * log(2)))", "differential bits / 12", "upper bound"],
  ["ELBO(p, q) / -log(2)", "differential bits", "upper bound"],
  ["ELBO(p, q) / log(2)", "differential bits", "lower bound"],
  ["2 * ELBO(p, q)", "", "lower bound of 2 log p"],
  ["-log p(x) / D", "", "exact"],
  ["log p(x, z = x) / log(2)", "differential bits", "exact"],
  ["log p(x)", "nats", "exact"],
  ["ELBO(p, q, beta = 0.5)", "nats", "estimate"],
  ["log p(x) * ELBO(p, q)", "", "estimate"],
  ["log p(x) - ELBO(p, q)", "nats", "estimate"],
  ["E[z ~ q(z | x)](sum(z))", "", undefined],
  ["EffectiveSampleSize(p, q, k = 20)", "", "estimate"],
  ["E[z ~ q(z | x)](exp(log p(x, z)))", "", "estimate"],
  ["E[z ~ q(z | x)](log q(z | x) - log p(x, z))", "nats", "upper bound"],
  ["-E[z ~ q(z | x)](log q(z | x) - log p(x, z))", "nats", "lower bound"],
  ["E[z ~ q(z | x)](log q(z | x) + log p(x, z))", "nats", "estimate"],
  ["E[z[1..5] ~ q(z | x)](mean[i in 1..5](log q(z[i] | x) - log p(x, z[i])))", "nats", "upper bound"],
  ["E[z[1..5] ~ q(z | x)](logmeanexp[i in 1..5](log q(z[i] | x) - log p(x, z[i])))", "nats", "estimate"],
  ["E[z ~ q(z | x)](2 * log p(x | z) + log p(z) - log q(z | x))", "nats", "estimate"],
  ["E[z ~ q(z | x)](log p(x | z) + log p(x | z) + log p(z) - log q(z | x))", "nats", "estimate"],
])("%s: %s, %s", (text, unit, bound) => expect(measure(text)).toEqual([unit, bound]));

test.each([
  ["D * log(2)", "bits per dim"],
  ["log(2)", "bits"],
  ["2 * log(2)", "bits / 2"],
])("probabilities of bytes over %s are in %s", (over, unit) => {
  const { model } = loadModel(`
model M(D = 6) {
  data x : byte[D]
  param m : real[D]
  density p(x) { x ~ DiscretizedLogistic(m, 1) }
  train { maximize log p(x) batch = 4, epochs = 1 }
  evaluate { m = -log p(x) / (${over}) }
}`);
  const metric = model.evaluate["m"];
  expect(metric?.kind === "rows" && metric.unit).toBe(unit);
});

test.each([
  ["E[z ~ q(z | x)](log p(x, z) - log q(z | x))", SUMMED, "lower bound"],
  ["E[z ~ q(z | x)](log q(z | x) - log p(x, z))", SUMMED, "upper bound"],
  ["-E[z[1..5] ~ q(z | x)](logmeanexp[i in 1..5](log p(x, z[i]) - log q(z[i] | x)))", SUMMED, "upper bound"],
  ["ELBO(p, q)", SUMMED, "lower bound"],
  ["E[z ~ q(z | x)](log p(x | z) - log q(z | x))", SUMMED, "estimate"],
  ["E[z ~ q(z | x)](log p(x, z) - log q(z | x))", INTEGRATED, "lower bound"],
  ["E[z ~ q(z | x)](log p(x | z) - log q(z | x))", INTEGRATED, "estimate"],
])("%s with %s: %s", (text, p, bound) => expect(measure(text, p)[1]).toBe(bound));
