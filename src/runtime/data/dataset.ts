/**
 * What a model trains on: raw fields as read from files, and the dataset that they become once bound to a model's `data` statements.
 */
import type { ObservedShare } from "./observed-share.js";
import type { StreamSpec, VariableSpec } from "../model.js";
import type { DataArray, SparsePlaces } from "./array.js";

export type SplitName = "train" | "validation" | "test";

export const splitNames: readonly SplitName[] = ["train", "validation", "test"];

/** How one field is turned into model values; what is absent follows from the variable's domain. */
export interface FieldOptions {
  /**
   * Of grey values for `binary` variables: "dynamic" delivers probabilities, from which the step draws afresh each time; "fixed" draws once
   * by `binarizeSeed`; "threshold" compares the probability with `threshold`.
   */
  readonly binarize?: "dynamic" | "fixed" | "threshold";
  readonly binarizeSeed?: number;
  readonly threshold?: number;
  /**
   * "none" keeps numbers as they are; "standardize" brings each element to mean 0 and variance 1 over the training rows; "minmax" to [0, 1];
   * "whiten" makes the elements of a row uncorrelated besides (ZCA).
   */
  readonly scale?: "none" | "standardize" | "minmax" | "whiten";
  /** Of whitening: the share of the mean variance that is added to the variance of each direction; 0.01 unless said. */
  readonly ridge?: number;
  /** The value that stands for 1 in integer grey values; 255 unless said. */
  readonly maximum?: number;
  /** Of variables that may be missing: in how many training rows they are kept; picked by `observedSeed`. */
  readonly observed?: number;
  readonly observedSeed?: number;
  /** Of variables that may be missing: the share of rows of a training batch that have them; as the data have it where absent. */
  readonly observedShare?: number;
  /** Of sparse counts: "keep" takes documents without a word too. */
  readonly empty?: "keep";
}

/** One named array of a data set, by split. */
export interface Field {
  /** Labels go to `category` variables, values to all others. */
  readonly role: "values" | "labels";
  readonly splits: Readonly<Partial<Record<SplitName, DataArray>>>;
  /** The file that the arrays come from, for messages; `paths` where that of a split is another. */
  readonly path: string;
  readonly paths?: Readonly<Partial<Record<SplitName, string>>>;
  readonly options: FieldOptions;
  /** What was done to the values before, for the protocol. */
  readonly notes: readonly string[];
}

export function pathOf(field: Field, split: SplitName): string {
  return field.paths?.[split] ?? field.path;
}

/** Fields as read, before a model asks for them. */
export interface RawData {
  /** `mnist`, or the specification as given. */
  readonly name: string;
  /** In the order in which unnamed variables take them. */
  readonly fields: Readonly<Record<string, Field>>;
  /** Fields that a specification assigned to a variable by name. */
  readonly assigned: ReadonlySet<string>;
  /** Sources that were named without a variable, and the fields that are theirs. */
  readonly unnamed?: readonly { readonly source: string; readonly fields: readonly string[] }[];
  /** Source and split, for the protocol. */
  readonly notes: readonly string[];
  /** A script holds the rows: ways out are its options, not the command line's. */
  readonly fromScript?: true;
}

/** One variable's rows, ready to be gathered: `value = source * scale` for u8, the source itself otherwise. */
export interface Column {
  readonly variable: VariableSpec;
  /** Elements of a row. */
  readonly width: number;
  /** What a batch holds: i32 for categories (-1 is missing), f32 for all others. */
  readonly dtype: "f32" | "i32";
  readonly source: Uint8Array | Float32Array | Int32Array;
  /** Of counts of which only those above 0 are held: where they stand. */
  readonly sparse?: SparsePlaces;
  readonly scale: number;
  /** Shape of a row in the file, [28, 28]: how pictures of the variable are drawn, whatever shape the model declares. */
  readonly picture?: readonly number[];
  /** What the entries of a row are called, where the data say it: words of a vocabulary (`words`), columns of a table with a header. */
  readonly entries?: readonly string[];
  readonly words?: true;
  /** Of sound: samples a second, and whether values are mu-law codes (of so many levels) or samples. */
  readonly audio?: { readonly rate: number; readonly levels?: number };
  /** What is black and white, or the ends of an axis: of bounded domains their ends, else most of the training values. */
  readonly range?: readonly [number, number];
  /** Of a variable that has a density: how its values are related to those in the file. */
  readonly density?: ColumnDensity;
  /** Probabilities from which a `binary` value is drawn in each step; false where the values are 0 and 1 already. */
  readonly stochastic: boolean;
}

export interface ColumnDensity {
  /** `v/255`, as the protocol of the data says it. */
  readonly preprocessing: string;
  /** log |d value / d value in the file| of a row in nats; 0 where values were not scaled. */
  readonly logJacobian: number;
  /** Whole numbers, taken for points of a density without noise. */
  readonly wholeNumbers: boolean;
}

/** How many rows a column has. */
export function columnRows({ source, sparse, width }: Column): number {
  return sparse === undefined ? source.length / Math.max(1, width) : sparse.starts.length - 1;
}

export interface Split {
  readonly rows: number;
  /** Of training rows: how those that have a variable are mixed with those that miss it. */
  readonly mixed?: ObservedShare;
  readonly columns: Readonly<Record<string, Column>>;
}

/** The rows of one `data` statement. Aligned: row i of each column belongs to one example. */
export interface DatasetStream {
  readonly spec: StreamSpec;
  readonly splits: Readonly<{ train: Split } & Partial<Record<SplitName, Split>>>;
}

export interface Dataset {
  readonly name: string;
  /** One entry for each `data` statement, in the model's order. */
  readonly streams: readonly DatasetStream[];
  /** The protocol of the data, line by line: source, split, binarisation, scaling, reshapes. */
  readonly provenance: readonly string[];
}

/** Of a model that draws all of its variables itself: rows without values, so that a step, an epoch and an evaluation have their sizes. */
export function rowsAlone(): Dataset {
  const split = (rows: number): Split => ({ rows, columns: {} });
  return {
    name: "none",
    streams: [{ spec: {}, splits: { train: split(10_000), validation: split(1_000), test: split(10_000) } }],
    provenance: ["the model has no data: an epoch is 10,000 draws, an evaluation takes 10,000"],
  };
}

/** Rows of a split: of its longest stream. */
export function splitRows(dataset: Dataset, split: SplitName): number {
  return Math.max(0, ...dataset.streams.map((stream) => stream.splits[split]?.rows ?? 0));
}

/** "it has 80 train and 20 test rows", for messages. */
export function describeSplits(dataset: Dataset): string {
  const found = splitNames.map((name) => [name, splitRows(dataset, name)] as const).filter(([, rows]) => rows > 0);
  if (found.length === 0) return "it has no rows";
  return `it has ${found.map(([name, rows]) => `${rows} ${name}`).join(" and ")} rows`;
}

/** Rows of a split that every stream has. */
export function commonRows(dataset: Dataset, split: SplitName): number {
  return Math.min(...dataset.streams.map((stream) => stream.splits[split]?.rows ?? 0));
}

/** The streams alone that some of the variables are of; all where none is of any. */
export function streamsOf(dataset: Dataset, variables: readonly string[]): Dataset {
  const streams = dataset.streams.filter(({ spec }) => variables.some((name) => Object.hasOwn(spec, name)));
  return streams.length === 0 || streams.length === dataset.streams.length ? dataset : { ...dataset, streams };
}

/** The split that an evaluation uses: the first of test, validation, train that every stream has. */
export function evaluationSplit(dataset: Dataset): SplitName {
  const has = (name: SplitName): boolean => dataset.streams.every((stream) => stream.splits[name] !== undefined);
  return has("test") ? "test" : has("validation") ? "validation" : "train";
}
