/** Layers, initialisers and weights trees, under the names that generated code imports. */
export {
  concatElu,
  concatRelu,
  elu,
  gatedTanh,
  gelu,
  glu,
  hardTanh,
  leakyRelu,
  maxout,
  mish,
  selu,
  silu,
  softsign,
} from "./activations.js";
export {
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
  unwindowedShape,
  windowedShape,
  type Conv,
  type ConvSpecOptions,
  type Extent,
} from "./conv.js";
export { convolve, convolveTranspose, type ConvolveOptions } from "./convolve.js";
export {
  degreeMask,
  degreesOf,
  allMasks,
  drawnMask,
  maskInTurn,
  orderOf,
  unitsOf,
  type DegreeRule,
  type Degrees,
  type DegreesPart,
  type MaskChoice,
  type Order,
} from "./degrees.js";
export { dropout, type DropoutOptions } from "./dropout.js";
export { embedding, type Embedding } from "./embedding.js";
export { broadcastEvent, concatEvent, flatten, padEvent, repeatEvent, reshapeEvent, takeEvent, transposeEvent } from "./events.js";
export {
  causalConv1d,
  maskedConv2d,
  type CausalConv1dOptions,
  type MaskKind,
  type MaskedConv2dOptions,
  type MaskedConv2dSpecOptions,
} from "./masked-conv.js";
export { maskedDense, type MaskedDense } from "./masked-dense.js";
export { minibatchDiscrimination, type MinibatchDiscrimination } from "./minibatch.js";
export { nade, type Nade, type NadeSpecOptions } from "./nade.js";
export {
  batchNorm,
  groupNorm,
  instanceNorm,
  layerNorm,
  type BatchNorm,
  type BatchNormOptions,
  type ChannelNorm,
  type GroupNormOptions,
  type NormOptions,
} from "./normalise.js";
export {
  avgPool,
  blockSum,
  globalAvgPool,
  maxPool,
  upsample,
  reflectPad,
  type PoolOptions,
  type ReflectPadOptions,
  type UpsampleOptions,
} from "./pool.js";
export { dense, type Dense, type DenseOptions } from "./dense.js";
export { fromInput, startingFrom } from "./start.js";
export { normalisedKernel, type Normalised } from "./spectral.js";
export { evaluateInit, fansOf, init, type Init, type InitContext, type InitData } from "./init.js";
export {
  constrained,
  countParameters,
  initialState,
  leavesOf,
  leavesUnder,
  materialize,
  param,
  readState,
  unconstrained,
  type LayerSpec,
  type LeafAt,
  type LeafConstraint,
  type LeafSpec,
  type ParamOptions,
  type SpecNode,
  type WeightSpecs,
  type WeightsOf,
} from "./spec.js";
