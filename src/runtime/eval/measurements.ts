/**
 * What is measured over all rows of a split, one batch after another: row metrics, active units, terms of objectives, reconstructions.
 * Memory is bounded: samples come in chunks, and moments are accumulated in float64.
 */
import type { EngineSession, Executable, HostTensor, HostTensors } from "../engines/engine.js";
import { verified } from "../graph/checks.js";
import type { ActiveUnitsMetric, RowMetric } from "../model.js";
import { dataName, dataVariables, defined } from "../train/context.js";
import { Moments, SampleCombiner } from "./accumulate.js";
import { rngOf } from "./batches.js";
import { invertsExactly, meansThroughPosterior, reconstructsByMeans } from "./draw.js";
import { splitInvariant } from "./invariant.js";
import { finalSchedules, partitionName, type ScheduledModel, sensitivityName, squaredError, type MetricProgram } from "./metrics.js";
import type { MeasuredPartition } from "./partition.js";
import { labelWith, type DensityUnits, type Result } from "./protocol.js";

/** One thing that is measured over all rows of a split. */
export interface Measurement {
  /** Takes one batch. */
  run(feeds: HostTensors, rows: number, offset: number): Promise<void>;
  results(): Readonly<Record<string, Result>> | Promise<Readonly<Record<string, Result>>>;
  dispose(): void;
}

export interface MeasureOptions extends ScheduledModel {
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Opened {
  readonly executable: Executable;
  readonly inputs: ReadonlySet<string>;
}

/** A program for many batches. What it computes of the weights alone is computed at the first. */
export async function open(session: EngineSession, staged: Pick<MetricProgram, "program" | "inputs" | "checks">): Promise<Opened> {
  const split = splitInvariant(staged.program);
  const compiled = await session.compile(split?.rest ?? staged.program);
  let fixed: HostTensors | undefined;
  const invariant = async (): Promise<HostTensors> => {
    if (!split) return {};
    const once = await session.compile(split.once);
    try {
      return await once.run({});
    } finally {
      once.dispose();
    }
  };
  const executable: Executable = {
    run: async (feeds) => verified(await compiled.run({ ...feeds, ...(fixed ??= await invariant()) }), staged.checks),
    dispose: () => compiled.dispose(),
  };
  return { executable, inputs: new Set(staged.inputs) };
}

/** Of an evaluation, by its options: counted once, not for each batch. */
const scheduled = new WeakMap<MeasureOptions, Readonly<Record<string, number>>>();

function schedulesOf(options: MeasureOptions): Readonly<Record<string, number>> {
  const known = scheduled.get(options) ?? finalSchedules(options);
  scheduled.set(options, known);
  return known;
}

/** What of `feeds` a program takes, with the random state and the final values of schedules. */
export function feedsFor(options: MeasureOptions, opened: Opened, feeds: HostTensors, step: number, offset: number): HostTensors {
  const out: Record<string, HostTensor> = {};
  const schedules = schedulesOf(options);
  for (const name of opened.inputs) {
    const schedule = schedules[name];
    if (name === "rng") out[name] = rngOf(options.seed, "evaluate", step, offset);
    else if (schedule !== undefined) out[name] = { dtype: "f32", shape: [], data: Float32Array.of(schedule) };
    else out[name] = defined(feeds[name], `data for ${name}`);
  }
  return out;
}

export interface RowPlan {
  readonly k: number | null;
  /** Samples of each chunk. */
  readonly chunks: readonly number[];
  /** By the samples of a chunk. */
  readonly programs: ReadonlyMap<number, Opened>;
  readonly batch: number;
  /** Of `metric.partitions`, measured. */
  readonly partitions: readonly MeasuredPartition[];
  /** Where its log-density is of values that were scaled. */
  readonly units: DensityUnits | undefined;
  /** Rows of the split that it takes, of as many as are measured. */
  readonly rows: readonly number[];
  readonly all: number;
  /** Of them, those that have every value that it needs. */
  readonly complete: number;
  /** Of these, how many are left out since they have no words. */
  readonly wordless: number;
}

export function rowMeasurement(options: MeasureOptions, name: string, metric: RowMetric, plan: RowPlan): Measurement {
  const { k, chunks, programs, batch, partitions, units } = plan;
  const moments = new Moments();
  const samples = chunks.reduce((a, b) => a + b, 0);
  const sign = metric.impossible === "negative" ? -1 : 1;
  const beyond = { rows: 0, most: 0 };
  const unmeasured = { rows: 0, first: 0 };
  const random = [...programs.values()].some((p) => p.inputs.has("rng"));
  /** Sum over the rows of d value / d log Z, by partition and condition. */
  const slopes = partitions.map((p) => new Float64Array(p.logZ.length));
  return {
    run: async (feeds, rows, offset) => {
      const combiner = new SampleCombiner(metric.combine ?? "mean", rows, metric.combineScale);
      const all: HostTensors = {
        ...feeds,
        ...Object.fromEntries(partitions.map((p) => partitionFeed(p, batch, plan.rows.slice(offset, offset + rows)))),
      };
      for (const [i, count] of chunks.entries()) {
        options.signal?.throwIfAborted();
        const opened = defined(programs.get(count), "program");
        const outputs = await opened.executable.run(feedsFor(options, opened, all, i, offset));
        combiner.add(defined(outputs["value"], "value").data, count);
        for (const [j, p] of partitions.entries()) {
          const { data } = defined(outputs[sensitivityName(p.protocol.name)], "sensitivity");
          const own = defined(slopes[j], "slopes");
          for (let row = 0; row < rows; row++) own[p.conditionOf(plan.rows[offset + row]!)]! += (count / samples) * (data[row] ?? NaN);
        }
      }
      combiner.result().forEach((v, i) => {
        moments.add(v);
        if (!Number.isFinite(v) && unmeasured.rows++ === 0) unmeasured.first = 1 + plan.rows[offset + i]!;
        if (metric.impossible === undefined || !(sign * v > 0)) return;
        beyond.rows++;
        beyond.most = Math.max(beyond.most, sign * v);
      });
    },
    results: () => {
      const scale = metric.transform === "exp" ? Math.exp(moments.mean) : 1;
      // the estimates of different conditions are independent of each other and of the rows
      const shares = partitions.map((p, j) =>
        Math.sqrt(p.errors.reduce((t, error, c) => t + (((slopes[j]?.[c] ?? NaN) / moments.count) * scale * error) ** 2, 0)),
      );
      const ofRows = scale * moments.standardError;
      const error = shares.reduce((t, share) => Math.hypot(t, share), ofRows);
      // a row that is estimated by samples may be above by chance; their mean is not
      const tooHigh = random ? Math.max(0, beyond.rows > 0 ? sign * moments.mean - 4 * moments.standardError : 0) : beyond.most;
      return {
        [name]: {
          label: labelWith(metric.label, { k }),
          value: metric.transform === "exp" ? scale : moments.mean + (units?.of === "file" ? units.scaling : 0),
          standardError: Number.isNaN(error) ? null : error,
          unit: metric.unit,
          k,
          bound: metric.bound ?? null,
          ...(metric.orders === undefined ? {} : { orders: metric.orders }),
          ...(units === undefined ? {} : { density: units }),
          ...(tooHigh > 0 ? { impossible: { rows: beyond.rows, of: moments.count, most: tooHigh } } : {}),
          ...(unmeasured.rows > 0 ? { unmeasured: { ...unmeasured, of: moments.count } } : {}),
          ...(plan.rows.length === plan.all ? {} : { rows: plan.rows.length }),
          ...(plan.complete === plan.all ? {} : { have: { variables: completeNames(metric), rows: plan.complete } }),
          ...(plan.wordless === 0 ? {} : { wordless: { rows: plan.wordless, of: plan.complete } }),
          ...(partitions.length === 0
            ? {}
            : {
                partitions: partitions.map((p, j) => ({
                  ...p.protocol,
                  standardError: p.protocol.standardError === null ? null : (shares[j] ?? null),
                })),
              }),
        },
      };
    },
    dispose: () => programs.forEach((p) => p.executable.dispose()),
  };
}

/** What a row must have, in words: `y`, `y or t`. */
export const completeNames = ({ complete = [] }: RowMetric): readonly string[] =>
  complete.map((each) => (typeof each === "string" ? each : each.join(" or ")));

/** log Z of each row of a batch; of padding that of its first row, which padding repeats. */
function partitionFeed(p: MeasuredPartition, batch: number, rows: readonly number[]): readonly [string, HostTensor] {
  const data = Float32Array.from({ length: batch }, (_, i) => p.logZ[p.conditionOf(rows[i] ?? rows[0]!)] ?? NaN);
  return [partitionName(p.protocol.name), { dtype: "f32", shape: [batch], data }];
}

export function activeUnits(options: MeasureOptions, name: string, metric: ActiveUnitsMetric, opened: Opened): Measurement {
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

export function termMeasurement(options: MeasureOptions, labels: readonly string[], opened: Opened): Measurement {
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

/** Of so many rows `taken` of `all`. */
export function reconstructionError(
  options: MeasureOptions,
  opened: Opened,
  { taken, all }: { readonly taken: number; readonly all: number },
): Measurement {
  const moments = new Map<string, Moments>();
  const variables = dataVariables(options.model);
  const what = (name: string): string => (invertsExactly(options.model, name) ? "squared error of the flow's inverse" : "squared error");
  // beside `reconstruction_error(p)`, which draws what is hidden
  const through = reconstructsByMeans(options.model)
    ? " through the means of what is hidden"
    : meansThroughPosterior(options.model)
      ? " by its mean over the posterior of the latents"
      : "";
  return {
    run: async (feeds, rows, offset) => {
      const outputs = await opened.executable.run(feedsFor(options, opened, feeds, 0, offset));
      for (const [output, shown] of Object.entries(outputs)) {
        const name = output.startsWith("mean:") ? output.slice("mean:".length) : undefined;
        const x = name === undefined ? undefined : feeds[dataName(name)];
        if (name === undefined || x === undefined || variables[name]?.domain === "category") continue;
        let m = moments.get(name);
        if (m === undefined) moments.set(name, (m = new Moments()));
        // a row that misses the variable has no error in it
        squaredError(x.data, shown.data, shown.shape[0] ?? rows)
          .subarray(0, rows)
          .forEach((v, row) => (variables[name]?.optional === true && missesEntry(x, row) ? undefined : m.add(v)));
      }
    },
    results: () =>
      Object.fromEntries(
        [...moments].map(([name, m]) => [
          name,
          {
            ...result(`${what(name)} of ${name}${through}, summed over its entries`, m, { unit: "squared units", k: null, bound: null }),
            ...(taken === all ? {} : { rows: taken }),
          },
        ]),
      ),
    dispose: () => opened.executable.dispose(),
  };
}

function missesEntry({ data, shape }: HostTensor, row: number): boolean {
  const width = data.length / (shape[0] ?? 1);
  return data.subarray(row * width, (row + 1) * width).some((v) => Number.isNaN(v));
}

function result(label: string, moments: Moments, rest: Pick<Result, "unit" | "k" | "bound">): Result {
  const error = moments.standardError;
  return { label, value: moments.mean, standardError: Number.isNaN(error) ? null : error, ...rest };
}
