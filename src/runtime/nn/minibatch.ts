/**
 * Minibatch discrimination (Salimans, Goodfellow, Zaremba, Cheung, Radford & Chen 2016, section 3.2): a layer that sees the other rows of the batch, so
 * that a critic can tell samples that are too much alike.
 */
import { abs, concat, exp, expandDims, GmcError, matmul, neg, reshape, sub, sum } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { init } from "./init.js";
import { layerSpec, leaf } from "./spec.js";
import type { LayerSpec } from "./spec.js";

export interface MinibatchDiscrimination {
  /** [features, kernels, dims]: the tensor T. */
  readonly kernel: Tensor;
}

/**
 * x [...samples, B, features] with o behind it, [...samples, B, features + kernels]. Of M_i = x_i T, o_ib = sum_j exp(-|M_ib - M_jb|_1) over all rows j
 * of the batch, i among them. Throws GM4013 where x has no rows, or one that there is nothing to compare with.
 */
export function minibatchDiscrimination(w: MinibatchDiscrimination, x: Tensor): Tensor {
  const [features = 0, kernels = 0, dims = 0] = w.kernel.shape;
  const lead = x.shape.slice(0, -1);
  if (lead.length === 0) {
    throw new GmcError("GM4013", "minibatch discrimination compares the rows of a batch, and its input has none", [
      "give it what is computed from data or from samples",
    ]);
  }
  if ((lead.at(-1) ?? 0) < 2) {
    throw new GmcError("GM4013", "minibatch discrimination compares the rows of a batch, and a batch has 1", ["use a larger batch"]);
  }
  const m = reshape(matmul(x, reshape(w.kernel, [features, kernels * dims])), [...lead, kernels, dims]);
  // [..., B, 1, kernels, dims] beside [..., 1, B, kernels, dims]
  const rows = lead.length - 1;
  const distances = sum(abs(sub(expandDims(m, rows + 1), expandDims(m, rows))), [-1]);
  return concat([x, sum(exp(neg(distances)), [rows + 1])], -1);
}

minibatchDiscrimination.spec = (features: number, kernels: number, dims: number): LayerSpec<MinibatchDiscrimination> =>
  layerSpec("minibatchDiscrimination", { kernel: leaf([features, kernels, dims], init.normal(0, 0.05)) });

/** Event shape [features] -> [features + kernels]. */
minibatchDiscrimination.outShape = (event: readonly number[], kernels: number): readonly number[] => [(event[0] ?? 0) + kernels];
