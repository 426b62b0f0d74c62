/** Which run a command means: a folder, a model file (its newest run), or nothing (the newest of all). */
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Diagnostic } from "../../base/diagnostic.js";
import { diagnosticOf } from "../../base/report.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { loadConfig } from "../../runtime/node/config.js";
import { readText } from "../../runtime/node/files.js";
import { isChanged, listRuns, readRunConfig, type RunConfig } from "../../runtime/node/run-folder.js";
import { setOptions } from "../../base/command-line.js";
import type { RunSettings } from "./settings.js";

export interface FoundRun {
  readonly path: string;
  readonly settings: RunSettings;
  /** The generated JavaScript that the run was made with. */
  readonly js: string;
  /** GM5425 where the run's copy of the model is not what `js` was compiled from. */
  readonly warnings: readonly Diagnostic[];
}

/** GM5209 where there is no such run, GM5310 where a model or the folder has none yet, GM5424 where its JavaScript is not what it was made with. */
export async function findRun(named: string | undefined): Promise<FoundRun> {
  const path = await pathOf(named);
  const config = readRunConfig(path);
  const settings = settingsOf(path, config);
  const file = join(path, "model.gm.js");
  if (!existsSync(file)) {
    throw new GmcError(
      "GM5209",
      `${path} is not a whole run folder: model.gm.js, which the run was made with, is missing`,
      modelAnew(path, settings),
    );
  }
  const js = readText(file);
  if (await isChanged(path, config, "model.gm.js", js))
    throw new GmcError("GM5424", `${file} is not the JavaScript that the run was made with: its checksum is not that in config.json`, [
      ...modelAnew(path, settings),
      `or train another model: gmc train ${settings.file}`,
      "or, to run it as it is, take its line out of `files` in config.json",
    ]);
  const source = join(path, "model.gm");
  const edited = existsSync(source) && (await isChanged(path, config, "model.gm", readText(source)));
  return { path, settings, js, warnings: edited ? [editedSource(source)] : [] };
}

function editedSource(source: string): Diagnostic {
  const help = [`gmc train ${source} trains a model of the new text, in a run of its own`];
  return diagnosticOf("GM5425", undefined, { source }, { help });
}

/** Ways back to the model.gm.js of a run. */
export function modelAnew(path: string, { file, set }: RunSettings): readonly string[] {
  return [
    "put it back from a copy",
    `or write it anew, if the model is as it was: gmc compile ${file} --emit js --out ${path}/model.gm.js${setOptions(set)}`,
  ];
}

async function pathOf(named: string | undefined): Promise<string> {
  if (named === undefined) {
    const newest = listRuns()[0];
    if (newest === undefined) throw new GmcError("GM5310", "there is no run under runs/", ["train a model first: gmc train model.gm"]);
    return newest;
  }
  if (!existsSync(named) && existsSync(join("runs", named, "config.json"))) {
    throw new GmcError("GM5209", `${named}: there is no such run folder`, [`did you mean runs/${named}?`]);
  }
  if (!named.endsWith(".gm") || (existsSync(named) && statSync(named).isDirectory())) return named.replace(/[\\/]+$/, "");
  const { base, options } = await loadConfig(named);
  const root = options.runs === undefined ? "runs" : resolve(base, options.runs);
  const found = listRuns(root).find((path) => {
    const settings = readRunConfig(path)["settings"] as Partial<RunSettings> | undefined;
    return settings?.file !== undefined && basename(settings.file) === basename(named);
  });
  if (found === undefined)
    throw new GmcError("GM5310", `there is no run of ${named} under ${root}/`, [`train it first: gmc train ${named}`]);
  return found;
}

function settingsOf(path: string, config: RunConfig): RunSettings {
  const settings = config["settings"] as Partial<RunSettings> | undefined;
  if (typeof settings?.file !== "string" || typeof settings.data?.spec !== "string" || typeof settings.seed !== "number") {
    throw new GmcError("GM5209", `${path} is not a run folder that this version of gmc can read: config.json has no settings`);
  }
  return { ...settings, set: settings.set ?? {}, engine: settings.engine ?? "auto" } as RunSettings;
}
