/**
 * What a run is made of, resolved: options of the command line over those of gmc.config.json over the model's own. Plain JSON, kept as config.json.
 */
import { resolve } from "node:path";
import { GmcError } from "../../runtime/graph/errors.js";
import { loadConfig } from "../../runtime/node/config.js";
import { listDatasets } from "../../runtime/node/datasets.js";
import type { MeasureFlags, RunFlags, Settings } from "../options.js";

export interface RunSettings extends MeasureFlags {
  /** The model file as it was named. */
  readonly file: string;
  readonly set: Settings;
  readonly data: { readonly spec: string; readonly base: string };
  readonly epochs?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly seed: number;
  readonly engine: string;
  readonly threads?: number;
}

/**
 * Also `runs`, the folder that runs lie in. GM5309 where no data set is named anywhere, and the model, `dataless`, is not one that draws all of its
 * variables itself.
 */
export async function resolveSettings(
  file: string,
  flags: RunFlags & MeasureFlags,
  dataless: boolean,
): Promise<{ settings: RunSettings; runs: string }> {
  const { base, options, path } = await loadConfig(file);
  const data =
    flags.data !== undefined
      ? { spec: flags.data, base: process.cwd() }
      : options.data !== undefined
        ? { spec: options.data, base }
        : dataless
          ? { spec: "none", base: process.cwd() }
          : undefined;
  if (data === undefined) {
    const here = listDatasets().filter((d) => d.available);
    throw new GmcError("GM5309", `no data are named for ${file}`, [
      "name a data set: --data mnist, or files: --data x=train.npy,x.test=test.npy",
      `or a default beside the model, in ${path ?? "gmc.config.json"}: { "models": { "${file.split("/").at(-1) ?? file}": { "data": "mnist" } } }`,
      ...(here.length > 0 ? [`data sets here: ${here.map((d) => d.name).join(", ")}`] : []),
    ]);
  }
  // an option of the command line takes the place of both lengths of the configuration
  const length =
    flags.epochs !== undefined || flags.steps !== undefined
      ? { epochs: flags.epochs, steps: flags.steps }
      : { epochs: options.epochs, steps: options.steps };
  const settings: RunSettings = {
    file,
    set: { ...options.set, ...flags.set },
    data,
    ...defined({ ...length, batch: flags.batch ?? options.batch, lr: flags.lr ?? options.lr }),
    seed: flags.seed ?? options.seed ?? 0,
    engine: flags.engine ?? options.engine ?? "auto",
    ...defined({ threads: flags.threads ?? options.threads, ...measureSettings(flags, options) }),
  };
  return { settings, runs: options.runs === undefined ? "runs" : resolve(base, options.runs) };
}

/** Options of the command line over those of the run. */
export function measureSettings(flags: MeasureFlags, before: MeasureFlags): { [K in keyof MeasureFlags]?: number } {
  return defined({
    k: flags.k ?? before.k,
    chains: flags.chains ?? before.chains,
    temperatures: flags.temperatures ?? before.temperatures,
  });
}

/** Without the entries that are undefined. */
export function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
