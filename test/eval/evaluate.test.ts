/** Evaluation against closed forms, and its independence of how rows and samples are cut. */
import { describe, expect, it } from "vitest";
import {
  adam,
  add,
  constant,
  defineModel,
  evaluate,
  init,
  logMeanExp,
  mul,
  neg,
  normal,
  param,
  real,
  referenceEngine,
  reshape,
  rowsOf,
  sub,
  sum,
  trainOn,
  type Evaluation,
  type ModelDefinition,
  type Tensor,
  type WeightsOf,
} from "gmc/runtime";
import { Moments, SampleCombiner, sampleChunks } from "../../src/runtime/eval/accumulate.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { handVae, templateRows } from "../support/hand-vae.js";

/** z ~ N(0, 1), x | z ~ N(w z, s^2), so x ~ N(0, w^2 + s^2); q(z | x) = N(a x, b^2) is the posterior for a = w / (w^2 + s^2), b^2 = s^2 / (w^2 + s^2). */
const [W, S] = [1.5, 0.8];
const total = W * W + S * S;

function linearGaussian(a: number, b: number, k: number): ModelDefinition {
  const weights = { w: param([1], { init: init.constant(W) }) };
  const iwae = (w: WeightsOf<typeof weights>, x: Tensor, key: Parameters<typeof normal.sample>[0], samples: number): Tensor => {
    const q = { loc: mul(x, a), scale: b };
    const z = normal.sample(key.at("z"), q, [samples, rowsOf(x), 1]);
    const logP = add(normal.logProb(z, { loc: 0, scale: 1 }), normal.logProb(x, { loc: mul(z, w.w), scale: S }));
    return logMeanExp(sum(sub(logP, normal.logProb(z, q)), [-1]), [0]);
  };
  return defineModel({
    name: "LinearGaussian",
    source: { file: "lg.gm", sha256: "1".repeat(64), compiler: "0.1.0" },
    hyperparameters: {},
    streams: [{ x: real([1]) }],
    latents: { z: real([1]) },
    weights,
    densities: {},
    train: [
      {
        name: "train",
        batch: 2,
        steps: 1,
        updates: [
          {
            direction: "maximize",
            label: "ELBO(p, q)",
            place: "lg.gm:9",
            value: ({ w, data, key }) => iwae(w, data["x"] as Tensor, key, 1),
            over: ["w"],
            optimizer: adam(),
          },
        ],
      },
    ],
    evaluate: {
      nll: {
        kind: "rows",
        label: `-IWAE(p, q, k = ${k})`,
        place: "lg.gm:12",
        unit: "nats",
        samples: k,
        combine: "negLogMeanExp",
        bound: "upper bound",
        value: ({ w, data, key }, samples) => neg(iwae(w, data["x"] as Tensor, key, samples)),
      },
      active: {
        kind: "activeUnits",
        label: "active_units(q)",
        place: "lg.gm:13",
        threshold: 0.01,
        mean: ({ data }) => ({ z: mul(data["x"] as Tensor, a) }),
      },
    },
  });
}

const xs = Float32Array.from({ length: 37 }, (_, i) => 3 * Math.sin(1 + i * 2.1));
const exact = xs.reduce((sum, x) => sum + 0.5 * Math.log(2 * Math.PI * total) + (x * x) / (2 * total), 0) / xs.length;

async function measured(
  model: ModelDefinition,
  options: { k?: number; batch?: number; rows?: number; seed?: number } = {},
): Promise<Evaluation> {
  const session = await referenceEngine.open();
  const dataset = datasetOf(model, { train: { x: xs } });
  await writeAll(session, initialWeights(model, 0, dataset));
  const result = await evaluate({ session, model, dataset, seed: 1, averaged: new Set(), reconstruction: false, ...options });
  session.dispose();
  return result;
}

describe("row metrics", () => {
  it("are exact for any k where q is the posterior", async () => {
    const model = linearGaussian(W / total, S / Math.sqrt(total), 3);
    for (const k of [1, 3, 120]) {
      const { metrics } = await measured(model, { k });
      expect(metrics["nll"]?.value).toBeCloseTo(exact, 5);
      expect(metrics["nll"]).toMatchObject({ k, label: `-IWAE(p, q, k = ${k})`, unit: "nats", bound: "upper bound" });
    }
  });

  it("tighten with k and tend to the exact value for another q", async () => {
    const model = linearGaussian(0.3, 0.9, 1);
    const values = [];
    for (const k of [1, 5, 50, 2000]) values.push((await measured(model, { k })).metrics["nll"]?.value ?? NaN);
    const [k1 = NaN, k5 = NaN, k50 = NaN, k2000 = NaN] = values;
    expect(k1).toBeGreaterThan(k5);
    expect(k5).toBeGreaterThan(k50);
    expect(k50).toBeGreaterThan(exact - 0.02);
    expect(Math.abs(k2000 - exact)).toBeLessThan(0.01);
    // -ELBO has a closed form: exact + mean KL(q | posterior)
    const [pa, pv] = [W / total, (S * S) / total];
    const kl = xs.reduce((sum, x) => sum + 0.5 * (Math.log(pv / 0.81) + (0.81 + ((0.3 - pa) * x) ** 2) / pv - 1), 0) / xs.length;
    const seeds = Array.from({ length: 60 }, (_, seed) => seed);
    const values1 = [];
    for (const seed of seeds) values1.push((await measured(model, { k: 1, seed, terms: false } as object)).metrics["nll"]?.value ?? NaN);
    const moments = new Moments();
    values1.forEach((v) => moments.add(v));
    expect(Math.abs(moments.mean - exact - kl)).toBeLessThan(4 * moments.standardError);
    expect(moments.standardError).toBeLessThan(0.1);
  });

  it("do not depend on the batch, and not on how many rows follow", async () => {
    const model = linearGaussian(0.3, 0.9, 70);
    const whole = await measured(model, { batch: 37 });
    for (const batch of [1, 5, 36, 100]) {
      const other = await measured(model, { batch });
      expect(other.metrics["nll"]?.value).toBeCloseTo(whole.metrics["nll"]?.value ?? NaN, 6);
      expect(other.metrics["nll"]?.standardError).toBeCloseTo(whole.metrics["nll"]?.standardError ?? NaN, 6);
      expect(other.terms["ELBO(p, q)"]?.value).toBeCloseTo(whole.terms["ELBO(p, q)"]?.value ?? NaN, 6);
      expect(other.metrics["active"]).toEqual(whole.metrics["active"]);
      expect(other.protocol.rows).toBe(37);
    }
    const some = await measured(model, { rows: 10 });
    expect(some.protocol.rows).toBe(10);
    expect((await measured(model, { seed: 2 })).metrics["nll"]?.value).not.toBe(whole.metrics["nll"]?.value);
  });

  it("are means over leading axes, and over the rows where one number stands for another count of rows", async () => {
    const model = linearGaussian(0.3, 0.9, 2);
    const metric = (value: (x: Tensor) => Tensor): ModelDefinition["evaluate"][string] => ({
      kind: "rows",
      label: "value",
      place: "lg.gm:14",
      unit: "nats",
      samples: 1,
      combine: "mean",
      bound: "estimate",
      value: ({ data }) => value(data["x"] as Tensor),
    });
    const { metrics } = await measured({
      ...model,
      evaluate: {
        samples: metric((x) => add(reshape(x, [1, 1, -1]), constant([0, 1, 5, 2, 3, 7], [3, 2, 1]))),
        others: metric(() => constant([1, 2, 6], [3])),
        one: metric(() => constant([4], [])),
      },
    });
    expect(metrics["samples"]!.value).toBeCloseTo(xs.reduce((a, b) => a + b) / xs.length + 3, 5);
    expect(metrics["others"]!.value).toBeCloseTo(3, 6);
    expect(metrics["one"]!.value).toBeCloseTo(4, 6);
  });

  it("count a unit as active from the threshold of its mean's variance on", async () => {
    const model = linearGaussian(0.3, 0.9, 1);
    const mean = xs.reduce((a, b) => a + b) / xs.length;
    const variance = xs.reduce((a, b) => a + (b - mean) ** 2, 0) / xs.length;
    const units = (...variances: number[]): ModelDefinition["evaluate"][string] => ({
      kind: "activeUnits",
      label: "active_units(q)",
      place: "lg.gm:13",
      threshold: 0.01,
      mean: ({ data }) => ({ z: mul(data["x"] as Tensor, constant(variances.map((v) => Math.sqrt(v / variance)))) }),
    });
    const { metrics } = await measured({ ...model, evaluate: { some: units(0.011, 0.009, 0.0105, 1, 0), none: units(0.0095, 0) } });
    expect(metrics["some"]).toMatchObject({ value: 3, detail: { z: 3, "z of": 5 } });
    expect(metrics["none"]).toMatchObject({ value: 0, detail: { z: 0, "z of": 2 } });
  });

  it("read schedules as the last phase leaves them", async () => {
    const model = linearGaussian(0.3, 0.9, 2);
    const [phase] = model.train;
    const beta = { kind: "linear", from: 0, over: { epochs: 10 } } as const;
    let reads = 0;
    const last = {
      ...phase!,
      get schedules() {
        reads++;
        return { beta: { ...beta, to: 2 } };
      },
    };
    const scheduled: ModelDefinition = {
      ...model,
      train: [{ ...phase!, schedules: { beta: { ...beta, to: 0.25 }, gamma: { ...beta, to: 5 } } }, last],
      evaluate: {
        weight: {
          kind: "rows",
          label: "weight",
          place: "lg.gm:14",
          unit: "nats",
          samples: 1,
          combine: "mean",
          bound: "estimate",
          value: ({ schedule }) => schedule["beta"] as Tensor,
        },
      },
    };
    const counted = async (batch: number): Promise<number> => {
      reads = 0;
      const { metrics } = await measured(scheduled, { batch });
      expect(metrics["weight"]!.value).toBeCloseTo(2, 6);
      return reads;
    };
    // once an evaluation, not for each batch
    expect(await counted(1)).toBe(await counted(37));
  });

  it("carry their protocol", async () => {
    const { protocol } = await measured(linearGaussian(0.3, 0.9, 2));
    expect(protocol).toMatchObject({ model: "LinearGaussian", split: "train", rows: 37, seed: 1, engine: "reference", ema: false });
    expect(protocol.data.join("\n")).toMatch(/x/);
  });

  it("refuse what the model does not measure", async () => {
    const model = linearGaussian(0.3, 0.9, 2);
    await expect(measured(model, { k: 0 })).rejects.toMatchObject({ code: "GM4008" });
    await expect(measured(model, { metrics: ["bits"] } as object)).rejects.toMatchObject({ code: "GM4005" });
    await expect(measured(model, { split: "test" } as object)).rejects.toMatchObject({ code: "GM4004" });
  });
});

describe("a VAE", () => {
  it("draws grey test rows once, whatever the batch, and measures terms, active units and reconstructions", async () => {
    const model = handVae({ k: 60 });
    const grey = Uint8Array.from(templateRows(43), (v) => (v ? 200 : 40));
    const dataset = datasetOf(model, { train: { x: grey } });
    const session = await referenceEngine.open();
    const { averaged } = await trainOn(session, model, dataset, { steps: 5 });
    const results = [];
    for (const batch of [43, 7]) results.push(await evaluate({ session, model, dataset, seed: 4, averaged, batch }));
    const [a, b] = results;
    expect(b?.metrics["nll"]?.value).toBeCloseTo(a?.metrics["nll"]?.value ?? NaN, 6);
    expect(a?.reconstruction["x"]?.label).toBe("squared error of x, summed over its entries");
    expect(b?.reconstruction["x"]?.value).toBeCloseTo(a?.reconstruction["x"]?.value ?? NaN, 6);
    const terms: Evaluation["terms"] = a?.terms ?? {};
    expect(terms["ELBO(p, q)"]?.value).toBeCloseTo((terms["log p(x | z)"]?.value ?? NaN) - (terms["KL(q(z | x), p(z))"]?.value ?? NaN), 5);
    expect(a?.metrics["nll"]?.value).toBeLessThan(-(terms["ELBO(p, q)"]?.value ?? NaN) + 0.5);
    expect(a?.metrics["active"]?.detail).toMatchObject({ "z of": 2 });
    session.dispose();
  });
});

describe("accumulation", () => {
  it("combines chunks as one", () => {
    const values = [-1000.5, -1003, -999.25, -1001];
    const max = Math.max(...values);
    const whole = max + Math.log(values.reduce((s, v) => s + Math.exp(v - max), 0) / 4);
    const combiner = new SampleCombiner("logMeanExp", 1);
    combiner.add([Math.log((Math.exp(values[0]! - max) + Math.exp(values[1]! - max) + Math.exp(values[2]! - max)) / 3) + max], 3);
    combiner.add([values[3]!], 1);
    expect(combiner.result()[0]).toBeCloseTo(whole, 10);
    const negative = new SampleCombiner("negLogMeanExp", 1);
    values.forEach((v) => negative.add([-v], 1));
    expect(negative.result()[0]).toBeCloseTo(-whole, 10);
    const mean = new SampleCombiner("mean", 2);
    mean.add([1, 10], 2);
    mean.add([4, 40], 1);
    expect([...mean.result()]).toEqual([2, 20]);
  });

  it("knows nothing but infinities", () => {
    const combiner = new SampleCombiner("logMeanExp", 2);
    combiner.add([-Infinity, -Infinity], 1);
    combiner.add([-Infinity, 0], 1);
    expect([...combiner.result()]).toEqual([-Infinity, Math.log(0.5)]);
  });

  it("gives mean, variance and standard error", () => {
    const m = new Moments();
    [2, 4, 4, 4, 5, 5, 7, 9].forEach((v) => m.add(v));
    expect(m.mean).toBe(5);
    expect(m.variance).toBeCloseTo(4, 12);
    expect(m.standardError).toBeCloseTo(Math.sqrt(32 / 7 / 8), 12);
  });

  it("cuts samples by k alone", () => {
    expect(sampleChunks(5000, 50)).toHaveLength(100);
    expect(sampleChunks(120, 50)).toEqual([50, 50, 20]);
    expect(sampleChunks(3, 50)).toEqual([3]);
  });
});
