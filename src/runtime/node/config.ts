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
}

const fileName = "gmc.config.json";

/** Options for one model file. GM5101 to GM5103 with line and column. */
export async function loadConfig(modelPath: string): Promise<ModelConfiguration> {
  const folder = dirname(resolve(modelPath));
  const path = findConfig(folder);
  if (path === undefined) return { path, base: process.cwd(), options: {} };
  const { models = {}, ...common } = await readConfig(path);
  const base = dirname(path);
  const own = Object.entries(models).find(([key]) => resolve(base, key) === resolve(modelPath))?.[1] ?? {};
  const options = {
    ...common,
    ...own,
    ...(common.set !== undefined || own.set !== undefined ? { set: { ...common.set, ...own.set } } : {}),
  };
  return { path, base, options };
}

/** Reads and checks a configuration file. GM5101, GM5102, GM5103. */
export async function readConfig(path: string): Promise<Configuration> {
  const shown = relative(process.cwd(), path);
  const name = shown === "" || shown.startsWith(`..${sep}..`) ? path : shown;
  if (fs.statSync(path).isDirectory())
    throw new GmcError("GM5001", `${name}: expected a configuration file, found a folder`, [
      `rename the folder, or put a file in its place: {}`,
    ]);
  const located = parseLocated(readText(path));
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
  return configuration;
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

function findConfig(start: string): string | undefined {
  const root = projectRoot(start);
  for (let folder = start; ; folder = dirname(folder)) {
    const path = join(folder, fileName);
    if (fs.existsSync(path)) return path;
    if (folder === root || dirname(folder) === folder) return undefined;
  }
}
