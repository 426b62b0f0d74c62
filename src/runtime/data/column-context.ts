/** What the conversion of one split of one variable knows, and the error that names it. */
import { GmcError } from "../graph/errors.js";
import type { DataArray } from "./array.js";
import type { VariableSpec } from "../model.js";
import type { FieldOptions, SplitName } from "./dataset.js";
import type { Whitening } from "./whiten.js";

/** Of the training rows. */
export interface ValueStatistics {
  readonly low: number;
  readonly high: number;
  /** Of sound. */
  readonly audio?: DataArray["audio"];
  /** All values are whole numbers. */
  readonly integers: boolean;
  /** u8 values past 1: bytes of a picture. */
  readonly grey: boolean;
  /** Entry by entry, where they are asked for. */
  readonly moments: { readonly mean: Float64Array; readonly deviation: Float64Array } | undefined;
  /** Where it is asked for. */
  readonly whitening: Whitening | undefined;
}

/** Where values come from and go to, for messages. */
export interface ValuePlace {
  readonly name: string;
  readonly spec: VariableSpec;
  readonly width: number;
  readonly path: string;
  /** Absent of rows that belong to no data set. */
  readonly split?: SplitName;
  /** The model has no other data variable: nothing could fill in the rows that miss this one. */
  readonly alone?: boolean;
}

export interface ColumnContext extends ValuePlace {
  readonly options: FieldOptions;
  readonly statistics: ValueStatistics;
  /** Labels of the training rows' codes, for text columns. */
  readonly labels: readonly string[] | undefined;
}

/** `x : binary[784]` */
export function showVariable(name: string, spec: VariableSpec): string {
  const base = spec.domain === "category" ? `category[${spec.classes}]` : spec.domain;
  return `${name} : ${base}${spec.shape.length > 0 ? `[${spec.shape.join(", ")}]` : ""}${spec.optional === true ? "?" : ""}`;
}

/** GM5022, or a code of its own; a missing value is GM5022 always. `index` counts entries from the first row on. */
export function forbidden(
  context: ValuePlace,
  index: number,
  expected: string,
  found: number | string,
  help: readonly string[] = [],
  code = "GM5022",
): GmcError {
  const row = Math.floor(index / context.width);
  const entry = index - row * context.width;
  const place = `${context.path}, ${context.split === undefined ? "" : `${context.split} `}row ${row + 1}${context.width > 1 ? `, entry ${entry + 1} of ${context.width}` : ""}`;
  const missing = typeof found === "number" && Number.isNaN(found);
  const value = missing ? "no number (a missing value)" : String(found);
  return new GmcError(
    missing ? "GM5022" : code,
    `${showVariable(context.name, context.spec)}: expected ${expected}, found ${value} in ${place}`,
    missing ? waysWithMissing(context) : help,
  );
}

/** What can be done about values that are missing, which no scaling brings into a domain. */
function waysWithMissing({ name, spec, width, split, alone }: ValuePlace): readonly string[] {
  if (split === undefined) return ["leave such rows out, or fill the values in"];
  const inFile = "leave such rows out of the file, or fill the values in";
  if (alone === true) return [inFile];
  const one = { ...spec, shape: [], optional: true };
  const each = `${showVariable(`${name}1`, one)}, ${showVariable(`${name}2`, one)}`;
  return [
    inFile,
    ...(width > 1 ? [`where entries are missing one by one, each is a variable of its own, from a column of its own: data ${each}`] : []),
    width > 1
      ? `where whole rows are missing, declare that, unless an energy defines the variable: data ${showVariable(name, { ...spec, optional: true })}`
      : `or declare the variable as one that may be missing in a row, unless an energy defines it: data ${showVariable(name, { ...spec, optional: true })}`,
  ];
}
