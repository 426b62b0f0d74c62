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
import type { Program, StateSpec, UpdateSpec } from "../engines/engine.js";
import type { Check } from "../graph/checks.js";
import { GmcError, InternalError } from "../graph/errors.js";
import { inputNames } from "../graph/host.js";
import { TermNames } from "../graph/term-names.js";
import type { Graph, Origin } from "../graph/types.js";
import type { CarriedSpec, ModelDefinition, PhaseDefinition, StepContext, UpdateDefinition } from "../model.js";
import { leavesUnder, type LeafAt } from "../nn/spec.js";
import { stageBefore, stageLook } from "./before.js";
import { carriedName, carriedOf } from "./carried.js";
import { dataName, defined, scheduleName, stepContext } from "./context.js";
import { stageDiagnosis, type Diagnosis } from "./diagnosis.js";
import { FAULT, type Checks } from "./fault-state.js";
import type { Schedule } from "../optim/schedules.js";
import { contextOf, stageUpdate, type UpdateSite } from "./stage-update.js";
import { type Filled, stageStarts } from "./start.js";
import { updateSpec } from "./update-spec.js";
import { watchedMetrics } from "./watched.js";

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
  /** The step of its chains' moves where these are neither accepted nor refused. */
  readonly unadjusted: number | undefined;
  /** Staged on demand, to look at a run again that was not finite. */
  readonly diagnose: () => Diagnosis;
}

export interface PhasePlan {
  readonly name: string;
  readonly batch: number;
  readonly updates: readonly PlannedUpdate[];
  readonly schedules: Readonly<Record<string, Schedule>>;
  readonly states: readonly AddedState[];
  /** Weights that have a moving average once this phase runs. */
  readonly averaged: readonly string[];
  /** What starts the weights that wait for the first batch. */
  readonly starts: readonly PlannedStart[];
}

/** A run before the phase's first step, see start.ts. */
export interface PlannedStart {
  readonly program: Program;
  readonly inputs: PlannedUpdate["inputs"];
  /** Paths of the weights that it starts: those of them that the phase's updates reach. */
  readonly weights: readonly string[];
  /** The parameter among them that takes rows of the values which the program gives. */
  readonly fills?: Filled | undefined;
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

/** Of the densities whose chains an update carries. */
function unadjustedStep(model: ModelDefinition, { carried = {} }: UpdateDefinition): number | undefined {
  const steps = Object.keys(carried).map((name) => model.densities[name.split(".")[0] ?? name]?.chain?.unadjusted);
  return steps.find((step) => step !== undefined);
}

/** Stages phase number `index` of the model. Throws GM4007, GM4011 where the definition does not fit its weights. */
export function planPhase(model: ModelDefinition, index: number, options: PlanOptions): PhasePlan {
  const phase = defined(model.train[index], `phase ${index}`);
  const batch = options.batch ?? phase.batch;
  const { dynamic } = options;
  const states = new Map<string, AddedState>();
  states.set(FAULT, { name: FAULT, dtype: "i32", shape: [], start: { kind: "zeros" } });
  for (const [name, spec] of Object.entries(carriedOf(phase, batch))) {
    const { dtype, shape } = spec;
    states.set(carriedName(name), { name: carriedName(name), dtype, shape, start: { kind: "carried", name, spec } });
  }
  const labels = metricLabels(phase);
  const watching = watchedMetrics(model);
  const names = new TermNames();
  const updates = phase.updates.map((update, i): PlannedUpdate => {
    const targets = trainedLeaves(model, update);
    const optimizer = {
      ...update.optimizer,
      ema: update.optimizer.ema ?? phase.ema ?? null,
      lr: update.assigns ? 1 : (options.lr ?? update.optimizer.lr),
    };
    const site: UpdateSite = { model, phase, update, batch, dynamic, targets, watching, names };
    const context = (): StepContext => contextOf(site);
    const label = defined(labels[i], "label");
    const checks: Checks = [];
    const before = stageBefore(update, checks, context);
    const unseen = [...checks];
    const staged = stageUpdate(site, label, checks);
    const look = staged.lookEvery > 1 ? [stageLook(update, unseen, context, LOOK)] : [];
    const spec = updateSpec(phase, update, optimizer, `${options.id ?? index}.${i}`, targets);
    addStates(states, spec, targets);
    return {
      label,
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
      checks,
      lookEvery: staged.lookEvery,
      unadjusted: unadjustedStep(model, update),
      diagnose: () => stageDiagnosis(site),
    };
  });
  const starts = stageStarts({
    model,
    phase: phase.name,
    started: options.started ?? new Set(),
    objectives: () => phase.updates.map((update) => update.value(contextOf({ model, phase, update, batch, dynamic }))),
    context: () => stepContext({ model, batch, dynamic, schedules: Object.keys(phase.schedules ?? {}) }),
  });
  return {
    name: phase.name,
    batch,
    updates,
    schedules: phase.schedules ?? {},
    states: [...states.values()],
    averaged: [...states.values()].flatMap((s) => (s.start.kind === "copy" ? [s.start.of] : [])),
    starts: starts.map(({ program, graph, weights, fills }) => ({ program, inputs: inputsOf(graph), weights, fills })),
  };
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
  const names = inputNames(graph);
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
