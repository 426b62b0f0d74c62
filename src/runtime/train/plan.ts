/**
 * Staging of a training phase: for each update one program, `call` (forward, vjp, simplified) followed by `update`, and the states they need.
 * The plan is plain data; `loop.ts` runs it on any engine.
 *
 * A step runs the updates in order, each `steps` times. The first run of a step draws a batch, every repetition after an update's first run
 * draws the next one; a later update's first run sees the batch that is there. So an epoch is one pass over the data in every model.
 *
 * Finiteness: the call stage sets the state `fault` where the objective or what it carries on is not finite, the update stage where a gradient
 * is not; once set, no weight, slot, average, running statistic or chain changes any more, so the last good state survives.
 */
import type { Program, StateSpec, UpdateSpec, UpdateTarget } from "../engines/engine.js";
import { assertNever, GmcError, InternalError } from "../graph/errors.js";
import { auxiliaryLosses } from "../estimate/surrogate.js";
import {
  abs,
  add,
  and,
  constant,
  equal,
  mean,
  not,
  select,
  stack,
  stage,
  state,
  sub,
  sum,
  terms,
  writeState,
  type Tensor,
} from "../graph/index.js";
import type { Check } from "../graph/checks.js";
import { currentTrace, withOrigin } from "../graph/trace.js";
import { optimize } from "../graph/passes/index.js";
import { grad } from "../graph/vjp.js";
import { slotNames } from "../graph/updates.js";
import type { Graph, Origin } from "../graph/types.js";
import type { CarriedSpec, Constraint, ModelDefinition, PhaseDefinition, UpdateDefinition } from "../model.js";
import { leavesUnder, unconstrained, type LeafAt } from "../nn/spec.js";
import { brokenCheck, isCheap, stageBefore, stageLook, type Faults } from "./before.js";
import { carriedBy, carriedName, carriedOf } from "./carried.js";
import { dataName, emaName, isFinite, defined, scheduleName, stepContext } from "./context.js";
import type { OptimizerSpec } from "./optimizers.js";
import type { Schedule } from "./schedules.js";
import { stageStart } from "./start.js";

/** Feed of the learning rate. A colon keeps it apart from the names of a model. */
export const LEARNING_RATE = "run:lr";
/**
 * i32: 0 while all was finite; 1 once an objective or a gradient was not, 2 once what an update carries was not; from 3 on the number of a condition
 * that did not hold (see graph/checks.ts).
 */
export const FAULT = "train:fault";
export const CARRIED_FAULT = 2;
export const CHECK_FAULT = 3;
/** Feed: 1 in a step that looks at conditions which cost more than a step, else 0. */
export const LOOK = "run:look";

/** A state that training adds to the weights, and how it starts: zeros, a copy of a weight, or as an update says that carries it. */
export interface AddedState extends StateSpec {
  readonly name: string;
  readonly start:
    | { readonly kind: "zeros" }
    | { readonly kind: "copy"; readonly of: string }
    | { readonly kind: "carried"; readonly name: string; readonly spec: CarriedSpec };
}

export interface PlannedUpdate {
  readonly label: string;
  readonly place: string;
  readonly direction: "maximize" | "minimize";
  readonly program: Program;
  /** What the program needs each run. */
  readonly inputs: { readonly data: readonly string[]; readonly schedules: readonly string[]; readonly rng: boolean };
  /** Names of the entries of the output `metrics`: the objective first, then its terms; the mean over the batch of each. */
  readonly metrics: readonly string[];
  /** Where the terms stand, by metric. */
  readonly origins: Readonly<Record<string, Origin>>;
  readonly lr: number | Schedule;
  readonly steps: number;
  /** Weights that it moves, and other states of the model that it writes (running statistics). */
  readonly weights: readonly string[];
  readonly untrained: readonly string[];
  /** What to say where the fault is `CHECK_FAULT` and more. */
  readonly checks: readonly Check["failed"][];
  /** Of how many steps one takes `LOOK` 1, the first and the last too; 1 where the program has no such feed. */
  readonly lookEvery: number;
  /** Staged on demand, to look at a run again that was not finite. */
  readonly diagnose: () => Diagnosis;
}

/** Both programs take the feeds of the update's run. */
export interface Diagnosis {
  /** The parts of the objective in order; output `i` is the value of `origins[i]`. */
  readonly values: Program;
  readonly origins: readonly Origin[];
  /** For each term an output by its label: 0 where the term's gradient in the moved weights is not finite. */
  readonly gradients: Program;
  /** Outputs by the number of a condition: its value, at what is carried when the step begins. */
  readonly checks: Program;
}

export interface PhasePlan {
  readonly name: string;
  readonly batch: number;
  readonly updates: readonly PlannedUpdate[];
  readonly schedules: Readonly<Record<string, Schedule>>;
  readonly states: readonly AddedState[];
  /** Weights that have a moving average once this phase runs. */
  readonly averaged: readonly string[];
  /** Batches that one step takes. */
  readonly batchesPerStep: number;
  /** What weights start from that wait for the first batch; absent where there are none. */
  readonly start?: PlannedStart;
}

/** A run before the phase's first step, see start.ts. */
export interface PlannedStart {
  readonly program: Program;
  readonly inputs: PlannedUpdate["inputs"];
  /** Paths of the weights that it starts: those of them that the phase's updates reach. */
  readonly weights: readonly string[];
}

export interface PlanOptions {
  /** Variables whose batches hold probabilities that are drawn afresh each time. */
  readonly dynamic: ReadonlySet<string>;
  /** Replaces the phase's batch. */
  readonly batch?: number | undefined;
  /** Replaces every learning rate. */
  readonly lr?: number | undefined;
  /** Weights that have started already, in an earlier phase. */
  readonly started?: ReadonlySet<string> | undefined;
  /** What the states of its optimisers are told apart by, where a session holds those of another model: the phase's number unless told. */
  readonly id?: string | undefined;
}

/** Stages phase number `index` of the model. Throws GM4007, GM4011 where the definition does not fit its weights. */
export function planPhase(model: ModelDefinition, index: number, options: PlanOptions): PhasePlan {
  const phase = defined(model.train[index], `phase ${index}`);
  const batch = options.batch ?? phase.batch;
  const states = new Map<string, AddedState>();
  states.set(FAULT, { name: FAULT, dtype: "i32", shape: [], start: { kind: "zeros" } });
  for (const [name, spec] of Object.entries(carriedOf(phase, batch))) {
    const { dtype, shape } = spec;
    states.set(carriedName(name), { name: carriedName(name), dtype, shape, start: { kind: "carried", name, spec } });
  }
  const labels = metricLabels(phase);
  const updates = phase.updates.map((update, i): PlannedUpdate => {
    const targets = trainedLeaves(model, update);
    const optimizer = {
      ...update.optimizer,
      ema: phase.ema ?? update.optimizer.ema,
      lr: update.assigns ? 1 : (options.lr ?? update.optimizer.lr),
    };
    const context = (): ReturnType<typeof stepContext> => contextOf(model, phase, update, { batch, dynamic: options.dynamic });
    const faults: Faults = { name: FAULT, carried: CARRIED_FAULT, firstCheck: CHECK_FAULT, checks: [] };
    const before = stageBefore(update, faults, context);
    const unseen: Faults = { ...faults, checks: [...faults.checks] };
    const staged = stageUpdate(model, phase, update, {
      batch,
      targets,
      label: defined(labels[i], "label"),
      dynamic: options.dynamic,
      faults,
    });
    const look = staged.lookEvery > 1 ? [stageLook(update, unseen, context, LOOK)] : [];
    const spec = updateSpec(phase, update, optimizer, `${options.id ?? index}.${i}`, targets);
    addStates(states, spec, targets);
    return {
      label: defined(labels[i], "label"),
      place: update.place,
      direction: update.direction,
      program: {
        name: `${phase.name}: ${update.direction} ${update.label}`,
        stages: [
          ...before,
          ...look,
          { kind: "call", name: "gradients", graph: staged.graph },
          { kind: "update", name: "update", update: spec },
        ],
        fetch: ["metrics", FAULT],
      },
      inputs: allInputs([...[...before, ...look].flatMap((s) => (s.kind === "update" ? [] : [s.graph])), staged.graph]),
      metrics: staged.metrics,
      origins: staged.origins,
      lr: optimizer.lr,
      steps: update.steps ?? 1,
      weights: targets.map((t) => t.path),
      untrained: Object.keys(staged.graph.writes).filter((name) => name !== FAULT),
      checks: faults.checks,
      lookEvery: staged.lookEvery,
      diagnose: () => stageDiagnosis(model, phase, update, { batch, targets, dynamic: options.dynamic }),
    };
  });
  const start = stageStart(model, options.started ?? new Set(), () => {
    for (const update of phase.updates) update.value(contextOf(model, phase, update, { batch, dynamic: options.dynamic }));
  });
  const batchesPerStep = 1 + updates.reduce((total, u) => total + u.steps - 1, 0);
  return {
    name: phase.name,
    batch,
    updates,
    schedules: phase.schedules ?? {},
    states: [...states.values()],
    averaged: [...states.values()].flatMap((s) => (s.start.kind === "copy" ? [s.start.of] : [])),
    batchesPerStep,
    ...(start ? { start: plannedStart(phase, start) } : {}),
  };
}

function plannedStart(
  phase: PhaseDefinition,
  { graph, weights }: { readonly graph: Graph; readonly weights: readonly string[] },
): PlannedStart {
  const program: Program = { name: `${phase.name}: start`, stages: [{ kind: "call", name: "start", graph }], fetch: [] };
  return { program, inputs: inputsOf(graph), weights };
}

function allInputs(graphs: readonly Graph[]): PlannedUpdate["inputs"] {
  const all = graphs.map(inputsOf);
  return {
    data: [...new Set(all.flatMap((i) => i.data))],
    schedules: [...new Set(all.flatMap((i) => i.schedules))],
    rng: all.some((i) => i.rng),
  };
}

/** What a graph reads from outside, sorted by kind: data variables and schedules by their own names. */
function inputsOf(graph: Graph): PlannedUpdate["inputs"] {
  const names = graph.nodes.flatMap((n) => (n.prim === "input" ? [n.params.name] : []));
  const after = (prefix: string): string[] => names.flatMap((n) => (n.startsWith(prefix) ? [n.slice(prefix.length)] : []));
  return {
    data: after(dataName("")),
    schedules: after(scheduleName("")),
    rng: names.includes("rng"),
  };
}

/** Two updates of one objective are told apart by what they move: `V over D`. */
function metricLabels(phase: PhaseDefinition): readonly string[] {
  return phase.updates.map((u) =>
    phase.updates.filter((o) => o.label === u.label).length > 1 ? `${u.label} over ${u.over.join(", ")}` : u.label,
  );
}

function trainedLeaves(model: ModelDefinition, update: UpdateDefinition): readonly LeafAt[] {
  const found = new Map<string, LeafAt>();
  for (const path of update.over) {
    const leaves = leavesUnder(model.weights, path);
    if (leaves.length === 0) {
      throw new GmcError(
        "GM4007",
        `${update.direction} ${update.label} (${update.place}) moves \`${path}\`, which the model has no weights for`,
        [`weights of ${model.name}: ${Object.keys(model.weights).join(", ") || "none"}`],
      );
    }
    for (const leaf of leaves) if (leaf.spec.trained) found.set(leaf.path, leaf);
  }
  return [...found.values()];
}

interface StagedUpdate {
  readonly graph: Graph;
  readonly metrics: readonly string[];
  readonly origins: Readonly<Record<string, Origin>>;
  readonly lookEvery: number;
}

function gradientName(path: string): string {
  return `gradient:${path}`;
}

function stageUpdate(
  model: ModelDefinition,
  phase: PhaseDefinition,
  update: UpdateDefinition,
  config: {
    readonly batch: number;
    readonly targets: readonly LeafAt[];
    readonly label: string;
    readonly dynamic: ReadonlySet<string>;
    readonly faults: Faults;
  },
): StagedUpdate {
  const origins: Record<string, Origin> = {};
  const metrics = [config.label];
  let lookEvery = 1;
  const graph = stage(
    {},
    () => {
      const context = contextOf(model, phase, update, config);
      const whole: Origin = { label: update.label, place: update.place };
      const value = mean(update.value(context));
      const named = new Map(terms());
      const trace = currentTrace();
      origins[config.label] = whole;
      for (const [label, t] of named) origins[label] = trace.nodes[t.id]?.origin ?? { label, place: update.place };
      metrics.push(...named.keys());
      return withOrigin(whole, () => {
        const objective = update.surrogate ? mean(update.surrogate(context)) : value;
        const differentiated = withAuxiliary(objective, update.direction);
        const gradients = grad(
          differentiated,
          config.targets.map((t) => state(t.path, t.spec.shape)),
        );
        const fault = state(FAULT, [], "i32");
        const carried = new Set(Object.keys(update.carried ?? {}).map(carriedName));
        lookEvery = Math.max(1, ...trace.checks.map((c) => c.every));
        const broken = brokenCheck(config.faults, isCheap);
        const finite = and(isFinite(value), isFinite(differentiated));
        const sound = broken ? and(finite, equal(broken, 0)) : finite;
        const goesOn = [...trace.writes].reduce<Tensor>(
          (all, [name, t]) => (carried.has(name) && t.dtype === "f32" ? and(all, isFinite(mean(abs(t)))) : all),
          sound,
        );
        const write = and(goesOn, equal(fault, 0));
        for (const [name, t] of [...trace.writes]) {
          const old = state(name, t.shape, t.dtype);
          writeState(old, select(write, t, old));
        }
        const unsound = goesOn === sound ? 1 : select(sound, constant(CARRIED_FAULT, [], "i32"), 1);
        const found = broken ? select(equal(broken, 0), unsound, broken) : unsound;
        // what was wrong first is what is told
        writeState(fault, select(and(not(goesOn), equal(fault, 0)), found, fault));
        const outputs: Record<string, Tensor> = { metrics: stack([value, ...[...named.values()].map((t) => mean(t))], 0) };
        config.targets.forEach((t, i) => (outputs[gradientName(t.path)] = defined(gradients[i], `gradient of ${t.path}`)));
        return outputs;
      });
    },
    { mode: "train" },
  );
  return { graph: optimize(graph), metrics, origins, lookEvery };
}

/** What baselines and control variates minimise goes against the objective's direction where that goes up. */
function withAuxiliary(objective: Tensor, direction: UpdateDefinition["direction"]): Tensor {
  return auxiliaryLosses().reduce((total, loss) => (direction === "maximize" ? sub(total, mean(loss)) : add(total, mean(loss))), objective);
}

function contextOf(
  model: ModelDefinition,
  phase: PhaseDefinition,
  update: UpdateDefinition,
  config: { readonly batch: number; readonly dynamic: ReadonlySet<string> },
): ReturnType<typeof stepContext> {
  const { batch, dynamic } = config;
  return stepContext({ model, batch, dynamic, schedules: Object.keys(phase.schedules ?? {}), carried: carriedBy(update, batch) });
}

function stageDiagnosis(
  model: ModelDefinition,
  phase: PhaseDefinition,
  update: UpdateDefinition,
  config: { readonly batch: number; readonly targets: readonly LeafAt[]; readonly dynamic: ReadonlySet<string> },
): Diagnosis {
  const origins: Origin[] = [];
  const values = stage(
    {},
    () => {
      update.value(contextOf(model, phase, update, config));
      const trace = currentTrace();
      trace.writes.clear();
      return Object.fromEntries(
        trace.marks.map(({ label, place, value }, i) => {
          origins.push({ label, place });
          return [String(i), value];
        }),
      );
    },
    { mode: "train" },
  );
  const gradients = stage(
    {},
    () => {
      const context = contextOf(model, phase, update, config);
      update.value(context);
      const weights = config.targets.map((t) => state(t.path, t.spec.shape));
      const outputs: Record<string, Tensor> = {};
      for (const [label, t] of new Map(terms())) {
        const size = grad(mean(t), weights).reduce<Tensor | undefined>(
          (total, g) => (total ? add(total, sum(abs(g))) : sum(abs(g))),
          undefined,
        );
        if (size) outputs[label] = select(isFinite(size), constant(1), 0);
      }
      currentTrace().writes.clear();
      return outputs;
    },
    { mode: "train" },
  );
  const checks: Graph = stage(
    {},
    () => {
      const outputs: Record<string, Tensor> = {};
      const take = (): void => {
        for (const { value } of currentTrace().checks.splice(0)) outputs[String(Object.keys(outputs).length)] = value;
      };
      const context = contextOf(model, phase, update, config);
      for (const step of update.before ?? []) {
        step.run(context);
        take();
      }
      update.value(context);
      update.surrogate?.(context);
      take();
      currentTrace().writes.clear();
      return outputs;
    },
    { mode: "train" },
  );
  const program = (graph: Graph): Program => ({
    name: `diagnosis of ${update.label}`,
    stages: [{ kind: "call", name: "diagnosis", graph: optimize(graph) }],
    fetch: Object.keys(graph.outputs),
  });
  return { values: program(values), origins, gradients: program(gradients), checks: program(checks) };
}

function updateSpec(
  phase: PhaseDefinition,
  update: Pick<UpdateDefinition, "direction">,
  optimizer: OptimizerSpec,
  id: string,
  targets: readonly LeafAt[],
): UpdateSpec {
  return {
    rule: optimizer.rule,
    constants: optimizer.constants,
    learningRate: LEARNING_RATE,
    counter: `optimizer:${id}:count`,
    sign: update.direction === "minimize" ? 1 : -1,
    targets: targets.map((leaf): UpdateTarget => {
      const constraints = (phase.constraints ?? []).filter((c) => leaf.path === c.over || leaf.path.startsWith(`${c.over}.`));
      return {
        weight: leaf.path,
        gradient: gradientName(leaf.path),
        slots: slotNames(optimizer.rule, optimizer.constants).map((slot) => `optimizer:${id}:${leaf.path}:${slot}`),
        ema: optimizer.ema === null ? null : emaName(leaf.path),
        clip: constraints.reduce<readonly [number, number] | null>((clip, c) => clipOf(c, leaf) ?? clip, null),
        maxNorm: constraints.reduce<UpdateTarget["maxNorm"]>((norm, c) => maxNormOf(c, leaf) ?? norm, null),
      };
    }),
    clipNorm: optimizer.clipNorm,
    clipValue: optimizer.clipValue,
    weightDecay: optimizer.weightDecay,
    ema: optimizer.ema,
    fault: FAULT,
  };
}

/** The bounds of a weight in the space in which it is stored. */
function clipOf(constraint: Constraint, leaf: LeafAt): readonly [number, number] | null {
  const { bound } = constraint;
  if (bound.kind !== "in") return null;
  switch (leaf.spec.constraint) {
    case "none":
      return [bound.low, bound.high];
    case "positive":
    case "unit": {
      const top = leaf.spec.constraint === "unit" ? 1 : Infinity;
      const inverse = (v: number): number => unconstrained({ ...leaf.spec, shape: [] }, Float64Array.of(v), leaf.path)[0] ?? NaN;
      return [bound.low <= 0 ? -Infinity : inverse(bound.low), bound.high >= top ? Infinity : inverse(bound.high)];
    }
    case "simplex":
      throw new GmcError("GM4011", `\`${leaf.path}\` lies on a simplex and cannot be constrained further`);
    default:
      return assertNever(leaf.spec.constraint);
  }
}

function maxNormOf(constraint: Constraint, leaf: LeafAt): UpdateTarget["maxNorm"] {
  const { bound } = constraint;
  if (bound.kind !== "maxNorm") return null;
  if (leaf.spec.constraint !== "none") {
    throw new GmcError("GM4011", `\`${leaf.path}\` is ${leaf.spec.constraint}: the norm of what is stored is not the norm of its value`);
  }
  const axis = bound.axis < 0 ? bound.axis + leaf.spec.shape.length : bound.axis;
  // a constraint on a whole net speaks of its matrices; its biases have no such axis
  if (axis >= leaf.spec.shape.length || leaf.spec.shape.length < 2) return null;
  return { axis, limit: bound.limit };
}

function addStates(states: Map<string, AddedState>, spec: UpdateSpec, leaves: readonly LeafAt[]): void {
  const shapes = new Map(leaves.map((l) => [l.path, l.spec.shape]));
  const add = (state: AddedState): void => void (states.has(state.name) || states.set(state.name, state));
  add({ name: spec.counter, dtype: "i32", shape: [], start: { kind: "zeros" } });
  for (const target of spec.targets) {
    const shape = shapes.get(target.weight);
    if (shape === undefined) throw new InternalError(`no shape of ${target.weight}`);
    for (const name of target.slots) add({ name, dtype: "f32", shape, start: { kind: "zeros" } });
    if (target.ema !== null) add({ name: target.ema, dtype: "f32", shape, start: { kind: "copy", of: target.weight } });
  }
}
