/**
 * Estimators of classes against exact gradients: two vectors with one 1, and a class as an index, whose states are listed in plain arithmetic. Those
 * without bias lie within 4 standard errors of 10,000 gradients; those with one show it, less of it at a lower temperature.
 */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, logSumExp, spread, type Vectors } from "../support/numbers.js";

const [K, N, ROWS, STEPS] = [3, 2, 100, 100];
const x = [1, 0];
const weights: Vectors = {
  a: spread(N * K, 0.8, 1),
  W: spread(N * K * 2, 1.5, 2),
  b: spread(2, 0.4, 3),
  V: spread(2 * N * K, 0.9, 4),
  c: spread(N * K, 0.5, 5),
};

const oneHot = (objective: string, by: string): string => `model M {
  data x : binary[2]
  latent z : binary[${N}, ${K}]
  param a : real[${N}, ${K}], W : real[${N * K}, 2], b : real[2], V : real[2, ${N * K}], c : real[${N * K}]
  density p(x, z) { z ~ OneHotCategorical(logits = a)  x ~ Bernoulli(logits = flatten(z) @ W + b) }
  density q(z | x) { z ~ OneHotCategorical(logits = reshape(x @ V + c, [${N}, ${K}])) }
  train { maximize ${objective} by ${by}  optimizer = sgd(lr = 0.1), batch = 4, steps = 1 }
}`;
const index = (objective: string, by: string): string => `model M {
  data x : binary[2]
  latent z : category[${K}][${N}]
  param a : real[${N}, ${K}], W : real[${N * K}, 2], b : real[2], V : real[2, ${N * K}], c : real[${N * K}]
  density p(x, z) { z ~ Categorical(logits = a)  x ~ Bernoulli(logits = flatten(onehot(z, ${K})) @ W + b) }
  density q(z | x) { z ~ Categorical(logits = reshape(x @ V + c, [${N}, ${K}])) }
  train { maximize ${objective} by ${by}  optimizer = sgd(lr = 0.1), batch = 4, steps = 1 }
}`;

const states = Array.from({ length: K ** N }, (_, s) => [s % K, Math.floor(s / K)] as const);
const logSoftmax = (logits: readonly number[], i: number): number => logits[i]! - logSumExp(logits);
const each = (w: Vectors): readonly { readonly q: number; readonly logWeight: number }[] =>
  states.map((z) => {
    const logits = w["c"]!.map((c, j) => c + x.reduce((s, v, i) => s + v * w["V"]![i * N * K + j]!, 0));
    const log = (all: readonly number[]): number => z.reduce((s, k, n) => s + logSoftmax(all.slice(n * K, n * K + K), k), 0);
    const logPx = x.reduce((s, v, i) => {
      const l = w["b"]![i]! + z.reduce((t, k, n) => t + w["W"]![(n * K + k) * 2 + i]!, 0);
      return s + v * l - Math.log1p(Math.exp(l));
    }, 0);
    return { q: Math.exp(log(logits)), logWeight: log(w["a"]!) + logPx - log(logits) };
  });
const elbo = (w: Vectors): number => each(w).reduce((s, { q, logWeight }) => s + q * logWeight, 0);
const iwae = (w: Vectors): number => {
  const all = each(w);
  return all.reduce((s, u) => all.reduce((t, v) => t + u.q * v.q * (logSumExp([u.logWeight, v.logWeight]) - Math.log(2)), s), 0);
};

const shown: string[] = [];

async function measure(text: string, exact: Vectors): Promise<{ readonly worst: number; readonly bias: number }> {
  const rows = Array.from({ length: ROWS }, () => x).flat();
  const { gradients } = await gradientsOf(loadModel(text).model, {
    weights,
    data: { x: rows },
    rows: ROWS,
    steps: STEPS,
    burnIn: 5,
    seed: 7,
  });
  let [worst, bias, variance] = [0, 0, 0];
  for (const [name, values] of Object.entries(exact))
    values.forEach((v, i) => {
      const { mean, standardError } = gradients[name]!;
      worst = Math.max(worst, Math.abs(mean[i]! - v) / (standardError[i]! + 1e-5));
      bias = Math.max(bias, Math.abs(mean[i]! - v));
      if (name === "V" || name === "c") variance += standardError[i]! ** 2 * STEPS * ROWS;
    });
  shown.push(`${/maximize (.*?) {2}opt/u.exec(text)?.[1]?.padEnd(64)} var(q) ${variance.toFixed(3)}  worst ${worst.toFixed(1)} s.e.`);
  return { worst, bias };
}

describe("without bias", () => {
  const exact = { elbo: differences(elbo, weights), iwae: differences(iwae, weights) };
  it.each([
    ["ELBO(p, q)", "enumerate"],
    ["ELBO(p, q)", "score(baseline = none)"],
    ["ELBO(p, q)", "score"],
    ["ELBO(p, q)", "score(baseline = leave_one_out, k = 4)"],
    ["IWAE(p, q, k = 2)", "vimco"],
    ["IWAE(p, q, k = 2)", "score"],
  ])("%s by %s", async (objective, by) => {
    for (const model of [oneHot, index]) {
      const { worst } = await measure(model(objective, by), objective.startsWith("ELBO") ? exact.elbo : exact.iwae);
      expect(worst).toBeLessThan(4);
    }
  });
});

describe("with a bias", () => {
  const exact = differences(elbo, weights);
  it("concrete: less of it at a lower temperature", async () => {
    const [warm, cool] = [
      await measure(oneHot("ELBO(p, q)", "concrete(t = 2)"), exact),
      await measure(oneHot("ELBO(p, q)", "concrete(t = 0.3)"), exact),
    ];
    expect(warm.worst).toBeGreaterThan(6);
    expect(cool.bias).toBeLessThan(warm.bias);
  });

  it.each(["straight_through", "gumbel_straight_through(t = 1)"])("%s", async (by) => {
    expect((await measure(oneHot("ELBO(p, q)", by), exact)).worst).toBeGreaterThan(6);
  });

  it("prints the table", () => console.log(["gradients of 10,000 rows", ...shown].join("\n")));
});
