/** `gmc resume`: goes on where a run stopped, bitwise as if it never had; with more epochs or steps, trains a finished run further. */
import { existsSync } from "node:fs";
import { GmcError } from "../../runtime/graph/errors.js";
import type { Manifest } from "../../runtime/node/manifest.js";
import { readRunConfig, reopenRun, runMark, type RunConfig, type RunFolder } from "../../runtime/node/run-folder.js";
import { checkTraining, lengthOf } from "../../runtime/training.js";
import { furtherFrom, type Cursor } from "../../runtime/train/loop.js";
import { FINE } from "../exit.js";
import type { MeasureFlags, RunFlags } from "../options.js";
import { json, stderr } from "../output.js";
import type { Opened } from "../run/open.js";
import { measureSettings, type RunSettings } from "../run/settings.js";
import { runTraining } from "../run/training.js";
import { restoreOrStart } from "../run/trained.js";
import { unusedMeasures, unusedSweeps } from "../run/unused.js";

interface ResumeFlags extends RunFlags, MeasureFlags {
  readonly eval?: boolean;
  readonly sweeps?: number;
}

export async function resumeCommand(named: string | undefined, flags: ResumeFlags): Promise<number> {
  const restored = await restoreOrStart(named, flags);
  const { run, opened, checkpoint } = restored;
  const saved = checkpoint?.manifest.cursor as unknown as Cursor | undefined;
  const asked = flags.epochs !== undefined || flags.steps !== undefined;
  const config = readRunConfig(run.path);
  // stopped before the first checkpoint past the one that it was to be trained further from
  const longer = asked || (saved !== undefined && config["furtherFrom"] === saved.total);
  if (saved) {
    try {
      sameBatch(run.settings, opened, saved, flags.batch);
      sameSeed(run.settings, saved, flags.seed);
      notBehind(opened, restored.settings, saved, flags);
    } catch (error) {
      opened.session.dispose();
      throw error;
    }
  }
  if (saved?.done && !longer && existsSync(`${run.path}/results.json`)) {
    if (flags.json) json({ run: run.path, outcome: "finished", step: saved.total });
    else stderr(`${run.path} is finished (step ${saved.total}); \`gmc resume ${run.path} --epochs N\` trains it further`);
    opened.session.dispose();
    return FINE;
  }
  try {
    checkTraining(opened.model, opened.dataset, restored.settings);
  } catch (error) {
    opened.session.dispose();
    throw error;
  }
  if (!flags.json) [...unusedMeasures(opened.model, flags), ...unusedSweeps(opened.model, flags.sweeps)].forEach(stderr);
  if (checkpoint) warnOfChange(checkpoint.manifest, opened);
  const { folder } = reopenRun(run.path);
  const settings = { ...restored.settings, ...measureSettings(flags, restored.settings) };
  keepSettings(folder, config, settings, saved?.done && asked ? saved.total : undefined);
  return runTraining({
    opened,
    settings,
    folder,
    resume: saved && longer ? furtherFrom(saved) : saved,
    evaluate: flags.eval !== false,
    json: flags.json === true,
    sweeps: flags.sweeps,
  });
}

/** GM4008 for another batch size than the steps were taken with: what is counted in epochs, schedules too, would jump. */
function sameBatch({ batch, file }: RunSettings, { model }: Opened, { phase, step }: Cursor, asked: number | undefined): void {
  const before = batch ?? model.train[phase]?.batch;
  if (asked === undefined || before === undefined || asked === before || step === 0) return;
  throw new GmcError(
    "GM4008",
    `a run goes on with batches of ${before}, which it began with: its epochs and schedules are counted in their steps`,
    ["leave --batch out", `or train anew: gmc train ${file} --batch ${asked}`],
  );
}

/** GM4008 for another seed than the steps were taken with: order of the data and draws would be of neither run. */
function sameSeed({ seed, file }: RunSettings, { total }: Cursor, asked: number | undefined): void {
  if (asked === undefined || asked === seed || total === 0) return;
  throw new GmcError("GM4008", `a run goes on with its seed, ${seed}: with another one it would be a run that no seed gives again`, [
    "leave --seed out",
    `or train anew: gmc train ${file} --seed ${asked}`,
    `to measure with other draws: gmc eval --seed ${asked}`,
  ]);
}

/** GM4008 for a length that the run is past: it would count as finished, and no longer go on to its own end. */
function notBehind({ model, dataset }: Opened, settings: RunSettings, { phase, step }: Cursor, asked: RunFlags): void {
  const definition = model.train[phase];
  if (!definition || (asked.steps === undefined && asked.epochs === undefined)) return;
  const { steps, stepsPerEpoch } = lengthOf(definition, dataset, settings);
  if (steps >= step) return;
  const done = step / stepsPerEpoch;
  const [at, option, further] =
    asked.steps !== undefined
      ? [`step ${step}`, `--steps ${asked.steps}`, `--steps ${step + 1000}`]
      : [`epoch ${Number(done.toFixed(2))}`, `--epochs ${asked.epochs}`, `--epochs ${Math.floor(done) + 10}`];
  throw new GmcError(
    "GM4008",
    `the run is at ${at}, and ${option} lies behind it: ${asked.steps !== undefined ? "steps" : "epochs"} are counted from its start`,
    [`${further} trains it further`, `leave ${option.replace(/ .*/u, "")} out to go on to the run's own end`],
  );
}

/** What the run goes on with is part of it: stopped again, it goes on with the same. */
function keepSettings(folder: RunFolder, config: RunConfig, settings: RunSettings, furtherFrom: number | undefined): void {
  const next = { ...config, settings, ...(furtherFrom === undefined ? {} : { furtherFrom }) };
  if (JSON.stringify(next) === JSON.stringify(config)) return;
  try {
    folder.writeJson("config.json", { format: runMark, ...next });
  } catch (error) {
    folder.release();
    throw error;
  }
}

/** Bitwise needs the same engine and versions. */
function warnOfChange({ engine, versions }: Manifest, { picked }: Opened): void {
  if (picked.engine.name === engine.name && picked.info.detail === engine.detail && versions["node"] === process.versions.node) return;
  stderr(
    `warning: the run began on ${engine.name} (${engine.detail}), Node ${versions["node"] ?? "?"}; it goes on close to, not bitwise as, it would have there`,
  );
}
