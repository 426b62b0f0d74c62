/**
 * gmc.config.json: the default data set and run options of the models beside it.
 *
 *   {
 *     "data": "mnist",                                    for every model here, unless it says otherwise
 *     "models": {
 *       "vae.gm": { "epochs": 20, "set": { "H": 400 } },  by file, relative to the configuration
 *       "mog.gm": { "data": "faithful" }
 *     }
 *   }
 *
 * The nearest one at or above the model's folder counts, up to the project root. Options of the command line win over those of the model's entry, which win
 * over those at the top, which win over the model's own train block. Paths in data specifications are relative to the configuration.
 */
import * as fs from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { GmcError } from "../graph/errors.js";
import { suggestion } from "../data/suggest.js";
import { projectRoot, readText } from "./files.js";
import { parseLocated, type Place } from "./json-place.js";
import { configSchema } from "./config-schema.js";
import { compileSchema, type SchemaProblem } from "./schema.js";

/** Options that the command line, the configuration and nothing else decide. */
export interface ConfiguredOptions {
  readonly data?: string;
  readonly epochs?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly seed?: number;
  readonly engine?: string;
  readonly threads?: number;
  /** Samples of the importance-weighted bounds in evaluation. */
  readonly k?: number;
  /** Of annealed importance sampling in evaluation. */
  readonly chains?: number;
  readonly temperatures?: number;
  readonly set?: Readonly<Record<string, number | boolean | readonly number[]>>;
}

export interface Configuration extends ConfiguredOptions {
  /** Folder that runs are written under. */
  readonly runs?: string;
  readonly models?: Readonly<Record<string, ConfiguredOptions>>;
}

export interface ModelConfiguration {
  /** The configuration file; undefined where there is none. */
  readonly path: string | undefined;
  /** Folder that `data` and `runs` are relative to. */
  readonly base: string;
  readonly options: ConfiguredOptions & { readonly runs?: string };
  /** Where each hyperparameter of `options.set` is written: offsets in the configuration's text. */
  readonly setAt: Readonly<Record<string, WrittenAt>>;
}

export interface WrittenAt {
  readonly file: { readonly path: string; readonly text: string };
  readonly start: number;
  readonly end: number;
}

const fileName = "gmc.config.json";

/** Options for one model file. GM5101 to GM5103 with line and column. */
export async function loadConfig(modelPath: string): Promise<ModelConfiguration> {
  const path = configFile(modelPath);
  if (path === undefined) return { path, base: process.cwd(), options: {}, setAt: {} };
  const { configuration, located } = await readLocated(path);
  const { models = {}, ...common } = configuration;
  const base = dirname(path);
  const [key = "", own = {}] = Object.entries(models).find(([file]) => resolve(base, file) === resolve(modelPath)) ?? [];
  const file = { path: shownPath(path), text: located.text };
  const placesOf = (set: ConfiguredOptions["set"], at: readonly string[]): readonly (readonly [string, WrittenAt])[] =>
    Object.keys(set ?? {}).map((name) => {
      const start = located.placeOf(at, name).offset;
      return [name, { file, start, end: start + JSON.stringify(name).length }];
    });
  const options = {
    ...common,
    ...own,
    ...(common.set !== undefined || own.set !== undefined ? { set: { ...common.set, ...own.set } } : {}),
  };
  return {
    path,
    base,
    options,
    setAt: Object.fromEntries([...placesOf(common.set, ["set"]), ...placesOf(own.set, ["models", key, "set"])]),
  };
}

/**
 * Hyperparameters that a configuration sets for a model, and where they are written. One without `set` is not looked at any further, since commands
 * that only compile have no use for the rest of it.
 */
export async function configuredSet(
  modelPath: string,
): Promise<Pick<ModelConfiguration, "setAt"> & { readonly set: NonNullable<ConfiguredOptions["set"]> }> {
  const path = configFile(modelPath);
  if (path === undefined || !holds(path, '"set"')) return { set: {}, setAt: {} };
  const { options, setAt } = await loadConfig(modelPath);
  return { set: options.set ?? {}, setAt };
}

function holds(path: string, text: string): boolean {
  return fs.statSync(path).isFile() && readText(path).includes(text);
}

function shownPath(path: string): string {
  const shown = relative(process.cwd(), path);
  return shown === "" || shown.startsWith(`..${sep}..`) ? path : shown;
}

/** Reads and checks a configuration file. GM5101, GM5102, GM5103. */
export async function readConfig(path: string): Promise<Configuration> {
  return (await readLocated(path)).configuration;
}

async function readLocated(path: string): Promise<{
  readonly configuration: Configuration;
  readonly located: { readonly text: string; readonly placeOf: (at: readonly string[], key?: string) => Place };
}> {
  const name = shownPath(path);
  if (fs.statSync(path).isDirectory())
    throw new GmcError("GM5001", `${name}: expected a configuration file, found a folder`, [
      `rename the folder, or put a file in its place: {}`,
    ]);
  const text = readText(path);
  const located = parseLocated(text);
  if (!located.ok)
    throw new GmcError("GM5101", `${at(name, located.place)}: not JSON: ${located.message}`, [
      'a configuration is JSON without comments: { "models": { "vae.gm": { "data": "mnist" } } }',
    ]);
  const problems = (await compileSchema(configSchema))(located.value);
  const problem = problems[0];
  if (problem !== undefined) throw report(name, problem, located.placeOf(problem.at, problem.key), problems.length - 1);
  const { $schema: _schema, ...configuration } = located.value as Configuration & { $schema?: string };
  for (const key of Object.keys(configuration.models ?? {})) {
    if (fs.existsSync(resolve(dirname(path), key))) continue;
    const near = fs.readdirSync(dirname(path)).filter((file) => file.endsWith(".gm"));
    throw new GmcError("GM5103", `${at(name, located.placeOf(["models"], key))}: there is no model file ${key}`, suggestion(key, near));
  }
  return { configuration, located: { text, placeOf: located.placeOf } };
}

function report(name: string, problem: SchemaProblem, place: Place, others: number): GmcError {
  const where = problem.at.length > 0 ? `${problem.at.join(".")}: ` : "";
  const more = others > 0 ? [`and ${others} more in this file`] : [];
  return new GmcError(problem.key === undefined ? "GM5103" : "GM5102", `${at(name, place)}: ${where}${problem.message}`, [
    ...problem.help,
    ...more,
  ]);
}

function at(name: string, place: Place): string {
  return `${name}:${place.line}:${place.column}`;
}

/** The configuration that holds for a model file; undefined where there is none. */
export function configFile(modelPath: string): string | undefined {
  const start = dirname(resolve(modelPath));
  const root = projectRoot(start);
  for (let folder = start; ; folder = dirname(folder)) {
    const path = join(folder, fileName);
    if (fs.existsSync(path)) return path;
    if (folder === root || dirname(folder) === folder) return undefined;
  }
}
