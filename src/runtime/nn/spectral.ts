/**
 * Spectral normalisation (Miyato et al. 2018, algorithm 1): a kernel divided by its largest singular value, found by one step of power iteration
 * from where the last training stage left it. Layers with the option `spectral` keep that vector beside their kernel.
 */
import { currentMode, div, matmul, mul, norm, reshape, sizeOf, stopGradient, sum, matrixTranspose, writeState } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { init } from "./init.js";
import { pending } from "./normalise.js";
import { untrained, type LeafSpec } from "./spec.js";

/** A kernel, and where it is normalised the left singular vector as far as it is known: state that no optimiser moves. */
export interface Normalised {
  /** [...inputs, outputs] */
  readonly kernel: Tensor;
  /** [outputs] */
  readonly singular?: Tensor;
}

/** The leaf of the vector, for `layer.spec`. */
export const singularLeaf = (outputs: number): LeafSpec => untrained([outputs], init.normal(0, 1));

/**
 * The kernel as the layer uses it: itself, or over its largest singular value as a matrix [inputs, outputs]. The vectors count as constants, as
 * in the paper; the gradient passes through kernel and singular value. A training stage moves the vector on.
 */
export function normalisedKernel({ kernel, singular }: Normalised): Tensor {
  if (singular === undefined) return kernel;
  const outputs = singular.shape[0] ?? 1;
  const matrix = reshape(kernel, [sizeOf(kernel.shape) / outputs, outputs]);
  const fixed = stopGradient(matrix);
  const training = currentMode() === "train";
  const start = training ? pending(singular) : singular;
  const right = unit(matmul(fixed, reshape(start, [outputs, 1])));
  const left = unit(matmul(matrixTranspose(fixed), right));
  if (training) writeState(singular, stopGradient(reshape(left, [outputs])));
  const sigma = sum(mul(stopGradient(right), matmul(matrix, stopGradient(left))));
  return div(kernel, sigma);
}

function unit(x: Tensor): Tensor {
  return stopGradient(div(x, norm(x)));
}
