/**
 * Binds the fields of a data set to a model's `data` statements: which field feeds which variable, whether its shape fits, how its values are
 * turned into the variable's domain. Gives the dataset that training and evaluation stream from.
 */
import { GmcError } from "../graph/errors.js";
import type { StreamSpec, VariableSpec } from "../model.js";
import { rowWidth, showShape, type DataArray } from "./array.js";
import { showVariable, type ColumnContext, type ValuePlace } from "./column-context.js";
import { labelsForNumbers } from "./csv.js";
import {
  columnRows,
  pathOf,
  splitNames,
  type Column,
  type Dataset,
  type DatasetStream,
  type Field,
  type RawData,
  type Split,
  type SplitName,
} from "./dataset.js";
import { describeColumn, describeUnits, describeValues, makeColumn } from "./domains.js";
import { displayRange } from "./display-range.js";
import { familyNames, linesOfFamilies, spreadFamilies } from "./families.js";
import { keepObserved, missingRows } from "./observed.js";
import { shareOf } from "./observed-share.js";
import { dense } from "./sparse.js";
import { suggestion } from "./suggest.js";
import { sizeOf } from "../graph/shape.js";

/** How the model comes to rows of another shape, `[4]` or `[28, 28]`: ways out of GM5021 that whoever binds knows of. */
export type ResizeHelp = (variable: string, shape: readonly number[]) => readonly string[];

/** What a variable's errors need to know beside its own data. */
interface Around {
  readonly alone: boolean;
  readonly resizeHelp: ResizeHelp;
}

/** GM5020 to GM5025 where data and model do not fit. */
export function bindData(given: RawData, streams: readonly StreamSpec[], resizeHelp: ResizeHelp = () => []): Dataset {
  const raw = spreadFamilies(given, streams);
  const sources = matchFields(raw, streams);
  refuseIdle(raw, new Set(sources.values()));
  checkObserved(raw, streams, sources);
  const notes: string[] = [];
  const alone = streams.flatMap((spec) => Object.keys(spec)).length === 1;
  const bound = streams.map((spec) => bindStream(raw, spec, sources, notes, { alone, resizeHelp }));
  return { name: raw.name, streams: bound, provenance: [...raw.notes, ...linesOfFamilies(notes)] };
}

/** Field of each variable: assigned by name; else the field of its name; else the first unused field of its role. */
function matchFields(raw: RawData, streams: readonly StreamSpec[]): ReadonlyMap<string, string> {
  const variables = new Map(streams.flatMap((stream) => Object.entries(stream)));
  const matched = new Map<string, string>();
  const used = new Set<string>();
  for (const name of raw.assigned) {
    if (!variables.has(name)) {
      throw new GmcError(
        "GM5025",
        `the data name a variable ${name}, and the model has no data variable of that name`,
        suggestion(name, [...variables.keys()]),
      );
    }
  }
  const take = (variable: string, field: string): void => {
    matched.set(variable, field);
    used.add(field);
  };
  for (const [name, spec] of variables) {
    const field = raw.fields[name];
    if (Object.hasOwn(raw.fields, name) && field !== undefined && (raw.assigned.has(name) || field.role === roleOf(spec))) take(name, name);
  }
  for (const [name, spec] of variables) {
    if (matched.has(name)) continue;
    const free = Object.entries(raw.fields).find(
      ([field, each]) => !used.has(field) && !raw.assigned.has(field) && each.role === roleOf(spec),
    );
    if (free === undefined) throw nothingFor(raw, name, spec);
    take(name, free[0]);
  }
  return matched;
}

/** GM5031 for a source that feeds no variable, though others do: the results would name data that nobody saw. */
function refuseIdle(raw: RawData, used: ReadonlySet<string>): void {
  const idle = raw.unnamed?.find(({ fields }) => !fields.some((field) => used.has(field)));
  if (idle === undefined) return;
  throw new GmcError(
    "GM5031",
    `${idle.source} feeds no variable of the model: ${[...used].map((field) => `\`${field}\``).join(", ")} came from elsewhere in ${raw.name}`,
    [`leave it out, or name the variable that it is for: --data '…,VARIABLE=${idle.source}'`],
  );
}

/** GM5013 where values are to be taken away and no variable may be missing. */
function checkObserved(raw: RawData, streams: readonly StreamSpec[], sources: ReadonlyMap<string, string>): void {
  const bound = streams
    .flatMap((stream) => Object.entries(stream))
    .map(([name, spec]) => ({ name, spec, field: raw.fields[sources.get(name)!]! }));
  const isAsked = ({ options: { observed, observedShare } }: Field): boolean => observed !== undefined || observedShare !== undefined;
  const asked = bound.find(({ field }) => isAsked(field));
  if (asked === undefined || bound.some(({ spec, field }) => spec.optional === true && isAsked(field))) return;
  const { observed, observedShare } = asked.field.options;
  const option = observed === undefined ? `observed-share=${observedShare}` : `observed=${observed}`;
  const labels = bound.find(({ spec }) => roleOf(spec) === "labels") ?? asked;
  throw new GmcError(
    "GM5013",
    `${option} is about a variable that may be missing, and ${raw.name} gives ${bound.map(({ name, spec }) => showVariable(name, spec)).join(", ")}`,
    [`declare one that may be: data ${showVariable(labels.name, { ...labels.spec, optional: true })}`],
  );
}

function roleOf(spec: VariableSpec): Field["role"] {
  return spec.domain === "category" && spec.shape.length === 0 ? "labels" : "values";
}

function nothingFor(raw: RawData, name: string, spec: VariableSpec): GmcError {
  const offered = Object.entries(raw.fields).map(([field, each]) => {
    const shape = each.splits.train?.shape.slice(1) ?? [];
    return `${field} (${each.role}${shape.length > 0 ? ` ${showShape(shape)}` : ""})`;
  });
  const table = Object.values(raw.fields).find((each) => (each.splits.train?.entries ?? []).length > 1);
  // a table that gives several fields has the name of each behind its own
  const fileOf = ({ path }: Field): string => path.replace(/#[^#]*$/u, "");
  const ofTable = Object.entries(raw.fields).filter(([, each]) => table && fileOf(each) === fileOf(table));
  const columns = [...new Set(ofTable.flatMap(([field, each]) => each.splits.train?.entries ?? [field]))];
  const column = columns.includes(name) ? name : columns.at(-1);
  const shown = columns.length > 8 ? `${columns.slice(0, 8).join(", ")}, …` : columns.join(", ");
  return new GmcError(
    "GM5020",
    `no data for ${showVariable(name, spec)}: ${raw.name} offers ${offered.length > 0 ? offered.join(", ") : "nothing"}`,
    [
      `name a file or a field for it: --data '…,${name}=FILE'`,
      ...(table === undefined ? [] : [`columns of a table are named after #: ${name}=${fileOf(table)}#${column} (it has ${shown})`]),
    ],
  );
}

function bindStream(raw: RawData, spec: StreamSpec, sources: ReadonlyMap<string, string>, notes: string[], around: Around): DatasetStream {
  const names = Object.keys(spec);
  const columns: Partial<Record<SplitName, Record<string, Column>>> = {};
  for (const name of names) {
    const field = raw.fields[sources.get(name)!]!;
    const bound = bindVariable(name, spec[name]!, field, around);
    notes.push(...field.notes.map((note) => `${name}: ${note}`), ...bound.notes);
    for (const split of splitNames) {
      const column = bound.columns[split];
      if (column !== undefined) (columns[split] ??= {})[name] = column;
    }
  }
  if (columns.train) checkRatesBeside(raw, spec, columns.train, sources);
  const splits: Partial<Record<SplitName, Split>> = {};
  for (const split of splitNames) {
    const found = columns[split];
    if (found === undefined) continue;
    const absent = familyNames(
      names.filter((name) => !Object.hasOwn(found, name)),
      spec,
    );
    if (absent.length > 0) {
      const there = familyNames(Object.keys(found), spec);
      throw new GmcError(
        "GM5024",
        `${there.join(", ")} ${there.length === 1 ? "has" : "have"} ${split} rows and ${absent.join(", ")} ${absent.length === 1 ? "has" : "have"} none, and one data statement holds them all`,
        [
          raw.fromScript === true
            ? `give them too: ${split === "train" ? "data" : split}: { …, ${absent.map((name) => (name.includes("[") ? JSON.stringify(name) : name)).join(", ")} }`
            : `give them too: --data '…,${absent.map((name) => `${name}.${split}=FILE`).join(",")}'`,
        ],
      );
    }
    splits[split] = { rows: alignedRows(split, names, found, raw, sources), columns: found };
  }
  if (splits.train === undefined)
    throw new GmcError("GM5024", `${raw.name} has no training rows for ${familyNames(names, spec).join(", ")}`);
  return { spec, splits: { ...splits, train: mixedTrain(raw, spec, splits.train, sources, notes) } };
}

/** Training rows with how batches mix them, where a variable that may be missing asks for a share. */
function mixedTrain(raw: RawData, spec: StreamSpec, train: Split, sources: ReadonlyMap<string, string>, notes: string[]): Split {
  for (const [name, column] of Object.entries(train.columns)) {
    const share = raw.fields[sources.get(name)!]!.options.observedShare;
    if (share === undefined || spec[name]?.optional !== true) continue;
    notes.push(`${name}: observed in ${share} of the rows of each training batch`);
    return { ...train, mixed: shareOf(name, column, train.rows, share) };
  }
  return train;
}

function alignedRows(
  split: SplitName,
  names: readonly string[],
  columns: Readonly<Record<string, Column>>,
  raw: RawData,
  sources: ReadonlyMap<string, string>,
): number {
  const rows = names.map((name) => columnRows(columns[name]!));
  const first = rows[0]!;
  const other = rows.findIndex((each) => each !== first);
  if (other > 0) {
    const show = (i: number): string => `${names[i]} has ${rows[i]} (${pathOf(raw.fields[sources.get(names[i]!)!]!, split)})`;
    throw new GmcError(
      "GM5023",
      `variables of one data statement are aligned row by row, but of the ${split} rows ${show(0)}, ${show(other)}`,
      ["two data statements declare streams that are not aligned, such as those of a translation; no density of both is trained then"],
    );
  }
  if (first === 0)
    throw new GmcError("GM5024", `${pathOf(raw.fields[sources.get(names[0]!)!]!, split)} has no ${split} rows`, [
      "an array of data holds one row or more: see whether what wrote it ended early or chose no rows",
    ]);
  return first;
}

function bindVariable(
  name: string,
  spec: VariableSpec,
  given: Field,
  { alone, resizeHelp }: Around,
): { columns: Partial<Record<SplitName, Column>>; notes: readonly string[] } {
  const field = spec.domain === "count" ? given : filled(given);
  const train = field.splits.train;
  if (train === undefined)
    throw new GmcError("GM5024", `${field.path}: no training rows for ${showVariable(name, spec)}`, [`give them: --data '${name}=FILE'`]);
  const width = sizeOf(spec.shape);
  const notes: string[] = [];
  for (const split of splitNames) {
    const array = field.splits[split];
    if (array === undefined) continue;
    refuseLabels(name, spec, array, pathOf(field, split));
    checkShape(name, spec, array, field, split, resizeHelp);
    if (array.audio && train.audio && array.audio.rate !== train.audio.rate)
      throw otherRate(name, field, split, array.audio.rate, train.audio.rate);
  }
  const event = train.shape.slice(1);
  if (!sameShape(dropOnes(event), dropOnes(spec.shape))) notes.push(`${name}: ${showShape(event)} read as ${showShape(spec.shape)}`);
  const place = (split: SplitName): ValuePlace => ({ name, spec, width, path: pathOf(field, split), split, alone });
  const statistics = describeValues(place("train"), train, field.options);
  const context = (split: SplitName): ColumnContext => ({
    ...place(split),
    options: field.options,
    statistics,
    labels: train.labels,
  });
  const columns: Partial<Record<SplitName, Column>> = {};
  for (const split of splitNames) {
    const array = field.splits[split];
    if (array !== undefined) columns[split] = makeColumn(context(split), array, statistics);
  }
  const missing = splitNames.flatMap((split) => (columns[split] && missingRows(place(split), columns[split])) ?? []);
  const observed = keepObserved(place("train"), columns.train!, field.options);
  if (observed) columns.train = observed.column;
  const units = describeUnits(context("train"), columns.train!, statistics);
  const density = units && { density: units };
  const range = displayRange(columns.train!);
  const entries = train.entries?.length === width ? { entries: train.entries, ...(train.words ? { words: true as const } : {}) } : {};
  const audio =
    train.audio === undefined
      ? {}
      : { audio: { rate: train.audio.rate, ...(spec.domain === "category" ? { levels: spec.classes ?? 1 } : {}) } };
  for (const split of splitNames)
    if (columns[split] !== undefined) columns[split] = { ...columns[split], picture: event, range, ...entries, ...audio, ...density };
  notes.push(describeColumn(context("train"), columns.train!, statistics));
  notes.push(...missing);
  if (observed) notes.push(observed.note);
  if (train.labels !== undefined) notes.push(`${name}: ${train.labels.map((label, code) => `${label} = ${code}`).join(", ")}`);
  return { columns, notes };
}

/** GM5006 where labels would be read as numbers by their codes. Two labels are the values of a binary variable. */
function refuseLabels(name: string, spec: VariableSpec, array: DataArray, path: string): void {
  const { labels } = array;
  if (labels === undefined || spec.domain === "category" || (spec.domain === "binary" && labels.length <= 2)) return;
  const category = showVariable(name, { ...spec, domain: "category", classes: labels.length });
  throw labelsForNumbers(path, showVariable(name, spec), array, category);
}

function otherRate(name: string, field: Field, split: SplitName, found: number, wanted: number): GmcError {
  const path = pathOf(field, split);
  return new GmcError(
    "GM5213",
    `${path}: recordings of one data set have one sampling rate: the training rows of ${name} have ${wanted} samples a second, its ${split} rows ${found}`,
    [`bring them to that of the training rows: --data '…,${name}.${split}=${path}:rate=${wanted}'`],
  );
}

/** GM5213 where sounds of one row last differently: a window of one starts elsewhere than that of the other. */
function checkRatesBeside(
  raw: RawData,
  spec: StreamSpec,
  train: Readonly<Record<string, Column>>,
  sources: ReadonlyMap<string, string>,
): void {
  const sounds = Object.entries(train).flatMap(([name, { audio, width }]) => (audio ? [{ name, rate: audio.rate, width }] : []));
  const [first] = sounds;
  const other = sounds.find(({ rate, width }) => first && width * first.rate !== first.width * rate);
  if (!first || !other) return;
  const apart = "two data statements declare streams that are not aligned";
  if (first.rate === other.rate) {
    const [short, long] = first.width < other.width ? [first, other] : [other, first];
    throw new GmcError(
      "GM5213",
      `variables of one data statement are aligned row by row, but windows of ${short.name} are ${short.width} samples and those of ${long.name} ${long.width}, both at ${first.rate} a second: of different times`,
      [
        `make them last as long: \`${short.name}\` of ${long.width} samples; the model takes a part, \`${short.name}[1..${short.width}]\``,
        apart,
      ],
    );
  }
  const [slow, fast] = first.rate < other.rate ? [first, other] : [other, first];
  const field = raw.fields[sources.get(fast.name)!]!;
  const longer = (slow.width * fast.rate) / slow.rate;
  throw new GmcError(
    "GM5213",
    `variables of one data statement are aligned row by row, but ${first.name} has ${first.rate} samples a second and ${other.name} ${other.rate}: windows of ${first.width} and ${other.width} samples are of different times`,
    [
      `bring them to one rate: --data '…,${fast.name}=${pathOf(field, "train")}:rate=${slow.rate}'`,
      ...(spec[fast.name]?.shape.length === 1 && Number.isInteger(longer)
        ? [
            `to keep both rates, make their windows last as long: \`${fast.name}\` of ${longer} samples beside ${slow.width} of \`${slow.name}\``,
          ]
        : []),
      apart,
    ],
  );
}

/** The field with all entries of sparse arrays: only counts stay as they are. */
function filled(field: Field): Field {
  const splits = Object.entries(field.splits).flatMap(([split, array]) => (array ? [[split, dense(array)]] : []));
  return { ...field, splits: Object.fromEntries(splits) as Field["splits"] };
}

function checkShape(name: string, spec: VariableSpec, array: DataArray, field: Field, split: SplitName, resizeHelp: ResizeHelp): void {
  const path = pathOf(field, split);
  const event = array.shape.slice(1);
  const wanted = sizeOf(spec.shape);
  const found = rowWidth(array.shape);
  const entries = (count: number): string => `${count} ${count === 1 ? "entry" : "entries"} per example`;
  if (wanted !== found) {
    const help =
      split !== "train"
        ? [`rows of all splits are alike: the training rows (${pathOf(field, "train")}) fit`]
        : spec.domain === "category" && wanted === 1 && !/\.\w+$/u.test(path)
          ? [`the labels of a folder, the names of its folders, are \`${name}=${path.replace(/\/$/u, "")}/#labels\``]
          : spec.shape.length === 1
            ? resizeHelp(name, [found])
            : event.length === spec.shape.length
              ? resizeHelp(name, event)
              : [];
    throw new GmcError(
      "GM5021",
      `${showVariable(name, spec)} holds ${entries(wanted)}, and ${path} has ${split} rows of shape ${showShape(event)}, ${entries(found)}`,
      [...field.notes, ...help],
    );
  }
  // Axes may be merged or split in place; another order of axes has as many entries and would scramble the picture.
  if (!refines(event, spec.shape) && !refines(spec.shape, event)) {
    throw new GmcError(
      "GM5021",
      `${showVariable(name, spec)} and ${path} with rows of shape ${showShape(event)} have as many entries, but their axes are in another order`,
      ["pictures are [height, width, channels]: transpose the array before it is saved"],
    );
  }
}

/** Whether `fine` splits axes of `coarse` and does nothing else. */
function refines(fine: readonly number[], coarse: readonly number[]): boolean {
  const marks = new Set(products(fine));
  return products(coarse).every((mark) => marks.has(mark));
}

function products(shape: readonly number[]): readonly number[] {
  let product = 1;
  return shape.map((size) => (product *= size));
}

function dropOnes(shape: readonly number[]): readonly number[] {
  return shape.filter((size) => size !== 1);
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
