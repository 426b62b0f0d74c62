/** Data of which few rows are measured: a test of training does not wait for the thousands that a run measures. */
import type { Column, Dataset, Split } from "../../src/runtime/data/dataset.js";

/** The data with the first rows alone of the splits that are no training rows. */
export function fewMeasured(dataset: Dataset, rows: number): Dataset {
  const first = (split: Split): Split => {
    const taken = Math.min(rows, split.rows);
    const columns = Object.entries(split.columns).map(([name, column]) => [name, firstOf(column, taken)] as const);
    return { ...split, rows: taken, columns: Object.fromEntries(columns) };
  };
  return {
    ...dataset,
    streams: dataset.streams.map((stream) => {
      const { train, validation, test } = stream.splits;
      return { ...stream, splits: { train, ...(validation && { validation: first(validation) }), ...(test && { test: first(test) }) } };
    }),
  };
}

function firstOf(column: Column, rows: number): Column {
  if (column.sparse) return { ...column, sparse: { ...column.sparse, starts: column.sparse.starts.subarray(0, rows + 1) } };
  return { ...column, source: column.source.subarray(0, rows * column.width) };
}
