/**
 * Measuring log Z: the program of a partition metric, run in pieces of a `repeat` stage so that it can tell how far it is and be stopped, for
 * each distinct condition among the rows, several side by side. Neither pieces nor groups change a number: draws belong to the iteration and the chain.
 */
import type { Program } from "../engines/engine.js";
import type { Dataset, SplitName } from "../data/dataset.js";
import type { EngineSession, HostTensor, HostTensors } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { isCheck, stageChecked, stageKept, verified, type Check } from "../graph/checks.js";
import { input, iterationInput, rootKey, sizeOf, stage, state, writeState, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import type { Graph, Shape } from "../graph/types.js";
import type { ModelDefinition, PartitionContext, PartitionMetric, PartitionProgram } from "../model.js";
import { averagedState, dataVariables, defined, readWeights } from "../train/context.js";
import { rngOf } from "./batches.js";
import { distinctConditions, startRows } from "./conditions.js";
import { beginKept, verifyKept } from "./kept.js";
import { COUNT, FIRST, runPieces } from "./pieces.js";
import { labelWith, type PartitionProtocol, type Result } from "./protocol.js";
import { statisticsShape, trainingStatistics } from "./statistics.js";

export interface PartitionOptions {
  readonly session: EngineSession;
  readonly model: ModelDefinition;
  readonly dataset: Dataset;
  readonly split: SplitName;
  /** Rows of the split that are measured. */
  readonly rows: number;
  readonly seed: number;
  readonly averaged: ReadonlySet<string>;
  readonly chains?: number | undefined;
  readonly temperatures?: number | undefined;
  /** Iterations done of all, over all conditions. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

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

/** log of the mean of exp(logs), its standard error by the delta method, and how much the weights behind it are worth. In float64. */
export function logMeanWeight(logs: ArrayLike<number>): {
  readonly value: number;
  readonly standardError: number;
  readonly effectiveSampleSize: number;
  readonly deviation: number;
} {
  const n = logs.length;
  const list = Array.from(logs);
  const top = list.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = list.map((l) => Math.exp(l - top));
  const total = weights.reduce((a, b) => a + b, 0);
  const squares = weights.reduce((a, b) => a + b * b, 0);
  const mean = total / n;
  const variance = n < 2 ? NaN : (squares - n * mean * mean) / (n - 1);
  const middle = list.reduce((a, b) => a + b, 0) / n;
  return {
    value: top + Math.log(mean),
    // rounding may bring equal weights just below 0
    standardError: Math.sqrt(Math.max(0, variance) / n) / mean,
    effectiveSampleSize: (total * total) / squares,
    deviation: n < 2 ? NaN : Math.sqrt(list.reduce((t, l) => t + (l - middle) ** 2, 0) / (n - 1)),
  };
}

/** Settings of the command line over those that the metric was written with. */
export function partitionSettings(
  metric: PartitionMetric,
  options: Pick<PartitionOptions, "chains" | "temperatures">,
): { readonly chains: number; readonly temperatures: number } | null {
  if (metric.method === "exact") return null;
  return { chains: options.chains ?? metric.chains ?? 100, temperatures: options.temperatures ?? metric.temperatures ?? 10_000 };
}

/** Numbers that chains side by side hold, and how many chains there are at the least: enough to fill a processor, few enough for its caches. */
const HELD = 2 ** 19;
const CHAINS = 400;

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
  const found = await logsOf({ ...run, program: forward, onDone: progress(0) });
  const reversed =
    backward &&
    (await logsOf({
      ...run,
      of: `${name}: reverse`,
      program: backward,
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
    chains: settings?.chains ?? null,
    temperatures: settings?.temperatures ?? null,
    conditions: conditions.length,
    effectiveSampleSize: exact ? null : Math.min(...found.map((f) => f.effectiveSampleSize)),
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

/** What the logs of each condition come to. */
async function logsOf(
  run: RunOptions & {
    readonly program: PartitionProgram;
    /** Of each condition, where its chains start: [chains, ...event]. */
    readonly rows?: readonly HostTensors[];
    /** Iterations done, over all groups. */
    readonly onDone: (iterations: number) => void;
  },
): Promise<readonly ReturnType<typeof logMeanWeight>[]> {
  const { options, metric, conditions, groups, program, rows = [] } = run;
  const size = Math.ceil(conditions.length / groups);
  const compiled = await compilePartition(options, run.of, metric, program, { given: conditions[0] ?? {}, rows: rows[0] ?? {} }, size);
  const found: ReturnType<typeof logMeanWeight>[] = [];
  try {
    for (let group = 0; group < groups; group++) {
      const first = group * size;
      // the last group is filled up with its own last condition
      const own = Array.from({ length: size }, (_, i) => Math.min(first + i, conditions.length - 1));
      const logs = Array.from(
        await compiled.run(
          { given: stacked(own.map((i) => defined(conditions[i], "condition"))), rows: stacked(own.map((i) => rows[i] ?? {})) },
          first,
          (iterations) => run.onDone(group * program.iterations + iterations),
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

/** How many conditions go side by side, by what the chains of one carry. */
function conditionsAtOnce(
  options: PartitionOptions,
  metric: PartitionMetric,
  program: PartitionProgram,
  given: HostTensors,
  chains: number,
): number {
  const { nodes, outputs } = stage({}, () => program.start(partitionContext(options, metric, "", { given, rows: {} }, 1)), {
    mode: "eval",
  });
  const elements = Object.values(outputs).reduce((total, id) => total + sizeOf(defined(nodes[id], "output").shape), 0);
  return Math.max(1, Math.floor(Math.max(CHAINS / chains, HELD / Math.max(1, elements))));
}

function partitionContext(
  { model, averaged }: PartitionOptions,
  { statistics = [] }: PartitionMetric,
  name: string,
  { given, rows }: Fed,
  conditions: number,
): PartitionContext {
  const variables = dataVariables(model);
  return {
    w: readWeights(model, averagedState(averaged)),
    key: rootKey().at(name),
    conditions,
    given: Object.fromEntries(Object.entries(given).map(([n, t]) => [n, input(`given:${n}`, [conditions, ...t.shape], t.dtype)])),
    statistics: Object.fromEntries(
      statistics.map((v) => {
        const shape = statisticsShape(defined(variables[v], `data variable ${v}`));
        return [v, { mean: input(`mean:${v}`, shape), variance: input(`variance:${v}`, shape) }];
      }),
    ),
    rows: Object.fromEntries(
      Object.entries(rows).map(
        ([
          n,
          {
            shape: [chains = 1, ...event],
            dtype,
          },
        ]) => [n, input(`rows:${n}`, [conditions * chains, ...event], dtype)],
      ),
    ),
  };
}

/** Of one condition, or of several stacked along a first axis. */
interface Fed {
  readonly given: HostTensors;
  readonly rows: HostTensors;
}

/** [...event] of each -> [conditions, ...event]. */
function stacked(conditions: readonly HostTensors[]): HostTensors {
  return Object.fromEntries(
    Object.entries(conditions[0] ?? {}).map(([name, { dtype, shape }]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const data = dtype === "i32" ? new Int32Array(conditions.length * size) : new Float32Array(conditions.length * size);
      conditions.forEach((c, i) => data.set(defined(c[name], name).data, i * size));
      return [name, { dtype, shape: [conditions.length, ...shape], data }];
    }),
  );
}

interface Checked {
  readonly graph: Graph;
  readonly checks: readonly Check["failed"][];
}

interface CompiledPartition {
  /** Of conditions [conditions, ...event], the first of which is number `first`. */
  run(fed: Fed, first: number, onDone: (iterations: number) => void): Promise<ArrayLike<number>>;
  dispose(): void;
}

async function compilePartition(
  options: PartitionOptions,
  name: string,
  metric: PartitionMetric,
  definition: PartitionProgram,
  fed: Fed,
  conditions: number,
): Promise<CompiledPartition> {
  const { session, seed } = options;
  const stored = (carried: string): string => `measure:${name}:${carried}`;
  const context = (): PartitionContext => partitionContext(options, metric, name, fed, conditions);
  const staged = (fn: () => Readonly<Record<string, Tensor>>): Checked => {
    const { graph, checks } = stageChecked(fn, { mode: "eval" });
    return { graph: optimize(graph), checks };
  };
  const { graph: start, checks: atStart } = staged(() => definition.start(context()));
  const shapes = Object.entries(start.outputs).flatMap(([carried, id]) => (isCheck(carried) ? [] : [{ carried, ...outputOf(start, id) }]));
  const carried = (): Readonly<Record<string, Tensor>> =>
    Object.fromEntries(shapes.map(({ carried: c, shape, dtype }) => [c, state(stored(c), shape, dtype)]));
  const { graph: unread, kept } = stageKept(
    stored(""),
    () => {
      const now = carried();
      for (const [c, next] of Object.entries(definition.step(context(), now, iterationInput()))) {
        const before = now[c];
        if (before === undefined) throw new GmcError("GM4905", `${metric.label} (${metric.place}) carries no \`${c}\``);
        writeState(before, next);
      }
      return {};
    },
    { mode: "eval" },
  );
  const step = optimize(unread);
  const { graph: result, checks: atResult } = staged(() => ({ logs: definition.result(context(), carried()) }));
  const programs: readonly Program[] = [
    { name: `${name}: start`, stages: [{ kind: "call", name: "start", graph: start }], fetch: Object.keys(start.outputs) },
    { name: `${name}: steps`, stages: [{ kind: "repeat", name: "steps", graph: step, count: COUNT, first: FIRST }], fetch: [] },
    { name: `${name}: result`, stages: [{ kind: "call", name: "result", graph: result }], fetch: Object.keys(result.outputs) },
  ];
  const statistics: Record<string, HostTensor> = {};
  for (const v of metric.statistics ?? []) {
    const { mean, variance } = trainingStatistics(options.dataset, v);
    statistics[`mean:${v}`] = mean;
    statistics[`variance:${v}`] = variance;
  }
  // the regions of the store have the shapes of this run before a program is compiled against them
  for (const { carried: c, shape, dtype } of shapes) await session.write(stored(c), zeros(shape, dtype));
  await beginKept(session, kept);
  const [first, repeat, last] = await Promise.all(programs.map((p) => session.compile(p)));
  const perCondition = sizeOf(outputOf(result, defined(result.outputs["logs"], "logs")).shape) / conditions;
  const [begin, go, end] = [defined(first, "start"), defined(repeat, "steps"), defined(last, "result")];
  return {
    run: async (values, first, onDone) => {
      const all: HostTensors = {
        ...statistics,
        ...Object.fromEntries(Object.entries(values.given).map(([n, t]) => [`given:${n}`, t])),
        // [conditions, chains, ...event]: the program sees one axis
        ...Object.fromEntries(
          Object.entries(values.rows).map(
            ([
              n,
              {
                shape: [a = 1, b = 1, ...event],
                ...t
              },
            ]) => [`rows:${n}`, { ...t, shape: [a * b, ...event] }],
          ),
        ),
        // chains are rows: a condition has its own wherever it is grouped
        rng: rngOf(seed, "evaluate", 0, first * perCondition),
      };
      const feeds = (graph: Graph): HostTensors => {
        const names = graph.nodes.flatMap((n) => (n.prim === "input" ? [n.params.name] : []));
        return Object.fromEntries(names.flatMap((n) => (all[n] === undefined ? [] : [[n, all[n]]])));
      };
      for (const [c, value] of Object.entries(verified(await begin.run(feeds(start)), atStart))) await session.write(stored(c), value);
      await beginKept(session, kept);
      const verify = (): Promise<void> => verifyKept(session, kept);
      await runPieces(go, feeds(step), { to: definition.iterations, onDone, verify, signal: options.signal });
      const { logs } = verified(await end.run(feeds(result)), atResult);
      return defined(logs, "log weights").data;
    },
    dispose: () => [begin, go, end].forEach((e) => e.dispose()),
  };
}

function outputOf(graph: Graph, id: number): { readonly shape: Shape; readonly dtype: "f32" | "i32" } {
  const { shape, dtype } = defined(graph.nodes[id], "output");
  if (dtype !== "f32" && dtype !== "i32")
    throw new GmcError("GM4905", `a value of type ${dtype} cannot be carried from iteration to iteration`);
  return { shape, dtype };
}

function zeros(shape: Shape, dtype: "f32" | "i32"): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype, shape, data: dtype === "i32" ? new Int32Array(size) : new Float32Array(size) };
}
