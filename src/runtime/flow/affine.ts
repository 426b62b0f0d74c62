/** x = z exp(logScale) + shift, entry by entry, with learned shift and scale. */
import { add, broadcastTo, exp, mul, neg, sub } from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { broadcastShapes } from "../graph/shape.js";
import { sumLast } from "../graph/last-axes.js";
import { init } from "../nn/init.js";
import { layerSpec, leaf } from "../nn/spec.js";
import type { LayerSpec } from "../nn/spec.js";
import { closed, leadOf, perExample } from "./bijector.js";
import type { Bijector, EventOptions, Image } from "./bijector.js";

/** [...event], or with leading axes where a net gives them. */
export interface Affine {
  readonly shift: Tensor;
  readonly logScale: Tensor;
}

/** Starts as the identity. */
export function affine(w: Affine, { event }: EventOptions): Bijector {
  return {
    forward: (z) => affineForward(z, w.shift, w.logScale, event),
    inverse: (x) => affineInverse(x, w.shift, w.logScale, event),
    directions: closed,
  };
}
affine.spec = (event: Shape): LayerSpec<Affine> =>
  layerSpec("affine", { shift: leaf(event, init.zeros), logScale: leaf(event, init.zeros) });

/** Σ of a log scale over the event that it is stretched to. */
function total(logScale: Tensor, x: Tensor, event: Shape): Tensor {
  const lead = leadOf("affine", x, event);
  const stretched = broadcastTo(logScale, broadcastShapes("affine", [logScale.shape, event]));
  return perExample(sumLast(stretched, event.length), lead);
}

function affineForward(z: Tensor, shift: Tensor, logScale: Tensor, event: Shape): Image {
  return { logDet: total(logScale, z, event), value: add(mul(z, exp(logScale)), shift) };
}

function affineInverse(x: Tensor, shift: Tensor, logScale: Tensor, event: Shape): Image {
  return { logDet: neg(total(logScale, x, event)), value: mul(sub(x, shift), exp(neg(logScale))) };
}
