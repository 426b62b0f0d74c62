/** log Z and what rests on it: against enumeration, independent of how the iterations are cut, with errors that mean what they say. */
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  add,
  div,
  expandDims,
  evaluate,
  mul,
  randomNormal,
  referenceEngine,
  reshape,
  sum,
  type Engine,
  type EvaluateOptions,
  type Evaluation,
  type EvaluationProgress,
  type ModelDefinition,
  type Tensor,
} from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { logMeanWeight } from "../../src/runtime/eval/log-weights.js";
import { trainingStatistics } from "../../src/runtime/eval/statistics.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { exactLogZ, handRbm, logUnnormalised, type HostRbm } from "../support/hand-rbm.js";
import { templateRows } from "../support/hand-vae.js";

const D = 10;
const rows = templateRows(40, D);
const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);

async function measured(model: ModelDefinition, engine: Engine, options: Partial<EvaluateOptions> = {}): Promise<Evaluation> {
  const session = await engine.open();
  try {
    const dataset = datasetOf(model, { train: { v: rows } });
    await writeAll(session, initialWeights(model, 3, dataset));
    return await evaluate({ session, model, dataset, seed: 1, averaged: new Set(), reconstruction: false, terms: false, ...options });
  } finally {
    session.dispose();
  }
}

const model = handRbm({ D, H: 4, spread: 0.8 });
const initial = initialWeights(model, 3);
const host: HostRbm = { W: initial.get("W")!.data, a: initial.get("a")!.data, b: initial.get("b")!.data };
const logZ = exactLogZ(host);
const nlls = Array.from({ length: 40 }, (_, i) => logZ - logUnnormalised(host, rows.subarray(i * D, (i + 1) * D)));
const average = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;

afterEach(() => vi.restoreAllMocks());

describe.each(engines.filter((e) => available.includes(e.name)))("$name", (engine) => {
  it("estimates and enumerates log Z, and what rests on it", async () => {
    const { metrics } = await measured(model, engine);
    expect(Object.keys(metrics)).toEqual(["logZ", "exactLogZ", "nll", "exactNll", "perplexity"]);
    const ais = metrics["logZ"]!;
    expect(ais).toMatchObject({ label: "ais(chains = 100, temperatures = 500)", unit: "nats", bound: "estimate" });
    expect(Math.abs(ais.value - logZ)).toBeLessThan(0.05);
    expect(Math.abs(ais.value - logZ)).toBeLessThan(4 * ais.standardError!);
    expect(ais.partitions).toMatchObject([{ name: "logZ", method: "ais", chains: 100, temperatures: 500, conditions: 1 }]);
    expect(ais.partitions![0]!.effectiveSampleSize).toBeGreaterThan(50);
    expect(ais.partitions![0]!.effectiveSampleSize).toBeLessThanOrEqual(100);

    const exact = metrics["exactLogZ"]!;
    expect(exact.value).toBeCloseTo(logZ, 4);
    expect(exact).toMatchObject({ standardError: null, bound: "exact", partitions: [{ effectiveSampleSize: null, chains: null }] });

    expect(metrics["exactNll"]!.value).toBeCloseTo(average(nlls), 4);
    const spread = Math.sqrt(nlls.reduce((t, x) => t + (x - average(nlls)) ** 2, 0) / 39 / 40);
    expect(metrics["exactNll"]!.standardError).toBeCloseTo(spread, 4);

    // the error of log Z joins that of the rows
    const nll = metrics["nll"]!;
    expect(nll.value).toBeCloseTo(average(nlls) - logZ + ais.value, 4);
    expect(nll.standardError).toBeCloseTo(Math.hypot(spread, ais.standardError!), 4);
    expect(nll.partitions![0]!.standardError).toBeCloseTo(ais.standardError!, 6);

    const perplexity = metrics["perplexity"]!;
    // seven of the forty, evenly spaced
    const seven = [0, 5, 11, 17, 22, 28, 34].map((i) => (nlls[i]! - logZ + ais.value) / D);
    expect(perplexity).toMatchObject({ rows: 7 });
    expect(perplexity.value).toBeCloseTo(Math.exp(average(seven)), 4);
    expect(perplexity.partitions![0]!.standardError).toBeCloseTo((Math.exp(average(seven)) * ais.standardError!) / D, 5);
  });

  it("is the same however its iterations are cut", async () => {
    const only = { metrics: ["logZ"], chains: 20, temperatures: 37 };
    let clock = 0;
    const now = vi.spyOn(performance, "now").mockImplementation(() => (clock += 1000));
    const one = await measured(model, engine, only);
    now.mockImplementation(() => 0);
    const doubling = await measured(model, engine, only);
    expect(doubling.metrics["logZ"]).toEqual(one.metrics["logZ"]);
    expect(one.metrics["logZ"]!.label).toBe("ais(chains = 20, temperatures = 37)");
    const other = await measured(model, engine, { ...only, seed: 2 });
    expect(other.metrics["logZ"]!.value).not.toBe(one.metrics["logZ"]!.value);
  });

  it("measures a log Z that a metric reads, tells how far it is, and stops when asked", async () => {
    const seen: EvaluationProgress[] = [];
    const { metrics } = await measured(model, engine, {
      metrics: ["nll"],
      temperatures: 50,
      onProgress: (p) => void seen.push(p),
    });
    expect(Object.keys(metrics)).toEqual(["logZ", "nll"]);
    const iterations = seen.filter((p) => p.what === "logZ");
    expect(iterations.at(-1)).toEqual({ what: "logZ", done: 50, total: 50 });
    expect(seen.at(-1)).toEqual({ what: "rows", done: 40, total: 40 });
    const stop = new AbortController();
    let clock = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (clock += 1000));
    const stopped = measured(model, engine, {
      metrics: ["logZ"],
      signal: stop.signal,
      onProgress: ({ done }) => {
        if (done === 5) stop.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
  });

  it("finds log Z once for each distinct condition, and adds their errors up by share", async () => {
    // log weights 2 N + 0.3 e - 0.045, e ~ Normal(0, 1): their exponentials have the mean exp(2 N)
    const noisy: ModelDefinition = {
      ...model,
      weights: {},
      train: [],
      evaluate: {
        logZ: {
          kind: "partition",
          method: "ais",
          label: "ais()",
          place: "c.gm:1",
          chains: 100,
          temperatures: 3,
          rows: 30,
          given: ({ data }) => ({ N: sum(data["v"] as Tensor, [-1]) }),
          program: ({ chains, temperatures }) => ({
            iterations: temperatures,
            start: ({ key, conditions }) => ({ e: randomNormal(key.at("e"), [{ kind: "rows", size: conditions * chains }]) }),
            step: () => ({}),
            result: ({ given, conditions }, { e }) =>
              reshape(add(reshape(add(mul(e!, 0.3), -0.045), [conditions, chains]), mul(expandDims(given["N"]!, 1), 2)), [
                conditions * chains,
              ]),
          }),
        },
        perWord: {
          kind: "rows",
          label: "log Z / N",
          place: "c.gm:2",
          unit: "nats",
          partitions: ["logZ"],
          value: ({ data, partition }) => div(partition["logZ"] as Tensor, sum(data["v"] as Tensor, [-1])),
        },
      },
    };
    const { metrics } = await measured(noisy, engine, { batch: 7 });
    // thirty of the forty, evenly spaced; four conditions of 100 chains go side by side
    const taken = Array.from({ length: 30 }, (_, i) => Math.floor((i * 40) / 30));
    const totals = taken.map((i) => rows.subarray(i * D, (i + 1) * D).reduce((a, b) => a + b, 0));
    const distinct = [...new Set(totals)];
    expect(distinct.length).toBeGreaterThan(4);
    const log = metrics["logZ"]!;
    expect(log).toMatchObject({ rows: 30, partitions: [{ conditions: distinct.length }] });
    expect(log.value).toBeCloseTo(2 * average(totals), 1);
    // each condition's standard error is sqrt(exp(0.09) - 1) / 10 = 0.0306
    const share = (weigh: (n: number) => number): number =>
      Math.sqrt(distinct.reduce((t, n) => t + (totals.filter((m) => m === n).length * weigh(n)) ** 2, 0)) / 30;
    expect(Math.abs(log.standardError! / (0.0306 * share(() => 1)) - 1)).toBeLessThan(0.15);
    const word = metrics["perWord"]!;
    expect(word).toMatchObject({ rows: 30 });
    expect(word.value).toBeCloseTo(2, 1);
    expect(Math.abs(word.partitions![0]!.standardError! / (0.0306 * share((n) => 1 / n)) - 1)).toBeLessThan(0.15);
    expect((await measured(noisy, engine, { batch: 30 })).metrics).toEqual(metrics);
  });
});

describe("options", () => {
  it("are refused where they are none, as is a log Z that is not measured", async () => {
    await expect(measured(model, referenceEngine, { chains: 0 })).rejects.toMatchObject({ code: "GM4008" });
    await expect(measured(model, referenceEngine, { temperatures: 1.5 })).rejects.toMatchObject({ code: "GM4008" });
    const { logZ: _, ...rest } = model.evaluate;
    await expect(measured({ ...model, evaluate: rest }, referenceEngine)).rejects.toMatchObject({ code: "GM4005" });
  });
});

describe("log weights", () => {
  it("give the log of their mean, its error and what they are worth", () => {
    // weights 1, 2, 3, 6: mean 3, variance 14/3, (12)^2 / 50
    const { value, standardError, effectiveSampleSize } = logMeanWeight([1, 2, 3, 6].map((w) => 1000 + Math.log(w)));
    expect(value).toBeCloseTo(1000 + Math.log(3), 10);
    expect(standardError).toBeCloseTo(Math.sqrt(14 / 3 / 4) / 3, 10);
    expect(effectiveSampleSize).toBeCloseTo(144 / 50, 10);
    expect(logMeanWeight([5, 5, 5])).toMatchObject({ value: 5, standardError: 0, effectiveSampleSize: 3, deviation: 0 });
    expect(logMeanWeight([5]).standardError).toBeNaN();
  });

  it("an error that is told is the error that is made", () => {
    // over many repetitions the spread of the estimates is the mean of the errors told
    let state = 1;
    const uniform = (): number => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0), (state + 0.5) / 2 ** 32);
    const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    const runs = Array.from({ length: 400 }, () => logMeanWeight(Array.from({ length: 200 }, () => 0.5 * normal())));
    const spread = Math.sqrt(average(runs.map((r) => (r.value - 0.125) ** 2)));
    expect(Math.abs(average(runs.map((r) => r.standardError)) / spread - 1)).toBeLessThan(0.12);
  });
});

describe("statistics of the training rows", () => {
  it("are means and variances by entry, grey values as the coins that they are", () => {
    const { mean, variance } = trainingStatistics(datasetOf(model, { train: { v: rows } }), "v");
    const column = Array.from({ length: 40 }, (_, i) => rows[i * D + 3]!);
    expect(mean).toMatchObject({ dtype: "f32", shape: [D] });
    expect(mean.data[3]).toBeCloseTo(average(column), 6);
    expect(variance.data[3]).toBeCloseTo(average(column) * (1 - average(column)), 6);
    const grey = trainingStatistics(datasetOf(model, { train: { v: new Uint8Array(3 * D).fill(51) } }), "v");
    expect(grey.mean.data[0]).toBeCloseTo(0.2, 6);
    expect(grey.variance.data[0]).toBeCloseTo(0.16, 6);
  });

  it("count classes", () => {
    const streams = [{ y: { domain: "category" as const, shape: [], classes: 3 } }];
    const { mean } = trainingStatistics(datasetOf({ ...model, streams }, { train: { y: Int32Array.of(0, 2, 2, 1) } }), "y");
    expect(mean.shape).toEqual([3]);
    expect(Array.from(mean.data)).toEqual([0.25, 0.25, 0.5]);
  });
});
