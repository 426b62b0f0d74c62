/** Small dense matrices as rows, in float64: what tests compare factored forms with. */
export type Matrix = readonly (readonly number[])[];

export const transposed = (a: Matrix): Matrix => (a[0] ?? []).map((_, j) => a.map((row) => row[j]!));

export function multiply(a: Matrix, b: Matrix): Matrix {
  return a.map((row) => (b[0] ?? []).map((_, j) => row.reduce((sum, v, k) => sum + v * b[k]![j]!, 0)));
}

export const diagonal = (values: readonly number[]): Matrix => values.map((v, i) => values.map((_, j) => (i === j ? v : 0)));

export const plus = (a: Matrix, b: Matrix): Matrix => a.map((row, i) => row.map((v, j) => v + b[i]![j]!));

/** By Gauss-Jordan elimination with pivots; `logDet` is the log of the determinant's size. */
export function inverted(a: Matrix): { readonly inverse: Matrix; readonly logDet: number } {
  const n = a.length;
  const rows = a.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  let logDet = 0;
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(rows[r]![c]!) > Math.abs(rows[pivot]![c]!)) pivot = r;
    [rows[c], rows[pivot]] = [rows[pivot]!, rows[c]!];
    const lead = rows[c]![c]!;
    logDet += Math.log(Math.abs(lead));
    rows[c] = rows[c]!.map((v) => v / lead);
    for (let r = 0; r < n; r++) {
      const factor = rows[r]![c]!;
      if (r !== c) rows[r] = rows[r]!.map((v, j) => v - factor * rows[c]![j]!);
    }
  }
  return { inverse: rows.map((row) => row.slice(n)), logDet };
}

/** v^T A v */
export const quadratic = (A: Matrix, v: readonly number[]): number =>
  A.reduce((sum, row, i) => sum + row.reduce((t, a, j) => t + a * v[i]! * v[j]!, 0), 0);

/** log N(x; mean, C) */
export function logNormal(x: readonly number[], mean: readonly number[], C: Matrix): number {
  const { inverse, logDet } = inverted(C);
  return (
    -0.5 *
    (x.length * Math.log(2 * Math.PI) +
      logDet +
      quadratic(
        inverse,
        x.map((v, i) => v - mean[i]!),
      ))
  );
}
