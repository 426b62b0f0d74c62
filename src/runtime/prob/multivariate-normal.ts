/** MultivariateNormal(loc [..., D], scaleTril [..., D, D]): covariance L L^T. `covariance` may be given instead of its Cholesky factor. */
import { add, broadcastTo, cholesky, lift, lowerTriangle, matmul, mul, randomNormal, square, sub, sum } from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { realVector } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { lastExtent, logDeterminant, matrixVector, solveLower } from "./linear.js";

import { HALF_LOG_2PI } from "./numeric.js";

export type MultivariateNormalParams = { readonly loc: TensorLike } & (
  { readonly scaleTril: Tensor; readonly covariance?: undefined } | { readonly covariance: Tensor; readonly scaleTril?: undefined }
);

/** The lower Cholesky factor of the covariance. */
export function choleskyFactorOf(params: MultivariateNormalParams): Tensor {
  return params.scaleTril === undefined ? cholesky(params.covariance) : lowerTriangle(params.scaleTril);
}

function locOf(params: MultivariateNormalParams, factor: Tensor): Tensor {
  const loc = lift(params.loc);
  return loc.shape.length > 0 ? loc : broadcastTo(loc, [lastExtent(factor)]);
}

export const multivariateNormal = {
  name: "MultivariateNormal",
  support: "real",
  eventRank: 1,
  parameters: [
    { loc: realVector, scaleTril: { domain: "lowerTriangular", rank: 2 } },
    { loc: realVector, covariance: { domain: "covariance", rank: 2 } },
  ],
  reparameterised: true,
  /** -|L^-1 (x - loc)|^2 / 2 - log det L - D log(2 pi) / 2 */
  logProb: (x, params) => {
    const factor = choleskyFactorOf(params);
    const white = solveLower(factor, sub(x, locOf(params, factor)));
    const size = lastExtent(factor);
    return sub(mul(-0.5, sum(square(white), [-1])), add(logDeterminant(factor), size * HALF_LOG_2PI));
  },
  /** loc + L eps; `shape` ends with D. */
  sample: (key, params, shape) => {
    const factor = choleskyFactorOf(params);
    return add(locOf(params, factor), matrixVector(factor, randomNormal(key, shape)));
  },
  mean: (params) => locOf(params, choleskyFactorOf(params)),
  /** The covariance's diagonal. */
  variance: (params) => {
    const factor = choleskyFactorOf(params);
    return sum(square(factor), [-1]);
  },
  mode: (params) => locOf(params, choleskyFactorOf(params)),
  entropy: (params) => {
    const factor = choleskyFactorOf(params);
    return add(logDeterminant(factor), lastExtent(factor) * (HALF_LOG_2PI + 0.5));
  },
} satisfies Distribution<MultivariateNormalParams>;

/** L L^T */
export function covarianceOf(params: MultivariateNormalParams): Tensor {
  const factor = choleskyFactorOf(params);
  return matmul(factor, factor, { transposeB: true });
}
