/**
 * The Frechet distance between two samples taken for Gaussian (Dowson & Landau 1982; Heusel et al. 2017, eq. 6), and how far samples lie within the
 * data and data within the samples (Kynkaanniemi et al. 2019). On the host, in float64.
 */
import { rowCount, squaredDistances, type Points } from "./points.js";

export interface Gaussian {
  readonly mean: Float64Array;
  /** [width, width] */
  readonly covariance: Float64Array;
}

/** Mean and unbiased covariance of the rows. */
export function gaussianOf(points: Points): Gaussian {
  const { width, data } = points;
  const rows = rowCount(points);
  const mean = new Float64Array(width);
  for (let i = 0; i < data.length; i++) mean[i % width]! += data[i]! / rows;
  const covariance = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < width; k++) centred[k] = data[row * width + k]! - mean[k]!;
    for (let i = 0; i < width; i++) for (let j = 0; j <= i; j++) covariance[i * width + j]! += centred[i]! * centred[j]!;
  }
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) covariance[j * width + i] = covariance[i * width + j]! /= Math.max(1, rows - 1);
  }
  return { mean, covariance };
}

/** |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)): the square of the distance, as it is reported everywhere. */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  const n = a.mean.length;
  let distance = 0;
  for (let i = 0; i < n; i++) {
    distance += (a.mean[i]! - b.mean[i]!) ** 2 + a.covariance[i * n + i]! + b.covariance[i * n + i]!;
  }
  // the eigenvalues of S1 S2 are those of the symmetric S1^(1/2) S2 S1^(1/2)
  const root = matrixRoot(a.covariance, n);
  const { values } = symmetricEigen(times(times(root, b.covariance, n), root, n), n);
  return distance - 2 * values.reduce((s, v) => s + Math.sqrt(Math.max(0, v)), 0);
}

/** The symmetric square root of a positive semidefinite matrix [n, n]. */
export function matrixRoot(matrix: Float64Array, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const scaled = vectors.map((v, i) => v * Math.sqrt(Math.max(0, values[i % n]!)));
  return times(scaled, transposed(vectors, n), n);
}

/** Eigenvalues, and eigenvectors as columns [n, n], of a symmetric matrix: cyclic Jacobi rotations (Golub & Van Loan 2013, algorithm 8.5.3). */
export function symmetricEigen(matrix: Float64Array, n: number): { readonly values: Float64Array; readonly vectors: Float64Array } {
  const a = matrix.slice();
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const size = Math.sqrt(a.reduce((s, v) => s + v * v, 0));
  // off the diagonal, entries fall by squares once they are small: some ten sweeps in practice
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) off += a[p * n + q]! ** 2;
    if (Math.sqrt(off) <= 1e-15 * size) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q]!;
        if (apq === 0) continue;
        const tau = (a[q * n + q]! - a[p * n + p]!) / (2 * apq);
        const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.hypot(1, tau));
        const c = 1 / Math.hypot(1, t);
        rotate(a, n, p, q, c, t * c, true);
        rotate(vectors, n, p, q, c, t * c, false);
      }
    }
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors };
}

/** Columns p and q turned by (c, s); with `both`, rows too. */
function rotate(a: Float64Array, n: number, p: number, q: number, c: number, s: number, both: boolean): void {
  for (let k = 0; k < n; k++) {
    const [x, y] = [a[k * n + p]!, a[k * n + q]!];
    a[k * n + p] = c * x - s * y;
    a[k * n + q] = s * x + c * y;
  }
  if (!both) return;
  for (let k = 0; k < n; k++) {
    const [x, y] = [a[p * n + k]!, a[q * n + k]!];
    a[p * n + k] = c * x - s * y;
    a[q * n + k] = s * x + c * y;
  }
}

function times(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const v = a[i * n + k]!;
      if (v !== 0) for (let j = 0; j < n; j++) out[i * n + j]! += v * b[k * n + j]!;
    }
  }
  return out;
}

function transposed(a: Float64Array, n: number): Float64Array {
  return a.map((_, i) => a[(i % n) * n + Math.floor(i / n)]!);
}

/**
 * Precision: the share of samples that lie within the data; recall: of data within the samples. A set covers the balls around each of its points that
 * reach to its k-th nearest other one (Kynkaanniemi et al. 2019, eq. 1 and 2). `k` is the one that was used: of few rows the last there is.
 */
export function precisionRecall(
  real: Points,
  drawn: Points,
  asked: number,
): { readonly precision: number; readonly recall: number; readonly k: number } {
  const [n, m] = [rowCount(real), rowCount(drawn)];
  const k = Math.min(asked, n - 1, m - 1);
  const cross = squaredDistances(real, drawn);
  const [realRadii, drawnRadii] = [nearestRadii(real, k), nearestRadii(drawn, k)];
  let [precise, recalled] = [0, 0];
  for (let j = 0; j < m; j++) {
    for (let i = 0; i < n; i++) {
      if (cross[i * m + j]! > realRadii[i]!) continue;
      precise++;
      break;
    }
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      if (cross[i * m + j]! > drawnRadii[j]!) continue;
      recalled++;
      break;
    }
  }
  return { precision: precise / m, recall: recalled / n, k };
}

/** Squared distance of each row to its k-th nearest other row. */
function nearestRadii(points: Points, k: number): Float64Array {
  const n = rowCount(points);
  const all = squaredDistances(points, points);
  return Float64Array.from({ length: n }, (_, i) => {
    const row = all.subarray(i * n, (i + 1) * n).slice();
    row[i] = Infinity;
    return row.sort()[k - 1] ?? 0;
  });
}
