/** Affine layer on the last axis. */
import { add, matmul } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { init } from "./init.js";
import type { Init } from "./init.js";
import { normalisedKernel, singularLeaf } from "./spectral.js";
import { layerSpec, leaf } from "./spec.js";
import type { LayerSpec } from "./spec.js";

export interface Dense {
  /** [in, out] */
  readonly kernel: Tensor;
  /** [out] */
  readonly bias?: Tensor;
  /** [out], of a layer with spectral normalisation. */
  readonly singular?: Tensor;
}

export interface DenseOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Divides the kernel by its largest singular value. Default false. */
  readonly spectral?: boolean;
  /** Default Glorot uniform. */
  readonly init?: Init;
  /** Default zeros. */
  readonly biasInit?: Init;
}

/** x [..., in] -> x @ kernel + bias [..., out]. */
export function dense(w: Dense, x: Tensor): Tensor {
  const y = matmul(x, normalisedKernel(w));
  return w.bias === undefined ? y : add(y, w.bias);
}

dense.spec = (inputs: number, outputs: number, options: DenseOptions = {}): LayerSpec<Dense> =>
  layerSpec("dense", {
    kernel: leaf([inputs, outputs], options.init ?? init.glorotUniform),
    ...(options.bias === false ? {} : { bias: leaf([outputs], options.biasInit ?? init.zeros) }),
    ...(options.spectral === true ? { singular: singularLeaf(outputs) } : {}),
  });

/** Event shape [..., in] -> [..., out]. */
dense.outShape = (event: readonly number[], outputs: number): readonly number[] => [...event.slice(0, -1), outputs];
