/** What makes a model of a file, for every command alike: --model, and --set over what the configuration sets. */
import { configuredSet } from "../runtime/node/config.js";
import type { CompileOptions } from "../compile.js";
import type { Settings } from "./options.js";

export interface ModelFlags {
  /** Of a file with several. */
  readonly model?: string;
  readonly set?: Settings;
}

export type ModelOptions = Pick<CompileOptions, "model" | "setAt"> & { readonly set: Settings };

export async function modelOptions(file: string, { model, set = {} }: ModelFlags): Promise<ModelOptions> {
  const configured = await configuredSet(file);
  const setAt = Object.fromEntries(Object.entries(configured.setAt).filter(([name]) => !Object.hasOwn(set, name)));
  return { set: { ...configured.set, ...set }, setAt, ...(model === undefined ? {} : { model }) };
}
