/**
 * VIMCO of 2, 5 and 50 samples on a net of two hidden bits, whose bound is exact: of k samples of four states only the numbers of each count, so the
 * mean over all k-tuples is a sum over these (Mnih & Rezende 2016, eq. 10).
 */
import { expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, spread, type Vectors } from "../support/numbers.js";

type Weights = Vectors<"b" | "c" | "W" | "V" | "a">;

const MODEL = (k: number, by: string): string => `
model M {
  data x : binary[3]
  latent h : binary[2]
  param b : real[2], c : real[3], W : real[2, 3], V : real[3, 2], a : real[2]
  density p(x, h) {
    h ~ Bernoulli(logits = b)
    x ~ Bernoulli(logits = h @ W + c)
  }
  density q(h | x) { h ~ Bernoulli(logits = x @ V + a) }
  train { maximize IWAE(p, q, k = ${k}) by ${by}
    optimizer = sgd(lr = 0.1), batch = 4, steps = 1 }
}`;

const at: Weights = { b: spread(2, 0.7, 1), c: spread(3, 0.8, 2), W: spread(6, 1.5, 3), V: spread(6, 1, 4), a: spread(2, 0.6, 5) };
/** Two rows that differ: each has a baseline of its own. */
const data = [
  [1, 0, 1],
  [0, 1, 1],
] as const;
const states = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

const bernoulli = (bits: readonly number[], logits: readonly number[]): number =>
  bits.reduce((sum, bit, i) => sum + bit * logits[i]! - Math.log1p(Math.exp(logits[i]!)), 0);
const times = (v: readonly number[], M: readonly number[], bias: readonly number[]): number[] =>
  bias.map((b, j) => v.reduce((sum, vi, i) => sum + vi * M[i * bias.length + j]!, b));

const logFactorials = [0];
for (let n = 1; n <= 50; n++) logFactorials.push(logFactorials[n - 1]! + Math.log(n));

function bound(w: Weights, k: number): number {
  return data.reduce((total, x) => {
    const logQ = states.map((h) => bernoulli(h, times(x, w.V, w.a)));
    const weight = states.map((h, s) => Math.exp(bernoulli(h, w.b) + bernoulli(x, times(h, w.W, w.c)) - logQ[s]!));
    let mean = 0;
    for (let i = 0; i <= k; i++)
      for (let j = 0; i + j <= k; j++)
        for (let l = 0; i + j + l <= k; l++) {
          const counts = [i, j, l, k - i - j - l];
          const log = counts.reduce((sum, n, s) => sum + n * logQ[s]! - logFactorials[n]!, logFactorials[k]!);
          mean += Math.exp(log) * Math.log(counts.reduce((sum, n, s) => sum + n * weight[s]!, 0) / k);
        }
    return total + mean / data.length;
  }, 0);
}

it.each([
  [2, 100],
  [5, 100],
  [50, 10],
])("k = %i: without bias, and with less noise than the score function alone", async (k, ROWS) => {
  const run = async (by: string) => {
    const rows = Array.from({ length: ROWS }, (_, i) => data[i % 2]!).flat();
    return gradientsOf(loadModel(MODEL(k, by)).model, { weights: at, data: { x: rows }, rows: ROWS, steps: 40, seed: 5 });
  };
  const exact = differences((w) => bound(w, k), at);
  const noise: number[] = [];
  for (const by of ["vimco", "score(baseline = none)"]) {
    const { gradients, value } = await run(by);
    expect(Math.abs(value.mean[0]! - bound(at, k))).toBeLessThan(5 * value.standardError[0]! + 1e-5);
    for (const [name, values] of Object.entries(exact)) {
      const { mean, standardError } = gradients[name]!;
      values.forEach((v, i) => expect(Math.abs(mean[i]! - v), `${by}, ${name}[${i}]`).toBeLessThan(5 * standardError[i]! + 1e-5));
    }
    noise.push([...gradients["V"]!.standardError, ...gradients["a"]!.standardError].reduce((sum, e) => sum + e * e, 0));
  }
  expect(noise[0]!).toBeLessThan(noise[1]! / 10);
});
