/** Solving and multiplying by triangular factors, for densities over vectors. Factors are [D, D] or [..., D, D], lower triangular. */
import {
  broadcastTo,
  expandDims,
  eye,
  log,
  matmul,
  mul,
  reshape,
  sizeOf,
  squeeze,
  sum,
  transpose,
  triangularSolve,
} from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { broadcastShapes } from "../graph/shape.js";

/** Extent of the last axis. */
export function lastExtent(x: Tensor): number {
  return x.shape.at(-1) ?? 1;
}

/** The diagonal of the last two axes: [..., D]. */
export function diagonal(matrix: Tensor): Tensor {
  return sum(mul(matrix, eye(lastExtent(matrix))), -1);
}

/** log det of a triangular factor with positive diagonal: [...]. */
export function logDeterminant(factor: Tensor): Tensor {
  return sum(log(diagonal(factor)), -1);
}

/** L^-1 v, or (L^T)^-1 v, for vectors v [..., D]. */
export function solveLower(factor: Tensor, v: Tensor, options: { readonly transpose?: boolean } = {}): Tensor {
  const size = lastExtent(factor);
  if (factor.shape.length === 2) {
    // One factor for all vectors: one solve with the vectors as columns.
    const columns = transpose(reshape(v, [sizeOf(v.shape) / size, size]));
    return reshape(transpose(triangularSolve(factor, columns, options)), v.shape);
  }
  const leading = broadcastShapes("triangular solve", [factor.shape.slice(0, -2), v.shape.slice(0, -1)]);
  return squeeze(triangularSolve(factor, expandDims(broadcastTo(v, [...leading, size]), -1), options), -1);
}

/** A v for vectors v [..., m] and a matrix [n, m] or [..., n, m]: [..., n]. */
export function matrixVector(matrix: Tensor, v: Tensor): Tensor {
  if (matrix.shape.length === 2) return matmul(v, matrix, { transposeB: true });
  return squeeze(matmul(matrix, expandDims(v, -1)), -1);
}

/** v A for vectors v [..., n] and a matrix [n, m] or [..., n, m]: [..., m]. */
export function vectorMatrix(v: Tensor, matrix: Tensor): Tensor {
  if (matrix.shape.length === 2) return matmul(v, matrix);
  return squeeze(matmul(expandDims(v, -2), matrix), -2);
}
