/**
 * What staged functions of a model are given: data as inputs, weights as state, the key, scalars of schedules.
 * Names: an input is called `data:<variable>`; a weight's state as its path; its moving average `ema:<path>`; a schedule's scalar `schedule:<name>`;
 * what an update carries `chain:<name>`.
 */
import { abs, cast, input, less, randomUniform, rootKey, rowsOf, state, type Key, type Tensor } from "../graph/index.js";
import type { HostTensors } from "../engines/engine.js";
import type { DType } from "../graph/types.js";
import type { CarriedSpec, ModelDefinition, StepContext, VariableSpec } from "../model.js";
import { materialize, type LeafAt, type WeightSpecs } from "../nn/spec.js";
import { InternalError } from "../graph/errors.js";
import { carriedName } from "./carried.js";

export interface ContextOptions {
  readonly model: ModelDefinition;
  readonly batch: number;
  /** Variables whose batches hold probabilities that are drawn afresh in the graph. */
  readonly dynamic: ReadonlySet<string>;
  /** Paths whose moving average is read in place of the weight. */
  readonly averaged?: ReadonlySet<string>;
  readonly schedules?: readonly string[];
  readonly carried?: Readonly<Record<string, CarriedSpec>> | undefined;
}

export function emaName(path: string): string {
  return `ema:${path}`;
}

/** Of a data variable's input. The prefix keeps it apart from `rng` and `iteration`, which programs are fed as well. */
export function dataName(variable: string): string {
  return `data:${variable}`;
}

/** Values by data variable as feeds of a program. */
export function dataFeeds(values: HostTensors): HostTensors {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [dataName(name), value]));
}

export function scheduleName(name: string): string {
  return `schedule:${name}`;
}

/** Indices are whole numbers; all else is f32. */
export function dtypeOf(spec: VariableSpec): DType {
  return spec.domain === "category" ? "i32" : "f32";
}

/** All data variables of a model, in the order of their streams. */
export function dataVariables(model: Pick<ModelDefinition, "streams">): Readonly<Record<string, VariableSpec>> {
  return Object.assign({}, ...model.streams) as Record<string, VariableSpec>;
}

/** The generative density of what is observed as a `.gm` writes it, `p(x | y)`: for the lines that errors and notes propose. None where no stream is in its head. */
export function writtenLikelihood(model: ModelDefinition): string | undefined {
  const p = model.generative;
  const density = p === undefined ? undefined : model.densities[p];
  const data = density?.head.filter((name) => Object.hasOwn(dataVariables(model), name)) ?? [];
  if (density === undefined || data.length === 0) return undefined;
  const given = density.given.length === 0 ? "" : ` | ${density.given.join(", ")}`;
  return `${p}(${data.join(", ")}${given})`;
}

/** The tensors of the weights within the current trace; `read` gives the state of each. */
export function readWeights(model: ModelDefinition, read: (at: LeafAt) => Tensor): StepContext["w"] {
  // the type of a tree of unknown form unfolds without end
  return (materialize as (specs: WeightSpecs, read: (at: LeafAt) => Tensor) => unknown)(model.weights, read) as StepContext["w"];
}

/** Reads the moving averages where there are some. */
export function averagedState(averaged: ReadonlySet<string>): (at: LeafAt) => Tensor {
  return (at) => state(averaged.has(at.path) ? emaName(at.path) : at.path, at.spec.shape);
}

/** One data variable as the model sees it: an input [B, ...shape], drawn where it holds probabilities. */
export function dataInput(name: string, spec: VariableSpec, batch: number, key: Key | undefined): Tensor {
  const fed = input(dataName(name), [batch, ...spec.shape], dtypeOf(spec));
  if (key === undefined) return fed;
  return cast(less(randomUniform(key.at(`data.${name}`), [rowsOf(fed), ...spec.shape]), fed), "f32");
}

/** The context of one call of an objective or metric within the current trace. */
export function stepContext(options: ContextOptions): StepContext {
  const { model, batch, dynamic } = options;
  const key = rootKey();
  const variables = dataVariables(model);
  const data: Record<string, Tensor> = {};
  for (const [name, spec] of Object.entries(variables)) data[name] = dataInput(name, spec, batch, dynamic.has(name) ? key : undefined);
  const schedule = Object.fromEntries((options.schedules ?? []).map((name) => [name, input(scheduleName(name), [], "f32")]));
  const w = readWeights(model, averagedState(options.averaged ?? new Set()));
  const carried = Object.fromEntries(
    Object.entries(options.carried ?? {}).map(([name, { shape, dtype }]) => [name, state(carriedName(name), shape, dtype)]),
  );
  return { w, data, key, schedule, carried, rows: { kind: "rows", size: batch } };
}

/** Is a number, and not infinite: NaN compares false. */
export function isFinite(t: Tensor): Tensor {
  return less(abs(t), 3.4028234663852886e38);
}

export function defined<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new InternalError(`no ${what}`);
  return value;
}
