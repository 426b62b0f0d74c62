/**
 * `train` for scripts on Node: as the runtime's, with engines by name, data sets by name or file, and trained models that are saved and loaded.
 *
 * ```ts
 * import { loadTrained, train } from "gmc/node";
 * import { model } from "./vae.gm.js";
 *
 * const trained = await train(model, { data: "mnist", epochs: 5, seed: 1 });
 * await trained.save("trained/vae");
 * const again = await loadTrained(model, "trained/vae", { data: "mnist" });
 * ```
 */
import { soundRates } from "../data/audio.js";
import type { Dataset } from "../data/dataset.js";
import type { Engine, HostTensor } from "../engines/engine.js";
import { chooseEngine } from "../engines/registry.js";
import { expectOpen } from "../eval/closed.js";
import { openSession, type TrainedSession } from "../eval/session.js";
import type { ModelDefinition } from "../model.js";
import { leavesOf } from "../nn/spec.js";
import { carriedByModel, carriedName } from "../train/carried.js";
import { emaName } from "../train/context.js";
import { boundData } from "../train/arrays.js";
import { stepOfWeights } from "../train/loop.js";
import { engineOptions } from "../train/option-tables.js";
import { anything, checkOptions, nested, wholeFrom, type OptionTable } from "../train/options.js";
import { train as trainWith, type RunOptions, type TrainedModel, type TrainOptions } from "../training.js";
import { checkCompatible, loadCheckpoint, saveCheckpoint } from "./checkpoint.js";
import { loadDataset } from "./datasets.js";

export interface NodeTrainOptions extends Omit<TrainOptions, "engine" | "data"> {
  /** A name (auto unless told) or an Engine. */
  readonly engine?: string | Engine;
  /** Rows by variable, a bound data set, or a specification as of `--data`. */
  readonly data: TrainOptions["data"] | string;
}

export interface Saved {
  /** Writes the weights (and averages) as safetensors with a manifest into a folder; gives the manifest's path. */
  save(folder: string): Promise<string>;
}

export async function train(model: ModelDefinition, options: NodeTrainOptions): Promise<TrainedModel & Saved> {
  const given: NodeTrainOptions | undefined = options;
  if (given !== undefined) checkOptions("train", { engine: given.engine }, { engine: loadOptions.engine });
  const data = typeof given?.data === "string" ? await loadDataset(given.data, model.streams) : given?.data;
  const engine = await engineOf(given?.engine);
  const trained = await trainWith(model, { ...options, data: data as TrainOptions["data"], engine });
  return { ...trained, save: (folder) => save(trained, folder, options.seed ?? 0, stepOfWeights(trained.cursor)) };
}

export interface LoadTrainedOptions extends Omit<TrainOptions, keyof RunOptions | "data" | "engine" | "onProgress"> {
  /** As of `train`; evaluation and reconstruction need it. Scaling by the training rows (`standardize`) is by those of these data. */
  readonly data: NodeTrainOptions["data"];
  readonly engine?: string | Engine;
  readonly seed?: number;
}

/** A model that `save` wrote, or the `checkpoints` folder of a run. GM5201 to GM5204 where it is not there, damaged or of another model. */
export async function loadTrained(model: ModelDefinition, folder: string, options: LoadTrainedOptions): Promise<TrainedSession & Saved> {
  checkOptions("loadTrained", options, loadOptions);
  const dataset = await dataOf(model, options);
  const checkpoint = await loadCheckpoint(folder);
  const leaves = leavesOf(model.weights);
  checkCompatible(checkpoint, {
    name: model.name,
    source: model.source.sha256,
    hyperparameters: model.hyperparameters,
    weights: Object.fromEntries(leaves.map(({ path, spec }) => [path, { shape: spec.shape }])),
    rates: soundRates(dataset),
  });
  const session = await (await engineOf(options.engine)).open(options.engineOptions);
  for (const [name, value] of Object.entries(checkpoint.tensors)) await session.write(name, value);
  const averaged = new Set(leaves.map((l) => l.path).filter((path) => session.has(emaName(path))));
  const { seed, cursor, step: total } = checkpoint.manifest;
  const step = stepOfWeights({ ...cursor, total });
  const trained = openSession({ session, model, dataset, seed: options.seed ?? seed, averaged, step });
  return { ...trained, save: (to) => save(trained, to, seed, step) };
}

const loadOptions: OptionTable<LoadTrainedOptions> = {
  data: anything,
  validation: anything,
  test: anything,
  dataOptions: anything,
  engine: {
    expected: "an engine or its name",
    takes: (v) => typeof v === "string" || typeof (v as Partial<Engine> | null)?.open === "function",
  },
  engineOptions: nested(engineOptions),
  seed: wholeFrom(0),
};

async function dataOf(model: ModelDefinition, options: LoadTrainedOptions): Promise<Dataset> {
  const { data } = options;
  return boundData(model, { ...options, data: typeof data === "string" ? await loadDataset(data, model.streams) : data });
}

async function engineOf(engine: string | Engine | undefined): Promise<Engine> {
  return typeof engine === "object" ? engine : (await chooseEngine(engine)).engine;
}

async function save(trained: TrainedSession, folder: string, seed: number, step: number): Promise<string> {
  expectOpen(trained);
  const { model, session, dataset } = trained;
  const names = [
    ...leavesOf(model.weights).flatMap(({ path }) => (trained.averaged.has(path) ? [path, emaName(path)] : [path])),
    ...Object.keys(carriedByModel(model))
      .map(carriedName)
      .filter((name) => session.has(name)),
  ];
  const tensors: Record<string, HostTensor> = {};
  for (const name of names) tensors[name] = await session.read(name);
  return saveCheckpoint(
    folder,
    {
      model: { name: model.name, source: model.source.sha256, compiler: model.source.compiler, hyperparameters: model.hyperparameters },
      step,
      epoch: 0,
      seed,
      engine: { name: session.engine, detail: "", threads: null },
      versions: { gmc: model.source.compiler, node: process.versions.node },
      data: { spec: dataset.name, provenance: dataset.provenance, rates: soundRates(dataset) },
      cursor: {},
    },
    tensors,
  );
}
