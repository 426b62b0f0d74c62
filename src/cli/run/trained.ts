/** A trained model from a run folder: its weights in an open session. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { renderDiagnostic } from "../../base/render.js";
import type { ResizeHelp } from "../../runtime/data/bind.js";
import { soundRates } from "../../runtime/data/audio.js";
import { openSession, type TrainedSession } from "../../runtime/eval/session.js";
import type { ModelDefinition } from "../../runtime/model.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { checkCompatible, loadCheckpoint, type LoadedCheckpoint } from "../../runtime/node/checkpoint.js";
import { readMetrics, type MetricRow } from "../../runtime/node/metrics.js";
import { leavesOf } from "../../runtime/nn/spec.js";
import { emaName } from "../../runtime/train/context.js";
import { stepOfWeights } from "../../runtime/train/loop.js";
import type { RunFlags } from "../options.js";
import { colors, stderr } from "../output.js";
import { importModel } from "../load-model.js";
import { findRun, modelAnew, type FoundRun } from "./find.js";
import { openRun, type Opened } from "./open.js";
import { otherSplit } from "./other-split.js";
import { defined, type RunSettings } from "./settings.js";

export interface Restored {
  readonly run: FoundRun;
  readonly opened: Opened;
  readonly settings: RunSettings;
  readonly checkpoint: LoadedCheckpoint;
  readonly averaged: ReadonlySet<string>;
}

/**
 * As `restoreRun`; undefined in place of a checkpoint where the run was stopped before its first one, which it says: such a run starts again.
 * Where a checkpoint must have been there, GM5201 stays: to train anew would write over what is left of the run.
 */
export async function restoreOrStart(
  named: string | undefined,
  flags: RunFlags,
): Promise<Restored | (Omit<Restored, "checkpoint"> & { readonly checkpoint: undefined })> {
  try {
    return await restoreRun(named, flags);
  } catch (error) {
    if (!isWithout(error)) throw error;
    const run = await findRun(named);
    const settings = withFlags(run, flags);
    const last = readMetrics(run.path).at(-1);
    if (hadCheckpoint(run.path, last)) throw error;
    stderr(
      `${run.path} was stopped before its first checkpoint${last === undefined ? "" : ` (at step ${last.step})`}; it starts again from step 0`,
    );
    return { run, settings, checkpoint: undefined, opened: await openFound(run, settings, flags), averaged: new Set() };
  }
}

function isWithout(error: unknown): error is GmcError {
  return error instanceof GmcError && error.code === "GM5201";
}

/** The newest sound checkpoint; GM5201 says whether there never was one or it is gone. */
async function checkpointOf(run: FoundRun, settings: RunSettings): Promise<LoadedCheckpoint> {
  try {
    return await loadCheckpoint(`${run.path}/checkpoints`);
  } catch (error) {
    const last = readMetrics(run.path).at(-1);
    if (!isWithout(error) || !hadCheckpoint(run.path, last)) throw error;
    const reached = last === undefined ? "" : `, and the run came to step ${last.step}`;
    throw new GmcError("GM5201", `${run.path}/checkpoints holds no checkpoint any more${reached}`, [
      "put the checkpoints of the run back from a copy",
      `or train anew into another folder: gmc train ${settings.file}`,
    ]);
  }
}

/** A checkpoint is written at the end of the first epoch, into a folder that is made for it; a writer that was killed over the first one left a part of it. */
function hadCheckpoint(path: string, last: MetricRow | undefined): boolean {
  const folder = join(path, "checkpoints");
  return (
    existsSync(join(path, "results.json")) ||
    (typeof last?.["epoch"] === "number" && last["epoch"] > 1) ||
    (existsSync(folder) && readdirSync(folder).length === 0)
  );
}

/** Reads the newest sound checkpoint of a run into a session; says what was passed over. Options of the command line win over the run's. */
async function restoreRun(named: string | undefined, flags: RunFlags): Promise<Restored> {
  const run = await findRun(named);
  for (const warning of run.warnings) stderr(renderDiagnostic(warning, { color: colors(process.stderr) }));
  const settings = withFlags(run, flags);
  const checkpoint = await checkpointOf(run, settings);
  for (const line of checkpoint.skipped) stderr(`warning: a damaged checkpoint was passed over: ${line}`);
  const opened = await openFound(run, settings, flags);
  const cut = flags.data === undefined ? undefined : otherSplit(run.settings.data, settings.data);
  if (cut !== undefined) stderr(`warning: ${cut}`);
  const { model, session } = opened;
  const weights = Object.fromEntries(leavesOf(model.weights).map(({ path, spec }) => [path, { shape: spec.shape }]));
  for (const line of checkCompatible(checkpoint, {
    name: model.name,
    source: model.source.sha256,
    hyperparameters: model.hyperparameters,
    weights,
    rates: soundRates(opened.dataset),
  }))
    stderr(`warning: ${line}`);
  for (const [name, value] of Object.entries(checkpoint.tensors)) await session.write(name, value);
  const averaged = new Set(Object.keys(weights).filter((path) => session.has(emaName(path))));
  return { run, opened, settings, checkpoint, averaged };
}

export async function openTrained(
  named: string | undefined,
  flags: RunFlags,
): Promise<{ readonly trained: TrainedSession; readonly restored: Restored }> {
  const restored = await restoreRun(named, flags);
  const { model, session, dataset } = restored.opened;
  const { cursor, step: total } = restored.checkpoint.manifest;
  const step = stepOfWeights({ ...cursor, total });
  const trained = openSession({ session, model, dataset, seed: restored.settings.seed, averaged: restored.averaged, step });
  return { trained, restored };
}

async function openFound(run: FoundRun, settings: RunSettings, { json }: RunFlags): Promise<Opened> {
  return openRun(await modelOf(run), settings, { json, resizeHelp: asTrained(settings) });
}

/** GM5209 where model.gm.js is not what gmc wrote. */
async function modelOf(run: FoundRun): Promise<ModelDefinition> {
  let why = "it has no model";
  try {
    const model: ModelDefinition | undefined = await importModel(run.js);
    if (model !== undefined) return model;
  } catch (error) {
    if (error instanceof GmcError) throw error;
    why = error instanceof Error ? error.message : String(error);
  }
  throw new GmcError(
    "GM5209",
    `${run.path} is not a whole run folder: model.gm.js, which the run was made with, is damaged (${why})`,
    modelAnew(run.path, run.settings),
  );
}

/** A trained model has its sizes for good. */
function asTrained({ file }: RunSettings): ResizeHelp {
  return () => ["the run was trained on rows of the model's shape: name data of that shape", `or train anew on these: gmc train ${file}`];
}

/** Options of the command line win over those of the run. */
function withFlags(run: FoundRun, flags: RunFlags): RunSettings {
  const { epochs, steps, ...others } = run.settings;
  // an option takes the place of both lengths of the run
  const length = flags.epochs !== undefined || flags.steps !== undefined ? { epochs: flags.epochs, steps: flags.steps } : { epochs, steps };
  return {
    ...others,
    ...defined({
      ...length,
      batch: flags.batch,
      lr: flags.lr,
      engine: flags.engine,
      threads: flags.threads,
      seed: flags.seed,
    }),
    ...(flags.data === undefined ? {} : { data: { spec: flags.data, base: process.cwd() } }),
  };
}
