/**
 * Measuring log Z: the program of a partition metric, run in pieces of a `repeat` stage so that it can tell how far it is and be stopped, for
 * each distinct condition among the rows, several side by side. Neither pieces nor groups change a number: draws belong to the iteration and the chain.
 */
import type { Program } from "../engines/engine.js";
import type { Dataset, SplitName } from "../data/dataset.js";
import type { EngineSession, HostTensor, HostTensors } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { input, iterationInput, rootKey, sizeOf, stage, state, writeState, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import type { Graph, Shape } from "../graph/types.js";
import type { ModelDefinition, PartitionContext, PartitionMetric, PartitionProgram } from "../model.js";
import { averagedState, dataFeeds, dataVariables, defined, readWeights } from "../train/context.js";
import { allRows, drawnBatches, rngOf, spreadRows } from "./batches.js";
import { stageConditions } from "./metrics.js";
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
  const program = metric.program(settings ?? { chains: 1, temperatures: 1 });
  const { conditions, of, rowIds } = await distinctConditions(options, metric);
  const most = conditionsAtOnce(options, metric, program, conditions[0] ?? {}, settings?.chains ?? 1);
  const groups = Math.ceil(conditions.length / most);
  const size = Math.ceil(conditions.length / groups);
  const compiled = await compilePartition(options, name, metric, program, conditions[0] ?? {}, size);
  const found: ReturnType<typeof logMeanWeight>[] = [];
  try {
    const total = groups * program.iterations;
    for (let group = 0; group < groups; group++) {
      const first = group * size;
      // the last group is filled up with its own last condition
      const own = Array.from({ length: size }, (_, i) => defined(conditions[Math.min(first + i, conditions.length - 1)], "condition"));
      const done = (iterations: number): void => options.onProgress?.(group * program.iterations + iterations, total);
      const logs = Array.from(await compiled.run(stacked(own), first, done));
      const each = logs.length / size;
      for (let i = 0; i < size && first + i < conditions.length; i++) found.push(logMeanWeight(logs.slice(i * each, (i + 1) * each)));
    }
  } finally {
    compiled.dispose();
  }
  const exact = settings === null;
  const counts = conditions.map(() => 0);
  for (const i of of ?? [0]) counts[i] = (counts[i] ?? 0) + 1;
  const share = (i: number): number => (counts[i] ?? 0) / (of?.length ?? 1);
  const value = found.reduce((t, f, i) => t + share(i) * f.value, 0);
  const error = Math.sqrt(found.reduce((t, f, i) => t + (share(i) * f.standardError) ** 2, 0));
  const standardError = exact || Number.isNaN(error) ? null : error;
  const protocol: PartitionProtocol = {
    name,
    method: metric.method,
    chains: settings?.chains ?? null,
    temperatures: settings?.temperatures ?? null,
    conditions: conditions.length,
    effectiveSampleSize: exact ? null : Math.min(...found.map((f) => f.effectiveSampleSize)),
    logWeightDeviation: exact || standardError === null ? null : Math.max(...found.map((f) => f.deviation)),
    standardError,
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
      bound: exact ? "exact" : "estimate",
      ...(of === undefined ? {} : { rows: of.length }),
      partitions: [protocol],
    },
  };
}

/** How many conditions go side by side, by what the chains of one carry. */
function conditionsAtOnce(
  options: PartitionOptions,
  metric: PartitionMetric,
  program: PartitionProgram,
  given: HostTensors,
  chains: number,
): number {
  const { nodes, outputs } = stage({}, () => program.start(partitionContext(options, metric, "", given, 1)), { mode: "eval" });
  const elements = Object.values(outputs).reduce((total, id) => total + sizeOf(defined(nodes[id], "output").shape), 0);
  return Math.max(1, Math.floor(Math.max(CHAINS / chains, HELD / Math.max(1, elements))));
}

function partitionContext(
  { model, averaged }: PartitionOptions,
  { statistics = [] }: PartitionMetric,
  name: string,
  given: HostTensors,
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
  };
}

/** What the rows' log Z depends on, each value once in the order of the rows, and which one a row has. One empty condition where it depends on nothing. */
async function distinctConditions(
  options: PartitionOptions,
  metric: PartitionMetric,
): Promise<{
  readonly conditions: readonly HostTensors[];
  readonly of: readonly number[] | undefined;
  readonly rowIds: readonly number[] | undefined;
}> {
  const { session, model, dataset, split, seed, averaged } = options;
  if (metric.given === undefined) return { conditions: [{}], of: undefined, rowIds: undefined };
  const rowIds = spreadRows(allRows(options.rows), metric.rows);
  const batch = Math.min(rowIds.length, 100);
  const { program, inputs } = stageConditions({ model, batch, averaged }, metric);
  const executable = await session.compile(program);
  const known = new Map<string, number>();
  const conditions: HostTensors[] = [];
  const of: number[] = [];
  try {
    for (const drawn of drawnBatches(dataset, split, { batch, seed, rows: rowIds })) {
      options.signal?.throwIfAborted();
      const feeds: HostTensors = { ...dataFeeds(drawn.tensors), rng: rngOf(seed, "evaluate", 0, drawn.offset) };
      const outputs = await executable.run(Object.fromEntries(inputs.map((i) => [i, defined(feeds[i], `data for ${i}`)])));
      for (let row = 0; row < drawn.rows; row++) {
        const condition = Object.fromEntries(Object.entries(outputs).map(([n, t]) => [n, rowOf(t, row)]));
        const key = Object.values(condition)
          .map((t) => Array.from(t.data).join(","))
          .join(";");
        let index = known.get(key);
        if (index === undefined) {
          known.set(key, (index = conditions.length));
          conditions.push(condition);
        }
        of.push(index);
      }
    }
  } finally {
    executable.dispose();
  }
  return { conditions, of, rowIds };
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

function rowOf(t: HostTensor, row: number): HostTensor {
  const shape = t.shape.slice(1);
  const width = shape.reduce((a, b) => a * b, 1);
  return { dtype: t.dtype, shape, data: t.data.slice(row * width, (row + 1) * width) };
}

interface CompiledPartition {
  /** Of conditions [conditions, ...event], the first of which is number `first`. */
  run(given: HostTensors, first: number, onDone: (iterations: number) => void): Promise<ArrayLike<number>>;
  dispose(): void;
}

async function compilePartition(
  options: PartitionOptions,
  name: string,
  metric: PartitionMetric,
  definition: PartitionProgram,
  given: HostTensors,
  conditions: number,
): Promise<CompiledPartition> {
  const { session, seed } = options;
  const stored = (carried: string): string => `measure:${name}:${carried}`;
  const context = (): PartitionContext => partitionContext(options, metric, name, given, conditions);
  const staged = (fn: () => Readonly<Record<string, Tensor>>): Graph => optimize(stage({}, fn, { mode: "eval" }));
  const start = staged(() => definition.start(context()));
  const shapes = Object.entries(start.outputs).map(([carried, id]) => ({ carried, ...outputOf(start, id) }));
  const carried = (): Readonly<Record<string, Tensor>> =>
    Object.fromEntries(shapes.map(({ carried: c, shape, dtype }) => [c, state(stored(c), shape, dtype)]));
  const step = staged(() => {
    const now = carried();
    for (const [c, next] of Object.entries(definition.step(context(), now, iterationInput()))) {
      const before = now[c];
      if (before === undefined) throw new GmcError("GM4905", `${metric.label} (${metric.place}) carries no \`${c}\``);
      writeState(before, next);
    }
    return {};
  });
  const result = staged(() => ({ logs: definition.result(context(), carried()) }));
  const programs: readonly Program[] = [
    { name: `${name}: start`, stages: [{ kind: "call", name: "start", graph: start }], fetch: Object.keys(start.outputs) },
    { name: `${name}: steps`, stages: [{ kind: "repeat", name: "steps", graph: step, count: COUNT, first: FIRST }], fetch: [] },
    { name: `${name}: result`, stages: [{ kind: "call", name: "result", graph: result }], fetch: ["logs"] },
  ];
  const statistics: Record<string, HostTensor> = {};
  for (const v of metric.statistics ?? []) {
    const { mean, variance } = trainingStatistics(options.dataset, v);
    statistics[`mean:${v}`] = mean;
    statistics[`variance:${v}`] = variance;
  }
  // the regions of the store have the shapes of this run before a program is compiled against them
  for (const { carried: c, shape, dtype } of shapes) await session.write(stored(c), zeros(shape, dtype));
  const [first, repeat, last] = await Promise.all(programs.map((p) => session.compile(p)));
  const perCondition = sizeOf(outputOf(result, defined(result.outputs["logs"], "logs")).shape) / conditions;
  const [begin, go, end] = [defined(first, "start"), defined(repeat, "steps"), defined(last, "result")];
  return {
    run: async (values, first, onDone) => {
      const all: HostTensors = {
        ...statistics,
        ...Object.fromEntries(Object.entries(values).map(([n, t]) => [`given:${n}`, t])),
        // chains are rows: a condition has its own wherever it is grouped
        rng: rngOf(seed, "evaluate", 0, first * perCondition),
      };
      const feeds = (graph: Graph): HostTensors => {
        const names = graph.nodes.flatMap((n) => (n.prim === "input" ? [n.params.name] : []));
        return Object.fromEntries(names.flatMap((n) => (all[n] === undefined ? [] : [[n, all[n]]])));
      };
      for (const [c, value] of Object.entries(await begin.run(feeds(start)))) await session.write(stored(c), value);
      await runPieces(go, feeds(step), { to: definition.iterations, onDone, signal: options.signal });
      const { logs } = await end.run(feeds(result));
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
