/**
 * Normalizing flows: bijections with log-determinants, under the names that generated code imports. A name that an operation of tensors already
 * has ends in `Flow`.
 */
export { chain, invert, type Bijector, type Conditioner, type Direction, type EventOptions, type Image } from "./bijector.js";
export { conditioned, type ConditionedOptions } from "./conditioned.js";
export { actnorm } from "./actnorm.js";
export { affine, type Affine } from "./affine.js";
export { inverseAutoregressive, maskedAutoregressive, type AutoregressiveOptions } from "./autoregressive.js";
export { batchNormFlow, type BatchNormFlow } from "./batch-norm.js";
export {
  additiveCoupling,
  coupling,
  splineCoupling,
  type AffineCouplingOptions,
  type CouplingOptions,
  type SplineCouplingOptions,
} from "./coupling.js";
export { dequantizeFlow, type DequantizeFlowOptions } from "./dequantize.js";
export { expFlow, logitFlow, sigmoidFlow, softplusFlow, type SquashOptions } from "./elementwise.js";
export { invertibleLinear, type InvertibleLinear } from "./linear.js";
export type { Mask, MaskOptions } from "./masks.js";
export { multiScale, type MultiScaleOptions } from "./multi-scale.js";
export { planar, radial, type Planar, type Radial } from "./planar.js";
export type { ScaleForm, ScaleOptions } from "./scale.js";
export { ownFlow, type Jacobian, type Level, type OwnFlowOptions } from "./own.js";
export { permute, reverseFlow, squeezeFlow, type PermuteOptions, type SqueezeOptions } from "./shuffle.js";
export type { SplineOptions } from "./spline.js";
export { sylvester, type Sylvester, type SylvesterOptions } from "./sylvester.js";
