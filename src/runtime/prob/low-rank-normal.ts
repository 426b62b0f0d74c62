/**
 * LowRankNormal(loc [..., D], factor [Z, D], scale [..., D]): x = loc + z W + noise, z ~ N(0, I_Z), noise ~ N(0, diag(scale^2)); the
 * marginal of factor analysis (scale a vector) and of probabilistic PCA (scale a scalar), Tipping & Bishop 1999, eq. 4.
 * Covariance W^T W + diag(scale^2), never formed: with A = W diag(1 / scale) and M = I + A A^T = L L^T ([Z, Z]),
 * Woodbury gives the quadratic form |e|^2 - |L^-1 A e|^2 for e = (x - loc) / scale, and log det = log det M + 2 sum log scale.
 */
import {
  add,
  broadcastTo,
  cholesky,
  div,
  expandDims,
  eye,
  lift,
  log,
  matmul,
  mul,
  randomNormal,
  square,
  sub,
  sum,
} from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { positiveVector, realVector } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { lastExtent, logDeterminant, matrixVector, solveLower, vectorMatrix } from "./linear.js";

import { HALF_LOG_2PI } from "./numeric.js";

export interface LowRankNormalParams {
  readonly loc: TensorLike;
  /** [Z, D] or [..., Z, D] */
  readonly factor: Tensor;
  /** Standard deviation of the noise: a number, or [D]. */
  readonly scale: TensorLike;
}

/** scale as [..., D] */
function noiseOf(params: LowRankNormalParams): Tensor {
  const scale = lift(params.scale);
  const size = lastExtent(params.factor);
  return scale.shape.at(-1) === size ? scale : broadcastTo(scale, [...scale.shape.slice(0, -1), size]);
}

/** A = W diag(1 / scale) and the Cholesky factor of I + A A^T. */
function capacitance(params: LowRankNormalParams): { readonly scaled: Tensor; readonly cholesky: Tensor } {
  const scaled = div(params.factor, expandDims(noiseOf(params), -2));
  const gram = matmul(scaled, scaled, { transposeB: true });
  return { scaled, cholesky: cholesky(add(gram, eye(scaled.shape.at(-2) ?? 1))) };
}

function locOf(params: LowRankNormalParams): Tensor {
  const loc = lift(params.loc);
  return loc.shape.length > 0 ? loc : broadcastTo(loc, [lastExtent(params.factor)]);
}

/** log det of the covariance, halved: sum log scale + log det L. */
function halfLogDeterminant(params: LowRankNormalParams, factor: Tensor): Tensor {
  return add(sum(log(noiseOf(params)), [-1]), logDeterminant(factor));
}

export const lowRankNormal = {
  name: "LowRankNormal",
  support: "real",
  eventRank: 1,
  parameters: [{ loc: realVector, factor: { domain: "real", rank: 2 }, scale: positiveVector }],
  reparameterised: true,
  logProb: (x, params) => {
    const { scaled, cholesky: factor } = capacitance(params);
    const e = div(sub(x, locOf(params)), noiseOf(params));
    const explained = solveLower(factor, matrixVector(scaled, e));
    const quadratic = sub(sum(square(e), [-1]), sum(square(explained), [-1]));
    const size = lastExtent(params.factor);
    return sub(mul(-0.5, quadratic), add(halfLogDeterminant(params, factor), size * HALF_LOG_2PI));
  },
  /** `shape` ends with D. */
  sample: (key, params, shape) => {
    const rank = params.factor.shape.at(-2) ?? 1;
    const z = randomNormal(key.at("latent"), [...shape.slice(0, -1), rank]);
    const noise = mul(noiseOf(params), randomNormal(key.at("noise"), shape));
    return add(add(locOf(params), vectorMatrix(z, params.factor)), noise);
  },
  mean: locOf,
  variance: (params) => add(sum(square(params.factor), [-2]), square(noiseOf(params))),
  mode: locOf,
  entropy: (params) => add(halfLogDeterminant(params, capacitance(params).cholesky), lastExtent(params.factor) * (HALF_LOG_2PI + 0.5)),
} satisfies Distribution<LowRankNormalParams>;
