/**
 * log p(x) of any rows, where the model measures it exactly: a line of `evaluate { … }` that is a multiple of the log-density of its only data
 * variable. Whoever asks knows no more of the model than that.
 */
import type { EngineSession } from "../engines/engine.js";
import type { ModelDefinition, RowMetric } from "../model.js";
import { rowsOfVariable, type ArrayInput } from "../train/arrays.js";
import { dataName, dataVariables, defined } from "../train/context.js";
import { hostArray } from "../graph/host.js";
import { feedsFor, open } from "./measurements.js";
import { stageRowMetric } from "./metrics.js";
import { sizeOf } from "../graph/shape.js";

export interface ExactDensity {
  /** Name of the metric. */
  readonly metric: string;
  readonly variable: string;
  /** The metric is log p times this. */
  readonly times: number;
}

/** undefined where the model does not measure one. */
export function exactDensity(model: ModelDefinition): ExactDensity | undefined {
  const [variable, ...others] = Object.keys(dataVariables(model));
  if (variable === undefined || others.length > 0) return undefined;
  for (const [metric, definition] of Object.entries(model.evaluate)) {
    if (definition.kind !== "rows" || definition.bound !== "exact" || definition.samples !== undefined) continue;
    const times = definition.logDensityOf?.[variable];
    if (times !== undefined && (definition.partitions ?? []).length === 0) return { metric, variable, times };
  }
  return undefined;
}

const BATCH = 500;

export interface DensityOptions {
  readonly session: EngineSession;
  readonly model: ModelDefinition;
  readonly averaged: ReadonlySet<string>;
}

/** In nats, one a row of `given`, in the model's units. GM4004, GM4051 where they are no rows of the variable, GM5022 or GM5032 outside its domain. */
export async function logDensities(options: DensityOptions, density: ExactDensity, given: ArrayInput): Promise<Float64Array> {
  const { session, model, averaged } = options;
  const spec = defined(dataVariables(model)[density.variable], density.variable);
  const rows = rowsOfVariable(density.variable, spec, given);
  const width = sizeOf(spec.shape);
  const count = rows.shape[0] ?? 0;
  const metric = model.evaluate[density.metric] as RowMetric;
  const opened = await open(session, stageRowMetric({ model, batch: BATCH, averaged }, metric, 1));
  const out = new Float64Array(count);
  const measured = { model, seed: 0 };
  try {
    for (let start = 0; start < count; start += BATCH) {
      // the last batch repeats the last row
      const data = hostArray(rows.dtype, BATCH * width);
      for (let i = 0; i < data.length; i++) {
        const row = Math.min(count - 1, start + Math.floor(i / width));
        data[i] = rows.data[row * width + (i % width)]!;
      }
      const feeds = { [dataName(density.variable)]: { dtype: rows.dtype, shape: [BATCH, ...spec.shape], data } };
      const value = defined((await opened.executable.run(feedsFor(measured, opened, feeds, 0, start)))["value"], "value").data;
      for (let i = 0; i < BATCH && start + i < count; i++) out[start + i] = value[i]! / density.times;
    }
  } finally {
    opened.executable.dispose();
  }
  return out;
}
