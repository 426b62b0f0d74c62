/**
 * Measuring log Z: the program of a partition metric, run in pieces of a `repeat` stage so that it can tell how far it is and be stopped, for
 * each distinct condition among the rows, several side by side. Neither pieces nor groups change a number: draws belong to the iteration and the chain.
 */
import type { Program } from "../engines/engine.js";
import type { Dataset, SplitName } from "../data/dataset.js";
import type { EngineSession, HostTensor, HostTensors } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { isCheck, stageChecked, stageKept, verified, type Check } from "../graph/checks.js";
import { constant, input, iterationInput, rootKey, sizeOf, stage, state, writeState, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import type { Graph, Shape } from "../graph/types.js";
import type { ModelDefinition, PartitionContext, PartitionMetric, PartitionProgram } from "../model.js";
import { averagedState, dataVariables, defined, readWeights } from "../train/context.js";
import { rngOf } from "./batches.js";
import { distinctConditions, startRows } from "./conditions.js";
import { beginKept, verifyKept } from "./kept.js";
import { COUNT, FIRST, runPieces } from "./pieces.js";
import { pilotTemperatures, spacedTemperatures } from "./pilot.js";
import { logMeanWeight, sampleSizes, type WeighedLogs } from "./log-weights.js";
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

/** Settings of the command line over those that the metric was written with. */
function partitionSettings(
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
  return logs.map((each) => vector(spacedTemperatures(own, each, temperatures)));
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

/** How many conditions go side by side, by the largest tensor of one. */
function conditionsAtOnce(
  options: PartitionOptions,
  metric: PartitionMetric,
  program: PartitionProgram,
  given: HostTensors,
  chains: number,
): number {
  const context = (): PartitionContext => partitionContext(options, metric, "", { given, rows: {}, betas: {} }, 1);
  const { nodes } = stage({}, () => program.step(context(), program.start(context()), constant(0, [], "i32")), { mode: "eval" });
  const elements = nodes.reduce((most, { shape }) => Math.max(most, sizeOf(shape)), 0);
  return Math.max(1, Math.floor(Math.max(CHAINS / chains, HELD / Math.max(1, elements))));
}

function partitionContext(
  { model, averaged }: PartitionOptions,
  { statistics = [] }: PartitionMetric,
  name: string,
  { given, rows, betas: { betas } }: Fed,
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
    ...(betas && { betas: input("betas", [conditions, ...betas.shape], betas.dtype) }),
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
  /** `betas`, where a pilot run has spaced them. */
  readonly betas: HostTensors;
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
  /** Of conditions [conditions, ...event], the first of which is number `first`; with `onStep`, told the log weights before and after every iteration. */
  run(
    fed: Fed,
    first: number,
    onDone: (iterations: number) => void,
    onStep?: (logs: ArrayLike<number>) => void,
  ): Promise<ArrayLike<number>>;
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
    run: async (values, first, onDone, onStep) => {
      const all: HostTensors = {
        ...statistics,
        ...values.betas,
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
      const logs = async (): Promise<ArrayLike<number>> =>
        defined(verified(await end.run(feeds(result)), atResult)["logs"], "log weights").data;
      const pieces = { onDone, verify, signal: options.signal };
      if (onStep === undefined) await runPieces(go, feeds(step), { ...pieces, to: definition.iterations });
      else {
        onStep(await logs());
        for (let from = 0; from < definition.iterations; from++) {
          await runPieces(go, feeds(step), { ...pieces, from, to: from + 1, piece: 1 });
          onStep(await logs());
        }
      }
      return logs();
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
