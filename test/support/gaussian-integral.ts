/** Integrals of exp(-E) of quadratic energies, which are read at points alone. */

/** log of the integral of exp(-E) of a quadratic E over n numbers. */
export function logIntegral(n: number, e: (x: readonly number[]) => number): number {
  const unit = (i: number, j = -1): number[] => Array.from({ length: n }, (_, k) => (k === i ? 1 : 0) + (k === j ? 1 : 0));
  const zero = e(unit(-1));
  // of a quadratic: H_ij = E(i + j) - E(i) - E(j) + E(0), and g_i = E(i) - E(0) - H_ii / 2
  const hessian = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => e(unit(i, j)) - e(unit(i)) - e(unit(j)) + zero));
  const g = hessian.map((row, i) => e(unit(i)) - zero - (row[i] ?? 0) / 2);
  // Gaussian elimination of [H | g]
  const rows = hessian.map((row, i) => [...row, g[i] ?? 0]);
  let logDet = 0;
  let quadratic = 0;
  rows.forEach((row, i) => {
    const pivot = row[i] ?? 0;
    logDet += Math.log(pivot);
    quadratic += (row[n] ?? 0) ** 2 / pivot;
    for (let r = i + 1; r < n; r++) {
      const factor = (rows[r]?.[i] ?? 0) / pivot;
      rows[r] = (rows[r] ?? []).map((x, c) => x - factor * (row[c] ?? 0));
    }
  });
  return -zero + quadratic / 2 + (n * Math.log(2 * Math.PI) - logDet) / 2;
}

export const logSum = (xs: readonly number[]): number => Math.log(xs.reduce((t, x) => t + Math.exp(x), 0));
