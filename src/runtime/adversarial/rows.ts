/** Other rows of a batch: independent draws from the data, since a batch is drawn without replacement in a shuffled order. */
import { concat, GmcError, reshape, sliceAxis, stack, type Tensor } from "../graph/index.js";

/** `x` [B, ...event] with row i + by (around the end) in the place of row i. Throws GM4012 where the batch has no other row left. */
export function rollRows(x: Tensor, by: number): Tensor {
  const rows = x.shape[0] ?? 0;
  requireRows(rows, by + 1);
  return concat([sliceAxis(x, 0, by, rows), sliceAxis(x, 0, 0, by)], 0);
}

/**
 * `count` independent rows for each row: `x` [B, ...event] moved on by `from`, `from + 1`, … rows, as [count, 1, …, B, ...event] with `position` - 1 axes
 * of size 1. Throws GM4012 where the batch has too few rows.
 */
export function rowFamily(x: Tensor, from: number, count: number, position = 1): Tensor {
  requireRows(x.shape[0] ?? 0, from + count);
  const moved = Array.from({ length: count }, (_, i) => (from + i === 0 ? x : rollRows(x, from + i)));
  const family = stack(moved, 0);
  return position === 1 ? family : reshape(family, [count, ...new Array<number>(position - 1).fill(1), ...x.shape]);
}

function requireRows(rows: number, needed: number): void {
  if (rows >= needed) return;
  throw new GmcError("GM4012", `the objective takes ${needed} independent rows of a stream, and a batch has ${rows}`, [
    `use batches of at least ${needed} rows: --batch ${needed}`,
  ]);
}
