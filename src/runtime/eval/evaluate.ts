/**
 * Evaluation of a model on a split: every line of its `evaluate { … }`, the terms of its training objectives, its reconstructions, each with its
 * standard error and all of it with its protocol. Memory is bounded: rows come in batches, samples in chunks.
 * Randomness belongs to (seed, row, sample), so no number depends on the batch size.
 */
import { evaluationSplit, splitRows, type Dataset, type SplitName } from "../data/dataset.js";
import type { EngineSession, Executable, HostTensor, HostTensors } from "../engines/engine.js";
import { assertNever, GmcError } from "../graph/errors.js";
import type { ActiveUnitsMetric, ModelDefinition, RowMetric } from "../model.js";
import { carriedName } from "../train/carried.js";
import { dataVariables, defined } from "../train/context.js";
import { Moments, SampleCombiner, sampleChunks } from "./accumulate.js";
import { drawnBatches, rngOf } from "./batches.js";
import { stageReconstruct } from "./draw.js";
import {
  finalSchedules,
  squaredError,
  stagePosteriorMeans,
  stageRowMetric,
  stageTerms,
  type MetricOptions,
  type MetricProgram,
} from "./metrics.js";
import { labelWith, type Evaluation, type Result } from "./protocol.js";

export interface EvaluateOptions {
  readonly session: EngineSession;
  readonly model: ModelDefinition;
  readonly dataset: Dataset;
  /** test, else validation, else train, as the data has it. */
  readonly split?: SplitName | undefined;
  readonly seed: number;
  /** Weights that have a moving average in the store. */
  readonly averaged: ReadonlySet<string>;
  /** Training steps done, for the protocol. */
  readonly step?: number;
  /** Replaces the k of metrics that draw samples. */
  readonly k?: number | undefined;
  /** Only the first so many rows. */
  readonly rows?: number | undefined;
  /** Only these, of the names in `evaluate { … }`. */
  readonly metrics?: readonly string[] | undefined;
  /** Also the terms of the objectives; true unless told. */
  readonly terms?: boolean;
  /** Of this phase; the last unless told. */
  readonly phase?: number;
  /** Also the reconstruction error; true unless told. */
  readonly reconstruction?: boolean;
  /** Rows of a batch, which changes no result; by default as many as fit the memory that is allowed. */
  readonly batch?: number | undefined;
  readonly onProgress?: (rowsDone: number, rows: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Samples taken at once. Part of the protocol: it says which draw a sample gets. */
const CHUNK = 50;
/** f32 values that all nodes of a graph may hold together: 64 MB. */
const ELEMENTS = 2 ** 24;

/** One thing that is measured over all rows of a split. */
interface Measurement {
  /** Takes one batch. */
  run(feeds: HostTensors, rows: number, offset: number): Promise<void>;
  results(): Readonly<Record<string, Result>>;
  dispose(): void;
}

type Kind = "metrics" | "terms" | "reconstruction";

/** GM4005 for a metric that the model does not have, GM4008 for a k that is none. */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const started = performance.now();
  const { model, dataset } = options;
  const split = options.split ?? evaluationSplit(dataset);
  const rows = Math.min(options.rows ?? Infinity, ...dataset.streams.map((s) => s.splits[split]?.rows ?? 0));
  checkOptions(options);
  const measurements: { readonly kind: Kind; readonly batch: number; readonly measurement: Measurement }[] = [];
  const found: Record<Kind, Record<string, Result>> = { metrics: {}, terms: {}, reconstruction: {} };
  try {
    for (const make of plannedMeasurements(options)) measurements.push(await make(Math.min(rows, 1000)));
    // batches of one size are drawn and gathered once for all who take that size
    for (const batch of new Set(measurements.map((m) => m.batch))) {
      const group = measurements.filter((m) => m.batch === batch);
      for (const drawn of drawnBatches(dataset, split, { batch, seed: options.seed, limit: options.rows })) {
        for (const { measurement } of group) {
          options.signal?.throwIfAborted();
          await measurement.run(drawn.tensors, drawn.rows, drawn.offset);
        }
        if (group.some((m) => m.kind === "metrics")) options.onProgress?.(drawn.offset + drawn.rows, rows);
      }
    }
    for (const { kind, measurement } of measurements) Object.assign(found[kind], measurement.results());
  } finally {
    measurements.forEach((m) => m.measurement.dispose());
  }
  return {
    ...found,
    protocol: {
      model: model.name,
      source: model.source.sha256,
      dataset: dataset.name,
      split,
      rows,
      data: dataset.provenance,
      seed: options.seed,
      engine: options.session.engine,
      ema: options.averaged.size > 0,
      step: options.step ?? 0,
    },
    seconds: (performance.now() - started) / 1000,
  };
}

function checkOptions(options: EvaluateOptions): void {
  const names = Object.keys(options.model.evaluate);
  for (const name of options.metrics ?? []) {
    if (!names.includes(name))
      throw new GmcError("GM4005", `the model does not evaluate \`${name}\``, [`it evaluates: ${names.join(", ") || "nothing"}`]);
  }
  if (options.k !== undefined && !(Number.isInteger(options.k) && options.k >= 1)) {
    throw new GmcError("GM4008", `k must be a whole number from 1 on, found ${options.k}`);
  }
  const split = options.split;
  if (split !== undefined && splitRows(options.dataset, split) === 0) {
    throw new GmcError("GM4004", `${options.dataset.name} has no ${split} rows to evaluate on`);
  }
}

type Make = (rows: number) => Promise<{ readonly kind: Kind; readonly batch: number; readonly measurement: Measurement }>;

function plannedMeasurements(options: EvaluateOptions): readonly Make[] {
  const { model, session, averaged } = options;
  const names = options.metrics ?? Object.keys(model.evaluate);
  const at = (batch: number): MetricOptions => ({ model, batch, averaged });
  const metrics = names.map((name): Make => {
    const metric = defined(model.evaluate[name], `metric ${name}`);
    return async (rows) => {
      switch (metric.kind) {
        case "rows": {
          const k = metric.samples === undefined ? null : (options.k ?? metric.samples);
          const chunks = metric.combine === undefined ? [k ?? 1] : sampleChunks(k ?? 1, CHUNK);
          const batch = options.batch ?? batchFor((b) => stageRowMetric(at(b), metric, defined(chunks[0], "chunk")), rows);
          const programs = await Promise.all(
            [...new Set(chunks)].map(async (n) => [n, await open(session, stageRowMetric(at(batch), metric, n))] as const),
          );
          return { kind: "metrics", batch, measurement: rowMeasurement(options, name, metric, k, chunks, new Map(programs)) };
        }
        case "activeUnits": {
          const batch = options.batch ?? batchFor((b) => stagePosteriorMeans(at(b), metric), rows);
          return {
            kind: "metrics",
            batch,
            measurement: activeUnits(options, name, metric, await open(session, stagePosteriorMeans(at(batch), metric))),
          };
        }
        default:
          return assertNever(metric);
      }
    };
  });
  const phase = options.phase ?? model.train.length - 1;
  // weights alone (not a run's checkpoint) come without the chains of an objective
  const measurable = (model.train[phase]?.updates ?? []).flatMap((u, i) =>
    Object.keys(u.carried ?? {}).every((name) => session.has(carriedName(name))) ? [i] : [],
  );
  const terms = (options.terms === false ? [] : measurable).map((update): Make => async (rows) => {
    const batch = options.batch ?? batchFor((b) => stageTerms(at(b), phase, update).program, rows);
    const { program, labels } = stageTerms(at(batch), phase, update);
    return { kind: "terms", batch, measurement: termMeasurement(options, labels, await open(session, program)) };
  });
  const reconstructs =
    options.reconstruction !== false &&
    (model.reconstruct !== undefined || (model.generative !== undefined && model.inference !== undefined));
  const reconstruction: Make = async (rows) => {
    const staged = (rowCount: number): MetricProgram => ({ ...stageReconstruct({ model, rows: rowCount, averaged }), elements: 0 });
    const batch = options.batch ?? Math.min(rows, 100);
    return { kind: "reconstruction", batch, measurement: reconstructionError(options, await open(session, staged(batch))) };
  };
  return [...metrics, ...terms, ...(reconstructs ? [reconstruction] : [])];
}

/** Rows whose graph fits the memory allowed. Memory grows in proportion to the rows; a graph of two rows tells. */
function batchFor(stageAt: (batch: number) => { readonly elements: number }, rows: number): number {
  return Math.max(1, Math.min(200, rows, Math.floor(ELEMENTS / Math.max(1, stageAt(2).elements / 2))));
}

interface Opened {
  readonly executable: Executable;
  readonly inputs: ReadonlySet<string>;
}

async function open(
  session: EngineSession,
  staged: { readonly program: MetricProgram["program"]; readonly inputs: readonly string[] },
): Promise<Opened> {
  return { executable: await session.compile(staged.program), inputs: new Set(staged.inputs) };
}

/** What of `feeds` a program takes, with the random state and the final values of schedules. */
function feedsFor(options: EvaluateOptions, opened: Opened, feeds: HostTensors, step: number, offset: number): HostTensors {
  const out: Record<string, HostTensor> = {};
  for (const name of opened.inputs) {
    const schedule = finalSchedules(options.model)[name];
    if (name === "rng") out[name] = rngOf(options.seed, "evaluate", step, offset);
    else if (schedule !== undefined) out[name] = { dtype: "f32", shape: [], data: Float32Array.of(schedule) };
    else out[name] = defined(feeds[name], `data for ${name}`);
  }
  return out;
}

function rowMeasurement(
  options: EvaluateOptions,
  name: string,
  metric: RowMetric,
  k: number | null,
  chunks: readonly number[],
  programs: ReadonlyMap<number, Opened>,
): Measurement {
  const moments = new Moments();
  return {
    run: async (feeds, rows, offset) => {
      const combiner = new SampleCombiner(metric.combine ?? "mean", rows);
      for (const [i, samples] of chunks.entries()) {
        options.signal?.throwIfAborted();
        const opened = defined(programs.get(samples), "program");
        const { value } = await opened.executable.run(feedsFor(options, opened, feeds, i, offset));
        combiner.add(defined(value, "value").data, samples);
      }
      combiner.result().forEach((v) => moments.add(v));
    },
    results: () => ({
      [name]: result(labelWith(metric.label, k), moments, { unit: metric.unit, k, bound: metric.bound ?? null }),
    }),
    dispose: () => programs.forEach((p) => p.executable.dispose()),
  };
}

function activeUnits(options: EvaluateOptions, name: string, metric: ActiveUnitsMetric, opened: Opened): Measurement {
  const units = new Map<string, Moments[]>();
  return {
    run: async (feeds, rows, offset) => {
      const outputs = await opened.executable.run(feedsFor(options, opened, feeds, 0, offset));
      for (const [latent, t] of Object.entries(outputs)) {
        const width = t.data.length / Math.max(1, t.shape[0] ?? 1);
        let moments = units.get(latent);
        if (moments === undefined) units.set(latent, (moments = Array.from({ length: width }, () => new Moments())));
        for (let row = 0; row < rows; row++) moments.forEach((m, j) => m.add(t.data[row * width + j] ?? NaN));
      }
    },
    results: () => {
      const active = (moments: readonly Moments[]): number => moments.filter((m) => m.variance > metric.threshold).length;
      const detail = Object.fromEntries(
        [...units].flatMap(
          ([latent, m]) =>
            [
              [latent, active(m)],
              [`${latent} of`, m.length],
            ] as [string, number][],
        ),
      );
      const value = [...units.values()].reduce((total, m) => total + active(m), 0);
      return { [name]: { label: metric.label, value, standardError: null, unit: "units", k: null, bound: null, detail } };
    },
    dispose: () => opened.executable.dispose(),
  };
}

function termMeasurement(options: EvaluateOptions, labels: readonly string[], opened: Opened): Measurement {
  const moments = labels.map(() => new Moments());
  return {
    run: async (feeds, rows, offset) => {
      const outputs = await opened.executable.run(feedsFor(options, opened, feeds, 0, offset));
      moments.forEach((m, i) => {
        const { data } = defined(outputs[`term:${i}`], `term ${i}`);
        for (let row = 0; row < rows; row++) m.add(data[row] ?? NaN);
      });
    },
    results: () =>
      Object.fromEntries(labels.map((label, i) => [label, result(label, defined(moments[i], label), { unit: "", k: null, bound: null })])),
    dispose: () => opened.executable.dispose(),
  };
}

function reconstructionError(options: EvaluateOptions, opened: Opened): Measurement {
  const moments = new Map<string, Moments>();
  const variables = dataVariables(options.model);
  return {
    run: async (feeds, rows, offset) => {
      const outputs = await opened.executable.run(feedsFor(options, opened, feeds, 0, offset));
      for (const [output, shown] of Object.entries(outputs)) {
        const name = output.startsWith("mean:") ? output.slice("mean:".length) : undefined;
        const x = name === undefined ? undefined : feeds[name];
        if (name === undefined || x === undefined || variables[name]?.domain === "category") continue;
        let m = moments.get(name);
        if (m === undefined) moments.set(name, (m = new Moments()));
        squaredError(x.data, shown.data, shown.shape[0] ?? rows)
          .subarray(0, rows)
          .forEach((v) => m.add(v));
      }
    },
    results: () =>
      Object.fromEntries(
        [...moments].map(([name, m]) => [
          name,
          result(`squared error of ${name}, summed over its entries`, m, { unit: "squared units", k: null, bound: null }),
        ]),
      ),
    dispose: () => opened.executable.dispose(),
  };
}

function result(label: string, moments: Moments, rest: Pick<Result, "unit" | "k" | "bound">): Result {
  const error = moments.standardError;
  return { label, value: moments.mean, standardError: Number.isNaN(error) ? null : error, ...rest };
}
