/**
 * The folder of one run:
 *
 *   runs/vae/
 *     config.json          what was run, resolved: model, data, options, seed, engine, versions, checksums of the files that it was made with
 *     metrics.jsonl .csv   one row a record
 *     checkpoints/         the last two
 *     results.json         what the run came to, each number with its protocol
 *     strip.safetensors    samples at the end of epochs, for a strip that a resumed run goes on with
 *     samples.png …        pictures
 *
 * A run never writes into the folder of another: without --out it takes the next free name (vae, vae-2, …), with --out it wants a folder that
 * is new or empty. One process writes at a time (.lock).
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { basename, join } from "node:path";
import { GmcError } from "../graph/errors.js";
import { cannotRead, cannotWrite, hasCode, isMissing } from "./file-errors.js";
import { isTemporary, makeFolder, readText, writeFileAtomic } from "./files.js";
import { lockFolder } from "./lock.js";
import { compileSchema } from "./schema.js";

/** What config.json holds beside its mark; plain JSON. */
export type RunConfig = Readonly<Record<string, unknown>>;

export interface RunFolder {
  readonly path: string;
  readonly name: string;
  readonly checkpoints: string;
  /** Path of a file in it. */
  file(name: string): string;
  /** Writes a file whole or not at all. GM5205, GM5206, GM5212. */
  write(name: string, content: string | Uint8Array): void;
  /** `write` of indented JSON; numbers that are not finite become null. */
  writeJson(name: string, value: unknown): void;
  /** Lets other processes write; nothing may be written after it. */
  release(): void;
}

/** `format` of config.json. */
export const runMark = "gmc-run";

export interface NewRun {
  /** Stem of the folder's name, from the model. */
  readonly name: string;
  /** The folder itself, from --out. */
  readonly out?: string | undefined;
  /** Where runs without --out lie; `runs` unless said. */
  readonly root?: string | undefined;
}

/**
 * Makes and locks a new folder and writes its files, config.json with their checksums last: a folder that has one is a whole run, whenever its
 * maker was killed.
 * GM5207 where --out holds something else than what a maker left that was killed.
 */
export function createRun(run: NewRun, config: RunConfig, files: Readonly<Record<string, string>> = {}): RunFolder {
  const path =
    run.out === undefined
      ? freeFolder(run.root ?? "runs", safeName(run.name))
      : emptyFolder(run.out, new Set([".lock", ...Object.keys(files)]));
  const folder = hold(path);
  try {
    for (const [name, content] of Object.entries(files)) folder.write(name, content);
    const sums = Object.entries(files).map(([name, content]) => [name, sha256(content)]);
    folder.writeJson("config.json", { format: runMark, ...config, ...(sums.length === 0 ? {} : { files: Object.fromEntries(sums) }) });
  } catch (error) {
    folder.release();
    throw error;
  }
  return folder;
}

/** Locks the folder of an earlier run, to go on with it. GM5208, GM5209. */
export function reopenRun(path: string): { readonly folder: RunFolder; readonly config: RunConfig } {
  const config = readRunConfig(path);
  return { folder: hold(path), config };
}

/** config.json of a run, to read from it without locking. GM5209 where the folder is no run. */
export function readRunConfig(path: string): RunConfig {
  const file = join(path, "config.json");
  if (!fs.existsSync(path)) throw new GmcError("GM5209", `${path}: there is no such run folder`, ["gmc train writes one under runs/"]);
  if (!fs.existsSync(file))
    throw new GmcError("GM5209", `${path} is not a run folder: it has no config.json`, [
      "name the folder that gmc train wrote, for example runs/vae",
    ]);
  let value: unknown;
  try {
    value = JSON.parse(readText(file));
  } catch (error) {
    if (error instanceof GmcError) throw error;
    throw new GmcError("GM5209", `${file} is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  if (typeof value !== "object" || value === null || !("format" in value) || value.format !== runMark) {
    throw new GmcError("GM5209", `${path} is not a run folder: its config.json was not written by gmc train`);
  }
  const { format: _format, ...config } = value as Record<string, unknown>;
  return config;
}

/** `files` of config.json: SHA-256 by name. Absent from runs of before there were checksums. */
const filesSchema = { type: "object", additionalProperties: { type: "string", pattern: "^[0-9a-f]{64}$" } } as const;

/** Whether a file that a run was made with holds something else than then. False where the run has no checksum of it. GM5209 where `files` is malformed. */
export async function isChanged(path: string, config: RunConfig, name: string, content: string): Promise<boolean> {
  const { files = {} } = config;
  const problem = (await compileSchema(filesSchema))(files)[0];
  if (problem !== undefined)
    throw new GmcError("GM5209", `${join(path, "config.json")}: ${["files", ...problem.at].join(".")}: ${problem.message}`, problem.help);
  const kept = (files as Readonly<Record<string, string>>)[name];
  return kept !== undefined && kept !== sha256(content);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Run folders under `root`, the one written to last first. */
export function listRuns(root = "runs"): readonly string[] {
  let names: readonly string[];
  try {
    names = fs.readdirSync(root);
  } catch (error) {
    if (isMissing(error)) return [];
    throw cannotRead(root, error);
  }
  const written = (path: string): number =>
    Math.max(
      0,
      ...["config.json", "metrics.jsonl", "checkpoints"].map(
        (name) => fs.statSync(join(path, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
      ),
    );
  return names
    .map((name) => join(root, name))
    .filter((path) => fs.existsSync(join(path, "config.json")))
    .sort((a, b) => written(b) - written(a));
}

function hold(path: string): RunFolder {
  const lock = lockFolder(path);
  const file = (name: string): string => join(path, name);
  const write = (name: string, content: string | Uint8Array): void => writeFileAtomic(file(name), content);
  return {
    path,
    name: basename(path),
    checkpoints: file("checkpoints"),
    file,
    write,
    writeJson: (name, value) => write(name, `${JSON.stringify(value, null, 2)}\n`),
    release: () => lock.release(),
  };
}

/** The first of name, name-2, … that is free; mkdir itself decides, so two runs that start together get two folders. */
function freeFolder(root: string, name: string): string {
  makeFolder(root);
  for (let number = 1; ; number++) {
    const path = join(root, number === 1 ? name : `${name}-${number}`);
    try {
      fs.mkdirSync(path);
      return path;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw cannotWrite(path, error);
    }
  }
}

function emptyFolder(path: string, own: ReadonlySet<string>): string {
  makeFolder(path);
  let names: readonly string[];
  try {
    names = fs.readdirSync(path);
  } catch (error) {
    throw cannotRead(path, error);
  }
  if (names.includes("config.json"))
    throw new GmcError("GM5207", `${path} already holds a run`, [`go on with it: gmc resume ${path}`, "or name another folder with --out"]);
  if (names.some((name) => !own.has(name) && !isTemporary(name)))
    throw new GmcError("GM5207", `${path} is not empty`, ["name a new or empty folder with --out"]);
  return path;
}

/** Letters, digits, - and _ of a model's name: a folder name on every system. */
function safeName(name: string): string {
  const safe = name.replace(/[^\p{L}\p{N}_-]+/gu, "-").replace(/^-+|-+$/g, "");
  return safe === "" ? "run" : safe;
}
