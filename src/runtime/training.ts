/**
 * `train(model, options)`: training of a model definition (what a generated module exports as `model`) from a script.
 *
 * ```ts
 * import { train } from "gmc/node";
 * import { model } from "./vae.gm.js";
 *
 * const trained = await train(model, { data: { x: pixels }, epochs: 5, seed: 1 });
 * console.log((await trained.evaluate()).metrics.nll);
 * const { values } = await trained.sample(64); // values.x: { shape: [64, 784], data: Float32Array }
 * await trained.close();
 * ```
 * From `gmc/runtime`, `engine` is an Engine object; `gmc/node` also takes its name and saves checkpoints.
 */
import { stochasticVariables } from "./eval/batches.js";
import { evaluate } from "./eval/evaluate.js";
import { openSession, type TrainedSession } from "./eval/session.js";
import { splitRows, type Dataset } from "./data/dataset.js";
import { checkRoundTrips } from "./train/round-trip.js";
import { checkBatch, openTrainStream } from "./data/streams.js";
import type { Engine, EngineOptions, EngineSession } from "./engines/engine.js";
import { GmcError } from "./graph/errors.js";
import type { ModelDefinition, PhaseDefinition } from "./model.js";
import { leavesOf } from "./nn/spec.js";
import { boundData, type DataOptions } from "./train/arrays.js";
import { carriedByModel, carriedName, startValue } from "./train/carried.js";
import { defined, emaName, writtenLikelihood } from "./train/context.js";
import { phaseLength } from "./train/length.js";
import {
  runLoop,
  speedOf,
  stepOfWeights,
  type CheckpointReason,
  type Cursor,
  type LoopResult,
  type MetricRecord,
  type StepReport,
} from "./train/loop.js";
import type { StoppingReport } from "./train/stopping.js";
import { engineOptions } from "./train/option-tables.js";
import { abortSignal, anything, callback, checkOptions, nested, positiveNumber, wholeFrom, type OptionTable } from "./train/options.js";
import { planPhase } from "./train/plan.js";
import { initialWeights, writeAll } from "./train/weights.js";

export interface RunOptions {
  /** Replaces each phase's epochs. */
  readonly epochs?: number | undefined;
  /** Replaces each phase's length; wins over epochs. */
  readonly steps?: number | undefined;
  readonly batch?: number | undefined;
  /** Replaces every learning rate, schedules too. */
  readonly lr?: number | undefined;
  /** Any integer from 0 to 2^53 - 1; 0 unless told. Same seed, same run. */
  readonly seed?: number | undefined;
  /** Steps between two records of metrics; about 20 an epoch unless told. */
  readonly recordEvery?: number | undefined;
  /** Stops after the step at hand; what was trained so far is kept. */
  readonly signal?: AbortSignal | undefined;
  /** After each step: call `report()` for the numbers, not more often than you need them. */
  readonly onStep?: ((report: () => StepReport) => void) | undefined;
  readonly onRecord?: ((record: MetricRecord) => void | Promise<void>) | undefined;
  /** Called at the end of each phase with early stopping: whether it ended early, and the epoch whose weights are back. */
  readonly onStopping?: ((report: StoppingReport) => void) | undefined;
}

export interface TrainOptions extends RunOptions, DataOptions {
  readonly engine: Engine;
  readonly engineOptions?: EngineOptions;
  /** About ten times a second. */
  readonly onProgress?: (report: StepReport) => void;
}

const runOptions: OptionTable<RunOptions> = {
  epochs: positiveNumber,
  steps: wholeFrom(1),
  batch: wholeFrom(1),
  lr: positiveNumber,
  seed: wholeFrom(0),
  recordEvery: wholeFrom(1),
  signal: abortSignal,
  onStep: callback,
  onRecord: callback,
  onStopping: callback,
};

const trainOptions: OptionTable<TrainOptions> = {
  ...runOptions,
  // what is no data is told as such, once the model says what it takes
  data: anything,
  validation: anything,
  test: anything,
  dataOptions: anything,
  engine: { expected: "an engine", takes: (v) => typeof (v as Partial<Engine> | null)?.open === "function" },
  engineOptions: nested(engineOptions),
  onProgress: callback,
};

export interface TrainedModel extends TrainedSession {
  readonly outcome: LoopResult["outcome"];
  /** All records, in order. */
  readonly history: readonly MetricRecord[];
  readonly cursor: Cursor;
  readonly stepsPerSecond: number;
}

/** Trains `model` from its start. Throws GM4xxx and GM5xxx for what is wrong with model, data and options. */
export async function train(model: ModelDefinition, options: TrainOptions): Promise<TrainedModel> {
  checkOptions("train", options, trainOptions);
  const dataset = boundData(model, options);
  const history: MetricRecord[] = [];
  const { engineOptions: asked, signal } = options;
  const onTuning = (done: number, total: number): unknown => signal?.aborted !== true && asked?.onTuning?.(done, total);
  const session = await options.engine.open({ ...asked, onTuning });
  let shown = 0;
  try {
    const { result, averaged } = await trainOn(session, model, dataset, {
      ...options,
      onRecord: async (record) => {
        history.push(record);
        await options.onRecord?.(record);
      },
      onStep: (report) => {
        options.onStep?.(report);
        const now = performance.now();
        if (options.onProgress && now - shown > 100) {
          shown = now;
          options.onProgress(report());
        }
      },
    });
    const opened = openSession({ session, model, dataset, seed: options.seed ?? 0, averaged, step: stepOfWeights(result.cursor) });
    return {
      ...opened,
      outcome: result.outcome,
      history,
      cursor: result.cursor,
      stepsPerSecond: speedOf(result.stepsRun, result.stepSeconds),
    };
  } catch (error) {
    session.dispose();
    throw error;
  }
}

export interface RunHooks extends RunOptions {
  /** `states` are the names of all states that belong to the checkpoint. */
  readonly onCheckpoint?: (reason: CheckpointReason, cursor: Cursor, states: readonly string[]) => void | Promise<void>;
  readonly checkpointSeconds?: number | undefined;
  readonly checkpointGap?: number | undefined;
  readonly onLook?: ((total: number) => void | Promise<void>) | undefined;
  /** The session holds the states that were saved with it. */
  readonly resume?: Cursor | undefined;
}

/** Trains on an open session; its store holds the result. What the command line and `train` have in common. */
export async function trainOn(
  session: EngineSession,
  model: ModelDefinition,
  dataset: Dataset,
  options: RunHooks,
): Promise<{ readonly result: LoopResult; readonly averaged: ReadonlySet<string> }> {
  checkTraining(model, dataset, options);
  const seed = options.seed ?? 0;
  const dynamic = stochasticVariables(dataset);
  const leaves = leavesOf(model.weights).map((l) => l.path);
  if (options.resume === undefined) {
    await writeAll(session, initialWeights(model, seed, dataset));
    await checkRoundTrips(session, model, seed);
  }
  const averaged = (): ReadonlySet<string> => new Set(leaves.filter((path) => session.has(emaName(path))));
  // chains outlive their phase: a later one goes on with them, and samples may begin with them
  const carried = (): readonly string[] =>
    Object.keys(carriedByModel(model))
      .map(carriedName)
      .filter((name) => session.has(name));
  const { onCheckpoint } = options;
  const validated = hasValidation(dataset);
  const result = await runLoop({
    session,
    phases: model.train,
    weights: leaves,
    plan: (phase, started, asked = options.batch) => {
      const batch = batchOf(defined(model.train[phase], `phase ${phase}`), dataset, { ...options, batch: asked });
      return planPhase(model, phase, { dynamic, batch, lr: options.lr, started });
    },
    stream: (batch) => openTrainStream(dataset, { batch, seed }),
    startValue: (name, spec) => startValue(name, spec, seed, dataset),
    seed,
    epochs: options.epochs,
    steps: options.steps,
    recordEvery: options.recordEvery,
    checkpointSeconds: options.checkpointSeconds,
    checkpointGap: options.checkpointGap,
    signal: options.signal,
    resume: options.resume,
    ...(options.onStep ? { onStep: options.onStep } : {}),
    ...(options.onLook ? { onLook: options.onLook } : {}),
    ...(options.onRecord ? { onRecord: options.onRecord } : {}),
    onStopping: options.onStopping,
    ...(onCheckpoint
      ? {
          onCheckpoint: (reason: CheckpointReason, cursor: Cursor, states: readonly string[]) =>
            onCheckpoint(reason, cursor, [...new Set([...leaves, ...[...averaged()].map(emaName), ...carried(), ...states])]),
        }
      : {}),
    ...(validated ? { validate: (phase: number) => validationValues(session, model, dataset, phase, seed, averaged()) } : {}),
  });
  return { result, averaged: averaged() };
}

/** Objectives and terms of the phase on the validation rows, and the evaluated metric that early stopping watches. */
async function validationValues(
  session: EngineSession,
  model: ModelDefinition,
  dataset: Dataset,
  phase: number,
  seed: number,
  averaged: ReadonlySet<string>,
): Promise<Readonly<Record<string, number>>> {
  const watched = model.train[phase]?.earlyStopping?.metric;
  const metrics = watched !== undefined && Object.hasOwn(model.evaluate, watched) ? [watched] : [];
  const measured = await evaluate({ session, model, dataset, split: "validation", seed, averaged, metrics, phase, reconstruction: false });
  return Object.fromEntries([...Object.entries(measured.terms), ...Object.entries(measured.metrics)].map(([name, r]) => [name, r.value]));
}

/**
 * What is wrong with a training, before any of it is done and for all of its phases. GM4007 without a train block, GM4008 for an option, GM4004 for
 * early stopping without validation rows, GM5024 for a batch of more rows than there are, GM4013 for one of fewer than a statement compares.
 */
export function checkTraining(model: ModelDefinition, dataset: Dataset, options: RunOptions): void {
  checkRunOptions(model, options);
  checkTrains(model);
  for (const phase of model.train) {
    const batch = batchOf(phase, dataset, options);
    checkBatch(dataset, batch);
    checkLeastRows(phase, batch);
    if (phase.earlyStopping && !hasValidation(dataset)) {
      throw new GmcError("GM4004", `early stopping watches the validation split, and ${dataset.name} has none`, [
        `cut one from the ${splitRows(dataset, "train")} training rows: add :validation=0.1 to the data`,
      ]);
    }
  }
}

function checkLeastRows(phase: PhaseDefinition, batch: number): void {
  for (const { label, place, leastRows } of phase.updates) {
    if (leastRows === undefined || batch >= leastRows.rows) continue;
    throw new GmcError(
      "GM4013",
      `\`${leastRows.fn}\` in \`${label}\` (${place}) compares ${leastRows.rows} rows of a batch at least, and a batch of phase ${phase.name} has ${batch}`,
      [`a larger batch: \`batch = 100\` in the model, or --batch 100`],
    );
  }
}

/** GM4007 for a model without a train block. */
export function checkTrains(model: ModelDefinition): void {
  if (model.train.length > 0) return;
  const { generative: p, inference: q } = model;
  const likelihood = writtenLikelihood(model);
  // a posterior that is derived is p's own, and has no name in the file
  const written = q !== undefined && model.densities[q]?.label.startsWith(`${q}(`) === true;
  const objective = likelihood === undefined ? "…" : written ? `ELBO(${p}, ${q})` : `log ${likelihood}`;
  throw new GmcError("GM4007", `${model.name} has no train block, so there is nothing to train`, [
    `add one to the model: train { maximize ${objective}  optimizer = adam(lr = 1e-3), batch = 100, epochs = 10 }`,
  ]);
}

function hasValidation(dataset: Dataset): boolean {
  return dataset.streams.every((s) => s.splits.validation !== undefined);
}

/** Rows of a step; a closed-form estimate takes all there are. */
function batchOf(phase: PhaseDefinition, dataset: Dataset, options: RunOptions): number {
  return phase.updates.some((u) => u.assigns === "all rows") ? splitRows(dataset, "train") : (options.batch ?? phase.batch);
}

/** Steps of an epoch and in all of a phase of a run with these options. */
export function lengthOf(
  phase: PhaseDefinition,
  dataset: Dataset,
  options: RunOptions,
): { readonly steps: number; readonly stepsPerEpoch: number } {
  return phaseLength(phase, Math.max(1, Math.floor(splitRows(dataset, "train") / batchOf(phase, dataset, options))), options);
}

function checkRunOptions(model: ModelDefinition, options: RunOptions): void {
  const whole = (name: string, value: number | undefined, least: number): void => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) {
      throw new GmcError("GM4008", `${name} must be a whole number from ${least} on, found ${value}`);
    }
  };
  whole("steps", options.steps, 1);
  whole("batch", options.batch, 1);
  whole("seed", options.seed, 0);
  for (const [name, value] of [
    ["epochs", options.epochs],
    ["lr", options.lr],
  ] as const) {
    if (value !== undefined && !(Number.isFinite(value) && value > 0))
      throw new GmcError("GM4008", `${name} must be a positive number, found ${value}`);
  }
  // estimates have no rate, and take all rows unless they are averaged over batches
  const updates = model.train.flatMap((p) => p.updates);
  if (updates.length === 0) return;
  for (const [name, idle, why] of [
    ["batch", updates.every((u) => u.assigns === "all rows"), "each step takes all training rows"],
    ["lr", updates.every((u) => u.assigns), "its estimates are exact, so there is no rate"],
  ] as const) {
    if (idle && options[name] !== undefined)
      throw new GmcError("GM4008", `${name} has no meaning for expectation maximisation: ${why}`, [`leave ${name} out`]);
  }
}
