/** Several estimates of one log Z: a line reads the one that it names, and no other. */
import { describe, expect, it } from "vitest";
import { openSession, referenceEngine } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { loadModel } from "../support/model.js";

const text = `model M {
  data v : binary[6]
  latent h : binary[4]
  param W : real[6, 4] init Normal(0, 2)
  density p(v, h) { energy -(v @ W @ h) }
  train { maximize log p(v) by cd(k = 1)
    optimizer = sgd(lr = 0.1), batch = 2, steps = 1 }
  evaluate {
    quick = ais(p, temperatures = 2)
    slow = ais(p, temperatures = 300, reverse = 20)
    a = -log p(v) by ais(temperatures = 2)
    b = -log p(v) by ais(temperatures = 300)
    c = -log p(v) by ais(temperatures = 40)
    d = -log p(v) by ais(temperatures = 50, chains = 70)
    e = -2 * log p(v) by ais(temperatures = 40)
  }
}`;

describe("several estimates of log Z", () => {
  it("are read by the lines that name them", async () => {
    const { model } = loadModel(text);
    const rows = [1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0];
    const session = await referenceEngine.open();
    const dataset = datasetOf(model, { train: { v: Float32Array.from(rows) } });
    const weights = initialWeights(model, 3, dataset);
    await writeAll(session, weights);
    const opened = openSession({ session, model, dataset, seed: 1, averaged: new Set(), step: 0 });
    const { metrics } = await opened.evaluate();
    opened.close();
    const W = [...weights.get("W")!.data];
    const free = (v: readonly number[]): number =>
      [0, 1, 2, 3].reduce((s, j) => s + Math.log1p(Math.exp(v.reduce((t, x, i) => t + x * W[i * 4 + j]!, 0))), 0);
    const mean = (free(rows.slice(0, 6)) + free(rows.slice(6))) / 2;
    const logZ = (name: string): number => metrics[name]!.value;
    const read = (name: string): string => metrics[name]!.partitions![0]!.name;

    expect(Object.keys(metrics).sort()).toEqual(["a", "b", "c", "d", "e", "logZ", "logZ_p", "quick", "slow"]);
    expect(["a", "b", "c", "d", "e"].map(read)).toEqual(["quick", "slow", "logZ", "logZ_p", "logZ"]);
    expect(metrics["logZ"]!.partitions).toMatchObject([{ temperatures: 40, chains: 100 }]);
    expect(metrics["logZ_p"]!.partitions).toMatchObject([{ temperatures: 50, chains: 70 }]);
    for (const name of ["a", "b", "c", "d"]) expect(metrics[name]!.value, name).toBeCloseTo(logZ(read(name)) - mean, 3);
    expect(metrics["e"]!.value).toBeCloseTo(2 * (logZ("logZ") - mean), 3);

    const states = Array.from({ length: 64 }, (_, s) => Array.from({ length: 6 }, (__, i) => (s >> i) & 1));
    const exact = Math.log(states.reduce((s, v) => s + Math.exp(free(v)), 0));
    expect(Math.abs(metrics["b"]!.value - (exact - mean))).toBeLessThan(4 * metrics["slow"]!.standardError! + 1e-3);
    expect(Math.abs(metrics["a"]!.value - metrics["b"]!.value)).toBeGreaterThan(0.01);
  });
});

it("a sampler that both a line and its reader name is one estimate", () => {
  const { model } = loadModel(`model B(D = 30) {
  data v : binary[D]
  param L : real[D, D] init Normal(0, 0.01)
  density p(v) { energy -(v @ L @ v) }
  train { maximize log p(v) by pcd(k = 1, sampler = single_site) }
  evaluate {
    logZ = ais(p, chains = 20, sampler = single_site)
    nll = -log p(v) by ais(chains = 20, sampler = single_site)
  }
}`);
  expect(Object.keys(model.evaluate ?? {})).toEqual(["logZ", "nll"]);
});
