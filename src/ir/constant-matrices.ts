/** Matrices that are written out in numbers, `stack(stack(0.8, 0), stack(0.3, 0.4))`, against what a covariance or its factor must be. */
import type { Expr } from "./types.js";

type Rows = readonly (readonly number[])[];

/** Undefined where it is no square matrix of numbers. */
export function constantMatrix(expr: Expr | undefined): Rows | undefined {
  const rows = partsOf(expr)?.map((row) => partsOf(row)?.map((entry) => (entry.kind === "number" ? entry.value : NaN)));
  if (rows === undefined) return undefined;
  const whole = rows.flatMap((row) => (row && row.length === rows.length && !row.includes(NaN) ? [row] : []));
  return whole.length === rows.length ? whole : undefined;
}

function partsOf(expr: Expr | undefined): readonly Expr[] | undefined {
  return expr?.kind === "builtin" && expr.fn === "stack" ? expr.args : undefined;
}

/** Lower triangular with a positive diagonal. */
export function isFactorOfNumbers(rows: Rows): boolean {
  return rows.every((row, i) => row.every((value, j) => (j < i ? true : j === i ? value > 0 : value === 0)));
}

/** Symmetric and positive definite: the pivots of its Cholesky factor are positive. */
export function isDefinite(rows: Rows): boolean {
  const factor: number[][] = rows.map(() => []);
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j <= i; j++) {
      if (row[j] !== rows[j]?.[i]) return false;
      let left = row[j]!;
      for (let k = 0; k < j; k++) left -= factor[i]![k]! * factor[j]![k]!;
      if (j < i) factor[i]![j] = left / factor[j]![j]!;
      else if (left > 0) factor[i]![i] = Math.sqrt(left);
      else return false;
    }
  }
  return true;
}
