/** A dataset from arrays that a script holds, without files. */
import { GmcError } from "../graph/errors.js";
import type { StreamSpec } from "../model.js";
import { checkedCount, showShape, type DataArray, type DataBuffer, type DataType } from "./array.js";
import { bindData } from "./bind.js";
import type { Dataset, Field, FieldOptions, SplitName } from "./dataset.js";
import { applySplits, type SplitOptions } from "./splits.js";

/** Rows of numbers, nested as the shape says; or a typed array with its shape, rows first. Uint8Array holds grey values, as in files. */
export type ArrayInput = NestedNumbers | { readonly shape: readonly number[]; readonly data: DataBuffer };
export type NestedNumbers = readonly (number | NestedNumbers)[];

export interface ArrayDataOptions extends FieldOptions, SplitOptions {
  /** What results and messages call the data. */
  readonly name?: string;
  /** Held-out rows by variable; else `test: 0.1` cuts them from the training rows. */
  readonly splitsFrom?: Readonly<Partial<Record<Exclude<SplitName, "train">, Readonly<Record<string, ArrayInput>>>>>;
}

/** `datasetFromArrays(model.streams, { x: rows })`. GM5020 to GM5025 where arrays and model do not fit. */
export function datasetFromArrays(streams: readonly StreamSpec[], arrays: Readonly<Record<string, ArrayInput>>, options: ArrayDataOptions = {}): Dataset {
  const name = options.name ?? "arrays";
  const fields: [string, Field][] = Object.entries(arrays).map(([variable, input]) => {
    const splits: Partial<Record<SplitName, DataArray>> = { train: toArray(variable, input) };
    for (const split of ["validation", "test"] as const) {
      const held = options.splitsFrom?.[split]?.[variable];
      if (held !== undefined) splits[split] = toArray(`${variable}, ${split}`, held);
    }
    return [variable, { role: "values", splits, path: `the array of ${variable}`, options, notes: [] }];
  });
  const raw = { name, fields: Object.fromEntries(fields), assigned: new Set(Object.keys(arrays)), notes: [`data: ${name}`] };
  return bindData(applySplits(raw, options), streams);
}

function toArray(name: string, input: ArrayInput): DataArray {
  if ("data" in input) {
    const count = checkedCount(name, input.shape);
    if (count !== input.data.length) {
      throw new GmcError("GM5021", `${name}: shape ${showShape(input.shape)} holds ${count} values, the array has ${input.data.length}`);
    }
    return { shape: input.shape, dtype: typeOf(input.data), data: input.data };
  }
  const shape: number[] = [];
  for (let level: number | NestedNumbers | undefined = input; Array.isArray(level); level = (level as NestedNumbers)[0]) shape.push(level.length);
  const data = new Float64Array(checkedCount(name, shape));
  let at = 0;
  const fill = (level: number | NestedNumbers, depth: number): void => {
    if (typeof level === "number") {
      if (depth !== shape.length) throw ragged(name, shape);
      data[at++] = level;
      return;
    }
    if (level.length !== shape[depth]) throw ragged(name, shape);
    for (const each of level) fill(each, depth + 1);
  };
  fill(input, 0);
  return { shape, dtype: "f64", data };
}

function ragged(name: string, shape: readonly number[]): GmcError {
  return new GmcError("GM5021", `${name}: the nested arrays do not all have the shape of the first, ${showShape(shape)}`);
}

function typeOf(data: DataBuffer): DataType {
  if (data instanceof Uint8Array) return "u8";
  if (data instanceof Int8Array) return "i8";
  if (data instanceof Uint16Array) return "u16";
  if (data instanceof Int16Array) return "i16";
  if (data instanceof Uint32Array) return "u32";
  if (data instanceof Int32Array) return "i32";
  return data instanceof Float32Array ? "f32" : "f64";
}
