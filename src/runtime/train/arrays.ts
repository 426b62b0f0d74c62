/**
 * Data sets from arrays that a script holds: typed arrays in C order, or nested lists, by variable of the model.
 */
import { rowWidth, showShape, type DataArray, type DataType } from "../data/array.js";
import { bindData } from "../data/bind.js";
import { rowsAlone, splitNames, type Dataset, type Field, type FieldOptions, type SplitName } from "../data/dataset.js";
import { familiesOf, stepOfRows, type Family } from "../data/families.js";
import { givenRows } from "../data/given-rows.js";
import { GmcError } from "../graph/errors.js";
import type { HostTensor } from "../graph/program.js";
import type { ModelDefinition, StreamSpec, VariableSpec } from "../model.js";
import { dataVariables } from "./context.js";
import { byName } from "./options.js";
import { checkFieldOptions } from "./option-tables.js";
import { sizeOf } from "../graph/shape.js";

export type Nested = number | readonly Nested[];

type NumberArray = Float32Array | Float64Array | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/** Rows of one variable: flat in C order (the number of rows follows from the variable's shape), nested, or with a shape of its own. */
export type ArrayInput = NumberArray | readonly Nested[] | { readonly shape: readonly number[]; readonly data: NumberArray };

export type ArraysBySplit = Readonly<Partial<Record<SplitName, Readonly<Record<string, ArrayInput>>>>>;

/** Training rows by variable, or a data set that is bound already; rows of the other splits beside arrays. */
export interface DataOptions {
  readonly data: Readonly<Record<string, ArrayInput>> | Dataset;
  readonly validation?: Readonly<Record<string, ArrayInput>>;
  readonly test?: Readonly<Record<string, ArrayInput>>;
  /** By variable: `{ x: { binarize: "fixed" } }`. */
  readonly dataOptions?: Readonly<Record<string, FieldOptions>>;
}

/** GM4004 where there are no data, GM4051 where they are no rows; else as `datasetOf`. */
export function boundData(model: Pick<ModelDefinition, "name" | "streams">, options: DataOptions): Dataset {
  const { data, validation, test, dataOptions } = options;
  if (!Array.isArray((model as { readonly streams?: unknown } | undefined)?.streams))
    throw new GmcError("GM4051", `the model is a model definition, found ${shown(model)}`, [
      'pass what the generated module exports: `import { model } from "./vae.gm.js"`',
    ]);
  const names = Object.keys(dataVariables(model));
  const way = [names.length === 0 ? "pass an empty one: data: {}" : `pass rows by variable: data: { ${names.join(", ")} }`];
  // a caller without types hands over whatever it has
  const [found, others]: readonly [unknown, unknown] = [data, [validation, test]];
  if (found === undefined) throw new GmcError("GM4004", `no data are given for ${model.name}`, way);
  if (typeof found !== "object" || found === null) throw new GmcError("GM4051", `data are rows by variable, found ${shown(found)}`, way);
  for (const each of others as readonly unknown[])
    if (each !== undefined && (typeof each !== "object" || each === null))
      throw new GmcError("GM4051", `rows of a split are rows by variable, found ${shown(each)}`, way);
  if (dataOptions !== undefined && !byName.takes(dataOptions))
    throw new GmcError("GM4008", `dataOptions must be ${byName.expected} of a variable`, [
      'for example dataOptions: { x: { binarize: "fixed" } }',
    ]);
  if (isDataset(data)) {
    const idle = Object.entries({ validation, test, dataOptions }).find(([, value]) => value !== undefined);
    if (idle !== undefined)
      throw new GmcError(
        "GM4008",
        `${idle[0]} has nothing to act on: ${data.name} is a data set already, with splits and values as it says`,
        ["say it where the data set is named: x=train.npy,x.test=test.npy:binarize=fixed"],
      );
    return data;
  }
  return datasetOf(model, { train: data, ...(validation && { validation }), ...(test && { test }) }, dataOptions);
}

function isDataset(data: DataOptions["data"]): data is Dataset {
  return Array.isArray((data as Dataset).streams) && Array.isArray((data as Dataset).provenance);
}

/**
 * GM4004 where a variable has no array or a name is no variable's, GM502x where one does not fit its variable. `options` by variable: binarisation,
 * scaling. Of a model without data rows without values, as many as the command line takes.
 */
export function datasetOf(
  model: Pick<ModelDefinition, "name" | "streams">,
  given: ArraysBySplit,
  givenOptions: Readonly<Record<string, FieldOptions>> = {},
): Dataset {
  const variables = dataVariables(model);
  const families = model.streams.flatMap(familiesOf);
  const arrays = Object.fromEntries(
    splitNames.flatMap((split) => (given[split] === undefined ? [] : [[split, byMember(families, variables, given[split])]])),
  ) as ArraysBySplit;
  const options = optionsByMember(families, givenOptions);
  checkNames(model, Object.keys(variables), arrays, options);
  for (const [name, each] of Object.entries(options)) checkFieldOptions(name, variables[name]!, each);
  if (model.streams.length === 0) return rowsAlone();
  const fields = Object.entries(variables).map(([name, spec]): [string, Field] => {
    const splits: Partial<Record<SplitName, DataArray>> = {};
    for (const split of splitNames) {
      const given = arrays[split]?.[name];
      if (given !== undefined) splits[split] = toDataArray(name, spec, given);
    }
    if (splits.train === undefined) {
      const given = Object.keys(arrays.train ?? {});
      const found = given.length === 0 ? "nothing" : given.map((each) => `\`${each}\``).join(", ");
      throw new GmcError("GM4004", `no training data for \`${name}\`: data holds ${found}`, [
        `pass it: data: { ${Object.keys(variables).join(", ")} }`,
      ]);
    }
    const role = spec.domain === "category" && spec.shape.length === 0 ? "labels" : "values";
    return [name, { role, splits, path: `data.${name}`, options: options[name] ?? {}, notes: [] }];
  });
  const known = new Set(Object.keys(variables));
  return bindData({ name: "arrays", fields: Object.fromEntries(fields), assigned: known, notes: [], fromScript: true }, model.streams);
}

/**
 * Families given whole, [rows, T, ...event] under their name, as their variables; a number is that of each. GM4004 where one is given both ways, GM4051
 * for other shapes.
 */
export function byMember<T extends ArrayInput | number>(
  families: readonly Family[],
  variables: StreamSpec,
  arrays: Readonly<Record<string, T>>,
  place = "data",
): Readonly<Record<string, T | ArrayInput>> {
  let all: Readonly<Record<string, T | ArrayInput>> = arrays;
  for (const { name, members } of families) {
    if (!Object.hasOwn(arrays, name) || Object.hasOwn(variables, name)) continue;
    const twice = members.find((member) => Object.hasOwn(arrays, member));
    if (twice !== undefined) throw new GmcError("GM4004", `${place} holds \`${name}\` whole and \`${twice}\` by itself`);
    const { [name]: _, ...others } = all;
    const whole: ArrayInput | number = arrays[name]!;
    const event = variables[members[0] ?? ""]?.shape ?? [];
    const rows = typeof whole === "number" ? undefined : shapedRows(name, { shape: [members.length, ...event] }, whole);
    const each = members.map((member, i) => [member, rows === undefined ? whole : (stepOfRows(rows, i) as ArrayInput)]);
    all = { ...others, ...(Object.fromEntries(each) as Record<string, T | ArrayInput>) };
  }
  return all;
}

/** Options of a family are those of its variables that have none of their own. */
function optionsByMember(
  families: readonly Family[],
  options: Readonly<Record<string, FieldOptions>>,
): Readonly<Record<string, FieldOptions>> {
  let all = options;
  for (const { name, members } of families) {
    const { [name]: whole, ...others } = all;
    if (whole !== undefined) all = { ...Object.fromEntries(members.map((member) => [member, whole])), ...others };
  }
  return all;
}

/** GM4004 for a name that is no data variable's. */
function checkNames(
  model: Pick<ModelDefinition, "name">,
  known: readonly string[],
  arrays: ArraysBySplit,
  options: Readonly<Record<string, FieldOptions>>,
): void {
  const places = [
    ...splitNames.map((split) => [split === "train" ? "data" : split, arrays[split]] as const),
    ["dataOptions", options] as const,
  ];
  for (const [place, values] of places) {
    const name = Object.keys(values ?? {}).find((each) => !known.includes(each));
    if (name === undefined) continue;
    throw new GmcError("GM4004", `${place} holds \`${name}\`, and ${model.name} has no data variable of that name`, [
      known.length === 0 ? "it has none: pass an empty one, data: {}" : `it has: ${known.join(", ")}`,
    ]);
  }
}

/**
 * Rows of a variable as the model takes them, [rows, ...event], in its units. GM4004, GM4051 where they are no rows of it; GM5022, GM5032 where
 * they are outside its domain, as of data.
 */
export function rowsOfVariable(name: string, spec: VariableSpec, given: ArrayInput): HostTensor {
  return givenRows(name, spec, shapedRows(name, spec, given));
}

/** Rows whose values may be anything: [rows, ...event]. GM4004, GM4051. */
export function shapedRows(name: string, spec: Pick<VariableSpec, "shape">, given: ArrayInput): DataArray {
  const array = toDataArray(name, spec, given);
  const { shape, data } = array;
  const width = sizeOf(spec.shape);
  const rows = shape[0] ?? 0;
  if (data.length !== rows * width)
    throw new GmcError(
      "GM4051",
      `a row of \`${name}\` is ${width === 1 ? "1 number" : `${width} numbers`}, found ${showShape(shape)}: ${rows} ${rows === 1 ? "row" : "rows"} of ${rowWidth(shape)}`,
    );
  return { ...array, shape: [rows, ...spec.shape] };
}

function toDataArray(name: string, spec: Pick<VariableSpec, "shape">, given: ArrayInput): DataArray {
  if (ArrayBuffer.isView(given)) {
    const dtype = typeOfArray(name, given);
    const width = sizeOf(spec.shape);
    if (given.length % width !== 0) {
      throw new GmcError("GM4004", `\`${name}\` takes ${width} numbers a row, and its ${given.length} numbers are no whole number of rows`);
    }
    return { shape: [given.length / width, ...spec.shape], dtype, data: given };
  }
  if (!Array.isArray(given)) return shapedArray(name, given as Exclude<ArrayInput, NumberArray | readonly Nested[]>);
  if (given.length === 0) return { shape: [0, ...spec.shape], dtype: "f64", data: new Float64Array() };
  const shape: number[] = [];
  for (let level: Nested | readonly Nested[] | undefined = given; Array.isArray(level); level = (level as readonly Nested[])[0])
    shape.push(level.length);
  const data = new Float64Array(sizeOf(shape));
  let filled = 0;
  const fill = (value: Nested, at: readonly number[]): void => {
    const { length: depth } = at;
    if (typeof value === "number") {
      if (depth !== shape.length)
        throw new GmcError("GM4004", `${placeIn(name, at)} is a number where a list of ${shape[depth]} was expected`);
      data[filled++] = value;
      return;
    }
    if (!Array.isArray(value)) throw new GmcError("GM4004", `${placeIn(name, at)} is ${shown(value)}, where a number was expected`);
    if (value.length !== shape[depth])
      throw new GmcError(
        "GM4004",
        `${placeIn(name, at)} has ${value.length} ${value.length === 1 ? "entry" : "entries"}, others have ${shape[depth]}`,
      );
    value.forEach((v, i) => fill(v, [...at, i]));
  };
  fill(given, []);
  return { shape, dtype: "f64", data };
}

/** `row 5 of `x``, `row 5, entry 2, 3 of `x``: counted from 1, as in all messages. */
function placeIn(name: string, [row, ...entry]: readonly number[]): string {
  if (row === undefined) return `\`${name}\``;
  return `row ${row + 1}${entry.length > 0 ? `, entry ${entry.map((i) => i + 1).join(", ")},` : ""} of \`${name}\``;
}

/** Whatever a caller without types hands over. */
function shown(value: unknown): string {
  return typeof value === "string" ? `the text ${JSON.stringify(value.slice(0, 40))}` : String(value);
}

/** `{ shape, data }`, or something that is no rows at all. */
function shapedArray(name: string, given: { readonly shape: readonly number[]; readonly data: NumberArray }): DataArray {
  const found = given as Partial<typeof given> | null | undefined;
  if (Array.isArray(found?.data) && Array.isArray(found.shape))
    throw new GmcError("GM4051", `the \`data\` of \`${name}\` are a plain list, where a typed array was expected beside a shape`, [
      "`Float32Array.from(data)`, or nested lists in place of { shape, data }",
    ]);
  if (typeof found !== "object" || found === null || !ArrayBuffer.isView(found.data) || !Array.isArray(found.shape))
    throw new GmcError(
      "GM4051",
      `\`${name}\` is ${typeof found === "object" && found !== null ? withoutRows(found) : shown(found)}, where rows were expected`,
      [`a typed array in row order, nested lists, or { shape, data }`],
    );
  const dtype = typeOfArray(name, found.data);
  const size = sizeOf(found.shape);
  if (found.shape.length === 0 || size !== found.data.length)
    throw new GmcError(
      "GM4051",
      `the shape of \`${name}\`, ${showShape(found.shape)}, has ${size} numbers, and its data ${found.data.length}`,
    );
  return { shape: found.shape, dtype, data: found.data };
}

/** What an object lacks to be `{ shape, data }`. */
function withoutRows({ shape, data }: { readonly shape?: unknown; readonly data?: unknown }): string {
  if (shape === undefined || data === undefined) return "an object without shape and data";
  return Array.isArray(shape) ? "{ shape, data } whose data are no typed array" : "{ shape, data } whose shape is no list of sizes";
}

const arrayTypes = {
  Float32Array: "f32",
  Float64Array: "f64",
  Uint8Array: "u8",
  Uint8ClampedArray: "u8",
  Int8Array: "i8",
  Uint16Array: "u16",
  Int16Array: "i16",
  Uint32Array: "u32",
  Int32Array: "i32",
} as const satisfies Readonly<Record<string, DataType>>;

/** By name, since a Buffer is a Uint8Array and 64-bit integers are no numbers. */
function typeOfArray(name: string, data: NumberArray): DataType {
  const kind = data instanceof Uint8Array ? "Uint8Array" : data.constructor.name;
  const found = (arrayTypes as Readonly<Record<string, DataType>>)[kind];
  if (found === undefined)
    throw new GmcError("GM4051", `\`${name}\` is a ${kind}, which holds no numbers that a model takes`, [
      `one of ${Object.keys(arrayTypes).join(", ")}; of 64-bit integers: Float64Array.from(values, Number)`,
    ]);
  return found;
}
