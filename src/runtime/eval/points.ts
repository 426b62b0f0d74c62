/** Rows of numbers on the host, and the distances between them. */

/** Rows as vectors of one width, one after the other. */
export interface Points {
  readonly width: number;
  readonly data: ArrayLike<number>;
}

export function rowCount({ width, data }: Points): number {
  return data.length / Math.max(1, width);
}

/** One row as a view of its own; of a plain array a copy. */
export function rowOf({ width, data }: Points, row: number): ArrayLike<number> {
  return Array.isArray(data)
    ? (data as readonly number[]).slice(row * width, (row + 1) * width)
    : (data as Float64Array).subarray(row * width, (row + 1) * width);
}

/** |a_i - b_j|^2, [rows of a, rows of b]. */
export function squaredDistances(a: Points, b: Points): Float64Array {
  const [n, m, { width }] = [rowCount(a), rowCount(b), a];
  const left = Float64Array.from(a.data);
  const right = a === b ? left : Float64Array.from(b.data);
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    // among rows of one set, half of them are the other half
    for (let j = a === b ? i + 1 : 0; j < m; j++) {
      let d = 0;
      for (let k = 0, p = i * width, q = j * width; k < width; k++) d += (left[p + k]! - right[q + k]!) ** 2;
      out[i * m + j] = d;
      if (a === b) out[j * m + i] = d;
    }
  }
  return out;
}
