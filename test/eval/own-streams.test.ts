/** Metrics of one of two streams of unequal length are of all of its rows; those of both are of as many as the shorter has. */
import { describe, expect, it } from "vitest";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { train } from "../../src/runtime/node/index.js";
import { loadModel } from "../support/model.js";

const text = `
model Two {
  data a : real[1]
  data b : real[1], y : category[2]
  latent z : real[1]
  param m : real[1] = 0
  density p(a, z) {
    z ~ Normal(0, 1)
    a = z + m
  }
  density q(b) { b ~ Normal(m, 1) }
  density r(a) { a ~ Normal(m, 1) }
  train { minimize (sum(a) - sum(m))^2 over m   optimizer = sgd(lr = 1e-12), batch = 4, steps = 1 }
  evaluate {
    of_a = sum(a)
    of_b = sum(b)
    likely = log q(b)
    both = sum(a) + sum(b)
    far = mmd_test(p, permutations = 10)
  }
}`;

const [LONG, SHORT] = [30, 7];
const rows = (n: number, from: number): Float32Array => Float32Array.from({ length: n }, (_, i) => from + i * i);
const mean = (v: Float32Array): number => v.reduce((s, x) => s + x, 0) / v.length;

describe.each([
  ["a is longer", LONG, SHORT],
  ["b is longer", SHORT, LONG],
])("two streams: %s", (_name, na, nb) => {
  const [a, b] = [rows(na, 1), rows(nb, 2)];
  const measured = async (limit?: number) => {
    const { model } = loadModel(text);
    const part = { a: { shape: [na, 1], data: a }, b: { shape: [nb, 1], data: b }, y: Int32Array.from(b, (_, i) => i % 2) };
    const trained = await train(model, { data: datasetOf(model, { train: part, test: part }), seed: 1 });
    try {
      return await trained.evaluate({ terms: false, reconstruction: false, ...(limit === undefined ? {} : { rows: limit }) });
    } finally {
      trained.close();
    }
  };

  it("means are over all rows of the stream that is read", async () => {
    const { metrics, protocol } = await measured();
    expect(protocol.rows).toBe(SHORT);
    expect(metrics["of_a"]?.value).toBeCloseTo(mean(a), 3);
    expect(metrics["of_b"]?.value).toBeCloseTo(mean(b), 3);
    expect(metrics["likely"]?.value).toBeCloseTo(-0.5 * mean(b.map((v) => v * v)) - 0.5 * Math.log(2 * Math.PI), 1);
    const counted = (name: string): number => metrics[name]?.rows ?? protocol.rows;
    expect(["of_a", "of_b", "likely", "far", "both"].map(counted)).toEqual([na, nb, nb, na, SHORT]);
  });

  it("a number of rows that is asked for holds for each", async () => {
    const { metrics, protocol } = await measured(10);
    const counted = (name: string): number => metrics[name]?.rows ?? protocol.rows;
    expect(["of_a", "of_b", "both"].map(counted)).toEqual([Math.min(10, na), Math.min(10, nb), SHORT]);
  });
});
