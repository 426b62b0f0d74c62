/** The effective number of importance samples against its mean over all families of samples, listed in plain arithmetic; and with other numbers of them. */
import { expect, it } from "vitest";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { loadModel } from "../support/model.js";

const text = `
model M {
  data x : binary
  latent c : category[3]
  param w : real[3], u : real[3], v : real[3]
  density p(x, c) { c ~ Categorical(logits = w)   x ~ Bernoulli(logits = 3 * u[c]) }
  density q(c | x) { c ~ Categorical(logits = v * x) }
  train { maximize log p(x)   optimizer = sgd(lr = 1e-9), batch = 10, steps = 1 }
  evaluate { ess = EffectiveSampleSize(p, q, k = 3) }
}`;
const x = Array.from({ length: 4000 }, (_, i) => i % 2);
const logSoftmax = (logits: readonly number[]): number[] => {
  const all = Math.log(logits.reduce((s, l) => s + Math.exp(l), 0));
  return logits.map((l) => l - all);
};
const classes = [0, 1, 2];
function exact(bit: number, { w: prior, u, v }: Readonly<Record<string, readonly number[]>>): number {
  const q = logSoftmax(v!.map((l) => l * bit)).map(Math.exp);
  const p = logSoftmax(prior!).map((l, c) => Math.exp(l) / (1 + Math.exp((bit === 1 ? -3 : 3) * u![c]!)));
  const weight = classes.map((c) => p[c]! / q[c]!);
  let total = 0;
  for (const a of classes)
    for (const b of classes)
      for (const c of classes) {
        const w = [weight[a]!, weight[b]!, weight[c]!];
        total += q[a]! * q[b]! * q[c]! * (w.reduce((s, v) => s + v, 0) ** 2 / w.reduce((s, v) => s + v * v, 0));
      }
  return total;
}

it("is the mean of (sum w)^2 / sum w^2, from 1 to k", async () => {
  const { model } = loadModel(text);
  const dataset = datasetOf(model, { train: { x }, test: { x } });
  const trained = await train(model, { data: dataset, engine: referenceEngine, seed: 1 });
  const of = async (k?: number) => (await trained.evaluate({ split: "test", ...(k === undefined ? {} : { k }) })).metrics["ess"]!;
  const names = ["w", "u", "v"];
  const read = await Promise.all(names.map(async (n) => [n, Array.from((await trained.session.read(n)).data)] as const));
  const weights = Object.fromEntries(read);
  const three = await of();
  expect(three.unit).toBe("");
  expect(Math.abs(three.value - (exact(0, weights) + exact(1, weights)) / 2)).toBeLessThan(4 * three.standardError!);
  const [one, many] = [await of(1), await of(200)];
  expect(one.value).toBeCloseTo(1, 5);
  // as many of 200 count as (E w)^2 / E w^2 says
  expect(many.value / 200).toBeGreaterThan(0.3);
  expect(many.value).toBeLessThan(200);
  trained.close();
});
