/**
 * Checkpoints: `step-000001200-3fa9c1d2.safetensors` and, naming it with its checksum, `step-000001200.json`. The manifest is written last and by a
 * rename, so at any moment each manifest in the folder is whole and points to whole tensors, or its damage shows. The last two are kept; reading takes the newest
 * that is sound and says which were not.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import type { HostTensors } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { decodeSafetensors, encodeSafetensors } from "../data/safetensors.js";
import { cannotRead, isMissing, PlaceError } from "./file-errors.js";
import { diskOps, isTemporary, makeFolder, readBytes, readText, writeFileAtomic, type FileOps } from "./files.js";
import { manifestSchema, type Manifest } from "./manifest.js";
import { compileSchema, type Check } from "./schema.js";

/** What a caller gives; the manifest's other fields follow. */
export type CheckpointInfo = Omit<Manifest, "format" | "version" | "tensors">;

export interface Checkpoint {
  readonly manifest: Manifest;
  readonly tensors: HostTensors;
  /** Of the manifest. */
  readonly path: string;
}

export interface LoadedCheckpoint extends Checkpoint {
  /** Newer ones that were damaged: a line for each that says why it was passed over. */
  readonly skipped: readonly string[];
}

export interface SaveOptions {
  /** How many to keep; 2 unless said. */
  readonly keep?: number;
  readonly ops?: FileOps;
}

/** Writes a checkpoint and removes those past the last ones. GM5205, GM5206, GM5212; the older ones stay intact. Gives the manifest's path. */
export function saveCheckpoint(folder: string, info: CheckpointInfo, tensors: HostTensors, options: SaveOptions = {}): string {
  const { keep = 2, ops = diskOps } = options;
  makeFolder(folder, ops);
  const bytes = encodeSafetensors(tensors, { format: "gmc", model: info.model.name, step: String(info.step) });
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const base = `step-${String(info.step).padStart(9, "0")}`;
  const file = `${base}-${sha256.slice(0, 8)}.safetensors`;
  const entries = Object.fromEntries(
    Object.entries(tensors)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { dtype, shape }]) => [name, { dtype, shape: [...shape] }]),
  );
  const manifest: Manifest = { format: "gmc-checkpoint", version: 1, ...info, tensors: { file, bytes: bytes.length, sha256, entries } };
  const path = join(folder, `${base}.json`);
  try {
    writeFileAtomic(join(folder, file), bytes, ops);
    writeFileAtomic(path, `${JSON.stringify(manifest, null, 2)}\n`, ops);
  } catch (error) {
    const kept = listManifests(folder)[0];
    removeIfEmpty(folder, ops);
    throw error instanceof PlaceError && kept !== undefined
      ? error.keeping(`the checkpoint before is intact: ${join(folder, kept)}`)
      : error;
  }
  prune(folder, info.step, keep, ops);
  return path;
}

/** The newest sound checkpoint. GM5201 where there is none, GM5202 where all are damaged. */
export async function loadCheckpoint(folder: string): Promise<LoadedCheckpoint> {
  const names = listManifests(folder);
  if (names.length === 0)
    throw new GmcError("GM5201", `${folder} holds no checkpoint`, ["a run writes its first one at the end of its first epoch"]);
  const check = await compileSchema(manifestSchema);
  const skipped: string[] = [];
  for (const name of names) {
    try {
      return { ...readCheckpoint(join(folder, name), folder, check), skipped };
    } catch (error) {
      if (!(error instanceof GmcError)) throw error;
      skipped.push(error.message);
    }
  }
  throw new GmcError("GM5202", `every checkpoint in ${folder} is damaged: ${skipped.join("; ")}`, [
    "start the run again, or restore the folder from a copy",
  ]);
}

/** One checkpoint by the path of its manifest. GM5210, GM5211. */
export async function loadCheckpointFile(path: string): Promise<Checkpoint> {
  return readCheckpoint(path, join(path, ".."), await compileSchema(manifestSchema));
}

/** What a model expects of a checkpoint. */
export interface Expected {
  readonly name: string;
  /** SHA-256 of the `.gm` text. */
  readonly source: string;
  /** Every weight by its state name. */
  readonly weights: Readonly<Record<string, { readonly shape: readonly number[] }>>;
  readonly hyperparameters?: Readonly<Record<string, unknown>>;
  /** Of the data at hand, as `Manifest.data.rates`. */
  readonly rates?: Readonly<Record<string, number>>;
}

/**
 * GM5203 for a checkpoint of another model, GM5204 for weights that are missing or have other shapes, GM5213 for sound of another rate.
 * Gives remarks on what differs and does no harm (the text of the model changed, its weights did not).
 */
export function checkCompatible(checkpoint: Checkpoint, expected: Expected): readonly string[] {
  const { model, tensors, data } = checkpoint.manifest;
  if (model.name !== expected.name) {
    throw new GmcError("GM5203", `${checkpoint.path} is a checkpoint of model ${model.name}, not of ${expected.name}`, [
      "name the run folder of this model",
    ]);
  }
  const show = (shape: readonly number[]): string => `[${shape.join(", ")}]`;
  const wrong: string[] = [];
  for (const [name, { shape }] of Object.entries(expected.weights)) {
    const saved = Object.hasOwn(tensors.entries, name) ? tensors.entries[name] : undefined;
    if (saved === undefined) wrong.push(`${name} ${show(shape)} is missing`);
    else if (saved.shape.length !== shape.length || saved.shape.some((size, i) => size !== shape[i]))
      wrong.push(`${name} is ${show(saved.shape)}, the model has ${show(shape)}`);
  }
  if (wrong.length > 0) {
    const more = wrong.length > 4 ? `; and ${wrong.length - 4} more` : "";
    throw new GmcError(
      "GM5204",
      `the weights in ${checkpoint.path} do not fit model ${expected.name}: ${wrong.slice(0, 4).join("; ")}${more}`,
      waysToFit(model.hyperparameters, expected.hyperparameters),
    );
  }
  for (const [name, rate] of Object.entries(data.rates ?? {})) {
    const found = expected.rates?.[name] ?? rate;
    if (found !== rate)
      throw new GmcError(
        "GM5213",
        `the model was trained on sound of ${rate} samples a second, and the rows of ${name} that it is given have ${found}`,
        [`bring them to that rate: add :rate=${rate} to the data of ${name}`],
      );
  }
  return model.source === expected.source ? [] : [`the text of model ${model.name} changed since the checkpoint; its weights still fit`];
}

/** What to do about weights of other shapes: by the hyperparameters that differ, where that is why. */
function waysToFit(saved: Readonly<Record<string, unknown>>, own: Readonly<Record<string, unknown>> | undefined): readonly string[] {
  const other = Object.keys(own ?? {}).filter((name) => name in saved && JSON.stringify(saved[name]) !== JSON.stringify(own![name]));
  if (other.length === 0) return ["take checkpoints of this model, or train it anew"];
  const values = (of: Readonly<Record<string, unknown>>): string => other.map((name) => `${name} = ${JSON.stringify(of[name])}`).join(", ");
  const set = other.map((name) => `--set ${name}=${JSON.stringify(saved[name])}`).join(" ");
  return [
    `they were trained with ${values(saved)}, and the model has ${values(own!)}`,
    `take checkpoints of this model, or the model that the weights are of: what \`gmc compile\` or \`gmc train\` makes of it with ${set}`,
  ];
}

function readCheckpoint(path: string, folder: string, check: Check): Checkpoint {
  const manifest = readManifest(path, check);
  const file = join(folder, manifest.tensors.file);
  const bytes = readBytes(file);
  if (bytes.length !== manifest.tensors.bytes) {
    throw new GmcError("GM5211", `${file}: expected ${manifest.tensors.bytes} bytes, found ${bytes.length}`);
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== manifest.tensors.sha256)
    throw new GmcError(
      "GM5211",
      `${file}: its checksum is ${sha256.slice(0, 12)}…, the manifest says ${manifest.tensors.sha256.slice(0, 12)}…`,
    );
  const { tensors } = decodeSafetensors({ path: file, bytes });
  for (const [name, { dtype, shape }] of Object.entries(manifest.tensors.entries)) {
    const tensor = tensors[name];
    if (tensor === undefined || tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
      throw new GmcError("GM5211", `${file}: tensor ${name} is not the ${dtype} [${shape.join(", ")}] that the manifest lists`);
    }
  }
  return { manifest, tensors, path };
}

function readManifest(path: string, check: Check): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(readText(path));
  } catch (error) {
    if (error instanceof GmcError) throw error;
    throw new GmcError("GM5210", `${path}: the manifest is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const problem = check(value)[0];
  if (problem !== undefined)
    throw new GmcError("GM5210", `${path}: ${problem.at.length > 0 ? `${problem.at.join(".")}: ` : ""}${problem.message}`, problem.help);
  return value as Manifest;
}

/** Names of manifests, newest first. */
function listManifests(folder: string): readonly string[] {
  return listNames(folder)
    .filter((name) => /^step-\d+\.json$/.test(name))
    .sort((a, b) => stepOf(b) - stepOf(a));
}

function stepOf(manifest: string): number {
  return Number(manifest.slice(5, -5));
}

function listNames(folder: string): readonly string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw cannotRead(folder, error);
  }
}

/** A folder without a first checkpoint is none: an empty one is that of a run which lost its checkpoints. */
function removeIfEmpty(folder: string, ops: FileOps): void {
  try {
    ops.rmdirSync(folder);
  } catch {
    // It holds something.
  }
}

/**
 * Removes manifests past the last `keep` and those of later steps (the future of a run that was resumed from before them), tensors that none of the rest names,
 * and what killed writers left. Failing to is no error.
 */
function prune(folder: string, step: number, keep: number, ops: FileOps): void {
  const remove = (name: string): void => {
    try {
      ops.rmSync(join(folder, name), { force: true });
    } catch {
      // It costs space and nothing else; the next checkpoint tries again.
    }
  };
  const manifests = listManifests(folder);
  const kept = manifests.filter((name) => stepOf(name) <= step).slice(0, keep);
  manifests.filter((name) => !kept.includes(name)).forEach(remove);
  const used = new Set(kept.map((name) => tensorsNamedBy(join(folder, name))));
  for (const name of listNames(folder)) {
    if (isTemporary(name) || (/^step-\d+-[0-9a-f]{8}\.safetensors$/.test(name) && !used.has(name))) remove(name);
  }
}

function tensorsNamedBy(path: string): string | undefined {
  try {
    return (JSON.parse(fs.readFileSync(path, "utf8")) as Partial<Manifest>).tensors?.file;
  } catch {
    return undefined;
  }
}
