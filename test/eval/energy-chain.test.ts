/** An energy model as a whole density: its chain and its log Z, from the energy alone, against enumeration; with labels, and with counts. */
import { describe, expect, it } from "vitest";
import {
  add,
  aisProgram,
  category,
  binary,
  count,
  defineModel,
  energyModel,
  exactProgram,
  freeEnergy,
  gibbsChain,
  init,
  matmul,
  mul,
  neg,
  openSession,
  param,
  referenceEngine,
  sum,
  type ModelDefinition,
  type Tensor,
  type WeightsOf,
} from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";

const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);
const inner = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b), [-1]);

/** A classification RBM (Larochelle & Bengio 2008): labels and pixels over the same hidden units. */
const [D, H, K] = [3, 2, 3];
const labelled = (() => {
  const weights = {
    W: param([D, H], { init: init.normal(0, 1) }),
    U: param([K, H], { init: init.normal(0, 1) }),
    b: param([D], { init: init.normal(0, 1) }),
  };
  const energy = energyModel<WeightsOf<typeof weights>>({
    name: "p",
    place: "crbm.gm:7",
    units: {
      v: { kind: "bernoulli", shape: [D] },
      y: { kind: "categorical", shape: [], classes: K },
      h: { kind: "bernoulli", shape: [H] },
    },
    sweep: [["h"], ["v", "y"]],
    energy: (w, { v, y, h }) => neg(add(inner(add(matmul(v!, w.W), matmul(y!, w.U)), h!), inner(v!, w.b))),
  });
  return defineModel({
    name: "Labelled",
    source: { file: "crbm.gm", sha256: "0".repeat(64), compiler: "0.1.0" },
    hyperparameters: {},
    streams: [{ v: binary([D]), y: category(K) }],
    latents: { h: binary([H]) },
    weights,
    densities: {
      p: { head: ["v", "y", "h"], given: [], label: "p(v, y, h)", place: "crbm.gm:6", chain: gibbsChain(energy, { sweeps: 40 }) },
    },
    generative: "p",
    train: [],
    evaluate: {
      ais: {
        kind: "partition",
        method: "ais",
        label: "ais(chains = 50, temperatures = 100)",
        place: "crbm.gm:10",
        chains: 50,
        temperatures: 100,
        statistics: ["v", "y"],
        program: (settings) => aisProgram(energy, { ...settings, sum: ["h"] }),
      },
      exact: {
        kind: "partition",
        method: "exact",
        label: "exact()",
        place: "crbm.gm:11",
        program: () => exactProgram(energy, { sum: ["h"], enumerate: ["v", "y"], chunk: 5 }),
      },
      nll: {
        kind: "rows",
        label: "-log p(v, y)",
        place: "crbm.gm:12",
        unit: "nats",
        partitions: ["exact"],
        value: ({ w, data, partition }) =>
          add(freeEnergy(energy, w, { v: data["v"] as Tensor, y: data["y"] as Tensor }, { sum: ["h"] }), partition["exact"] as Tensor),
      },
    },
  });
})();

async function opened(engine: (typeof engines)[number], model: ModelDefinition, train: Record<string, Float32Array | Int32Array>) {
  const session = await engine.open();
  const dataset = datasetOf(model, { train });
  await writeAll(session, initialWeights(model, 2, dataset));
  return openSession({ session, model, dataset, seed: 3, averaged: new Set(), step: 0 });
}

describe.each(engines.filter((e) => available.includes(e.name)))("$name", (engine) => {
  it("labels and pixels are drawn, measured and held", async () => {
    const w = initialWeights(labelled, 2);
    const [W, U, b] = ["W", "U", "b"].map((n) => w.get(n)!.data) as [Float32Array, Float32Array, Float32Array];
    /** -F(v, y) */
    const score = (v: readonly number[], y: number): number =>
      v.reduce((t, x, i) => t + x * b[i]!, 0) +
      Array.from({ length: H }, (_, j) => Math.log1p(Math.exp(v.reduce((t, x, i) => t + x * W[i * H + j]!, U[y * H + j]!)))).reduce(
        (s, x) => s + x,
        0,
      );
    const states = Array.from({ length: 8 }, (_, s) => [s & 1, (s >> 1) & 1, (s >> 2) & 1]);
    const joint = Array.from({ length: K }, (_, y) => states.map((v) => Math.exp(score(v, y))));
    const Z = joint.flat().reduce((s, p) => s + p, 0);
    const trained = await opened(engine, labelled, {
      v: Float32Array.of(1, 0, 1, 0, 0, 1),
      y: Int32Array.of(2, 0),
    });
    const { metrics } = await trained.evaluate();
    expect(metrics["exact"]!.value).toBeCloseTo(Math.log(Z), 4);
    expect(Math.abs(metrics["ais"]!.value - Math.log(Z))).toBeLessThan(4 * metrics["ais"]!.standardError! + 1e-4);
    expect(metrics["nll"]!.value).toBeCloseTo(Math.log(Z) - (score([1, 0, 1], 2) + score([0, 0, 1], 0)) / 2, 4);
    const n = 3000;
    const { values, means } = await trained.sample(n);
    expect(values["y"]!.data).toBeInstanceOf(Int32Array);
    expect(means["y"]).toBeUndefined();
    for (let y = 0; y < K; y++) {
      const p = joint[y]!.reduce((s, q) => s + q, 0) / Z;
      expect(Math.abs(values["y"]!.data.filter((c) => c === y).length / n - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
    }
    // a label that is held
    const held = await trained.sample(n, { given: { y: { shape: [n], data: new Int32Array(n).fill(1) } } });
    const first = joint[1]!.reduce((s, q, i) => s + q * states[i]![0]!, 0) / joint[1]!.reduce((s, q) => s + q, 0);
    const found = Array.from({ length: n }, (_, r) => held.values["v"]!.data[r * D]!).reduce((s, x) => s + x, 0) / n;
    expect(Math.abs(found - first)).toBeLessThan(4 * Math.sqrt((first * (1 - first)) / n));
    expect(held.values["y"]!.data.every((c) => c === 1)).toBe(true);
    // a part of the pixels that is held: the label, too, follows it
    const part = await trained.sample(n, {
      known: { values: new Float32Array(n * D).fill(1), mask: Float32Array.from({ length: n * D }, (_, i) => (i % D === 0 ? 1 : 0)) },
    });
    const upper = joint.map((ps) => ps.reduce((s, q, i) => s + q * states[i]![0]!, 0));
    const second = joint.flatMap((ps) => ps.map((q, i) => q * states[i]![0]! * states[i]![1]!)).reduce((s, q) => s + q, 0);
    const whole = upper.reduce((s, q) => s + q, 0);
    const rate = (p: number, hits: (row: number) => boolean): void => {
      const got = Array.from({ length: n }, (_, r) => (hits(r) ? 1 : 0) as number).reduce((s, x) => s + x, 0) / n;
      expect(Math.abs(got - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
    };
    rate(second / whole, (r) => part.values["v"]!.data[r * D + 1] === 1);
    upper.forEach((q, y) => rate(q / whole, (r) => part.values["y"]!.data[r] === y));
    expect(Array.from({ length: n }, (_, r) => part.values["v"]!.data[r * D]).every((v) => v === 1)).toBe(true);
    expect(Array.from({ length: n }, (_, r) => part.means["v"]!.data[r * D]).every((m) => Math.abs(m! - 1) < 1e-6)).toBe(true);
    await expect(trained.sample(n, { known: { variable: "z", values: [], mask: [] } })).rejects.toThrow(
      /`z` of p\(v, y, h\) is not held in part/u,
    );
    expect((await trained.reconstruct(2)).shown["v"]!.shape).toEqual([2, D]);
    trained.close();
  });

  it("log Z of counts is found for each total, and documents keep their length", async () => {
    // replicated softmax (Hinton & Salakhutdinov 2009) over 4 words and 2 topics
    const [V, F] = [4, 2];
    const weights = { W: param([V, F], { init: init.normal(0, 0.7) }), a: param([F], { init: init.normal(0, 0.7) }) };
    const energy = energyModel<WeightsOf<typeof weights>>({
      name: "p",
      place: "rs.gm:6",
      units: { v: { kind: "multinomial", shape: [V] }, h: { kind: "bernoulli", shape: [F] } },
      sweep: [["h"], ["v"]],
      energy: (w, { v, h }) => neg(add(inner(matmul(v!, w.W), h!), mul(sum(v!, [-1]), inner(h!, w.a)))),
    });
    const exact = { kind: "partition", method: "exact", label: "exact()", place: "rs.gm:9", rows: 5 } as const;
    const model = defineModel({
      name: "Topics",
      source: { file: "rs.gm", sha256: "0".repeat(64), compiler: "0.1.0" },
      hyperparameters: {},
      streams: [{ v: count([V]) }],
      latents: { h: binary([F]) },
      weights,
      densities: { p: { head: ["v", "h"], given: [], label: "p(v, h)", place: "rs.gm:5", chain: gibbsChain(energy, { sweeps: 5 }) } },
      generative: "p",
      train: [],
      evaluate: {
        logZ: {
          ...exact,
          given: ({ data }) => ({ N: sum(data["v"] as Tensor, [-1]) }),
          program: () => exactProgram(energy, { sum: ["v"], enumerate: ["h"], totals: ({ N }) => ({ v: N! }) }),
        },
        ais: {
          ...exact,
          method: "ais",
          chains: 50,
          temperatures: 60,
          statistics: ["v"],
          given: ({ data }) => ({ N: sum(data["v"] as Tensor, [-1]) }),
          program: (settings) => aisProgram(energy, { ...settings, sum: ["h"], totals: ({ N }) => ({ v: N! }) }),
        },
      },
    });
    const v = Float32Array.of(1, 0, 2, 0, 0, 5, 1, 1, 3, 0, 0, 0, 2, 2, 2, 1, 0, 0, 0, 7, 9, 9, 9, 9);
    const trained = await opened(engine, model, { v });
    const w = initialWeights(model, 2);
    const [W, a] = [w.get("W")!.data, w.get("a")!.data];
    /** Σ_h exp(N a h) (Σ_k exp((W h)_k))^N */
    const logZ = (N: number): number =>
      Math.log(
        [0, 1, 2, 3].reduce((t, s) => {
          const h = [s & 1, s >> 1];
          const words = Array.from({ length: V }, (_, k) => Math.exp(W[k * F]! * h[0]! + W[k * F + 1]! * h[1]!));
          return t + Math.exp(N * (a[0]! * h[0]! + a[1]! * h[1]!)) * words.reduce((x, y) => x + y, 0) ** N;
        }, 0),
      );
    const expected = [3, 7, 3, 7, 7].reduce((t, N) => t + logZ(N) / 5, 0);
    const { metrics } = await trained.evaluate();
    expect(metrics["logZ"]).toMatchObject({ rows: 5, partitions: [{ conditions: 2 }] });
    expect(metrics["logZ"]!.value).toBeCloseTo(expected, 3);
    expect(Math.abs(metrics["ais"]!.value - expected)).toBeLessThan(4 * metrics["ais"]!.standardError! + 1e-3);
    await expect(trained.sample(6, { known: { variable: "v", values: v, mask: v.map(() => 0) } })).rejects.toThrow(
      /`v` of p\(v, h\) is not held in part/u,
    );
    const { values } = await trained.sample(6);
    const totals = Array.from({ length: 6 }, (_, r) => values["v"]!.data.subarray(r * V, (r + 1) * V)).map((doc) =>
      Array.from(doc).reduce((x, y) => x + y, 0),
    );
    expect(totals.sort((x, y) => x - y)).toEqual([3, 3, 7, 7, 7, 36]);
    trained.close();
  });
});
