/** A random rotation W = P L (U + diag(s)) for maps that are kept by their factors (Kingma & Dhariwal 2018, eq. 10). Host numbers, float64. */

export interface Factors {
  /** L below the diagonal (ones on it are left out), U above, log |s| on it; C order. */
  readonly lu: Float64Array;
  /** Signs of s. */
  readonly signs: Float64Array;
  /** P: entry (i, k) is 1 where row i of W is row k of L U. */
  readonly permutation: Float64Array;
}

/** Elimination with partial pivots of w [n, n]. */
export function factorise(w: Float64Array, n: number): Factors {
  const lu = Float64Array.from(w);
  const rows = Array.from({ length: n }, (_, i) => i);
  const at = (i: number, j: number): number => lu[i * n + j]!;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(at(i, k)) > Math.abs(at(pivot, k))) pivot = i;
    if (pivot !== k) {
      [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
      for (let j = 0; j < n; j++) [lu[k * n + j], lu[pivot * n + j]] = [at(pivot, j), at(k, j)];
    }
    for (let i = k + 1; i < n; i++) {
      const f = at(i, k) / at(k, k);
      lu[i * n + k] = f;
      for (let j = k + 1; j < n; j++) lu[i * n + j] = at(i, j) - f * at(k, j);
    }
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => at(i, i));
  diagonal.forEach((s, i) => (lu[i * n + i] = Math.log(Math.abs(s))));
  const permutation = new Float64Array(n * n);
  rows.forEach((from, k) => (permutation[from * n + k] = 1));
  return { lu, signs: diagonal.map(Math.sign), permutation };
}
