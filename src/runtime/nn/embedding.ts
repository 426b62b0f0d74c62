/** A trained vector for each class of a label. */
import { matmul, take } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { init } from "./init.js";
import type { Init } from "./init.js";
import { layerSpec, leaf } from "./spec.js";
import type { LayerSpec } from "./spec.js";

export interface Embedding {
  /** [classes, units] */
  readonly table: Tensor;
}

/** labels [...] in 0..classes-1, or one-hot vectors [..., classes] (f32), -> [..., units]. */
export function embedding(w: Embedding, labels: Tensor): Tensor {
  return labels.dtype === "f32" ? matmul(labels, w.table) : take(w.table, labels, 0);
}

/** Starts from Normal(0, 1 / sqrt(units)) unless told otherwise: vectors of length about 1. */
embedding.spec = (classes: number, units: number, options: { readonly init?: Init } = {}): LayerSpec<Embedding> =>
  layerSpec("embedding", { table: leaf([classes, units], options.init ?? init.normal(0, 1 / Math.sqrt(units))) });

embedding.outShape = (event: readonly number[], units: number): readonly number[] => [...event, units];
