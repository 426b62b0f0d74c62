/**
 * Staging of what an evaluation measures: each metric is a program of one call that gives one value a row (or the means of the posterior).
 * Nothing of the store is written.
 */
import type { Program } from "../engines/engine.js";
import { InternalError } from "../graph/errors.js";
import { stageChecked, type Check } from "../graph/checks.js";
import { inputNames } from "../graph/host.js";
import { broadcastTo, constant, grad, input, mean, sum, TermNames, terms, type Tensor } from "../graph/index.js";
import { currentTrace } from "../graph/trace.js";
import { optimize } from "../graph/passes/index.js";
import type { Graph } from "../graph/types.js";
import type {
  ActiveUnitsMetric,
  CodeUseMetric,
  ModelDefinition,
  PartitionMetric,
  RowMetric,
  SamplesMetric,
  StepContext,
  UpdateDefinition,
} from "../model.js";
import { defined, scheduleName, stepContext } from "../train/context.js";
import { isEndless, valueAt } from "../optim/schedules.js";

import { type Dataset, splitRows } from "../data/dataset.js";
import { phaseLength } from "../train/length.js";
import { sizeOf } from "../graph/shape.js";

export interface MetricProgram {
  readonly program: Program;
  readonly inputs: readonly string[];
  /** Conditions that a run needs to mean anything, see graph/checks.ts. */
  readonly checks: readonly Check["failed"][];
  /** Elements that the graph's values hold in all: an upper bound of the memory it takes. */
  readonly elements: number;
}

export interface MetricOptions {
  readonly model: ModelDefinition;
  readonly batch: number;
  readonly averaged: ReadonlySet<string>;
}

/**
 * Output `value` [B]; for each log Z that it reads, fed as `partition:<name>` [B], also `sensitivity:<name>` [B], the derivative of the row's value in it.
 */
export function stageRowMetric(options: MetricOptions, metric: RowMetric, samples: number): MetricProgram {
  return metricProgram(metric.label, options, () => {
    const names = metric.partitions ?? [];
    const partition = Object.fromEntries(names.map((name) => [name, input(partitionName(name), [options.batch], "f32")]));
    const value = perRow(metric.value({ ...context(options), partition }, samples), options.batch);
    const sensitivities = names.length === 0 ? [] : grad(sum(value), Object.values(partition));
    return { value, ...Object.fromEntries(names.map((name, i) => [sensitivityName(name), defined(sensitivities[i], name)])) };
  });
}

export function partitionName(name: string): string {
  return `partition:${name}`;
}

export function sensitivityName(name: string): string {
  return `sensitivity:${name}`;
}

/** Outputs by name: [B, ...event], what the log Z of a row depends on. */
export function stageConditions(options: MetricOptions, metric: PartitionMetric): MetricProgram {
  return metricProgram(metric.label, options, () => ({ ...metric.given?.(context(options)) }));
}

/** Outputs by latent: [B, ...event]. */
export function stagePosteriorMeans(options: MetricOptions, metric: ActiveUnitsMetric): MetricProgram {
  return metricProgram(metric.label, options, () => ({ ...metric.mean(context(options)) }));
}

/** Outputs by name: codes, i32 [B, ...places]. */
export function stageCodes(options: MetricOptions, metric: CodeUseMetric): MetricProgram {
  return metricProgram(metric.label, options, () => ({ ...metric.codes(context(options)) }));
}

/** Outputs as `fn` gives them. */
export function stageOutputs(name: string, options: MetricOptions, fn: (context: StepContext) => Record<string, Tensor>): MetricProgram {
  return metricProgram(name, options, () => fn(context(options)));
}

/** Output `samples` [B, ...event]. */
export function stageSamples(options: MetricOptions, metric: SamplesMetric): MetricProgram {
  return metricProgram(metric.label, options, () => ({ samples: metric.sample(context(options)) }));
}

/** Outputs `term:<i>` [B]: the objective of an update of a phase first, then its terms in order, by the names that they have among those of other updates. */
export function stageTerms(
  options: MetricOptions,
  phase: number,
  update: number,
  names = new TermNames(),
): { readonly program: MetricProgram; readonly labels: readonly string[] } {
  const definition = options.model.train[phase]?.updates[update];
  if (definition === undefined) throw new InternalError(`no update ${update} of phase ${phase}`);
  const labels = [definition.label];
  const program = metricProgram(definition.label, options, () => {
    const value = (definition.measured ?? definition.value)(context(options, phase, definition.carried));
    const named = [...terms(names)];
    labels.push(...named.map(([label]) => label));
    return Object.fromEntries([value, ...named.map(([, t]) => t)].map((t, i) => [`term:${i}`, perRow(t, options.batch)]));
  });
  return { program, labels };
}

/** Squared error of each row, summed over its entries. */
export function squaredError(x: ArrayLike<number>, shown: ArrayLike<number>, rows: number): Float64Array {
  const width = x.length / Math.max(1, rows);
  const out = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let total = 0;
    for (let j = i * width; j < (i + 1) * width; j++) total += ((x[j] ?? NaN) - (shown[j] ?? NaN)) ** 2;
    out[i] = total;
  }
  return out;
}

function context(
  options: MetricOptions,
  phase = options.model.train.length - 1,
  carried: UpdateDefinition["carried"] = undefined,
): StepContext {
  return stepContext({
    model: options.model,
    batch: options.batch,
    dynamic: new Set(),
    averaged: options.averaged,
    schedules: Object.keys(options.model.train[phase]?.schedules ?? {}),
    carried,
  });
}

export interface ScheduledModel {
  readonly model: ModelDefinition;
  readonly dataset?: Dataset;
  /** Training steps done. */
  readonly step?: number;
}

/**
 * The scalars of schedules as they are in the end: a warmed-up objective is measured whole. One that has no last value has that of the last step that was
 * done, or, of several phases, of the last that its phase has by itself.
 */
export function finalSchedules({ model, dataset, step = 0 }: ScheduledModel): Readonly<Record<string, number>> {
  const rows = dataset ? splitRows(dataset, "train") : 0;
  return Object.fromEntries(
    model.train.flatMap((phase) => {
      const { steps, stepsPerEpoch } = phaseLength(phase, Math.max(1, Math.floor(rows / phase.batch)));
      const done = model.train.length === 1 && step > 0 ? step : steps;
      return Object.entries(phase.schedules ?? {}).map(([name, schedule]) => [
        scheduleName(name),
        valueAt(schedule, isEndless(schedule) ? { step: Math.max(0, done - 1), stepsPerEpoch } : { step: 1e15, stepsPerEpoch: 1 }),
      ]);
    }),
  );
}

/** [B] of a value whose leading axes are samples, or which is one number for all rows. */
function perRow(given: Tensor | number, batch: number): Tensor {
  // a line of numbers alone, `c = log(2)`, is one
  const t = typeof given === "number" ? constant(given) : given;
  if (t.shape.length === 0) return broadcastTo(t, [batch]);
  if (t.shape.length === 1) return t.shape[0] === batch ? t : broadcastTo(mean(t), [batch]);
  const leading = t.shape.slice(0, -1).map((_, i) => i);
  return perRow(mean(t, leading), batch);
}

function metricProgram(name: string, options: MetricOptions, fn: () => Record<string, Tensor>): MetricProgram {
  const { graph: staged, checks } = stageChecked(
    () => {
      const outputs = fn();
      currentTrace().writes.clear();
      return outputs;
    },
    { mode: "eval" },
  );
  const graph: Graph = optimize(staged);
  const inputs = inputNames(graph);
  const elements = graph.nodes.reduce((total, n) => total + (n.prim === "state" ? 0 : sizeOf(n.shape)), 0);
  return { program: { name, stages: [{ kind: "call", name, graph }], fetch: Object.keys(graph.outputs) }, inputs, checks, elements };
}
