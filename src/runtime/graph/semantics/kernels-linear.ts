/** Kernels of matrix products and triangular systems. */
import { sizeOf } from "../shape.js";
import type { NodeOf } from "../types.js";
import type { Value } from "./value.js";

export function matmulKernel({ params }: NodeOf<"matmul">, [a, b]: readonly Value[], out: Value): void {
  const rank = out.shape.length;
  const [m, n] = [out.shape[rank - 2]!, out.shape[rank - 1]!];
  const k = a!.shape[rank - (params.transposeA ? 2 : 1)]!;
  const batch = sizeOf(out.shape.slice(0, -2));
  const sharedB = b!.shape.length === 2;
  const [ai, ak] = params.transposeA ? [1, m] : [k, 1];
  const [bk, bj] = params.transposeB ? [1, k] : [n, 1];
  const [x, y, to] = [a!.data, b!.data, out.data];
  for (let g = 0; g < batch; g++) {
    const [a0, b0, c0] = [g * m * k, sharedB ? 0 : g * k * n, g * m * n];
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        const left = x[a0 + i * ai + p * ak]!;
        for (let j = 0; j < n; j++) to[c0 + i * n + j]! += left * y[b0 + p * bk + j * bj]!;
      }
    }
  }
}

/** Cholesky-Banachiewicz; the square root of a negative pivot makes NaN. Reads the lower triangle. */
export function choleskyKernel(_node: NodeOf<"cholesky">, [a]: readonly Value[], out: Value): void {
  const n = out.shape[out.shape.length - 1]!;
  const l = out.data;
  for (let base = 0; base < l.length; base += n * n) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        let rest = a!.data[base + i * n + j]!;
        for (let p = 0; p < j; p++) rest -= l[base + i * n + p]! * l[base + j * n + p]!;
        l[base + i * n + j] = i === j ? Math.sqrt(rest) : rest / l[base + j * n + j]!;
      }
    }
  }
}

/** Forward substitution for l x = b, backward for l^T x = b. Reads the lower triangle of l. */
export function triangularSolveKernel({ params }: NodeOf<"triangularSolve">, [l, b]: readonly Value[], out: Value): void {
  const rank = out.shape.length;
  const [n, m] = [out.shape[rank - 2]!, out.shape[rank - 1]!];
  const batch = sizeOf(out.shape.slice(0, -2));
  for (let g = 0; g < batch; g++) {
    const [l0, x0] = [g * n * n, g * n * m];
    for (let s = 0; s < n; s++) {
      const i = params.transpose ? n - 1 - s : s;
      for (let c = 0; c < m; c++) {
        let rest = b!.data[x0 + i * m + c]!;
        for (let t = 0; t < s; t++) {
          const j = params.transpose ? n - 1 - t : t;
          const entry = params.transpose ? l!.data[l0 + j * n + i]! : l!.data[l0 + i * n + j]!;
          rest -= entry * out.data[x0 + j * m + c]!;
        }
        out.data[x0 + i * m + c] = rest / l!.data[l0 + i * n + i]!;
      }
    }
  }
}
