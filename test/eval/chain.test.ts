/** Sampling by a chain: against the enumerated distribution, clamped, begun in three ways, followed over time, with directed statements below. */
import { describe, expect, it, vi } from "vitest";
import {
  add,
  matmul,
  normal,
  openSession,
  real,
  referenceEngine,
  train,
  trainOn,
  type Engine,
  type ModelDefinition,
  type RowsByName,
  type TrainedSession,
} from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { exactLogZ, handRbm, logUnnormalised, rbmChain, type HostRbm } from "../support/hand-rbm.js";
import { handVae, templateRows } from "../support/hand-vae.js";

const [D, H] = [5, 3];
const rows = templateRows(60, D);
const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);
const model = handRbm({ D, H, spread: 1.2, sweeps: 60 });
const initial = initialWeights(model, 3);
const host: HostRbm = { W: initial.get("W")!.data, a: initial.get("a")!.data, b: initial.get("b")!.data };

async function opened(engine: Engine, of: ModelDefinition = model, data: RowsByName[string]["data"] = rows): Promise<TrainedSession> {
  const session = await engine.open();
  const dataset = datasetOf(of, { train: Object.fromEntries(Object.keys(of.streams[0] ?? {}).map((name) => [name, data])) });
  await writeAll(session, initialWeights(of, 3, dataset));
  return openSession({ session, model: of, dataset, seed: 5, averaged: new Set(), step: 0 });
}

/** P(v) of each of the 32 states. */
const exact = (() => {
  const logZ = exactLogZ(host);
  return Array.from({ length: 2 ** D }, (_, s) =>
    Math.exp(
      logUnnormalised(
        host,
        Array.from({ length: D }, (_, i) => (s >> i) & 1),
      ) - logZ,
    ),
  );
})();
const stateOf = (x: ArrayLike<number>, row: number): number =>
  Array.from({ length: D }, (_, i) => (x[row * D + i]! > 0.5 ? 2 ** i : 0)).reduce((a, b) => a + b, 0);
const frequencies = (x: ArrayLike<number>): number[] => {
  const n = x.length / D;
  const out = new Array<number>(2 ** D).fill(0);
  for (let row = 0; row < n; row++) out[stateOf(x, row)]! += 1 / n;
  return out;
};
const variation = (a: readonly number[], b: readonly number[]): number => a.reduce((t, p, i) => t + Math.abs(p - b[i]!), 0) / 2;
/** What chance alone leaves between a distribution and the frequencies of n draws: E |p^ - p| = sqrt(2 p (1 - p) / (pi n)). */
const chance = (p: readonly number[], n: number): number => p.reduce((t, q) => t + Math.sqrt((2 * q * (1 - q)) / (Math.PI * n)), 0) / 2;

describe.each(engines.filter((e) => available.includes(e.name)))("$name", (engine) => {
  it("takes as many sweeps as a limit of work allows, says how many, and all where it allows more", async () => {
    const trained = await opened(engine);
    const cut = await trained.sample(10, { sweeps: 1_000_000_000, work: 20_000 });
    expect(cut.sweeps).toBeGreaterThan(1);
    expect(cut.sweeps).toBeLessThan(60);
    // the values are those that so many sweeps leave
    expect(await trained.sample(10, { sweeps: cut.sweeps! })).toEqual(cut);
    expect((await trained.sample(10, { work: 1 })).sweeps).toBe(1);
    expect(await trained.sample(10, { work: 1e12 })).toEqual(await trained.sample(10, { sweeps: 60 }));
  }, 60_000);

  it("draws from the distribution", async () => {
    const trained = await opened(engine);
    const { values, means } = await trained.sample(4000);
    expect(values["v"]!.shape).toEqual([4000, D]);
    expect(values["h"]!.shape).toEqual([4000, H]);
    expect(variation(frequencies(values["v"]!.data), exact)).toBeLessThan(1.5 * chance(exact, 4000));
    // E[v | h]: its average is that of v
    const mean = (x: ArrayLike<number>, j: number): number =>
      Array.from({ length: 4000 }, (_, i) => x[i * D + j]!).reduce((a, b) => a + b, 0) / 4000;
    for (let j = 0; j < D; j++) expect(Math.abs(mean(means["v"]!.data, j) - mean(values["v"]!.data, j))).toBeLessThan(0.04);
    trained.close();
  });

  it("is the same however its sweeps are cut, and another for another seed", async () => {
    const trained = await opened(engine);
    const one = await trained.sample(20, { sweeps: 13 });
    let clock = 0;
    const now = vi.spyOn(performance, "now").mockImplementation(() => (clock += 1000));
    const seen: [number, number][] = [];
    const cut = await trained.sample(20, { sweeps: 13, onProgress: (done, total) => void seen.push([done, total]) });
    now.mockRestore();
    expect(cut).toEqual(one);
    expect(seen).toEqual(Array.from({ length: 13 }, (_, i) => [i + 1, 13]));
    expect((await trained.sample(20, { sweeps: 13, seed: 8 })).values["v"]).not.toEqual(one.values["v"]);
    const stop = new AbortController();
    stop.abort();
    await expect(trained.sample(20, { signal: stop.signal })).rejects.toMatchObject({ name: "AbortError" });
    trained.close();
  });

  it("holds what is clamped", async () => {
    const trained = await opened(engine);
    const h = Float32Array.from({ length: 2000 * H }, (_, i) => [1, 0, 1][i % H]!);
    const { values, means } = await trained.sample(2000, { sweeps: 3, given: { h: { shape: [2000, H], data: h } } });
    expect(values["h"]!.data).toEqual(h);
    expect(means["h"]).toBeUndefined();
    for (let i = 0; i < D; i++) {
      const logit = host.b[i]! + host.W[i * H]! + host.W[i * H + 2]!;
      const found = Array.from({ length: 2000 }, (_, r) => values["v"]!.data[r * D + i]!).reduce((a, b) => a + b, 0) / 2000;
      expect(Math.abs(found - 1 / (1 + Math.exp(-logit)))).toBeLessThan(0.05);
      expect(means["v"]!.data[i]).toBeCloseTo(1 / (1 + Math.exp(-logit)), 4);
    }
    await expect(trained.sample(2, { given: { q: { shape: [2], data: h } } })).rejects.toMatchObject({ code: "GM4009" });
    await expect(trained.sample(2, { given: { h: { shape: [1, H], data: h.subarray(0, H) } } })).rejects.toMatchObject({ code: "GM4009" });
    trained.close();
  });

  it("follows its chains over time from where they begin", async () => {
    const trained = await opened(engine);
    const { frames, values } = await trained.sample(4, { sweeps: 10, every: 4, start: "data" });
    expect(frames).toHaveLength(3);
    expect(Array.from(frames![0]!.values["v"]!.data)).toEqual(Array.from(trained.data(4)["v"]!.data));
    // the mean of v would be that given hidden units that nothing has drawn yet
    expect(frames!.map((f) => Object.hasOwn(f.means, "v"))).toEqual([false, true, true]);
    expect(frames![2]!.values["v"]!.data).not.toEqual(frames![0]!.values["v"]!.data);
    const whole = await trained.sample(4, { sweeps: 10, start: "data" });
    expect(whole.values).toEqual(values);
    expect(whole.frames).toBeUndefined();
    const eight = await trained.sample(4, { sweeps: 8, start: "data" });
    expect(eight.values).toEqual(frames![2]!.values);
    await expect(trained.sample(4, { start: "chains" })).rejects.toMatchObject({ code: "GM4009" });
    await expect(trained.sample(4, { sweeps: 0 })).rejects.toMatchObject({ code: "GM4008" });
    trained.close();
  });

  it("goes on with the chains of the training", async () => {
    const trained = await train(handRbm({ D, H, chains: 3 }), { data: { v: rows }, engine, steps: 4 });
    const chain = (await trained.session.read("chain:p.v")).data;
    const { frames } = await trained.sample(5, { sweeps: 1, every: 1, start: "chains" });
    const begun = frames![0]!.values["v"]!.data;
    expect(Array.from(begun)).toEqual([...chain, ...chain.subarray(0, 2 * D)]);
    trained.close();
    // of tempered replicas the last are the model's
    const replicas = handRbm({ D, H, chains: 2 });
    const spec = { shape: [3, 2, D], dtype: "f32", start: { kind: "bernoulli" }, of: { density: "p", variable: "v" } } as const;
    const { generative, densities } = replicas;
    const phases = replicas.train.map((p) => ({ ...p, updates: p.updates.map((u) => ({ ...u, carried: { "p.v": spec } })) }));
    const tempered = await opened(engine, { ...replicas, train: phases, densities, ...(generative === undefined ? {} : { generative }) });
    const state = Float32Array.from({ length: 6 * D }, (_, i) => (i >= 4 * D ? 1 : 0));
    await tempered.session.write("chain:p.v", { dtype: "f32", shape: [3, 2, D], data: state });
    const own = (await tempered.sample(3, { sweeps: 1, every: 1, start: "chains" })).frames![0]!.values["v"]!;
    expect(own).toMatchObject({ shape: [3, D] });
    expect(own.data.every((v) => v === 1)).toBe(true);
    tempered.close();
  });

  it("draws the directed rest given the chain", async () => {
    const below: ModelDefinition = {
      ...model,
      streams: [{ x: real([H]) }],
      latents: { v: { domain: "binary", shape: [D] }, h: { domain: "binary", shape: [H] } },
      train: [],
      evaluate: {},
      densities: {
        p: {
          head: ["x", "v", "h"],
          given: [],
          label: "p(x, v, h)",
          place: "deep.gm:3",
          chain: rbmChain(D, H, 20) as never,
          sample: (w, key, n, given) => {
            const { W } = w as unknown as { readonly W: Parameters<typeof matmul>[1] };
            const loc = add(matmul(given["v"]!, W), 10);
            return { values: { x: normal.sample(key.at("x"), { loc, scale: 0.01 }, [n, H]) }, means: { x: loc } };
          },
        },
      },
    };
    const trained = await opened(engine, below, new Float32Array(60 * H));
    const { values, frames } = await trained.sample(6, { every: 10 });
    for (let r = 0; r < 6; r++)
      for (let j = 0; j < H; j++) {
        const v = values["v"]!.data.subarray(r * D, (r + 1) * D);
        const loc = 10 + Array.from(v).reduce((t, x, i) => t + x * host.W[i * H + j]!, 0);
        expect(Math.abs(values["x"]!.data[r * H + j]! - loc)).toBeLessThan(0.06);
      }
    expect(frames![1]!.means["x"]!.shape).toEqual([6, H]);
    await expect(trained.reconstruct(2)).rejects.toMatchObject({ code: "GM4009" });
    trained.close();
  });

  it("reconstructs through hidden means", async () => {
    const trained = await opened(engine);
    const { data, shown } = await trained.reconstruct(4);
    const v = data["v"]!.data;
    const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
    for (let r = 0; r < 4; r++) {
      const h = Array.from({ length: H }, (_, j) =>
        sigmoid(Array.from({ length: D }, (_, i) => v[r * D + i]! * host.W[i * H + j]!).reduce((a, b) => a + b, host.a[j]!)),
      );
      for (let i = 0; i < D; i++)
        expect(shown["v"]!.data[r * D + i]).toBeCloseTo(sigmoid(h.reduce((t, x, j) => t + x * host.W[i * H + j]!, host.b[i]!)), 4);
    }
    const { reconstruction } = await trained.evaluate({ metrics: [], terms: false });
    const all = await trained.reconstruct(60);
    const squares = Array.from({ length: 60 }, (_, r) =>
      Array.from({ length: D }, (_, i) => (all.data["v"]!.data[r * D + i]! - all.shown["v"]!.data[r * D + i]!) ** 2).reduce(
        (a, b) => a + b,
      ),
    );
    expect(reconstruction["v"]!.label).toBe("squared error of v through the means of what is hidden, summed over its entries");
    expect(reconstruction["v"]!.value).toBeCloseTo(squares.reduce((a, b) => a + b) / 60, 4);
    trained.close();
  });

  it("averaged weights are what is drawn from", async () => {
    const averaged = handRbm({ D, H, phase: { ema: 0.5 } });
    const session = await engine.open();
    const dataset = datasetOf(averaged, { train: { v: rows } });
    await trainOn(session, averaged, dataset, { steps: 3 });
    const open = (names: readonly string[]): TrainedSession =>
      openSession({ session, model: averaged, dataset, seed: 0, averaged: new Set(names), step: 3 });
    // the average of b is made to say all ones
    await session.write("ema:b", { dtype: "f32", shape: [D], data: new Float32Array(D).fill(50) });
    expect((await open(["W", "a", "b"]).sample(5)).values["v"]!.data.every((x) => x === 1)).toBe(true);
    expect((await open([]).sample(5)).values["v"]!.data.every((x) => x === 1)).toBe(false);
    session.dispose();
  });
});

describe("a density without a chain", () => {
  it("takes conditions on any of its variables, and no sweeps", async () => {
    const trained = await train(handVae(), { data: { x: templateRows(20) }, engine: referenceEngine, steps: 1 });
    const z = { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
    const { values } = await trained.sample(2, { given: { z } });
    expect(Array.from(values["z"]!.data)).toEqual([1, 2, 3, 4]);
    await expect(trained.sample(2, { sweeps: 3 })).rejects.toMatchObject({ code: "GM4009" });
    trained.close();
  });
});
