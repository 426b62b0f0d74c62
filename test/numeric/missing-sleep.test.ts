/**
 * The sleep phase beside labels that some rows miss: what the model dreams has a label of its own in every row. Against sums over all states in plain
 * arithmetic, differentiated by central differences; whether rows have labels, and which, changes nothing.
 */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, logSumExp, spread, type Vectors } from "../support/numbers.js";

type Weights = Vectors<"w" | "mu" | "nu" | "a" | "b" | "c" | "d">;

const K = 3;
const MODEL = (objective: string): string => `
model M(K = ${K}) {
  data x : binary, y : category[K]?
  latent h : binary
  param w : real[K], mu : real[K], nu : real[K], a : real[K], b : real[K], c : real[K], d : real[K]
  density p(x, y, h) {
    y ~ Categorical(logits = w)
    h ~ Bernoulli(logits = nu[y])
    x ~ Bernoulli(logits = mu[y] + 2 * h)
  }
  density q(y, h | x) {
    y ~ Categorical(logits = a * x + b)
    h ~ Bernoulli(logits = c[y] + d[y] * x)
  }
  train { maximize ${objective} over q
    optimizer = sgd(0.1), batch = 6, steps = 1 }
}`;

const at: Weights = {
  w: spread(K, 0.8, 2),
  mu: spread(K, 1.5, 3),
  nu: spread(K, 1.1, 5),
  a: spread(K, 0.9, 4),
  b: spread(K, 0.6, 7),
  c: spread(K, 1.2, 8),
  d: spread(K, 0.9, 9),
};
const logBit = (bit: number, logit: number): number => bit * logit - Math.log1p(Math.exp(logit));
const logClass = (y: number, logits: readonly number[]): number => logits[y]! - logSumExp(logits);

/** log q(y, h | x) under p, whose weights stay as they are. */
function sleep(w: Weights): number {
  let sum = 0;
  for (let y = 0; y < K; y++)
    for (const h of [0, 1])
      for (const x of [0, 1]) {
        const p = logClass(y, at.w) + logBit(h, at.nu[y]!) + logBit(x, at.mu[y]! + 2 * h);
        const logits = w.a.map((a, k) => a * x + w.b[k]!);
        sum += Math.exp(p) * (logClass(y, logits) + logBit(h, w.c[y]! + w.d[y]! * x));
      }
  return sum;
}

const ROWS = 200;
const labels: Readonly<Record<string, (row: number) => number>> = {
  none: () => -1,
  "every other": (row) => (row % 2 === 0 ? -1 : 1),
  all: () => 2,
};

describe.each(Object.keys(labels))("labels of %s of the rows", (which) => {
  it.each([
    "E[x, y, h ~ p(x, y, h)](log q(y, h | x))",
    "E[x, y, h ~ p(x, y, h)](log q(y | x) + log q(h | x, y))",
    "E[y, h ~ p(y, h), x ~ p(x | y, h)](log q(y, h | x))",
    "Sleep(p, q)",
  ])("%s", async (objective) => {
    const { model } = loadModel(MODEL(objective));
    const data = {
      x: Array.from({ length: ROWS }, (_, i) => (i % 3 === 0 ? 1 : 0)),
      y: Array.from({ length: ROWS }, (_, i) => labels[which]!(i)),
    };
    const result = await gradientsOf(model, { weights: at, data, rows: ROWS, steps: 3, seed: 3 });
    expect(result.value.mean).toBeCloseTo(sleep(at), 4);
    for (const [name, values] of Object.entries(differences(sleep, at)))
      values.forEach((v, i) => {
        if (["a", "b", "c", "d"].includes(name)) expect(result.gradients[name]!.mean[i]!, `${name}[${i}]`).toBeCloseTo(v, 4);
      });
  });
});
