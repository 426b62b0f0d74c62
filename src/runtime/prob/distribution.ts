/**
 * What a distribution is: a record of functions over parameter records under the `.gm` names.
 *
 * Shapes broadcast: a value [..., ...event] meets parameters with any leading axes. `logProb` is elementwise for distributions over
 * scalars (`eventRank` 0; the caller sums the event) and reduces the last `eventRank` axes for distributions over vectors.
 * Parameters are not checked while the graph runs: one outside its domain gives NaN, which the finiteness flag reports with its origin.
 */
import type { DrawShape, Key, Tensor, TensorLike } from "../graph/index.js";

/** The set that values lie in. `category` values are integers 0..K-1. */
export type Support =
  "real" | "positive" | "nonnegative" | "unit" | "binary" | "category" | "count" | "byte" | "simplex" | "oneHot" | "interval" | "point";

export interface ParameterInfo {
  /** The set that the parameter lies in; `count` is a nonnegative integer, `lowerTriangular` has a positive diagonal, a `covariance` is positive definite. */
  readonly domain: "real" | "positive" | "unit" | "simplex" | "count" | "lowerTriangular" | "covariance";
  /** Axes of the parameter that belong to one draw. */
  readonly rank: number;
}

export interface Distribution<P> {
  /** The `.gm` name: `Normal`. */
  readonly name: string;
  readonly support: Support;
  /** Number of trailing axes of one draw. */
  readonly eventRank: number;
  /** One record for each way to give the parameters, the first preferred. */
  readonly parameters: readonly Readonly<Record<string, ParameterInfo | undefined>>[];
  /**
   * Whether the gradient of a sample in all parameters is the pathwise one. Where false, the sample is cut by `stopGradient`:
   * its gradient is zero, never half of the truth.
   */
  readonly reparameterised: boolean;
  /** log density, or log mass. Elementwise for eventRank 0. */
  logProb(x: TensorLike, params: P): Tensor;
  /** `shape` is the full shape of the result, with the row axis marked. */
  sample(key: Key, params: P, shape: DrawShape): Tensor;
  /** Undefined moments (Cauchy) are absent or NaN, infinite ones are Infinity. */
  mean?(params: P): Tensor;
  variance?(params: P): Tensor;
  mode?(params: P): Tensor;
  /** Differential entropy, or entropy, in nats. */
  entropy?(params: P): Tensor;
  /** P(X <= x), elementwise. */
  cdf?(x: TensorLike, params: P): Tensor;
}

/** A parameter that may be given in one of two ways. */
export type Logits = { readonly logits: TensorLike; readonly probs?: undefined };
export type Probs = { readonly probs: TensorLike; readonly logits?: undefined };

export const realScalar: ParameterInfo = { domain: "real", rank: 0 };
export const positiveScalar: ParameterInfo = { domain: "positive", rank: 0 };
export const unitScalar: ParameterInfo = { domain: "unit", rank: 0 };
export const countScalar: ParameterInfo = { domain: "count", rank: 0 };
export const realVector: ParameterInfo = { domain: "real", rank: 1 };
export const positiveVector: ParameterInfo = { domain: "positive", rank: 1 };
export const simplexVector: ParameterInfo = { domain: "simplex", rank: 1 };
