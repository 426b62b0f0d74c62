/** Rows that miss an optional variable; and `observed=N`: values of an optional variable are kept in N training rows, and missing in the others. */
import { GmcError } from "../graph/errors.js";
import { permutation } from "../graph/random.js";
import { forbidden, showVariable, type ValuePlace } from "./column-context.js";
import { columnRows, type Column, type FieldOptions } from "./dataset.js";

/**
 * Rows are picked by `observedSeed`, apart from the run's seed; of categories as many of each class as can be, the rest of the rows
 * left out. GM5024 where there are fewer rows than are to be kept.
 */
export function keepObserved(
  { name, spec, path }: ValuePlace,
  column: Column,
  options: FieldOptions,
): { column: Column; note: string } | undefined {
  const { observed, observedSeed = 0 } = options;
  if (observed === undefined || spec.optional !== true) return undefined;
  const rows = columnRows(column);
  if (observed > rows) {
    throw new GmcError(
      "GM5024",
      `${path}: ${observed} rows of ${showVariable(name, spec)} are to be observed, and there are ${rows} training rows`,
      [`ask for fewer: observed=${rows}`],
    );
  }
  const order = permutation(rows, observedSeed, "data.observed");
  const kept = new Set(
    spec.domain === "category" && column.width === 1 ? inTurn(order, column.source, observed) : order.slice(0, observed),
  );
  const missing = column.dtype === "i32" ? -1 : NaN;
  const source = column.dtype === "i32" ? Int32Array.from(column.source) : Float32Array.from(column.source, (v) => v * column.scale);
  for (let row = 0; row < rows; row++) if (!kept.has(row)) source.fill(missing, row * column.width, (row + 1) * column.width);
  const classes = new Set([...kept].map((row) => source[row]));
  const each = spec.domain === "category" && column.width === 1 ? `, of ${classes.size} classes in turn` : "";
  return {
    column: { ...column, source, scale: 1 },
    note: `${name}: observed in ${observed} of ${rows} training rows${each} (observed seed ${observedSeed}), missing in the others`,
  };
}

/**
 * How many rows miss an optional variable, none where all have it. GM5022 for a row of which a part is missing: as a latent it would be drawn as a
 * whole, and what is there would go unread.
 */
export function missingRows(context: ValuePlace, column: Column): string | undefined {
  const { name, spec, split } = context;
  if (spec.optional !== true || column.sparse !== undefined) return undefined;
  const { source, width, dtype } = column;
  const isMissing = (value: number | undefined = NaN): boolean => (dtype === "i32" ? value < 0 : Number.isNaN(value));
  const rows = columnRows(column);
  let count = 0;
  for (let row = 0; row < rows; row++) {
    if (hasRow(column, row)) continue;
    const entries = source.subarray(row * width, (row + 1) * width);
    if (!entries.every(isMissing))
      throw forbidden(context, row * width + entries.findIndex(isMissing), "all entries of a row, or none", "a missing one beside others", [
        "leave the row out, fill in what is missing, or mark all of its entries as missing",
        "entries that are missing each by itself are variables of their own: data a : real?, b : real?",
      ]);
    count++;
  }
  return count === 0 ? undefined : `${name}: missing in ${count} of ${rows} ${split ?? "given"} rows`;
}

/** Whether no entry of a row is missing. */
export function hasRow({ source, width, dtype }: Column, row: number): boolean {
  for (let i = row * width; i < (row + 1) * width; i++) {
    const value = source[i] ?? NaN;
    if (dtype === "i32" ? value < 0 : Number.isNaN(value)) return false;
  }
  return true;
}

/** Whether anything is counted in a row. */
export function hasCounts({ source, width, sparse }: Column, row: number): boolean {
  const [from, to] = sparse ? [sparse.starts[row], sparse.starts[row + 1]] : [row * width, (row + 1) * width];
  return source.subarray(from, to).some((v) => v > 0);
}

/** Rows in the given order, taken from one class after another until there are enough. */
function inTurn(order: ArrayLike<number>, codes: ArrayLike<number>, wanted: number): readonly number[] {
  const byClass = new Map<number, number[]>();
  for (const row of Array.from(order)) {
    const code = codes[row] ?? -1;
    if (code < 0) continue;
    const rows = byClass.get(code);
    if (rows) rows.push(row);
    else byClass.set(code, [row]);
  }
  const queues = [...byClass].sort(([a], [b]) => a - b).map(([, rows]) => rows);
  const taken: number[] = [];
  for (let turn = 0; taken.length < wanted && queues.some((rows) => rows.length > turn); turn++) {
    for (const rows of queues) {
      const row = rows[turn];
      if (row !== undefined && taken.length < wanted) taken.push(row);
    }
  }
  return taken;
}
