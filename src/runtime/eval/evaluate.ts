/**
 * Evaluation of a model on a split: every line of its `evaluate { … }`, the terms of its training objectives, its reconstructions, each with its
 * standard error and all of it with its protocol. Memory is bounded: rows come in batches, samples in chunks.
 * Randomness belongs to (seed, row, sample), so no number depends on the batch size.
 */
import {
  commonRows,
  describeSplits,
  evaluationSplit,
  splitRows,
  streamsOf,
  type Column,
  type Dataset,
  type SplitName,
} from "../data/dataset.js";
import { hasCounts, hasRow } from "../data/observed.js";
import { hasFixedPoints } from "../engines/cut.js";
import type { EngineSession } from "../engines/engine.js";
import { assertNever, GmcError } from "../graph/errors.js";
import { TermNames } from "../graph/term-names.js";
import type { ModelDefinition, RowMetric } from "../model.js";
import { carriedName } from "../train/carried.js";
import { dataFeeds, dataName, defined } from "../train/context.js";
import { checkOptions } from "../train/options.js";
import { sampleChunks } from "./accumulate.js";
import { allRows, drawnBatches, spreadRows } from "./batches.js";
import { densityLines, densityUnits } from "./density-units.js";
import { codeUse } from "./code-use.js";
import { canReconstruct, stageReconstruct } from "./draw.js";
import { gradientVariance, type GradientVariance } from "./gradient-variance.js";
import {
  activeUnits,
  completeNames,
  open,
  reconstructionError,
  rowMeasurement,
  termMeasurement,
  type Measurement,
} from "./measurements.js";
import { inOrder, sampleMeasurement, sampleRows, variablesOf } from "./samples.js";
import { fullEvaluateOptions } from "./session-options.js";
import {
  stageCodes,
  stagePosteriorMeans,
  stageRowMetric,
  stageSamples,
  stageTerms,
  type MetricOptions,
  type MetricProgram,
} from "./metrics.js";
import { measurePartition, type MeasuredPartition } from "./partition.js";
import type { Evaluation, Result } from "./protocol.js";
import { untrainedInference, warningsOf } from "./warnings.js";

/** How far an evaluation is with what it does now. */
export interface EvaluationProgress {
  /** The name of a log Z, counted in iterations; else "rows". */
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

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
  /** Replace the number of chains and of temperatures of annealed importance sampling. */
  readonly chains?: number | undefined;
  readonly temperatures?: number | undefined;
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
  /** Also how much the gradients of the phase's statements vary with their noise: over so many draws, at least 2. None unless told. */
  readonly gradients?: number | undefined;
  /** Rows of a batch, which changes no result; by default as many as fit the memory that is allowed. */
  readonly batch?: number | undefined;
  readonly onProgress?: (progress: EvaluationProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Samples taken at once. Part of the protocol: it says which draw a sample gets. */
const CHUNK = 50;
/** f32 values that all nodes of a graph may hold together: 64 MB. */
const ELEMENTS = 2 ** 24;

type Kind = "metrics" | "terms" | "reconstruction";

interface Planned {
  readonly kind: Kind;
  readonly batch: number;
  /** Of the streams that it reads, where there are others; all of them unless told. */
  readonly own?: Own | undefined;
  /** Rows of the split that it takes. */
  readonly rows: readonly number[];
  readonly measurement: Measurement;
}

/** GM4005 for a metric that the model does not have, GM4050, GM4008 for an option that there is not or that takes another value. */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const started = performance.now();
  const { model, dataset } = options;
  const split = options.split ?? evaluationSplit(dataset);
  checkAsked(options);
  const rows = Math.min(options.rows ?? Infinity, commonRows(dataset, split));
  const names = measuredNames(options);
  const found: Record<Kind, Record<string, Result>> = { metrics: {}, terms: {}, reconstruction: {} };
  const partitions = new Map<string, MeasuredPartition>();
  for (const name of names) {
    const metric = model.evaluate[name];
    if (metric?.kind !== "partition") continue;
    const onProgress = (done: number, total: number): void => options.onProgress?.({ what: name, done, total });
    const { chains, temperatures } = options;
    partitions.set(name, await measurePartition({ ...options, split, rows, chains, temperatures, onProgress }, name, metric));
  }
  const planned: Planned[] = [];
  try {
    for (const make of plannedMeasurements({ ...options, split }, names, partitions)) planned.push(await make(allRows(rows)));
    // batches of one size and the same rows are drawn and gathered once for all who take them
    const groups = new Map<string, Planned[]>();
    for (const each of planned) {
      const of = each.own?.dataset ?? dataset;
      const key = `${each.batch}:${dataset.streams.map((s) => of.streams.includes(s)).join()}:${each.rows.join()}`;
      groups.set(key, [...(groups.get(key) ?? []), each]);
    }
    for (const group of groups.values()) {
      const { batch, rows: taken, own } = defined(group[0], "measurement");
      for (const drawn of drawnBatches(own?.dataset ?? dataset, split, { batch, seed: options.seed, rows: taken })) {
        for (const { measurement } of group) {
          options.signal?.throwIfAborted();
          await measurement.run(dataFeeds(drawn.tensors), drawn.rows, drawn.offset);
        }
        if (group.some((m) => m.kind === "metrics"))
          options.onProgress?.({ what: "rows", done: drawn.offset + drawn.rows, total: taken.length });
      }
    }
    for (const { kind, measurement, own } of planned) {
      const results = Object.entries(await measurement.results());
      const all = own === undefined || own.rows.length === rows ? {} : { rows: own.rows.length };
      Object.assign(found[kind], Object.fromEntries(results.map(([name, result]) => [name, { ...all, ...result }])));
    }
  } finally {
    planned.forEach((m) => m.measurement.dispose());
  }
  const metrics = Object.fromEntries(
    names.map((name) => [name, defined(partitions.get(name)?.result ?? found.metrics[name], `result of ${name}`)]),
  );
  const gradients = options.gradients === undefined ? undefined : await spreadOf(options, options.gradients);
  return {
    ...found,
    metrics,
    ...(gradients && { gradients }),
    warnings: [...untrainedInference(model), ...warningsOf(metrics, [found.terms, found.reconstruction])],
    protocol: {
      model: model.name,
      source: model.source.sha256,
      dataset: dataset.name,
      split,
      rows,
      data: [...dataset.provenance, ...sparedRows(dataset, split)],
      densities: densityLines(metrics),
      seed: options.seed,
      engine: options.session.engine,
      ema: options.averaged.size > 0,
      step: options.step ?? 0,
    },
    seconds: (performance.now() - started) / 1000,
  };
}

/** Of streams that are longer than the shortest: which of their rows were taken. */
function sparedRows(dataset: Dataset, split: SplitName): readonly string[] {
  const taken = commonRows(dataset, split);
  return dataset.streams.flatMap((stream) => {
    const rows = stream.splits[split]?.rows ?? 0;
    const names = Object.keys(stream.splits[split]?.columns ?? {}).join(", ");
    return rows > taken
      ? [`${names}: ${taken} of ${rows} ${split} rows, evenly spaced, as many as the other data have, where these are measured too`]
      : [];
  });
}

function spreadOf(options: EvaluateOptions, draws: number): Promise<readonly GradientVariance[]> {
  const { session, model, dataset, seed, phase, signal } = options;
  const onProgress = (done: number, total: number): void => options.onProgress?.({ what: "gradients", done, total });
  return gradientVariance({ session, model, dataset, draws, seed, phase, signal, onProgress });
}

/** What is asked for and the log Z that it reads, in the order of `evaluate { … }`. */
function measuredNames({ model, metrics }: EvaluateOptions): readonly string[] {
  const all = Object.keys(model.evaluate);
  const wanted = new Set(metrics ?? all);
  for (const name of [...wanted]) {
    const metric = model.evaluate[name];
    if (metric?.kind !== "rows") continue;
    for (const read of metric.partitions ?? []) {
      if (model.evaluate[read]?.kind !== "partition")
        throw new GmcError("GM4005", `${metric.label} (${metric.place}) reads the log Z of \`${read}\`, which the model does not evaluate`);
      wanted.add(read);
    }
  }
  return all.filter((name) => wanted.has(name));
}

function checkAsked(options: EvaluateOptions): void {
  checkOptions("evaluate", options, fullEvaluateOptions);
  const names = Object.keys(options.model.evaluate);
  for (const name of options.metrics ?? []) {
    if (!names.includes(name))
      throw new GmcError("GM4005", `the model does not evaluate \`${name}\``, [`it evaluates: ${names.join(", ") || "nothing"}`]);
  }
  const { split, phase, model } = options;
  if (phase !== undefined && phase >= model.train.length)
    throw new GmcError("GM4008", `phase must be below ${model.train.length}, the number of phases of ${model.name}, found ${phase}`);
  if (split !== undefined && splitRows(options.dataset, split) === 0) {
    throw new GmcError("GM4004", `${options.dataset.name} has no ${split} rows to evaluate on`, [describeSplits(options.dataset)]);
  }
}

type Make = (rows: readonly number[]) => Promise<Planned>;

function plannedMeasurements(
  options: EvaluateOptions,
  names: readonly string[],
  partitions: ReadonlyMap<string, MeasuredPartition>,
): readonly Make[] {
  const { model, session, averaged } = options;
  const at = (batch: number): MetricOptions => ({ model, batch, averaged });
  const metrics = names.flatMap((name): Make[] => {
    const metric = defined(model.evaluate[name], `metric ${name}`);
    switch (metric.kind) {
      case "partition":
        return [];
      case "rows":
        return [(rows) => planRowMetric(options, name, metric, rows, partitions)];
      case "activeUnits":
        return [
          async (common) => {
            const own = ownOfProgram(options, () => stagePosteriorMeans(at(1), metric));
            const rows = own?.rows ?? common;
            const batch = options.batch ?? batchFor((b) => stagePosteriorMeans(at(b), metric), rows.length);
            const opened = await open(session, stagePosteriorMeans(at(batch), metric));
            return { kind: "metrics", batch, own, rows, measurement: activeUnits(options, name, metric, opened) };
          },
        ];
      case "codeUse":
        return [
          async (common) => {
            const own = ownOfProgram(options, () => stageCodes(at(1), metric));
            const rows = own?.rows ?? common;
            const batch = options.batch ?? batchFor((b) => stageCodes(at(b), metric), rows.length);
            const opened = await open(session, stageCodes(at(batch), metric));
            return { kind: "metrics", batch, own, rows, measurement: codeUse(options, name, metric, opened) };
          },
        ];
      case "samples":
        return [
          async (common) => {
            const own = ownOf(options, variablesOf(metric));
            const rows = own?.rows ?? common;
            const chosen = sampleRows(metric, rows, options.seed);
            const taken = inOrder(chosen);
            const batch = options.batch ?? batchFor((b) => stageSamples(at(b), metric), taken.length);
            const opened = await open(session, stageSamples(at(batch), metric));
            return {
              kind: "metrics",
              batch,
              own,
              rows: taken,
              measurement: sampleMeasurement({ ...options, dataset: own?.dataset ?? options.dataset }, name, metric, {
                opened,
                rows: chosen,
                all: rows.length,
              }),
            };
          },
        ];
      default:
        return assertNever(metric);
    }
  });
  const phase = options.phase ?? model.train.length - 1;
  // weights alone (not a run's checkpoint) come without the chains of an objective, and chains that start at each batch are of no other rows
  const measurable = (model.train[phase]?.updates ?? []).flatMap((u, i) =>
    u.gradientOnly !== true &&
    u.ofWholeBatch !== true &&
    Object.entries(u.carried ?? {}).every(([name, spec]) => spec.perRow !== true && session.has(carriedName(name)))
      ? [i]
      : [],
  );
  // terms of several updates are compared at one size of batch
  const termNames = new TermNames();
  let fitting = options.batch;
  const termBatch = (rows: number): number =>
    (fitting ??= Math.min(...measurable.map((update) => batchFor((b) => stageTerms(at(b), phase, update).program, rows))));
  const terms = (options.terms === false ? [] : measurable).map((update): Make => async (rows) => {
    const batch = termBatch(rows.length);
    const { program, labels } = stageTerms(at(batch), phase, update, termNames);
    return { kind: "terms", batch, rows, measurement: termMeasurement(options, labels, await open(session, program)) };
  });
  const staged = (rowCount: number): MetricProgram => ({ ...stageReconstruct({ model, rows: rowCount, averaged }), elements: 0 });
  const sequential = model.generative !== undefined && model.densities[model.generative]?.sequential !== undefined;
  // what is drawn entry after entry is a sample, no mean, and takes a step for each entry of each row
  const reconstructs = options.reconstruction !== false && !sequential && canReconstruct(model) && hasDirections(() => staged(1));
  const reconstruction: Make = async (rows) => {
    // of an inverse that takes many passes, a few rows show what rounding does
    const taken = hasFixedPoints(staged(1).program) ? spreadRows(rows, INVERTED) : rows;
    const batch = options.batch ?? Math.min(taken.length, 100);
    const measurement = reconstructionError(options, await open(session, staged(batch)), { taken: taken.length, all: rows.length });
    return { kind: "reconstruction", batch, rows: taken, measurement };
  };
  return [...metrics, ...terms, ...(reconstructs ? [reconstruction] : [])];
}

/** Rows that a flow is inverted for whose inverse takes a pass for each entry. */
const INVERTED = 200;

/** False where a flow on the way to the latents and back has no closed form: a density of data alone is no less measured for that. */
function hasDirections(stageIt: () => unknown): boolean {
  try {
    stageIt();
    return true;
  } catch (error) {
    if (error instanceof GmcError && error.code === "GM4020") return false;
    throw error;
  }
}

async function planRowMetric(
  options: EvaluateOptions,
  name: string,
  metric: RowMetric,
  common: readonly number[],
  measured: ReadonlyMap<string, MeasuredPartition>,
): Promise<Planned> {
  const { model, session, averaged } = options;
  const read = [...(metric.complete ?? []).flat(), ...(metric.words === undefined ? [] : [metric.words])];
  // a log Z is of the common rows
  const own =
    metric.partitions === undefined
      ? ownOfProgram(options, () => {
          const { inputs } = stageRowMetric({ model, batch: 1, averaged }, metric, 1);
          return { inputs: [...inputs, ...read.map(dataName)] };
        })
      : undefined;
  const rows = own?.rows ?? common;
  const partitions = (metric.partitions ?? []).map((read) => defined(measured.get(read), `log Z ${read}`));
  const known = partitions.flatMap((p) => (p.rows === undefined ? [] : [new Set(p.rows)]));
  const { rows: complete, wordless } = completeRows({ ...options, dataset: own?.dataset ?? options.dataset }, metric, rows);
  const taken = spreadRows(known.length === 0 ? complete : complete.filter((row) => known.every((set) => set.has(row))), metric.rows);
  const k = metric.samples === undefined ? null : (options.k ?? metric.samples);
  const chunks = metric.combine === undefined ? [k ?? 1] : sampleChunks(k ?? 1, CHUNK);
  const staged = (batch: number, samples: number): MetricProgram => stageRowMetric({ model, batch, averaged }, metric, samples);
  const batch = options.batch ?? batchFor((b) => staged(b, defined(chunks[0], "chunk")), taken.length);
  const programs = await Promise.all([...new Set(chunks)].map(async (n) => [n, await open(session, staged(batch, n))] as const));
  const units = densityUnits(metric, options.dataset);
  const plan = {
    k,
    chunks,
    programs: new Map(programs),
    batch,
    partitions,
    units,
    rows: taken,
    all: rows.length,
    complete: complete.length + wordless,
    wordless,
  };
  return { kind: "metrics", batch, own, rows: taken, measurement: rowMeasurement(options, name, metric, plan) };
}

/** What a measurement reads alone, of a data set with others beside it: streams, and the rows that they have. */
interface Own {
  readonly dataset: Dataset;
  readonly rows: readonly number[];
}

/** Undefined where it reads all streams, or none. */
function ownOf(
  { dataset, split = evaluationSplit(dataset), rows = Infinity }: EvaluateOptions,
  variables: readonly string[],
): Own | undefined {
  const own = streamsOf(dataset, variables);
  return own === dataset ? undefined : { dataset: own, rows: allRows(Math.min(rows, commonRows(own, split))) };
}

/** As `ownOf`, by what a program takes; it is staged for this alone, and only where there are several streams. */
function ownOfProgram(options: EvaluateOptions, staged: () => Pick<MetricProgram, "inputs">): Own | undefined {
  const { streams } = options.dataset;
  if (streams.length < 2) return undefined;
  const inputs = new Set(staged().inputs);
  return ownOf(options, streams.flatMap((s) => Object.keys(s.spec)).filter((name) => inputs.has(dataName(name)))); // prettier-ignore
}

interface Measurable {
  readonly rows: readonly number[];
  /** Of those that have every value, how many have no words where some are needed. */
  readonly wordless: number;
}

/** The rows that hold every value that a metric needs. GM4004 where none does. */
function completeRows(
  { dataset, split = evaluationSplit(dataset) }: EvaluateOptions,
  metric: RowMetric,
  rows: readonly number[],
): Measurable {
  const { complete = [], words } = metric;
  const column = (name: string): Column =>
    defined(dataset.streams.find((s) => name in s.spec)?.splits[split]?.columns[name], `data for ${name}`);
  const choices = complete.map((each) => (typeof each === "string" ? [column(each)] : each.map(column)));
  const found = rows.filter((row) => choices.every((columns) => columns.some((c) => hasRow(c, row))));
  if (found.length === 0)
    throw new GmcError(
      "GM4004",
      `${metric.label} (${metric.place}) is measured where ${completeNames(metric).join(" and ")} ${complete.length === 1 ? "is" : "are"} observed, and no ${split} row of ${dataset.name} has ${complete.length === 1 ? "it" : "them"}`,
    );
  if (words === undefined) return { rows: found, wordless: 0 };
  const counts = column(words);
  const written = found.filter((row) => hasCounts(counts, row));
  if (written.length === 0)
    throw new GmcError(
      "GM4004",
      `${metric.label} (${metric.place}) is of words, and no ${split} row of ${dataset.name} has any in \`${words}\``,
    );
  return { rows: written, wordless: found.length - written.length };
}

/** Rows whose graph fits the memory allowed. What masks and weights take is the same for any number of rows: two graphs tell what a row adds. */
function batchFor(stageAt: (batch: number) => { readonly elements: number }, rows: number): number {
  const perRow = (stageAt(4).elements - stageAt(2).elements) / 2;
  return Math.max(1, Math.min(200, rows, Math.floor(ELEMENTS / Math.max(1, perRow))));
}
