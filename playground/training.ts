/** Trains a model in the page and tells how it goes: numbers as they come, samples now and then. No DOM here. */
import type { Engine } from "../src/runtime/engines/engine.js";
import { openSession } from "../src/runtime/eval/session.js";
import type { ModelDefinition } from "../src/runtime/model.js";
import { datasetOf } from "../src/runtime/train/arrays.js";
import { trainOn } from "../src/runtime/training.js";
import { dataVariable, type Rows } from "./data.js";

export interface Point {
  readonly step: number;
  readonly value: number;
}

export interface Watcher {
  /** `label` is the objective as written. */
  readonly onPoint: (label: string, point: Point, stepsPerSecond: number) => void;
  readonly onSamples: (samples: Rows) => void;
}

export interface TrainingOptions {
  readonly engine: Engine;
  readonly data: Rows | undefined;
  readonly steps: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** Rows drawn for a picture. */
const DRAWN = 400;
/** Of chains, which begin anew for each picture: fewer than `gmc sample` takes, so that the page stays quick. */
const SWEEPS = 100;
/** Milliseconds between two pictures, at least. */
const PICTURE_GAP = 1000;

export async function trainInPage(model: ModelDefinition, options: TrainingOptions, watch: Watcher): Promise<"finished" | "interrupted"> {
  const variable = dataVariable(model);
  const arrays = variable && options.data ? { [variable.name]: options.data } : {};
  const dataset = datasetOf(model, { train: arrays, test: arrays });
  const session = await options.engine.open();
  let pictured = -Infinity;
  const picture = async (step: number): Promise<void> => {
    if (model.generative === undefined) return;
    const opened = openSession({ session, model, dataset, seed: options.seed, averaged: new Set(), step });
    const rows = variable === undefined || variable.spec.shape.length === 0 ? DRAWN : rowsOf(variable.spec.shape);
    const chain = model.densities[model.generative]?.chain !== undefined;
    const { values, means } = await opened.sample(rows, chain ? { sweeps: SWEEPS } : {});
    // pictures of bits show their means; points are draws
    const name = variable?.name ?? Object.keys(values).find((key) => values[key]?.shape.at(-1) === 2);
    const binary = variable?.spec.domain === "binary";
    const shown = name === undefined ? undefined : binary ? (means[name] ?? values[name]) : values[name];
    if (shown) watch.onSamples({ shape: shown.shape, data: Float32Array.from(shown.data) });
  };
  let records = 0;
  let [lastStep, lastAt] = [0, performance.now()];
  try {
    const { result } = await trainOn(session, model, dataset, {
      steps: options.steps,
      seed: options.seed,
      signal: options.signal,
      recordEvery: Math.max(1, Math.min(20, Math.round(options.steps / 200))),
      onRecord: async (record) => {
        if (record.split !== "train") return;
        const [label, value] = Object.entries(record.values)[0] ?? ["", NaN];
        const now = performance.now();
        watch.onPoint(label, { step: record.step, value }, ((record.step - lastStep) / (now - lastAt)) * 1000);
        [lastStep, lastAt] = [record.step, now];
        records++;
        if (now - pictured > PICTURE_GAP && records % 2 === 0) {
          await picture(record.step);
          pictured = performance.now();
        }
        // lets the page draw and hear clicks
        await new Promise((resolve) => setTimeout(resolve));
      },
    });
    await picture(result.cursor.total);
    return result.outcome === "interrupted" ? "interrupted" : "finished";
  } finally {
    session.dispose();
  }
}

/** Points fill a plane, pictures a grid of 8 by 8. */
function rowsOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1) <= 2 ? DRAWN : 64;
}
