/** Vector quantisation of the standard library against loops: the nearest code, the gradient that passes straight through, who moves to whom. */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

const K = 4;
const D = 2;
const P = 3;
const B = 5;
const wave = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => Math.fround(1.5 * Math.sin((i + 1) * (i + seed))));
const codebook = wave(K * D, 1);
const a = [1.25, 0.75];
const x = wave(B * P * D, 5);

const model = (objective: string) =>
  loadModel(`model M {
    data x : real[${P}, ${D}]
    param codebook : real[${K}, ${D}], a : real[${D}]
    train { maximize ${objective}   optimizer = sgd(lr = 0.1), batch = ${B}, steps = 1 }
  }`).model;

/** All vectors a x, each with its nearest code by brute force. */
const vectors = Array.from({ length: B * P }, (_, v) => {
  const z = [0, 1].map((d) => a[d]! * x[v * D + d]!);
  const distances = Array.from({ length: K }, (_, k) => [0, 1].reduce((s, d) => s + (z[d]! - codebook[k * D + d]!) ** 2, 0));
  const k = distances.indexOf(Math.min(...distances));
  return { x: x.slice(v * D, v * D + D), z, k, code: codebook.slice(k * D, k * D + D), distance: distances[k]! };
});

const close = (got: readonly number[] | undefined, wanted: readonly number[]): void => {
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((v, i) => expect(got?.[i]).toBeCloseTo(v, 4));
};

describe("vector quantisation", () => {
  it("uses more than one code here", () => expect(new Set(vectors.map((v) => v.k)).size).toBeGreaterThan(2));

  it("gives the nearest codes, and passes the gradient to the vectors", async () => {
    const { value, gradients } = await gradientsOf(model("sum(quantize(a * x, codebook) ^ 2)"), {
      weights: { codebook, a },
      data: { x },
      rows: B,
    });
    close(value.mean, [vectors.reduce((s, v) => s + v.code[0]! ** 2 + v.code[1]! ** 2, 0) / B]);
    close(
      gradients["a"]?.mean,
      [0, 1].map((d) => vectors.reduce((s, v) => s + 2 * v.code[d]! * v.x[d]!, 0) / B),
    );
    // the codes themselves get none
    expect(gradients["codebook"]?.mean ?? new Array<number>(K * D).fill(0)).toEqual(new Array<number>(K * D).fill(0));
  });

  it("draws codes to their vectors, and vectors to their codes by beta", async () => {
    const objective = "commitment(a * x, codebook, beta = 0.5)";
    const { value, gradients } = await gradientsOf(model(objective), { weights: { codebook, a }, data: { x }, rows: B });
    close(value.mean, [(1.5 * vectors.reduce((s, v) => s + v.distance, 0)) / B]);
    close(
      gradients["codebook"]?.mean,
      codebook.map((c, i) => vectors.reduce((s, v) => s + (v.k === Math.floor(i / D) ? 2 * (c - v.z[i % D]!) : 0), 0) / B),
    );
    close(
      gradients["a"]?.mean,
      [0, 1].map((d) => vectors.reduce((s, v) => s + 0.5 * 2 * (v.z[d]! - v.code[d]!) * v.x[d]!, 0) / B),
    );
  });
});
