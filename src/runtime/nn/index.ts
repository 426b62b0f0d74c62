/** Layers, initialisers and weights trees, under the names that generated code imports. */
export { dense, type Dense, type DenseOptions } from "./dense.js";
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
