/** Opens what a run needs: the model from its generated JavaScript, the data bound to it, the engine. */
import type { ResizeHelp } from "../../runtime/data/bind.js";
import type { Dataset } from "../../runtime/data/dataset.js";
import type { EngineSession } from "../../runtime/engines/engine.js";
import type { ModelDefinition } from "../../runtime/model.js";
import { loadDataset } from "../../runtime/node/datasets.js";
import { chooseEngine, type ChosenEngine } from "../../runtime/engines/registry.js";
import { version } from "../../version.js";
import { interrupted } from "../interrupt.js";
import { tuningProgress } from "./evaluating.js";
import type { RunSettings } from "./settings.js";

export interface Opened {
  readonly model: ModelDefinition;
  readonly dataset: Dataset;
  readonly picked: ChosenEngine;
  readonly session: EngineSession;
}

/** `resizeHelp`: what to say where the data have rows of another shape than the model. `json`: no line of progress. */
export async function openRun(
  model: ModelDefinition,
  settings: RunSettings,
  { json = false, resizeHelp }: { readonly json?: boolean | undefined; readonly resizeHelp: ResizeHelp },
): Promise<Opened> {
  const [dataset, picked] = await Promise.all([
    loadDataset(settings.data.spec, model.streams, { base: settings.data.base, resizeHelp }),
    chooseEngine(settings.engine),
  ]);
  const session = await picked.engine.open({
    ...(settings.threads === undefined ? {} : { threads: settings.threads }),
    onTuning: tuningProgress(process.stderr, json, interrupted),
  });
  return { model, dataset, picked, session };
}

export function describeEngine(picked: ChosenEngine): string {
  return `engine ${picked.why}`;
}

export function versions(): Readonly<Record<string, string>> {
  return { gmc: version, node: process.versions.node };
}

/** Bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
