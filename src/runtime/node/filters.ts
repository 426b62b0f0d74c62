/**
 * What units respond to: a weight whose axes meet the entries of a data variable, as one row for each unit. Rows of images are drawn as filters
 * (receptive fields), rows of named entries listed as topics. A weight is chosen by its shape alone, so this knows no model.
 */
import type { Column, Dataset } from "../data/dataset.js";
import { GmcError } from "../graph/errors.js";
import type { Shape } from "../graph/types.js";
import type { ModelDefinition, VariableSpec } from "../model.js";
import { constrainedValues, leavesOf, type LeafSpec } from "../nn/spec.js";
import { dataVariables } from "../train/context.js";
import { columnOf, drawRows, lookOf, type Drawing } from "./pictures.js";
import type { PictureShape, Rows } from "./raster.js";
import { sizeOf } from "../graph/shape.js";

/** Weights as stored, by path. */
export type StoredWeights = Readonly<Record<string, { readonly data: ArrayLike<number> }>>;

/** One row for each unit: [units, ...event], the event that of the variable, or a patch of it. */
export interface UnitRows {
  /** Paths of the weights that were multiplied, from the data on. */
  readonly paths: readonly string[];
  readonly variable: string;
  readonly rows: Rows;
}

export interface FilterRows extends UnitRows {
  readonly picture: PictureShape;
}

/** Weights that a unit's picture can be read off: matrices over the entries of an image, and filters of convolutions over it. */
export function filterRows(model: ModelDefinition, dataset: Dataset, stored: StoredWeights): readonly FilterRows[] {
  return over(model, dataset, (variable, spec, column, path, leaf): FilterRows[] => {
    const look = lookOf(spec, column);
    if (look.kind !== "image") return [];
    const { height, width, channels } = look.shape;
    const value = (): Float64Array => constrainedValues(leaf, stored[path]?.data ?? []);
    const [kh = 0, kw = 0, from = 0] = leaf.shape;
    const patch = leaf.shape.length === 4 && from === channels && kh <= height && kw <= width && kh * kw > 1;
    const event = patch ? kh * kw * from : height * width * channels;
    const rows = perUnit(leaf.shape, value, event);
    if (rows === undefined) return [];
    return [{ paths: [path], variable, rows, picture: patch ? { height: kh, width: kw, channels } : look.shape }];
  });
}

/** Weights over the entries of a variable whose entries have names. */
export function topicRows(
  model: ModelDefinition,
  dataset: Dataset,
  stored: StoredWeights,
): readonly (UnitRows & { readonly entries: readonly string[] })[] {
  return over(model, dataset, (variable, _, column, path, leaf) => {
    const entries = column?.entries;
    const rows = entries && perUnit(leaf.shape, () => constrainedValues(leaf, stored[path]?.data ?? []), entries.length);
    return entries === undefined || rows === undefined ? [] : [{ paths: [path], variable, rows, entries }];
  });
}

/** The first variable that a weight meets counts. */
function over<T>(
  model: ModelDefinition,
  dataset: Dataset,
  meet: (variable: string, spec: VariableSpec, column: Column | undefined, path: string, leaf: LeafSpec) => readonly T[],
): readonly T[] {
  const variables = Object.entries(dataVariables(model));
  return leavesOf(model.weights).flatMap(({ path, spec: leaf }) => {
    for (const [name, spec] of variables) {
      const found = meet(name, spec, columnOf(dataset, name), path, leaf);
      if (found.length > 0) return found;
    }
    return [];
  });
}

/** [units, event] of a weight whose leading axes (else its trailing ones) multiply to `event`; undefined where none do, or one unit is left. */
function perUnit(shape: Shape, value: () => Float64Array, event: number): Rows | undefined {
  const size = sizeOf(shape);
  const units = size / event;
  if (shape.length < 2 || units < 2 || !Number.isInteger(units)) return undefined;
  const products = (axes: readonly number[]): readonly number[] => axes.map((_, i) => sizeOf(axes.slice(0, i + 1)));
  if (products(shape).includes(event)) {
    const values = value();
    const data = new Float64Array(size);
    for (let i = 0; i < event; i++) for (let u = 0; u < units; u++) data[u * event + i] = values[i * units + u]!;
    return { shape: [units, event], data };
  }
  return products([...shape].reverse()).includes(event) ? { shape: [units, event], data: value() } : undefined;
}

/**
 * The units of the next layer, each the sum of the rows below it weighed by its weights (Lee et al. 2009): what a deep unit responds to, as far
 * as it is linear. A kernel over filters of convolutions sums them shifted. GM5311 where the weight does not meet the units.
 */
export function throughLayer<T extends UnitRows>(below: T, model: ModelDefinition, stored: StoredWeights, path: string): T {
  const { spec } = weightAt(model, path);
  const [units = 0, event = 0] = below.rows.shape;
  if (isFilter(below) && spec.shape.length === 4 && spec.shape[2] === units) {
    const kernel = constrainedValues(spec, stored[path]?.data ?? []);
    return { ...below, paths: [...below.paths, path], ...throughKernel(below, spec.shape, kernel, stepBetween(model, spec.shape)) };
  }
  const next = perUnit(spec.shape, () => constrainedValues(spec, stored[path]?.data ?? []), units);
  if (next === undefined) {
    throw new GmcError(
      "GM5311",
      `\`${path}\` [${spec.shape.join(", ")}] does not meet the ${units} units of \`${below.paths.join(" · ")}\``,
      meetingHelp(model, below, units),
    );
  }
  const count = next.shape[0] ?? 0;
  const data = new Float64Array(count * event);
  for (let g = 0; g < count; g++) {
    for (let u = 0; u < units; u++) {
      const weight = next.data[g * units + u]!;
      for (let i = 0; i < event; i++) data[g * event + i]! += weight * below.rows.data[u * event + i]!;
    }
  }
  return { ...below, paths: [...below.paths, path], rows: { shape: [count, event], data } };
}

function isFilter(rows: UnitRows): rows is FilterRows {
  return "picture" in rows;
}

/**
 * Filters of a kernel [kh, kw, below, units] over filters that stand `step` pixels apart, each pooled over step x step places: their mean shifted over
 * these, weighed by the kernel.
 */
function throughKernel(below: FilterRows, shape: Shape, kernel: Float64Array, step: number): Pick<FilterRows, "rows" | "picture"> {
  const [kh = 0, kw = 0, from = 0, units = 0] = shape;
  const { height, width, channels } = below.picture;
  const picture = { height: step * kh - 1 + height, width: step * kw - 1 + width, channels };
  const event = picture.height * picture.width * channels;
  const data = new Float64Array(units * event);
  const line = width * channels;
  const add = (unit: number, filter: number, top: number, left: number, weight: number): void => {
    for (let y = 0; y < height; y++) {
      const [at, source] = [unit * event + ((top + y) * picture.width + left) * channels, (filter * height + y) * line];
      for (let x = 0; x < line; x++) data[at + x]! += weight * below.rows.data[source + x]!;
    }
  };
  for (let at = 0; at < kernel.length; at++) {
    const [unit, filter, j, i] = [
      at % units,
      Math.floor(at / units) % from,
      Math.floor(at / (units * from)) % kw,
      Math.floor(at / (units * from * kw)),
    ];
    const weight = kernel[at]! / (step * step);
    for (let a = 0; a < step; a++) for (let b = 0; b < step; b++) add(unit, filter, step * i + a, step * j + b, weight);
  }
  return { rows: { shape: [units, event], data }, picture };
}

/** By how much a layer below is pooled before a kernel, read off the sizes of the latents with as many channels as the kernel goes from and to; else 1. */
function stepBetween(model: ModelDefinition, [kh = 1, , from, to]: Shape): number {
  const sizes = (channels: number | undefined): readonly number[] =>
    Object.values(model.latents).flatMap(({ shape }) => (shape.length === 3 && shape[2] === channels ? [shape[0] ?? 0] : []));
  for (const low of sizes(from)) {
    for (const high of sizes(to)) {
      for (const pooled of [high + kh - 1, high]) {
        const step = low / pooled;
        if (Number.isInteger(step) && step >= 1) return step;
      }
    }
  }
  return 1;
}

/** The weights that do meet the units. */
function meetingHelp(model: ModelDefinition, { paths }: UnitRows, units: number): readonly string[] {
  const meeting = leavesOf(model.weights).filter(
    ({ path, spec }) => !paths.includes(path) && spec.shape.length >= 2 && spec.shape.includes(units),
  );
  const names = meeting.map(({ path }) => `\`${path}\``).join(", ");
  return [
    meeting.length > 0
      ? `weights with an axis of ${units}: ${names}`
      : `no other weight has an axis of ${units}: leave \`${paths.at(-1) ?? ""}\` as the last one`,
  ];
}

/** GM5311 for a path that no weight has. */
export function weightAt(model: ModelDefinition, path: string): { readonly spec: LeafSpec } {
  const leaves = leavesOf(model.weights);
  const found = leaves.find((leaf) => leaf.path === path);
  if (found === undefined) {
    throw new GmcError("GM5311", `${model.name} has no weight \`${path}\``, [`its weights: ${leaves.map((l) => l.path).join(", ")}`]);
  }
  return found;
}

export interface FilterOptions {
  /** The first so many units; 100 unless told. */
  readonly count?: number;
  /** "each" brings every filter to full contrast, "joint" all of them by one factor, so that weak ones look weak. */
  readonly scale?: "each" | "joint";
}

/** A grid of filters: middle grey is 0, white the largest weight, black its negative. */
export function drawFilters(filters: FilterRows, options: FilterOptions = {}): Promise<Drawing> {
  const [units = 0, event = 0] = filters.rows.shape;
  const count = Math.min(units, options.count ?? 100);
  const data = Float64Array.from({ length: count * event }, (_, i) => filters.rows.data[i]!);
  const reach = (values: Float64Array): number => values.reduce((top, v) => Math.max(top, Math.abs(v)), 0) || 1;
  const all = reach(data);
  for (let u = 0; u < count; u++) {
    const row = data.subarray(u * event, (u + 1) * event);
    const factor = 1 / (options.scale === "joint" ? all : reach(row));
    row.forEach((v, i) => (row[i] = v * factor));
  }
  const name = filters.paths.join(" · ");
  return drawRows(name, { shape: [count, event], data }, { kind: "image", shape: filters.picture, range: [-1, 1] });
}

/** The entries with the largest weights of each unit, the largest first. */
export function topEntries(
  topics: UnitRows & { readonly entries: readonly string[] },
  count: number,
): readonly (readonly { readonly entry: string; readonly weight: number }[])[] {
  const [units = 0, event = 0] = topics.rows.shape;
  return Array.from({ length: units }, (_, u) =>
    Array.from({ length: event }, (_, i) => i)
      .sort((a, b) => topics.rows.data[u * event + b]! - topics.rows.data[u * event + a]! || a - b)
      .slice(0, count)
      .map((i) => ({ entry: topics.entries[i] ?? `${i + 1}`, weight: topics.rows.data[u * event + i]! })),
  );
}
