/**
 * Measuring log Z: the program of a partition metric, run in pieces of a `repeat` stage so that it can tell how far it is and be stopped, for
 * each distinct condition among the rows, several side by side. Neither pieces nor groups change a number: draws belong to the iteration and the chain.
 */
import type { HostTensor, HostTensors } from "../engines/engine.js";
import type { PartitionMetric, PartitionProgram } from "../model.js";
import { defined } from "../train/context.js";
import { distinctConditions, startRows } from "./conditions.js";
import { logMeanWeight, sampleSizes, type WeighedLogs } from "./log-weights.js";
import { compilePartition, conditionsAtOnce, stacked, type Fed, type PartitionOptions } from "./partition-program.js";
import { pilotTemperatures, spacedTemperatures } from "./pilot.js";
import { labelWith, type PartitionProtocol, type Result } from "./protocol.js";

export interface MeasuredPartition {
  readonly result: Result;
  readonly protocol: PartitionProtocol;
  /** Rows of the split that it holds for, ascending; undefined where log Z depends on nothing, so that it holds for all. */
  readonly rows: readonly number[] | undefined;
  /** Which condition a row of the split has: an index into the following. */
  readonly conditionOf: (row: number) => number;
  readonly logZ: readonly number[];
  /** Standard errors; 0 where exact. */
  readonly errors: readonly number[];
}

/** Settings of the command line over those that the metric was written with. */
function partitionSettings(
  metric: PartitionMetric,
  options: Pick<PartitionOptions, "chains" | "temperatures">,
): { readonly chains: number; readonly temperatures: number } | null {
  if (metric.method === "exact") return null;
  return { chains: options.chains ?? metric.chains ?? 100, temperatures: options.temperatures ?? metric.temperatures ?? 10_000 };
}

export async function measurePartition(options: PartitionOptions, name: string, metric: PartitionMetric): Promise<MeasuredPartition> {
  const settings = partitionSettings(metric, options);
  const distinct = await distinctConditions(options, metric);
  const { conditions, of, rowIds } = distinct;
  const { chains, temperatures } = settings ?? { chains: 1, temperatures: 1 };
  const forward = metric.program({ chains, temperatures });
  const backward = settings && metric.reverse !== undefined ? metric.program({ chains, temperatures, reverse: metric.reverse }) : undefined;
  const most = conditionsAtOnce(options, metric, forward, conditions[0] ?? {}, chains);
  const groups = Math.ceil(conditions.length / most);
  const total = groups * (forward.iterations + (backward?.iterations ?? 0));
  const run: RunOptions = { options, metric, conditions, groups, of: name };
  const progress = (before: number) => (done: number) => options.onProgress?.(before + done, total);
  const betas = settings && metric.pilot !== undefined ? await spaced(run, chains, metric.pilot, temperatures) : undefined;
  const found = await logsOf({ ...run, program: forward, ...(betas && { betas }), onDone: progress(0) });
  const reversed =
    backward &&
    (await logsOf({
      ...run,
      of: `${name}: reverse`,
      program: backward,
      ...(betas && { betas }),
      rows: startRows(options, metric, distinct, chains),
      onDone: progress(groups * forward.iterations),
    }));
  const exact = settings === null;
  const counts = conditions.map(() => 0);
  for (const i of of ?? [0]) counts[i] = (counts[i] ?? 0) + 1;
  const share = (i: number): number => (counts[i] ?? 0) / (of?.length ?? 1);
  const averaged = (each: typeof found): { readonly value: number; readonly standardError: number | null } => {
    const error = Math.sqrt(each.reduce((t, f, i) => t + (share(i) * f.standardError) ** 2, 0));
    return { value: each.reduce((t, f, i) => t + share(i) * f.value, 0), standardError: exact || Number.isNaN(error) ? null : error };
  };
  const { value, standardError } = averaged(found);
  const inverse = reversed && averaged(reversed);
  const protocol: PartitionProtocol = {
    name,
    method: metric.method,
    sampler: exact ? null : (metric.sampler ?? "block"),
    ...(!exact && metric.moves && { moves: metric.moves }),
    chains: settings?.chains ?? null,
    temperatures: settings?.temperatures ?? null,
    ...(betas && { pilot: metric.pilot! }),
    conditions: conditions.length,
    effectiveSampleSize: exact ? null : Math.min(...found.map((f) => f.effectiveSampleSize)),
    ...(exact || conditions.length === 1 ? {} : { sampleSizes: sampleSizes(found) }),
    logWeightDeviation: exact || standardError === null ? null : Math.max(...found.map((f) => f.deviation)),
    standardError,
    ...(inverse && {
      reverse: {
        value: -inverse.value,
        standardError: inverse.standardError,
        sweeps: metric.reverse ?? 0,
        effectiveSampleSize: Math.min(...(reversed ?? []).map((f) => f.effectiveSampleSize)),
        gap: -inverse.value - value,
      },
    }),
  };
  const position = new Map(rowIds?.map((row, i) => [row, i]));
  return {
    protocol,
    rows: rowIds,
    conditionOf: of === undefined ? () => 0 : (row) => defined(of[position.get(row) ?? -1], `condition of row ${row}`),
    logZ: found.map((f) => f.value),
    errors: found.map((f) => (standardError === null ? 0 : f.standardError)),
    result: {
      label: labelWith(metric.label, { chains: protocol.chains, temperatures: protocol.temperatures }),
      value,
      standardError,
      unit: "nats",
      k: null,
      bound: exact ? "exact" : inverse ? "lower bound" : "estimate",
      ...(of === undefined ? {} : { rows: of.length }),
      partitions: [protocol],
    },
  };
}

interface RunOptions {
  readonly options: PartitionOptions;
  readonly metric: PartitionMetric;
  readonly conditions: readonly HostTensors[];
  /** The conditions are cut into so many of one size. */
  readonly groups: number;
  /** Site of the draws, and name of what is carried. */
  readonly of: string;
}

/** The temperatures of each condition, by a pilot run of so many steps. */
async function spaced(run: RunOptions, chains: number, pilot: number, temperatures: number): Promise<readonly HostTensor[]> {
  const own = pilotTemperatures(pilot);
  const logs = run.conditions.map((): ArrayLike<number>[] => []);
  await logsOf({
    ...run,
    of: `${run.of}: pilot`,
    program: run.metric.program({ chains, temperatures: pilot }),
    betas: run.conditions.map(() => vector(own)),
    onStep: (condition, now) => logs[condition]!.push(now),
    onDone: () => undefined,
  });
  // moves may be tuned before: the pilot's own steps are the last
  return logs.map((each) => vector(spacedTemperatures(own, each.slice(-own.length), temperatures)));
}

const vector = (data: Float32Array): HostTensor => ({ dtype: "f32", shape: [data.length], data });

/** What the logs of each condition come to. */
async function logsOf(
  run: RunOptions & {
    readonly program: PartitionProgram;
    /** Of each condition, its inverse temperatures [steps + 1]. */
    readonly betas?: readonly HostTensor[];
    /** Of each condition, where its chains start: [chains, ...event]. */
    readonly rows?: readonly HostTensors[];
    /** Told the log weights of each condition before the first iteration and after each. */
    readonly onStep?: (condition: number, logs: ArrayLike<number>) => void;
    /** Iterations done, over all groups. */
    readonly onDone: (iterations: number) => void;
  },
): Promise<readonly WeighedLogs[]> {
  const { options, metric, conditions, groups, program, rows = [], betas, onStep } = run;
  const size = Math.ceil(conditions.length / groups);
  const fed = (condition: number): Fed => ({
    given: conditions[condition] ?? {},
    rows: rows[condition] ?? {},
    betas: betas === undefined ? {} : { betas: defined(betas[condition], "temperatures") },
  });
  const compiled = await compilePartition(options, run.of, metric, program, fed(0), size);
  const found: WeighedLogs[] = [];
  try {
    for (let group = 0; group < groups; group++) {
      const first = group * size;
      // the last group is filled up with its own last condition
      const own = Array.from({ length: size }, (_, i) => Math.min(first + i, conditions.length - 1));
      const all = own.map(fed);
      const logs = Array.from(
        await compiled.run(
          { given: stacked(all.map((f) => f.given)), rows: stacked(all.map((f) => f.rows)), betas: stacked(all.map((f) => f.betas)) },
          first,
          (iterations) => run.onDone(group * program.iterations + iterations),
          onStep &&
            ((now) => {
              const each = now.length / size;
              for (let i = 0; i < size && first + i < conditions.length; i++)
                onStep(first + i, Array.from(now).slice(i * each, (i + 1) * each));
            }),
        ),
      );
      const each = logs.length / size;
      for (let i = 0; i < size && first + i < conditions.length; i++) found.push(logMeanWeight(logs.slice(i * each, (i + 1) * each)));
    }
  } finally {
    compiled.dispose();
  }
  return found;
}
