/**
 * Normalizing flows: bijections with log-determinants, under the names that generated code imports. A name that an operation of tensors already
 * has ends in `Flow`.
 */
export { chain, invert, type Bijector, type Conditioner, type Direction, type EventOptions, type Image } from "./bijector.js";
export { affine, type Affine } from "./affine.js";
export {
  additiveCoupling,
  coupling,
  splineCoupling,
  type AffineCouplingOptions,
  type CouplingOptions,
  type SplineCouplingOptions,
} from "./coupling.js";
export type { Mask, MaskOptions } from "./masks.js";
export { planar, radial, type Planar, type Radial } from "./planar.js";
export type { ScaleForm, ScaleOptions } from "./scale.js";
export { permute, reverseFlow, squeezeFlow, type PermuteOptions, type SqueezeOptions } from "./shuffle.js";
export type { SplineOptions } from "./spline.js";
