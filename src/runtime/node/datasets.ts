/**
 * From the text of `--data` to a dataset bound to a model: registered sets and files, in one place.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { GmcError } from "../graph/errors.js";
import type { StreamSpec } from "../model.js";
import type { DataArray } from "../data/array.js";
import { bindData, type ResizeHelp } from "../data/bind.js";
import { pathOf, rowsAlone, splitNames, type Dataset, type Field, type RawData, type SplitName } from "../data/dataset.js";
import { parseDataSpec, type DataItem, type ItemOptions } from "../data/spec.js";
import { padPictures, resizePictures } from "../data/resize.js";
import { applySplits, type SplitOptions } from "../data/splits.js";
import { closest } from "../data/suggest.js";
import { sizeOf } from "../graph/shape.js";
import type { DatasetContext, LoadedSet, RegisteredSet } from "./dataset-types.js";
import { pictureSets } from "./datasets-pictures.js";
import { tableSets } from "./datasets-tables.js";
import { optionsOfFile, readArray, readFields, type ReadOptions } from "./readers.js";
import { checkReadingOptions, checkValueOptions } from "./source-options.js";

const registered: Readonly<Record<string, RegisteredSet>> = { ...pictureSets, ...tableSets };

export interface LoadOptions {
  /** Folder that relative paths start from; the current one unless said. */
  readonly base?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly resizeHelp?: ResizeHelp | undefined;
  /** Of the model that the data are for: how long windows of sound are where nothing else says it. */
  readonly streams?: readonly StreamSpec[];
}

export interface DatasetListing {
  readonly name: string;
  readonly title: string;
  readonly available: boolean;
}

/** The registered sets, for `gmc doctor` and help texts. */
export function listDatasets(options: LoadOptions = {}): readonly DatasetListing[] {
  return Object.entries(registered).map(([name, set]) => ({ name, title: set.title, available: set.available(contextOf(options, {})) }));
}

/** Reads and binds; a model without data reads none. All of GM50xx. */
export async function loadDataset(spec: string, streams: readonly StreamSpec[], options: LoadOptions = {}): Promise<Dataset> {
  if (streams.length === 0) return rowsAlone();
  return bindData(await loadRawData(spec, { ...options, streams }), streams, options.resizeHelp);
}

/** Reads and cuts rows, before a model asks for its variables. */
export async function loadRawData(text: string, options: LoadOptions = {}): Promise<RawData> {
  const spec = parseDataSpec(text);
  const offered = new Map<string, Field>();
  const assigned = new Map<string, Field>();
  const notes: string[] = [];
  const unnamed: { readonly source: string; readonly fields: readonly string[] }[] = [];
  let defaults: SplitOptions = {};
  for (const item of spec.items) {
    const loaded = await loadItem(item, options);
    defaults = { ...defaults, ...loaded.splits };
    for (const note of loaded.notes) if (!notes.includes(note)) notes.push(note);
    if (item.variable === undefined)
      unnamed.push({ source: item.source, fields: Object.keys(loaded.fields).filter((name) => !offered.has(name)) });
    for (const [name, field] of Object.entries(loaded.fields)) {
      if (item.variable !== undefined) assigned.set(name, join(assigned.get(name), toldOf(item, field)));
      else if (!offered.has(name)) offered.set(name, field);
    }
  }
  // What is assigned by name wins over what a set offers under that name; test rows alone join the set's training rows.
  const fields = new Map(offered);
  for (const [name, field] of assigned) fields.set(name, field.splits.train === undefined ? join(offered.get(name), field) : field);
  const raw: RawData = {
    name: shortName(spec.items, text),
    fields: Object.fromEntries(fields),
    assigned: new Set(assigned.keys()),
    unnamed,
    notes,
  };
  const own = (name: SplitName): boolean => [...fields.values()].some((field) => field.splits[name] !== undefined);
  // A set's own way of cutting holds where neither the user nor a file of the user's says otherwise.
  const { test, validation, ...rest } = defaults;
  return applySplits(raw, {
    ...rest,
    ...(test !== undefined && !own("test") ? { test } : {}),
    ...(validation !== undefined && !own("validation") ? { validation } : {}),
    ...spec.splits,
  });
}

/** What is told of rows of one split says of which. */
const toldOf = ({ split }: DataItem, field: Field): Field =>
  split === "train" ? field : { ...field, notes: field.notes.map((note) => `${split}: ${note}`) };

function join(known: Field | undefined, field: Field): Field {
  if (known === undefined) return field;
  const main = field.splits.train === undefined ? known : field;
  const splits = { ...known.splits, ...field.splits };
  const paths = Object.fromEntries(splitNames.map((split) => [split, pathOf(field.splits[split] === undefined ? known : field, split)]));
  const others = (main === known ? field : known).notes;
  const notes = [...main.notes, ...others.filter((note) => !main.notes.some((own) => note === own || note.endsWith(`: ${own}`)))];
  return { ...main, notes, splits, paths, options: { ...known.options, ...field.options } };
}

function shortName(items: readonly DataItem[], text: string): string {
  return items.length === 1 && items[0]!.variable === undefined ? items[0]!.source : text;
}

interface LoadedItem {
  readonly fields: Readonly<Record<string, Field>>;
  readonly notes: readonly string[];
  readonly splits: SplitOptions;
}

async function loadItem(item: DataItem, options: LoadOptions): Promise<LoadedItem> {
  const set = Object.hasOwn(registered, item.source) ? registered[item.source] : undefined;
  const base = options.base ?? process.cwd();
  if (set !== undefined || isPath(item.source, base))
    checkReadingOptions(
      item,
      () => (set === undefined ? optionsOfFile(base, item.source) : (set.takes ?? [])),
      (option) => Object.keys(registered).filter((name) => registered[name]!.takes?.includes(option) === true),
    );
  checkValueOptions(item, options.streams ?? []);
  return observedIn(padded(inverted(await (set === undefined ? loadFile(item, options) : loadSet(item, set, options)), item), item), item);
}

/** `:observed=1000` and `:observed-share=0.3` are about whichever of the fields goes to a variable that may be missing. */
function observedIn(loaded: LoadedItem, { options: { observed, observedSeed, observedShare } }: DataItem): LoadedItem {
  if (observed === undefined && observedShare === undefined) return loaded;
  const asked = {
    ...(observed === undefined ? {} : { observed }),
    ...(observedSeed === undefined ? {} : { observedSeed }),
    ...(observedShare === undefined ? {} : { observedShare }),
  };
  const fields = Object.entries(loaded.fields).map(
    ([name, field]) => [name, { ...field, options: { ...field.options, ...asked } }] as const,
  );
  return { ...loaded, fields: Object.fromEntries(fields) };
}

function negative(bytes: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < out.length; i++) out[i] = 255 - bytes[i]!;
  return out;
}

/** Pictures of `:invert`, dark for light; labels beside them stay. GM5013 where none is made of bytes. */
function inverted(loaded: LoadedItem, { source, options: { invert } }: DataItem): LoadedItem {
  if (invert !== true) return loaded;
  const isPicture = ({ shape, dtype }: DataArray): boolean => shape.length >= 3 && dtype === "u8";
  if (!Object.values(loaded.fields).some((field) => Object.values(field.splits).some(isPicture)))
    throw new GmcError("GM5013", `${source}: invert is for pictures of bytes, [rows, height, width] or [rows, height, width, channels]`);
  const fields = Object.entries(loaded.fields).map(([name, field]): [string, Field] => {
    if (!Object.values(field.splits).some(isPicture)) return [name, field];
    const splits = Object.entries(field.splits).map(([split, array]) => [
      split,
      isPicture(array) ? { ...array, data: negative(array.data) } : array,
    ]);
    return [name, { ...field, splits: Object.fromEntries(splits) as Field["splits"], notes: [...field.notes, "inverted: 255 - v"] }];
  });
  return { ...loaded, fields: Object.fromEntries(fields) };
}

/** GM5013 where an option of pictures finds none. */
function needPictures({ fields }: Pick<LoadedItem, "fields">, source: string, option: "size" | "pad"): void {
  if (Object.values(fields).some(({ splits }) => Object.values(splits).some((array) => array.shape.length >= 3))) return;
  throw new GmcError("GM5013", `${source}: ${option} is for pictures, [rows, height, width] or [rows, height, width, channels]`);
}

/** Pictures of `:pad=32x32`, in the middle of zeros. GM5013 where they are larger. */
function padded(loaded: LoadedItem, { source, options: { pad } }: DataItem): LoadedItem {
  if (pad === undefined) return loaded;
  const [height, width] = pad;
  needPictures(loaded, source, "pad");
  const fields = Object.entries(loaded.fields).map(([name, field]): [string, Field] => {
    const pictures = Object.values(field.splits).filter((array) => array.shape.length >= 3);
    const [first] = pictures;
    if (first === undefined) return [name, field];
    const [, h = 0, w = 0] = first.shape;
    if (h > height || w > width)
      throw new GmcError("GM5013", `${source}: pictures of ${h} x ${w} have no room in ${height} x ${width}`, [
        `a smaller picture: size=${height}x${width}`,
      ]);
    const splits = Object.entries(field.splits).map(([split, array]) => [split, padPictures(array, height, width)]);
    const note = `${h} x ${w} in the middle of ${height} x ${width}, zeros around, which count among the dimensions`;
    return [name, { ...field, splits: Object.fromEntries(splits) as Field["splits"], notes: [...field.notes, note] }];
  });
  return { ...loaded, fields: Object.fromEntries(fields) };
}

async function loadSet(item: DataItem, set: RegisteredSet, options: LoadOptions): Promise<LoadedItem> {
  const read = await set.load(contextOf(options, item.options));
  if (item.options.size !== undefined) needPictures(read, item.source, "size");
  const loaded = sized(read, item.options.size);
  if (item.variable === undefined && item.part === undefined) return loaded;
  const names = Object.keys(loaded.fields);
  const part = item.part ?? (names.includes(item.variable ?? "") ? item.variable! : names[0]!);
  const field = Object.hasOwn(loaded.fields, part) ? loaded.fields[part] : undefined;
  if (field === undefined) throw new GmcError("GM5007", `data set ${item.source} has no field ${part}`, [`it has ${names.join(", ")}`]);
  if (item.variable === undefined) return { ...loaded, fields: { [part]: field } };
  if (item.split === "train") return { ...loaded, fields: { [item.variable]: field } };
  // x.test=mnist takes the test rows of the set where it has some.
  const rows = field.splits[item.split] ?? field.splits.train;
  return { ...loaded, fields: { [item.variable]: { ...field, splits: { [item.split]: rows } } }, splits: {} };
}

/** Pictures of `:size=8x8`, by averaging; a set that cuts or averages to that size itself is left as it is. */
function sized(loaded: LoadedSet, size: ItemOptions["size"]): LoadedSet {
  if (size === undefined) return loaded;
  const [height, width] = size;
  const other = (array: DataArray): boolean => array.shape.length >= 3 && (array.shape[1] !== height || array.shape[2] !== width);
  const fields = Object.entries(loaded.fields).map(([name, field]): [string, Field] => {
    const splits = Object.entries(field.splits).map(([split, array]) => [
      split,
      other(array) ? resizePictures(array, height, width) : array,
    ]);
    const before = field.splits.train;
    if (before === undefined || !other(before)) return [name, field];
    const note = `${before.shape[1]} x ${before.shape[2]} averaged to ${height} x ${width}`;
    return [name, { ...field, splits: Object.fromEntries(splits) as Field["splits"], notes: [...field.notes, note] }];
  });
  return { ...loaded, fields: Object.fromEntries(fields) };
}

/**
 * Entries of a row of the variable that an item feeds, or, of an item without one and of labels, of the only variable that takes values: labels of
 * sound are of its windows.
 */
function rowLength({ variable }: DataItem, streams: readonly StreamSpec[]): number | undefined {
  const sequences = streams.flatMap((stream) => Object.entries(stream)).filter(([, spec]) => spec.shape.length > 0);
  const [, spec] = sequences.find(([name]) => name === variable) ?? (sequences.length === 1 ? sequences[0]! : []);
  return spec && sizeOf(spec.shape);
}

function isPath(source: string, base: string): boolean {
  return /[./\\]/.test(source) || existsSync(resolve(base, source));
}

async function loadFile(item: DataItem, options: LoadOptions): Promise<LoadedItem> {
  const { source, part, split } = item;
  const length = rowLength(item, options.streams ?? []);
  const reading: ReadOptions = { ...item.options, ...(length === undefined ? {} : { rowLength: length }) };
  const base = options.base ?? process.cwd();
  if (!isPath(source, base)) throw unknownSet(source, options);
  const where = part === undefined ? source : `${source}#${part}`;
  const notes = [`${item.variable === undefined ? "" : `${item.variable}${split === "train" ? "" : `.${split}`} = `}${where}`];
  if (item.variable !== undefined) {
    const { array, role, notes: done = [] } = await readArray(base, source, part, reading);
    return {
      fields: { [item.variable]: { role, splits: { [split]: array }, path: where, options: item.options, notes: done } },
      notes,
      splits: {},
    };
  }
  const fields = await readFields(base, source, part, reading);
  return {
    fields: Object.fromEntries(
      Object.entries(fields).map(([name, { array, role, notes: done = [] }]) => [
        name,
        {
          role: couldBeLabels(array.shape, array.dtype) ? "labels" : role,
          splits: { train: array },
          path: Object.keys(fields).length > 1 ? `${source}#${name}` : where,
          options: item.options,
          notes: done,
        },
      ]),
    ),
    notes,
    splits: {},
  };
}

/** Of several arrays in one file, a flat one of whole numbers is taken for labels. */
function couldBeLabels(shape: readonly number[], dtype: string): boolean {
  return shape.length === 1 && dtype !== "f32" && dtype !== "f64";
}

function unknownSet(name: string, options: LoadOptions): GmcError {
  const near = closest(name, Object.keys(registered));
  const here = listDatasets(options)
    .filter((set) => set.available)
    .map((set) => set.name);
  return new GmcError("GM5010", `there is no data set named ${name}`, [
    ...(near === undefined ? [] : [`did you mean ${near}?`]),
    `registered and here: ${here.join(", ")}`,
    `a file in the current folder is written with its ending, or as ./${name}`,
  ]);
}

function contextOf(options: LoadOptions, itemOptions: DatasetContext["options"]): DatasetContext {
  return { base: options.base ?? process.cwd(), env: options.env ?? process.env, options: itemOptions };
}
