/**
 * The run before a phase's first step that starts the weights which wait for data (see nn/start.ts), on the batch that the first step will see.
 * It writes those weights, and nothing else. The cursor records which have started: later phases and resumed runs leave them alone.
 */
import type { TrainStream } from "../data/streams.js";
import type { EngineSession, HostTensor } from "../engines/engine.js";
import { stage } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import { seedWords } from "../graph/random.js";
import { currentTrace } from "../graph/trace.js";
import type { Graph } from "../graph/types.js";
import type { ModelDefinition } from "../model.js";
import { leavesOf } from "../nn/spec.js";
import { dataName, defined, scheduleName } from "./context.js";
import type { PhasePlan, PlannedStart } from "./plan.js";
import { valueAt } from "../optim/schedules.js";

/**
 * Stages `objectives` with the model's waiting weights starting; gives the graph and the weights that it reached, or undefined where there are
 * none. A weight starts where it is reached first.
 */
export function stageStart(
  model: ModelDefinition,
  started: ReadonlySet<string>,
  objectives: () => void,
): { readonly graph: Graph; readonly weights: readonly string[] } | undefined {
  const waiting = leavesOf(model.weights).flatMap(({ path, spec }) => (spec.startsFromInput && !started.has(path) ? [path] : []));
  if (waiting.length === 0) return undefined;
  const starts = new Set(waiting);
  const graph = stage(
    {},
    () => {
      objectives();
      const { writes } = currentTrace();
      for (const name of [...writes.keys()]) if (!starts.has(name)) writes.delete(name);
      return {};
    },
    { mode: "train", starts },
  );
  const weights = Object.keys(graph.writes);
  return weights.length === 0 ? undefined : { graph: optimize(graph), weights };
}

/** Runs the start of a phase whose states are there. The stream stands afterwards where it stood. */
export async function runStart(
  session: EngineSession,
  plan: PhasePlan,
  start: PlannedStart,
  source: TrainStream,
  seed: number,
): Promise<void> {
  const at = source.cursor();
  const batch = source.next();
  source.seek(at);
  const feeds: Record<string, HostTensor> = {};
  for (const name of start.inputs.data) feeds[dataName(name)] = defined(batch.tensors[name], `batch of ${name}`);
  for (const name of start.inputs.schedules) {
    const value = valueAt(defined(plan.schedules[name], `schedule ${name}`), { step: 0, stepsPerEpoch: source.stepsPerEpoch });
    feeds[scheduleName(name)] = { dtype: "f32", shape: [], data: Float32Array.of(value) };
  }
  if (start.inputs.rng) feeds["rng"] = { dtype: "u32", shape: [4], data: Uint32Array.of(...seedWords(seed), 0, 0) };
  const executable = await session.compile(start.program);
  try {
    await executable.run(feeds);
  } finally {
    executable.dispose();
  }
  // averages begin with what their weights begin with
  for (const { name, start: from } of plan.states)
    if (from.kind === "copy" && start.weights.includes(from.of)) await session.write(name, await session.read(from.of));
}
