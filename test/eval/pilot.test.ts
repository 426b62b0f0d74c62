/** Temperatures that a pilot run spaces: equal shares of the weights' deviation, against the length that it estimates; and log Z against all documents. */
import { describe, expect, it } from "vitest";
import { evaluate, referenceEngine, type Result } from "gmc/runtime";
import { pilotTemperatures, spacedTemperatures } from "../../src/runtime/eval/pilot.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { bits } from "../numeric/energy-cases.js";
import { loadModel } from "../support/model.js";

const difference = (x: ArrayLike<number>): number[] => Array.from({ length: x.length - 1 }, (_, i) => x[i + 1]! - x[i]!);

/** Log weights of two chains, each of whose steps adds lengths[i] / sqrt(2) to the one and takes it from the other: of that deviation. */
function logsOf(lengths: readonly number[]): number[][] {
  const logs = [[0, 0]];
  for (const l of lengths) {
    const [a, b] = logs.at(-1)!;
    logs.push([a! + l / Math.SQRT2, b! - l / Math.SQRT2]);
  }
  return logs;
}

describe("spacing", () => {
  it("is dense at both ends for the pilot itself", () => {
    const betas = pilotTemperatures(8);
    expect(Array.from(betas).slice(0, 2)).toEqual([0, expect.closeTo(Math.sin(Math.PI / 16) ** 2, 6)]);
    expect(betas[4]).toBeCloseTo(0.5, 6);
    expect(betas[8]).toBe(1);
    expect(betas[8]! - betas[7]!).toBeCloseTo(betas[1]!, 6);
  });

  it("gives each step an equal share, and a tenth of them to the pilot's own spacing", () => {
    const betas = [0, 0.25, 0.5, 1];
    const found = spacedTemperatures(betas, logsOf([1, 7, 2]), 1000);
    const inside = (from: number, to: number): number => found.filter((b) => b > from && b <= to).length / 1000;
    expect(inside(0, 0.25)).toBeCloseTo(0.09 + 0.1 / 3, 2);
    expect(inside(0.25, 0.5)).toBeCloseTo(0.63 + 0.1 / 3, 2);
    expect(inside(0.5, 1)).toBeCloseTo(0.18 + 0.1 / 3, 2);
  });

  it.each([
    ["weights that vary", [0.1, 3, 0, 0, 0.4, 90]],
    ["equal weights", [0, 0, 0, 0, 0, 0]],
  ])("rises from 0 to 1: %s", (_, lengths) => {
    for (const steps of [1, 2, 7, 500]) {
      const found = spacedTemperatures(pilotTemperatures(lengths.length), logsOf(lengths), steps);
      expect(found.length).toBe(steps + 1);
      expect([found[0], found[steps]]).toEqual([0, 1]);
      for (const d of difference(found)) expect(d).toBeGreaterThan(0);
    }
  });
});

describe("log Z with temperatures spaced by a pilot run", () => {
  // with 400 words, sweeps of words and hidden units alone leave 3 of 100 chains: each word holds the units. The sum over all of N words is one over h alone, (Σ_k exp(b_k + W_k h))^N
  const [V, H] = [3, 4];
  const W = Array.from({ length: V * H }, (_, i) => 0.8 * Math.sin(2.3 * i + 0.5));
  const a = [0.1, -0.2, 0.15, -0.1];
  const b = [0.3, -0.2, 0.1];
  const lengths = [4, 60, 400];

  function exact(N: number): number {
    const logs = Array.from({ length: 2 ** H }, (_, s) => {
      const h = bits(H)[s]!.value;
      const word = b.map((bk, k) => Math.exp(bk + h.reduce((t, on, j) => t + on * W[k * H + j]!, 0)));
      return N * (h.reduce((t, on, j) => t + on * a[j]!, 0) + Math.log(word.reduce((x, y) => x + y, 0)));
    });
    const top = Math.max(...logs);
    return top + Math.log(logs.reduce((t, l) => t + Math.exp(l - top), 0));
  }

  async function measured(options: string, seed: number): Promise<Result> {
    const { model } = loadModel(`model Topics {
  data v : count[${V}]
  latent h : binary[${H}]
  param W : real[${V}, ${H}], a : real[${H}], b : real[${V}]
  density p(v, h) { energy -(v @ W @ h) - b @ v - sum(v) * (a @ h) }
  evaluate { logZ = ais(chains = 100, temperatures = 60${options}) }
}`);
    const session = await referenceEngine.open();
    try {
      const v = Float32Array.from(lengths.flatMap((N) => [N / 4, N / 4, N / 2]));
      for (const { path, spec } of leavesOf(model.weights))
        await session.write(path, { dtype: "f32", shape: spec.shape, data: Float32Array.from({ W, a, b }[path]!) });
      const dataset = datasetOf(model, { train: { v } });
      const all = { session, model, dataset, seed, averaged: new Set<string>(), terms: false, reconstruction: false };
      return (await evaluate(all)).metrics["logZ"]!;
    } finally {
      session.dispose();
    }
  }

  it("is right at all lengths, and better known than with as many even ones", async () => {
    const truth = lengths.reduce((t, N) => t + exact(N), 0) / lengths.length;
    const seeds = [1, 2];
    const [even, spaced] = [[] as Result[], [] as Result[]];
    for (const seed of seeds) {
      even.push(await measured("", seed));
      spaced.push(await measured(", pilot = 40", seed));
    }
    expect(even[0]!.partitions![0]!.pilot).toBeUndefined();
    for (const { value, partitions } of spaced) {
      expect(partitions![0]).toMatchObject({ pilot: 40, conditions: 3, sampleSizes: { few: 0 } });
      expect(Math.abs(value - truth)).toBeLessThan(0.15);
    }
    const worst = (results: readonly Result[]): number =>
      results.reduce((t, r) => t + r.partitions![0]!.effectiveSampleSize!, 0) / seeds.length;
    expect(worst(spaced)).toBeGreaterThan(1.8 * worst(even));
    // two bounds from the same temperatures
    const both = await measured(", pilot = 40, reverse = 50", 1);
    const reverse = both.partitions![0]!.reverse!;
    expect(Math.abs(reverse.value - truth)).toBeLessThan(0.5);
  });
});
