/**
 * Data sets from arrays that a script holds: typed arrays in C order, or nested lists, by variable of the model.
 */
import type { DataArray, DataType } from "../data/array.js";
import { bindData } from "../data/bind.js";
import { splitNames, type Dataset, type Field, type FieldOptions, type SplitName } from "../data/dataset.js";
import { GmcError } from "../graph/errors.js";
import type { ModelDefinition, VariableSpec } from "../model.js";
import { dataVariables } from "./context.js";

export type Nested = number | readonly Nested[];

type NumberArray = Float32Array | Float64Array | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/** Rows of one variable: flat in C order (the number of rows follows from the variable's shape), nested, or with a shape of its own. */
export type ArrayInput = NumberArray | readonly Nested[] | { readonly shape: readonly number[]; readonly data: NumberArray };

export type ArraysBySplit = Readonly<Partial<Record<SplitName, Readonly<Record<string, ArrayInput>>>>>;

/** GM4004 where a variable has no array, GM502x where one does not fit its variable. `options` by variable: binarisation, scaling. */
export function datasetOf(
  model: Pick<ModelDefinition, "name" | "streams">,
  arrays: ArraysBySplit,
  options: Readonly<Record<string, FieldOptions>> = {},
): Dataset {
  const variables = dataVariables(model);
  const fields = Object.entries(variables).map(([name, spec]): [string, Field] => {
    const splits: Partial<Record<SplitName, DataArray>> = {};
    for (const split of splitNames) {
      const given = arrays[split]?.[name];
      if (given !== undefined) splits[split] = toDataArray(name, spec, given);
    }
    if (splits.train === undefined) {
      throw new GmcError("GM4004", `no training data for \`${name}\``, [`pass it: data: { ${Object.keys(variables).join(", ")} }`]);
    }
    const role = spec.domain === "category" && spec.shape.length === 0 ? "labels" : "values";
    return [name, { role, splits, path: `data.${name}`, options: options[name] ?? {}, notes: [] }];
  });
  const known = new Set(Object.keys(variables));
  for (const name of splitNames.flatMap((split) => Object.keys(arrays[split] ?? {}))) {
    if (!known.has(name)) throw new GmcError("GM4004", `the model has no data variable \`${name}\``, [`it has: ${[...known].join(", ")}`]);
  }
  return bindData({ name: "arrays", fields: Object.fromEntries(fields), assigned: known, notes: [] }, model.streams);
}

function toDataArray(name: string, spec: VariableSpec, given: ArrayInput): DataArray {
  if (ArrayBuffer.isView(given)) {
    const width = spec.shape.reduce((a, b) => a * b, 1);
    if (given.length % width !== 0) {
      throw new GmcError("GM4004", `\`${name}\` takes ${width} numbers a row, and its ${given.length} numbers are no whole number of rows`);
    }
    return { shape: [given.length / width, ...spec.shape], dtype: dtypeOf(given), data: given };
  }
  if ("data" in given) return { shape: given.shape, dtype: dtypeOf(given.data), data: given.data };
  const shape: number[] = [];
  for (let level: Nested | readonly Nested[] | undefined = given; Array.isArray(level); level = (level as readonly Nested[])[0])
    shape.push(level.length);
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
  let at = 0;
  const fill = (value: Nested, depth: number, path: string): void => {
    if (typeof value === "number") {
      if (depth !== shape.length)
        throw new GmcError("GM4004", `\`${name}\`${path} is a number where a list of ${shape[depth]} was expected`);
      data[at++] = value;
      return;
    }
    if (!Array.isArray(value)) throw new GmcError("GM4004", `\`${name}\`${path} is ${shown(value)}, where a number was expected`);
    if (value.length !== shape[depth])
      throw new GmcError("GM4004", `\`${name}\`${path} has ${value.length} entries, others have ${shape[depth]}`);
    value.forEach((v, i) => fill(v, depth + 1, `${path}[${i}]`));
  };
  fill(given, 0, "");
  return { shape, dtype: "f64", data };
}

/** Whatever a caller without types hands over. */
function shown(value: unknown): string {
  return typeof value === "string" ? `the text ${JSON.stringify(value.slice(0, 40))}` : String(value);
}

function dtypeOf(data: NumberArray): DataType {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof Uint8Array) return "u8";
  if (data instanceof Int8Array) return "i8";
  if (data instanceof Uint16Array) return "u16";
  if (data instanceof Int16Array) return "i16";
  if (data instanceof Uint32Array) return "u32";
  return "i32";
}
