/**
 * The runs before a phase's first step that start the weights which wait for data, on the batch that the first step will see: first parameters that start
 * from values of an expression, then what starts from what reaches its layer (see nn/start.ts). They write those weights, and nothing else. The
 * cursor records which have started: later phases and resumed runs leave them alone.
 */
import type { TrainStream } from "../data/streams.js";
import type { EngineSession, HostTensor, Program } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { hostStream, stage, type Tensor } from "../graph/index.js";
import { dce } from "../graph/passes/dce.js";
import { optimize } from "../graph/passes/index.js";
import { seedWords } from "../graph/random.js";
import { sizeOf } from "../graph/shape.js";
import { currentTrace } from "../graph/trace.js";
import type { Graph, Shape } from "../graph/types.js";
import type { ModelDefinition, StepContext, ValuesStart } from "../model.js";
import { leavesOf } from "../nn/spec.js";
import { dataName, defined, scheduleName } from "./context.js";
import type { PhasePlan, PlannedStart } from "./plan.js";
import { valueAt } from "../optim/schedules.js";
import { spreadRows } from "./spread-rows.js";

/** Output of a start's program: the values that rows of a parameter are taken from. */
const VALUES = "values";

/** A parameter whose rows are taken from the values that a program gives. */
export interface Filled {
  readonly path: string;
  readonly shape: Shape;
  /** Entries of a row. */
  readonly width: number;
  readonly place: string;
}

export interface StagedStart {
  readonly program: Program;
  /** The program's only graph. */
  readonly graph: Graph;
  /** Weights that it starts. */
  readonly weights: readonly string[];
  readonly fills?: Filled;
}

interface StartOptions {
  readonly model: ModelDefinition;
  readonly phase: string;
  /** Weights that have started in an earlier phase. */
  readonly started: ReadonlySet<string>;
  /** The phase's objectives, one for each update. */
  readonly objectives: () => readonly Tensor[];
  readonly context: () => StepContext;
}

/** The starts of the waiting weights that the objectives reach, in the order in which they run. A weight starts where it is reached first. */
export function stageStarts({ model, phase, started, objectives, context }: StartOptions): readonly StagedStart[] {
  const done = new Set(started);
  const found: StagedStart[] = [];
  const add = (start: StagedStart | undefined): void => {
    if (start === undefined) return;
    found.push(start);
    start.weights.forEach((w) => done.add(w));
  };
  const layers = (run: () => Readonly<Record<string, Tensor>>): Graph => {
    const waiting = leavesOf(model.weights).flatMap(({ path, spec }) => (spec.startsFromInput && !done.has(path) ? [path] : []));
    return stageOnly(new Set(waiting), run);
  };
  for (const start of neededStarts(model, done, objectives, context)) {
    const graph = layers(() => ({ [VALUES]: start.values(context()) }));
    add({
      ...programOf(`${phase}: start of ${start.of}`, graph, [VALUES]),
      weights: [...Object.keys(graph.writes), start.of],
      fills: filled(model, start, graph),
    });
  }
  if (leavesOf(model.weights).some(({ spec }) => spec.startsFromInput)) {
    const graph = layers(() => (objectives(), {}));
    const weights = Object.keys(graph.writes);
    if (weights.length > 0) add({ ...programOf(`${phase}: start`, graph, []), weights });
  }
  return found;
}

/** A graph that writes the weights that start, and nothing else. */
function stageOnly(starts: ReadonlySet<string>, run: () => Readonly<Record<string, Tensor>>): Graph {
  return stage(
    {},
    () => {
      const outputs = run();
      const { writes } = currentTrace();
      for (const name of [...writes.keys()]) if (!starts.has(name)) writes.delete(name);
      return outputs;
    },
    { mode: "train", starts },
  );
}

function programOf(name: string, staged: Graph, fetch: readonly string[]): Pick<StagedStart, "program" | "graph"> {
  const graph = optimize(staged);
  return { program: { name, stages: [{ kind: "call", name: "start", graph }], fetch }, graph };
}

/** Those of the waiting parameters that the objectives read, or that the values of one of them read. */
function neededStarts(
  model: ModelDefinition,
  done: ReadonlySet<string>,
  objectives: () => readonly Tensor[],
  context: () => StepContext,
): readonly ValuesStart[] {
  const waiting = (model.starts ?? []).filter((s) => !done.has(s.of));
  if (waiting.length === 0) return [];
  const readIn = (run: () => readonly Tensor[]): readonly string[] => {
    const staged = stage({}, () => Object.fromEntries(run().map((t, i) => [String(i), t])), { mode: "train" });
    return dce.run(staged).nodes.flatMap((n) => (n.prim === "state" ? [n.params.name] : []));
  };
  const read = new Set(readIn(objectives));
  // one whose values read another comes after it
  for (const start of waiting.toReversed())
    if (read.has(start.of)) readIn(() => [start.values(context())]).forEach((name) => read.add(name));
  return waiting.filter((s) => read.has(s.of));
}

function filled(model: ModelDefinition, { of, place }: ValuesStart, graph: Graph): Filled {
  const leaf = leavesOf(model.weights).find(({ path }) => path === of);
  const { shape } = defined(leaf, `weight ${of}`).spec;
  const { shape: all } = defined(graph.nodes[defined(graph.outputs[VALUES], "values")], "values");
  const event = all.slice(1);
  const whole = event.every((size, i) => size === shape[shape.length - event.length + i]);
  return { path: of, shape, width: sizeOf(whole ? event : event.slice(-1)), place };
}

/** Runs a start of a phase whose states are there. The stream stands afterwards where it stood. */
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
    const { [VALUES]: values } = await executable.run(feeds);
    if (start.fills) await fill(session, start.fills, defined(values, "values"), seed);
  } finally {
    executable.dispose();
  }
  // averages begin with what their weights begin with
  for (const { name, start: from } of plan.states)
    if (from.kind === "copy" && start.weights.includes(from.of)) await session.write(name, await session.read(from.of));
}

async function fill(session: EngineSession, { path, shape, width, place }: Filled, values: HostTensor, seed: number): Promise<void> {
  const count = sizeOf(shape) / Math.max(1, width);
  const there = values.data.length / Math.max(1, width);
  if (count > there)
    throw new GmcError("GM4004", `\`${path}\` (${place}) starts from ${count} rows of the first batch, which has ${there}`, [
      "take a larger batch: `--batch`",
    ]);
  const data = Float32Array.from(values.data as ArrayLike<number>);
  if (!data.every((v) => Number.isFinite(v))) throw new GmcError("GM4004", `\`${path}\` (${place}) starts from values that are not finite`);
  await session.write(path, { dtype: "f32", shape, data: spreadRows(data, width, count, hostStream(seed, `start:${path}`)) });
}
