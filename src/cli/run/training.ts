/**
 * One training run, from its start or from a checkpoint, to its closing evaluation and pictures. `gmc train` and `gmc resume` end here.
 */
import { existsSync, rmSync } from "node:fs";
import { soundRates } from "../../runtime/data/audio.js";
import { evaluationSplit } from "../../runtime/data/dataset.js";
import { drawingSteps } from "../../runtime/eval/draw.js";
import { openSession } from "../../runtime/eval/session.js";
import type { ModelDefinition } from "../../runtime/model.js";
import type { Evaluation } from "../../runtime/eval/protocol.js";
import type { HostTensor } from "../../runtime/engines/engine.js";
import { saveCheckpoint } from "../../runtime/node/checkpoint.js";
import { readBytes } from "../../runtime/node/files.js";
import { openMetrics, type MetricRow } from "../../runtime/node/metrics.js";
import type { RunFolder } from "../../runtime/node/run-folder.js";
import { speedOf, stepOfWeights, type Cursor, type MetricRecord } from "../../runtime/train/loop.js";
import type { StoppingReport } from "../../runtime/train/stopping.js";
import { trainOn } from "../../runtime/training.js";
import { FINE, INTERRUPTED } from "../exit.js";
import { onInterrupt } from "../interrupt.js";
import { bytes, colors, duration, grouped, json, stderr, stdout } from "../output.js";
import { openProgress, stepSpeed } from "../progress.js";
import { openWorkProgress } from "./evaluating.js";
import { describeEngine, peakMemory, versions, type Opened } from "./open.js";
import { printEvaluation } from "./report.js";
import { measureSettings, type RunSettings } from "./settings.js";
import { collectStrip, STRIP_FILE } from "./strip.js";

export interface TrainingRun {
  readonly opened: Opened;
  readonly settings: RunSettings;
  readonly folder: RunFolder;
  /** The store holds the states that belong to it. */
  readonly resume?: Cursor | undefined;
  readonly evaluate: boolean;
  /** Of the chains of the closing samples; as many as the model's, within a limit of time, unless told. */
  readonly sweeps?: number | undefined;
  readonly json: boolean;
}

/** What `results.json` holds, and the last line of `--json`. */
export interface RunResults extends Partial<Evaluation> {
  readonly outcome: "finished" | "interrupted";
  readonly run: string;
  readonly model: string;
  readonly training: {
    readonly steps: number;
    readonly seconds: number;
    readonly stepsPerSecond: number;
    readonly last: Readonly<Record<string, number>>;
    /** Of each phase with early stopping. */
    readonly stopping?: readonly StoppingReport[];
  };
  readonly engine: { readonly name: string; readonly detail: string; readonly threads: number | null };
  readonly peakMemoryBytes: number;
  readonly seed: number;
}

/** A line for each objective whose shown value is no measure of what it names. */
function surrogateNotes(model: ModelDefinition): readonly string[] {
  const labels = new Set(model.train.flatMap(({ updates }) => updates.flatMap((u) => (u.gradientOnly === true ? [u.label] : []))));
  return [...labels].map(
    (label) => `note: what training shows for ${label} is a surrogate with its gradient, not its value; \`evaluate\` measures the model`,
  );
}

/** A picture's rows are no reason to stop a training: of a file that is not there, or cannot be read, there are none. */
function savedStrip(path: string, step: number): { readonly bytes: Uint8Array; readonly step: number } | undefined {
  try {
    return existsSync(path) ? { bytes: readBytes(path), step } : undefined;
  } catch {
    return undefined;
  }
}

export async function runTraining(run: TrainingRun): Promise<number> {
  const { opened, settings, folder } = run;
  const { model, dataset, session, picked } = opened;
  const log = (text: string): void => stderr(text);
  log(describeEngine(picked));
  for (const line of dataset.provenance) log(`data: ${line}`);
  if (run.evaluate && evaluationSplit(dataset) === "train")
    log("note: there are no test rows, so the closing evaluation measures the training rows; add :test=0.1 to the data to keep some back");
  for (const line of surrogateNotes(model)) log(line);
  log(`run ${folder.path}${run.resume ? `, from step ${run.resume.total}` : ""}`);
  const metrics = openMetrics(folder.path, run.resume?.total);
  const progress = openProgress(process.stderr);
  const interrupt = onInterrupt("saving");
  const began = performance.now();
  const kept = folder.file(STRIP_FILE);
  const strip = collectStrip(opened, settings.seed, run.resume && savedStrip(kept, run.resume.total));
  let empty = false;
  const stoppings: StoppingReport[] = [];
  try {
    const { result, averaged } = await trainOn(session, model, dataset, {
      ...settings,
      signal: interrupt.signal,
      resume: run.resume,
      checkpointSeconds: 60,
      checkpointGap: 5,
      onStep: progress.step,
      onRecord: (record) => {
        progress.record(record, model.train.find((p) => p.name === record.phase)?.earlyStopping?.metric);
        metrics.append(rowOf(record));
        if (run.json) json({ record: rowOf(record) });
      },
      onStopping: (stopping) => stoppings.push(stopping),
      onLook: strip.add,
      onCheckpoint: async (reason, cursor, states) => {
        metrics.sync();
        if (reason === "phase" || reason === "end") await strip.add(cursor.total);
        if (strip.rows().length > 0) folder.write(STRIP_FILE, strip.encode());
        const tensors: Record<string, HostTensor> = {};
        for (const name of states) tensors[name] = await session.read(name);
        saveCheckpoint(
          folder.checkpoints,
          {
            model: {
              name: model.name,
              source: model.source.sha256,
              compiler: model.source.compiler,
              hyperparameters: model.hyperparameters,
            },
            step: cursor.total,
            epoch: cursor.data?.streams[0]?.epoch ?? 0,
            seed: settings.seed,
            engine: engineOf(run),
            versions: versions(),
            data: { spec: settings.data.spec, provenance: dataset.provenance, rates: soundRates(dataset) },
            cursor: cursor as unknown as Readonly<Record<string, unknown>>,
          },
          tensors,
        );
      },
    });
    progress.done();
    const training = {
      steps: result.cursor.total,
      seconds: (performance.now() - began) / 1000,
      stepsPerSecond: speedOf(result.stepsRun, result.stepSeconds),
      last: result.last?.values ?? lastValues(metrics.rows()),
      ...(stoppings.length > 0 && { stopping: stoppings }),
    };
    const base = { run: folder.path, model: model.name, training, engine: engineOf(run), seed: settings.seed };
    if (result.outcome === "interrupted") {
      log(`saved at step ${grouped(result.cursor.total)}; go on with \`gmc resume ${folder.path}\``);
      if (run.json) json({ ...base, outcome: "interrupted", peakMemoryBytes: peakMemory() } satisfies RunResults);
      return INTERRUPTED;
    }
    log(
      `trained ${stepsText(result.stepsRun, training.steps)} in ${duration(training.seconds)}, ${stepSpeed(training.stepsPerSecond)} steps/s`,
    );
    for (const line of stoppings.map(stoppingText)) if (line) log(line);
    const trained = openSession({ session, model, dataset, seed: settings.seed, averaged, step: stepOfWeights(result.cursor) });
    // vega takes half a second to load: not before it is needed
    const { closingPictures } = await import("./pictures.js");
    const sampling = openWorkProgress(process.stderr, run.json);
    const pictures = await closingPictures(trained, { metrics: metrics.rows(), strip: strip.rows() }, log, {
      onProgress: (done, total) => sampling.report({ what: drawingSteps(model), done, total }),
      signal: interrupt.signal,
      ...(run.sweeps !== undefined && { sweeps: run.sweeps }),
    });
    sampling.done();
    for (const drawing of pictures) folder.write(`${drawing.stem}.${drawing.extension}`, drawing.content);
    let evaluation: Evaluation | undefined;
    if (run.evaluate) {
      const working = openWorkProgress(process.stderr, run.json);
      try {
        evaluation = await trained.evaluate({
          ...measureSettings({}, settings),
          signal: interrupt.signal,
          onProgress: working.report,
        });
      } finally {
        working.done();
      }
    }
    const results: RunResults = { ...evaluation, ...base, outcome: "finished", peakMemoryBytes: peakMemory() };
    folder.writeJson("results.json", results);
    if (run.json) json(results);
    else {
      if (evaluation) stdout(printEvaluation(evaluation, colors(process.stdout)));
      log(`peak memory ${bytes(results.peakMemoryBytes)}; everything is in ${folder.path}`);
    }
    return FINE;
  } catch (error) {
    progress.done();
    if (interrupt.ended(error)) {
      log(`the training is saved; \`gmc eval ${folder.path}\` measures it`);
      return INTERRUPTED;
    }
    empty = run.resume === undefined && metrics.rows().length === 0;
    throw error;
  } finally {
    interrupt.release();
    metrics.close();
    folder.release();
    session.dispose();
    // a run that failed before it did anything leaves no folder to wonder about
    if (empty) rmSync(folder.path, { recursive: true, force: true });
  }
}

/** Why a phase ended where it did, and which weights it ended with. */
function stoppingText({ metric, patience, early, epoch, epochs, step, bestStep, bestEpoch }: StoppingReport): string {
  const back = bestStep === step ? "" : `the weights are those of epoch ${bestEpoch} (step ${grouped(bestStep)})`;
  if (early)
    return `stopped early, at epoch ${epoch} of ${epochs}: ${metric} has not improved for ${patience} epochs${back && `; ${back}`}`;
  return back && `${metric} was best before the end: ${back}`;
}

/** "3,000 steps", "500 steps (3,500 in all)" */
function stepsText(done: number, total: number): string {
  return `${grouped(done)} ${done === 1 ? "step" : "steps"}${done === total ? "" : ` (${grouped(total)} in all)`}`;
}

/** Of a run that had taken its last step before it went on. */
function lastValues(rows: readonly MetricRow[]): Readonly<Record<string, number>> {
  const {
    step: _step,
    phase: _phase,
    epoch: _epoch,
    split: _split,
    ...values
  } = rows.findLast((row) => row["split"] === "train") ?? { step: 0 };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === "number" ? value : NaN]));
}

function engineOf(run: TrainingRun): RunResults["engine"] {
  return { name: run.opened.picked.engine.name, detail: run.opened.picked.info.detail, threads: run.settings.threads ?? null };
}

function rowOf(record: MetricRecord): MetricRow {
  const { step, phase, epoch, split, values } = record;
  return { step, phase, epoch: Number(epoch.toFixed(6)), split, ...values };
}
