/**
 * An invertible linear map of the last axis; on images the 1x1 convolution of Glow (Kingma & Dhariwal 2018, section 3.2). From x to z it is x W,
 * W = P L (U + diag(s)) (eq. 10): P a fixed permutation, L lower triangular with ones, U strictly upper. log |det| = positions Σ log |s|. From z
 * to x two triangular systems give the inverse matrix once, for all positions.
 */
import {
  add,
  exp,
  eye,
  expandDims,
  lowerTriangle,
  matmul,
  matrixTranspose,
  mul,
  neg,
  sum,
  triangularSolve,
  upperTriangle,
} from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { init } from "../nn/init.js";
import { layerSpec, leaf, untrained } from "../nn/spec.js";
import type { LayerSpec } from "../nn/spec.js";
import { diagonal } from "../prob/linear.js";
import { channelsOf, closed, leadOf, perExample, positionsOf } from "./bijector.js";
import type { Bijector, EventOptions } from "./bijector.js";

/**
 * lu [C, C]: L below its diagonal, U above, and log |s| on it. Fixed: signs of s [C], and P [C, C], whose rows and columns hold a single 1.
 */
export interface InvertibleLinear {
  readonly lu: Tensor;
  readonly signs: Tensor;
  readonly permutation: Tensor;
}

/** Starts as a random rotation. */
export function invertibleLinear(w: InvertibleLinear, { event }: EventOptions): Bijector {
  const channels = channelsOf("invertibleLinear", event);
  const factors = (): { readonly lower: Tensor; readonly upper: Tensor } => {
    const identity = eye(channels);
    const s = mul(w.signs, exp(diagonal(w.lu)));
    return { lower: add(lowerTriangle(w.lu, -1), identity), upper: add(upperTriangle(w.lu, 1), mul(identity, expandDims(s, -1))) };
  };
  const logDet = (): Tensor => mul(positionsOf(event), sum(diagonal(w.lu)));
  return {
    inverse: (x) => {
      const lead = leadOf("invertibleLinear", x, event);
      const { lower, upper } = factors();
      return { value: matmul(x, matmul(w.permutation, matmul(lower, upper))), logDet: perExample(logDet(), lead) };
    },
    forward: (z) => {
      const lead = leadOf("invertibleLinear", z, event);
      const { lower, upper } = factors();
      const half = triangularSolve(lower, matrixTranspose(w.permutation));
      const inverse = triangularSolve(matrixTranspose(upper), half, { transpose: true });
      return { value: matmul(z, inverse), logDet: perExample(neg(logDet()), lead) };
    },
    directions: closed,
  };
}
invertibleLinear.spec = (channels: number): LayerSpec<InvertibleLinear> =>
  layerSpec("invertibleLinear", {
    lu: leaf([channels, channels], init.rotation("lu")),
    signs: untrained([channels], init.rotation("signs")),
    permutation: untrained([channels, channels], init.rotation("permutation")),
  });
