/**
 * Whitening (ZCA; Bell & Sejnowski 1997): x -> (x - mean) (C + r I)^(-1/2), with mean and covariance C of the training rows. Of all transforms
 * after which the entries are uncorrelated it changes a row least, so a picture stays one. Every split is treated by the training rows.
 */

/** Share of the mean variance that is added to each variance: what varies less than that in no direction is blown up to 1. */
export const defaultRidge = 0.01;

export interface Whitening {
  readonly mean: Float64Array;
  /** (C + r I)^(-1/2), [width, width], symmetric. */
  readonly root: Float64Array;
}

/** Of [rows, width]; `ridge` in units of the mean variance. Takes rows width^2 + 30 width^3 multiplications. */
export function whitening(data: ArrayLike<number>, width: number, ridge: number): Whitening {
  const { mean, covariance } = moments2(data, width);
  let trace = 0;
  for (let i = 0; i < width; i++) trace += covariance[i * width + i]!;
  // Data that never vary are moved to 0 and no more.
  const added = (ridge * trace) / width || 1;
  for (let i = 0; i < width; i++) covariance[i * width + i]! += added;
  return { mean, root: inverseRoot(covariance, width) };
}

/** The rows, whitened; in the order and number of `data`. */
export function whitened(data: ArrayLike<number>, { mean, root }: Whitening): Float32Array {
  const width = mean.length;
  const source = new Float32Array(data.length);
  const chunk = new Float64Array(chunkRows * width);
  const product = new Float64Array(chunkRows * width);
  for (let start = 0; start < data.length; start += chunk.length) {
    const size = Math.min(chunk.length, data.length - start);
    for (let i = 0, j = 0; i < size; i++) {
      chunk[i] = data[start + i]! - mean[j]!;
      if (++j === width) j = 0;
    }
    timesTransposed(chunk, root, product, size / width, width, width, false);
    source.set(product.subarray(0, size), start);
  }
  return source;
}

const chunkRows = 256;

function moments2(data: ArrayLike<number>, width: number): { mean: Float64Array; covariance: Float64Array } {
  const rows = data.length / width;
  const mean = new Float64Array(width);
  for (let i = 0, j = 0; i < data.length; i++) {
    mean[j]! += data[i]! / rows;
    if (++j === width) j = 0;
  }
  const covariance = new Float64Array(width * width);
  const product = new Float64Array(width * width);
  // Entries by rows, so that each covariance is a product of two stretches of memory.
  const chunk = new Float64Array(width * chunkRows);
  for (let start = 0; start < rows; start += chunkRows) {
    const count = Math.min(chunkRows, rows - start);
    for (let j = 0; j < width; j++) for (let n = 0; n < count; n++) chunk[j * count + n] = data[(start + n) * width + j]! - mean[j]!;
    timesTransposed(chunk, chunk, product, width, width, count, true);
    for (let i = 0; i < product.length; i++) covariance[i]! += product[i]! / rows;
  }
  return { mean, covariance };
}

/**
 * A^(-1/2) of a positive definite matrix by the coupled Newton-Schulz iteration (Higham 2008, eq. 6.35): with all eigenvalues in (0, 1],
 * Y -> Y T and Z -> T Z, T = (3 I - Z Y) / 2, go to A^(1/2) and A^(-1/2). All are polynomials of A, so every product is symmetric.
 */
export function inverseRoot(a: Float64Array, n: number): Float64Array {
  // Both norms are bounds of the largest eigenvalue.
  let rows = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) {
      const value = a[i * n + j]!;
      sum += Math.abs(value);
      squares += value * value;
    }
    rows = Math.max(rows, sum);
  }
  const scale = Math.min(rows, Math.sqrt(squares));
  let y = a.map((value) => value / scale);
  let z = new Float64Array(n * n);
  for (let i = 0; i < n; i++) z[i * n + i] = 1;
  const t = new Float64Array(n * n);
  let spare = new Float64Array(n * n);
  // An eigenvalue grows by 9/4 in each step until it is near 1, then its digits double; rounding ends that.
  for (let step = 0, last = Infinity; step < 100; step++) {
    timesTransposed(z, y, t, n, n, n, true);
    let off = 0;
    for (let i = 0; i < t.length; i++) {
      const one = i % (n + 1) === 0 ? 1 : 0;
      off = Math.max(off, Math.abs(one - t[i]!));
      t[i] = (3 * one - t[i]!) / 2;
    }
    if (off < 1e-13 || (off < 1e-3 && off >= last)) break;
    last = off;
    timesTransposed(y, t, spare, n, n, n, true);
    [y, spare] = [spare, y];
    timesTransposed(t, z, spare, n, n, n, true);
    [z, spare] = [spare, z];
  }
  const root = 1 / Math.sqrt(scale);
  return z.map((value) => value * root);
}

/**
 * out = a b^T of a [n, k] and b [m, k], in blocks of 4 x 2 so that what is loaded is used again; a block over the edge repeats the last row.
 * `symmetric`: out is known to be, and half of it is computed.
 */
function timesTransposed(a: Float64Array, b: Float64Array, out: Float64Array, n: number, m: number, k: number, symmetric: boolean): void {
  for (let i = 0; i < n; i += 4) {
    const i1 = Math.min(i + 1, n - 1);
    const i2 = Math.min(i + 2, n - 1);
    const i3 = Math.min(i + 3, n - 1);
    for (let j = symmetric ? i : 0; j < m; j += 2) {
      const j1 = Math.min(j + 1, m - 1);
      let s00 = 0;
      let s01 = 0;
      let s10 = 0;
      let s11 = 0;
      let s20 = 0;
      let s21 = 0;
      let s30 = 0;
      let s31 = 0;
      for (let l = 0; l < k; l++) {
        const u = b[j * k + l]!;
        const v = b[j1 * k + l]!;
        const p = a[i * k + l]!;
        const q = a[i1 * k + l]!;
        const r = a[i2 * k + l]!;
        const s = a[i3 * k + l]!;
        s00 += p * u;
        s01 += p * v;
        s10 += q * u;
        s11 += q * v;
        s20 += r * u;
        s21 += r * v;
        s30 += s * u;
        s31 += s * v;
      }
      out[i * m + j] = s00;
      out[i * m + j1] = s01;
      out[i1 * m + j] = s10;
      out[i1 * m + j1] = s11;
      out[i2 * m + j] = s20;
      out[i2 * m + j1] = s21;
      out[i3 * m + j] = s30;
      out[i3 * m + j1] = s31;
    }
  }
  if (symmetric) for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) out[i * m + j] = out[j * m + i]!;
}
