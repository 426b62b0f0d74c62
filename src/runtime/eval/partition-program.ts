/**
 * The program of a partition metric on an engine: for some conditions side by side, its chains started, moved on in pieces of a `repeat` stage, and
 * what their log weights come to. Draws belong to the iteration and the chain.
 */
import type { Dataset, SplitName } from "../data/dataset.js";
import type { EngineSession, HostTensor, HostTensors, Program } from "../engines/engine.js";
import { isCheck, stageChecked, stageKept, verified, type Check } from "../graph/checks.js";
import { GmcError } from "../graph/errors.js";
import { feedsOf, hostArray, hostZeros } from "../graph/host.js";
import { constant, input, iterationInput, rootKey, sizeOf, stage, state, writeState, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import type { Graph, Shape } from "../graph/types.js";
import type { ModelDefinition, PartitionContext, PartitionMetric, PartitionProgram } from "../model.js";
import { averagedState, dataVariables, defined, readWeights } from "../train/context.js";
import { rngOf } from "./batches.js";
import { beginKept, verifyKept } from "./kept.js";
import { COUNT, FIRST, runPieces } from "./pieces.js";
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

/** Of one condition, or of several stacked along a first axis. */
export interface Fed {
  readonly given: HostTensors;
  readonly rows: HostTensors;
  /** `betas`, where a pilot run has spaced them. */
  readonly betas: HostTensors;
}

/** [...event] of each -> [conditions, ...event]. */
export function stacked(conditions: readonly HostTensors[]): HostTensors {
  return Object.fromEntries(
    Object.entries(conditions[0] ?? {}).map(([name, { dtype, shape }]) => {
      const size = sizeOf(shape);
      const data = hostArray(dtype, conditions.length * size);
      conditions.forEach((c, i) => data.set(defined(c[name], name).data, i * size));
      return [name, { dtype, shape: [conditions.length, ...shape], data }];
    }),
  );
}

/** Numbers that chains side by side hold, and how many chains there are at the least: enough to fill a processor, few enough for its caches. */
const HELD = 2 ** 19;
const CHAINS = 400;

/** How many conditions go side by side, by the largest tensor of one. */
export function conditionsAtOnce(
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

interface Checked {
  readonly graph: Graph;
  readonly checks: readonly Check["failed"][];
}

export interface CompiledPartition {
  /** Of conditions [conditions, ...event], the first of which is number `first`; with `onStep`, told the log weights before and after every iteration. */
  run(
    fed: Fed,
    first: number,
    onDone: (iterations: number) => void,
    onStep?: (logs: ArrayLike<number>) => void,
  ): Promise<ArrayLike<number>>;
  dispose(): void;
}

export async function compilePartition(
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
  for (const { carried: c, shape, dtype } of shapes) await session.write(stored(c), hostZeros(dtype, shape));
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
      const feeds = (graph: Graph): HostTensors => feedsOf([graph], all);
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
