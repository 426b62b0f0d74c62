/**
 * Annealed importance sampling of models of 20 units, as compiled from their text, within 0.1 nats of log Z by a sum over all states: five seeds of
 * weights and runs each, of every kind of unit that has a sum.
 */
import { describe, expect, it } from "vitest";
import { evaluate } from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { loadModel } from "../support/model.js";

type Weights = (name: string) => ArrayLike<number>;

/** log of the sum of exp(b . s + sum over i < j of J[i][j] s_i s_j) over s in {0, 1}^n, one flip at a time (Gray code). */
function pairwise(b: readonly number[], meet: (i: number, j: number) => number): number {
  const n = b.length;
  const J = Array.from({ length: n }, (_, i) =>
    Float64Array.from({ length: n }, (_, j) => (i === j ? 0 : meet(Math.min(i, j), Math.max(i, j)))),
  );
  const field = Float64Array.from(b);
  const on = new Uint8Array(n);
  let minusE = 0;
  let top = 0;
  let total = 1;
  for (let state = 1; state < 2 ** n; state++) {
    const flip = 31 - Math.clz32(state & -state);
    const sign = on[flip] === 1 ? -1 : 1;
    minusE += sign * field[flip]!;
    on[flip] = on[flip] === 1 ? 0 : 1;
    const row = J[flip]!;
    for (let i = 0; i < n; i++) field[i]! += sign * row[i]!;
    if (minusE > top) {
      total = total * Math.exp(top - minusE) + 1;
      top = minusE;
    } else total += Math.exp(minusE - top);
  }
  return top + Math.log(total);
}

const logSumExp = (x: readonly number[]): number => {
  const top = Math.max(...x);
  return top + Math.log(x.reduce((t, v) => t + Math.exp(v - top), 0));
};
/** log of the sum over s in {0, 1}^n and over units that are apart given s: these have the logits `fields(s)`. */
const apart = (n: number, fixed: (s: readonly number[]) => number, fields: (s: readonly number[]) => readonly number[]): number =>
  logSumExp(
    Array.from({ length: 2 ** n }, (_, i) => {
      const s = bits(i, n);
      return fields(s).reduce((t, f) => t + Math.max(f, 0) + Math.log1p(Math.exp(-Math.abs(f))), fixed(s));
    }),
  );
const dot = (a: readonly number[], b: (i: number) => number): number => a.reduce((t, x, i) => t + x * b(i), 0);
const bits = (n: number, length: number): number[] => Array.from({ length }, (_, i) => (n >> i) & 1);
const list = (x: ArrayLike<number>): number[] => Array.from(x);

interface Case {
  readonly name: string;
  readonly body: string;
  readonly rows: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly logZ: (w: Weights) => number;
}

const alternating = (n: number): readonly (readonly number[])[] =>
  Array.from({ length: 8 }, (_, r) => Array.from({ length: n }, (_, i) => (i + r) % 2));

const cases: readonly Case[] = [
  {
    name: "an RBM",
    body: `data v : binary[12]  latent h : binary[8]
      param W : real[12, 8] init Normal(0, 0.8), b : real[12] init Normal(0, 0.5), a : real[8] init Normal(0, 0.5)
      density p(v, h) { energy -(v @ W @ h) - b @ v - a @ h }`,
    rows: { v: alternating(12) },
    logZ: (w) => {
      const [W, b, a] = [w("W"), list(w("b")), w("a")];
      return apart(
        8,
        (h) => dot(h, (j) => a[j]!),
        (h) => b.map((x, i) => x + dot(h, (j) => W[i * 8 + j]!)),
      );
    },
  },
  {
    name: "a Boltzmann machine with lateral connections",
    body: `data v : binary[14]  latent h : binary[6]
      param W : real[14, 6] init Normal(0, 0.5), L : real[14, 14] init Normal(0, 0.3), K : real[6, 6] init Normal(0, 0.3)
      param b : real[14] init Normal(0, 0.5)
      density p(v, h) { energy -(v @ W @ h) - v @ L @ v / 2 - h @ K @ h / 2 - b @ v }`,
    rows: { v: alternating(14) },
    logZ: (w) => {
      const [W, L, K, b] = [w("W"), w("L"), w("K"), w("b")];
      return pairwise([...list(b).map((x, i) => x + L[i * 15]! / 2), ...Array.from({ length: 6 }, (_, i) => K[i * 7]! / 2)], (i, j) =>
        j < 14
          ? (L[i * 14 + j]! + L[j * 14 + i]!) / 2
          : i < 14
            ? W[i * 6 + j - 14]!
            : (K[(i - 14) * 6 + j - 14]! + K[(j - 14) * 6 + i - 14]!) / 2,
      );
    },
  },
  {
    name: "a deep Boltzmann machine",
    body: `data v : binary[8]  latent h : binary[7], g : binary[5]
      param W : real[8, 7] init Normal(0, 0.8), U : real[7, 5] init Normal(0, 0.8), b : real[8] init Normal(0, 0.5)
      density p(v, h, g) { energy -(v @ W @ h) - h @ U @ g - b @ v }`,
    rows: { v: alternating(8) },
    logZ: (w) => {
      const [W, U, b] = [w("W"), w("U"), w("b")];
      return apart(
        13,
        (s) => dot(s.slice(0, 8), (i) => b[i]!),
        (s) => Array.from({ length: 7 }, (_, j) => dot(s, (i) => (i < 8 ? W[i * 7 + j]! : U[j * 5 + i - 8]!))),
      );
    },
  },
  {
    name: "softmax units",
    body: `data v : category[5][4]  latent h : binary[12]
      param W : real[4, 5, 12] init Normal(0, 0.8), b : real[4, 5] init Normal(0, 0.5)
      density p(v, h) { energy -sum(onehot(v) * b) - ${[1, 2, 3, 4].map((i) => `(onehot(v[${i}]) @ W[${i}]) @ h`).join(" - ")} }`,
    rows: { v: Array.from({ length: 8 }, (_, r) => [0, 1, 2, 3].map((i) => (i + r) % 5)) },
    logZ: (w) => {
      const [W, b] = [w("W"), w("b")];
      return logSumExp(
        Array.from({ length: 2 ** 12 }, (_, s) => {
          const h = bits(s, 12);
          return [0, 1, 2, 3].reduce(
            (t, i) => t + logSumExp([0, 1, 2, 3, 4].map((k) => h.reduce((e, on, j) => e + on * W[(i * 5 + k) * 12 + j]!, b[i * 5 + k]!))),
            0,
          );
        }),
      );
    },
  },
  {
    name: "counts of 6 words",
    body: `data v : count[5]  latent h : binary[14]
      param W : real[5, 14] init Normal(0, 0.5), b : real[5] init Normal(0, 0.5), a : real[14] init Normal(0, 0.2)
      density p(v, h) { energy -(v @ W @ h) - b @ v - sum(v) * (a @ h) }`,
    rows: { v: Array.from({ length: 8 }, (_, r) => [0, 1, 2, 3, 4].map((i) => ((i + r) % 5 === 0 ? 2 : 1))) },
    logZ: (w) => {
      const [W, b, a] = [w("W"), w("b"), w("a")];
      return logSumExp(
        Array.from({ length: 2 ** 14 }, (_, s) => {
          const h = bits(s, 14);
          const words = logSumExp([0, 1, 2, 3, 4].map((k) => h.reduce((e, on, j) => e + on * W[k * 14 + j]!, b[k]!)));
          return 6 * (words + h.reduce((e, on, j) => e + on * a[j]!, 0));
        }),
      );
    },
  },
];

/** As written, and as told: units that meet. */
const visited = "a Boltzmann machine with lateral connections";

const here = (await onnxEngine.probe()).available;

describe("AIS against the sum over all states", () => {
  it.skipIf(!here).each(cases)("$name", async ({ name, body, rows, logZ }) => {
    const { model } = loadModel(
      `model M {\n${body}\n evaluate { logZ = ais(chains = 100, temperatures = 300${name === visited ? ", sampler = single_site" : ""}) }\n}`,
    );
    const dataset = datasetOf(model, { train: rows as never });
    const session = await onnxEngine.open();
    try {
      for (let seed = 1; seed <= 5; seed++) {
        const weights = initialWeights(model, seed, dataset);
        const exact = logZ((name) => weights.get(name)!.data);
        await writeAll(session, weights);
        const asked = { split: "train", seed, averaged: new Set<string>(), terms: false, reconstruction: false } as const;
        const found = (await evaluate({ session, model, dataset, ...asked })).metrics["logZ"];
        expect(Math.abs((found?.value ?? NaN) - exact), `seed ${seed}: ${found?.value} for ${exact}`).toBeLessThan(0.1);
        expect(exact).toBeGreaterThan(5);
        expect(found?.partitions?.[0]?.sampler).toBe(name === visited ? "single_site" : "block");
      }
    } finally {
      session.dispose();
    }
  });
});
