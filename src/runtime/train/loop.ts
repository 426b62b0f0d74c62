/**
 * The training loop: runs the planned programs of a model's phases on an engine's session, one step after another.
 *
 * All that training depends on is the session's store and the cursor: a trainer that is given the saved states and the cursor
 * goes on bitwise as if it had never stopped (same engine, version, threads and device). Each draw is addressed by
 * rng = [seed low, seed high, number of the update run, 0]; the order of the data follows from its own cursor.
 */
import type { DataCursor, TrainStream } from "../data/streams.js";
import type { EngineSession, HostTensor } from "../engines/engine.js";
import type { CarriedSpec, PhaseDefinition } from "../model.js";
import { defined } from "./context.js";
import { nonFinite } from "./fault.js";
import { compileUpdates, Lane, type Compiled } from "./lane.js";
import { phaseLength } from "./length.js";
import { requireMemory } from "./memory.js";
import type { PhasePlan } from "./plan.js";
import { pause } from "../engines/pause.js";
import { createStates, dropAverages } from "./phase-states.js";
import { runStart } from "./start.js";
import { EarlyStopping, type StoppingReport, type StoppingState } from "./stopping.js";

/** JSON: how far training has come. */
export interface Cursor {
  /** Index of the phase that runs. */
  readonly phase: number;
  /** Steps done in it. */
  readonly step: number;
  /** Steps done in all. */
  readonly total: number;
  /** Runs of update programs done in all: the third word of rng. */
  readonly draws: number;
  /** Where the data stream stands; null before the phase's first batch. */
  readonly data: DataCursor | null;
  /** Sums of the metrics since the last record. */
  readonly window: { readonly count: number; readonly sums: readonly number[] };
  readonly stopping: StoppingState | null;
  /** The phase has not begun: its states are still to be created. */
  readonly fresh: boolean;
  /** Paths of the weights that have started from a batch (see nn/start.ts); absent where there are none. */
  readonly started?: readonly string[];
  /** True once all phases are through. */
  readonly done: boolean;
}

/** The step that the weights of a cursor are of: that of the best epoch once early stopping has brought them back. */
export function stepOfWeights({ done, stopping, total }: Pick<Cursor, "total"> & Partial<Cursor>): number {
  return done === true && stopping && stopping.best !== null ? stopping.bestStep : total;
}

/** A run that is through goes on to a greater length. What early stopping waits for begins anew; its best epoch stays the one to beat. */
export function furtherFrom(cursor: Cursor): Cursor {
  const { stopping } = cursor;
  return { ...cursor, done: false, ...(cursor.done && stopping && { stopping: { ...stopping, bad: 0 } }) };
}

const startCursor: Cursor = {
  phase: 0,
  step: 0,
  total: 0,
  draws: 0,
  data: null,
  window: { count: 0, sums: [] },
  stopping: null,
  fresh: true,
  done: false,
};

/** Means of the metrics over the steps since the record before, or over a split. */
export interface MetricRecord {
  readonly phase: string;
  readonly split: "train" | "validation";
  /** Passes over the data so far in this phase. */
  readonly epoch: number;
  /** Steps so far in all. */
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

export interface StepReport {
  readonly phase: string;
  readonly phaseIndex: number;
  /** Steps done in this phase, and how many it takes. */
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Steps done in all. */
  readonly total: number;
  /** Over all steps since the run began or went on; checkpoints, validation and records are not counted. */
  readonly stepsPerSecond: number;
  /** Of this step alone. */
  readonly values: Readonly<Record<string, number>>;
}

export type CheckpointReason = "epoch" | "interval" | "phase" | "end" | "interrupted";

export interface LoopHooks {
  /** After each step, on the hot path: be quick. `values()` builds the record of this step's metrics. */
  readonly onStep?: (report: () => StepReport) => void;
  readonly onRecord?: (record: MetricRecord) => void | Promise<void>;
  /** At the end of each epoch, or at ten evenly spaced steps of a phase with fewer; not at its end, which is a checkpoint. `total` are steps in all. */
  readonly onLook?: (total: number) => void | Promise<void>;
  /** `states` are those of the phase at hand, beside the weights and their averages. */
  readonly onCheckpoint?: (reason: CheckpointReason, cursor: Cursor, states: readonly string[]) => void | Promise<void>;
  /** At the end of a phase with early stopping, once the weights of its best epoch are back. */
  readonly onStopping?: ((report: StoppingReport) => void) | undefined;
  /** Values of the validation split, by metric; runs at the end of each epoch. */
  readonly validate?: (phase: number) => Promise<Readonly<Record<string, number>>>;
}

export interface LoopOptions extends LoopHooks {
  readonly session: EngineSession;
  readonly phases: readonly PhaseDefinition[];
  /** Paths of all weights of the model. */
  readonly weights: readonly string[];
  /** Stages a phase when it begins, at its own batch or, where that is free, another; `started` are weights that have started in an earlier one. */
  readonly plan: (phase: number, started: ReadonlySet<string>, batch?: number) => PhasePlan;
  /** The stream of a phase's batches. */
  readonly stream: (batch: number) => TrainStream;
  /** How a value begins that an update carries from step to step. */
  readonly startValue: (name: string, spec: CarriedSpec) => HostTensor;
  readonly seed: number;
  /** Replace each phase's own; steps win. */
  readonly epochs?: number | undefined;
  readonly steps?: number | undefined;
  /** Steps between two records; by default about 20 an epoch. */
  readonly recordEvery?: number | undefined;
  /** Seconds between two checkpoints within an epoch; none by default. */
  readonly checkpointSeconds?: number | undefined;
  /** Seconds since the last checkpoint before which the end of an epoch makes none; 0 by default. A run's first epoch always makes one. */
  readonly checkpointGap?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Goes on from here; the session holds the states that belong to it. */
  readonly resume?: Cursor | undefined;
}

interface Running extends LoopOptions {
  /** Of all steps that this process has run. */
  readonly clock: { seconds: number; steps: number };
  /** Step of the last checkpoint; undefined where there is none. */
  readonly saved: () => number | undefined;
}

export interface LoopResult {
  readonly outcome: "finished" | "interrupted";
  readonly cursor: Cursor;
  /** Last record of the training metrics. */
  readonly last: MetricRecord | undefined;
  /** Seconds in steps alone: without checkpoints, validation and records. */
  readonly stepSeconds: number;
  readonly stepsRun: number;
}

/** Runs all phases from the start or from `resume` on. Throws GM4003 where a value is not finite; the store then holds the last good weights. */
export async function runLoop(given: LoopOptions): Promise<LoopResult> {
  let saved = given.resume?.total;
  const { onCheckpoint } = given;
  const clock = { seconds: 0, steps: 0 };
  const options: Running = {
    ...given,
    clock,
    saved: () => saved,
    ...(onCheckpoint && {
      onCheckpoint: async (reason: CheckpointReason, at: Cursor, names: readonly string[]) => {
        await onCheckpoint(reason, at, names);
        saved = at.total;
      },
    }),
  };
  let cursor = options.resume ?? startCursor;
  const wasDone = cursor.done;
  let last: MetricRecord | undefined;
  let states: readonly string[] = [];
  const ran = (): { readonly stepSeconds: number; readonly stepsRun: number } => ({ stepSeconds: clock.seconds, stepsRun: clock.steps });
  for (let phase = cursor.phase; phase < options.phases.length && !cursor.done; phase++) {
    const result = await runPhase(options, phase, cursor);
    cursor = result.cursor;
    last = result.last ?? last;
    states = result.states;
    if (result.outcome === "interrupted") return { outcome: "interrupted", cursor, last, ...ran() };
    if (phase + 1 < options.phases.length) {
      cursor = { ...cursor, phase: phase + 1, step: 0, data: null, window: { count: 0, sums: [] }, stopping: null, fresh: true };
      await options.onCheckpoint?.("phase", cursor, []);
    }
  }
  cursor = { ...cursor, done: true };
  // the checkpoint that it began from holds the states of the last phase, which were not made anew
  if (!wasDone) await options.onCheckpoint?.("end", cursor, states);
  return { outcome: "finished", cursor, last, ...ran() };
}

async function runPhase(options: Running, index: number, given: Cursor): Promise<PhaseResult> {
  const { session } = options;
  const definition = defined(options.phases[index], `phase ${index}`);
  const started = new Set(given.started);
  const plan = options.plan(index, started);
  const source = options.stream(plan.batch);
  let from = given;
  dropAverages(session, options.weights, plan);
  requireMemory(session, plan, (batch) => options.plan(index, started, batch));
  if (from.fresh) {
    await createStates(session, plan, index > 0, options.startValue);
    for (const start of plan.starts) {
      await runStart(session, plan, start, source, options.seed);
      from = { ...from, started: [...(from.started ?? []), ...start.weights] };
    }
  }
  if (from.data !== null) source.seek(from.data);
  const compiled: Compiled[] = [];
  try {
    await compileUpdates(session, plan, compiled);
    return await steps(options, { index, definition, plan, source, compiled, from });
  } finally {
    compiled.forEach((c) => c.executable.dispose());
  }
}

interface PhaseResult extends Pick<LoopResult, "outcome" | "cursor" | "last"> {
  /** States of the phase, beside the weights and their averages. */
  readonly states: readonly string[];
}

interface PhaseRun {
  readonly index: number;
  readonly definition: PhaseDefinition;
  readonly plan: PhasePlan;
  readonly source: TrainStream;
  readonly compiled: readonly Compiled[];
  readonly from: Cursor;
}

async function steps(options: Running, run: PhaseRun): Promise<PhaseResult> {
  const { session } = options;
  const { index, plan, source, compiled, from } = run;
  const { steps: total, stepsPerEpoch } = phaseLength(run.definition, source.stepsPerEpoch, options);
  const epochs = total / stepsPerEpoch;
  const names = compiled.flatMap((c) => c.update.metrics);
  const recordEvery = options.recordEvery ?? Math.max(1, Math.ceil(stepsPerEpoch / 20));
  const stopping = run.definition.earlyStopping
    ? new EarlyStopping(run.definition.earlyStopping, run.definition, from.stopping)
    : undefined;
  let { step, draws } = from;
  const before = from.total - from.step;
  const sums = names.map((_, i) => from.window.sums[i] ?? 0);
  let count = from.window.count;
  const current = new Float64Array(names.length);
  let last: MetricRecord | undefined;
  const { clock } = options;
  let lastCheckpoint = performance.now();
  let lastPause = lastCheckpoint;
  let outcome: "finished" | "interrupted" = "finished";
  let early = false;

  const cursor = (): Cursor => ({
    phase: index,
    step,
    total: before + step,
    draws,
    data: source.cursor(),
    window: { count, sums: [...sums] },
    stopping: stopping?.state ?? null,
    fresh: false,
    ...(from.started ? { started: from.started } : {}),
    done: false,
  });
  const states = (): readonly string[] => [...plan.states.map((s) => s.name), ...(stopping?.stateNames(plan) ?? [])];
  const record = async (): Promise<void> => {
    if (count === 0) return;
    const values = Object.fromEntries(names.map((name, i) => [name, (sums[i] ?? 0) / count]));
    last = { phase: plan.name, split: "train", epoch: step / stepsPerEpoch, step: before + step, values };
    sums.fill(0);
    count = 0;
    await options.onRecord?.(last);
  };
  const report = (): StepReport => ({
    phase: plan.name,
    phaseIndex: index,
    step,
    steps: total,
    epoch: step / stepsPerEpoch,
    epochs,
    stepsPerEpoch,
    total: before + step,
    stepsPerSecond: speedOf(clock.steps, clock.seconds),
    values: Object.fromEntries(names.map((name, i) => [name, current[i] ?? NaN])),
  });

  const ends = (at: number): boolean => at % stepsPerEpoch === 0 || at === total;
  const lookEvery = Math.min(stepsPerEpoch, Math.ceil(total / LOOKS));
  const isLook = (at: number): boolean => options.onLook !== undefined && at % lookEvery === 0 && at < total;
  const look = async (at: number): Promise<void> => {
    if (isLook(at)) await options.onLook?.(before + at);
  };
  // what is on its way would have moved the weights on
  const standsStill = (at: number): boolean => ends(at) || isLook(at);
  const lane = new Lane(session, plan, source, compiled, { seed: options.seed, draws, total, stepsPerEpoch });
  let mark = performance.now();
  let checkpointDue = false;
  while (step < total) {
    // what stands still for a while waits for all that is on its way
    const still = options.signal?.aborted === true || checkpointDue;
    if (still && lane.waiting === 0) {
      if (options.signal?.aborted) {
        outcome = "interrupted";
        break;
      }
      await options.onCheckpoint?.("interval", cursor(), states());
      mark = lastCheckpoint = performance.now();
      checkpointDue = false;
    }
    while (!options.signal?.aborted && !checkpointDue && lane.hasRoom && !(lane.waiting > 0 && standsStill(step + lane.waiting)))
      await lane.begin(step + lane.waiting);
    if (lane.waiting === 0) continue;
    const settled = await lane.settle(current, (run, values, fault) =>
      nonFinite(session, {
        plan,
        update: run.update,
        first: run.first,
        feeds: lane.feedsAgain(run),
        values,
        fault,
        step: before + step + 1,
        saved: options.saved(),
      }),
    );
    draws = settled.draws;
    step++;
    for (let i = 0; i < names.length; i++) sums[i] = (sums[i] ?? 0) + (current[i] ?? NaN);
    count++;
    const now = performance.now();
    lane.took((now - mark) / 1000);
    clock.seconds += (now - mark) / 1000;
    clock.steps++;
    mark = now;
    options.onStep?.(report);

    const epochEnds = ends(step);
    if (epochEnds || step % recordEvery === 0) await record();
    if (epochEnds) {
      checkpointDue = false;
      if (options.validate) {
        const values = await options.validate(index);
        // an objective of which the gradient alone is known has no value to record
        if (Object.keys(values).length > 0)
          await options.onRecord?.({ phase: plan.name, split: "validation", epoch: step / stepsPerEpoch, step: before + step, values });
        early = (await stopping?.seen(values, session, plan, before + step)) === true;
        if (early) break;
      }
      if (step < total) {
        await look(step);
        const gap = (performance.now() - lastCheckpoint) / 1000;
        if (options.saved() === undefined || gap >= (options.checkpointGap ?? 0)) {
          await options.onCheckpoint?.("epoch", cursor(), states());
          lastCheckpoint = performance.now();
        }
      }
    } else {
      await look(step);
      checkpointDue = options.checkpointSeconds !== undefined && now - lastCheckpoint > options.checkpointSeconds * 1000;
    }
    if (now - lastPause > 50) {
      await pause();
      lastPause = performance.now();
    }
    // what stood between two steps is none of their time
    mark = performance.now();
  }
  if (outcome === "interrupted") await options.onCheckpoint?.("interrupted", cursor(), states());
  else {
    const bestStep = await stopping?.restoreBest(session, plan);
    const settings = run.definition.earlyStopping;
    if (bestStep !== undefined && settings) {
      const { metric, patience } = settings;
      const bestEpoch = (bestStep - before) / stepsPerEpoch;
      const reached = { epoch: step / stepsPerEpoch, epochs, step: before + step };
      options.onStopping?.({ phase: plan.name, metric, patience, early, ...reached, bestStep, bestEpoch });
    }
  }
  return { outcome, cursor: cursor(), last, states: states() };
}

/** Looks at a phase of few epochs. */
const LOOKS = 10;

/** Steps a second. */
export function speedOf(steps: number, seconds: number): number {
  return steps / Math.max(1e-9, seconds);
}
