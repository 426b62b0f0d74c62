/** Beta(alpha, beta): density x^(alpha-1) (1-x)^(beta-1) / B(alpha, beta) on (0, 1). */
import { add, digamma, div, max, min, mul, neg, sigmoid, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { LARGEST_BELOW_ONE, SMALLEST } from "./gamma-sampler.js";
import { logGammaDraw } from "./implicit-gamma.js";

import { logBeta, xlog1py, xlogy } from "./numeric.js";

export interface BetaParams {
  readonly alpha: TensorLike;
  readonly beta: TensorLike;
}

export const beta = {
  name: "Beta",
  support: "unit",
  eventRank: 0,
  parameters: [{ alpha: positiveScalar, beta: positiveScalar }],
  reparameterised: true,
  logProb: (x, { alpha, beta }) => sub(add(xlogy(sub(alpha, 1), x), xlog1py(sub(beta, 1), neg(x))), logBeta(alpha, beta)),
  /** Ga / (Ga + Gb) of two gamma draws, formed in log space; kept strictly inside (0, 1) in float32. */
  sample: (key, { alpha, beta }, shape) => {
    const difference = sub(logGammaDraw(key.at("alpha"), alpha, shape), logGammaDraw(key.at("beta"), beta, shape));
    return min(max(sigmoid(difference), SMALLEST), LARGEST_BELOW_ONE);
  },
  mean: ({ alpha, beta }) => div(alpha, add(alpha, beta)),
  variance: ({ alpha, beta }) => {
    const total = add(alpha, beta);
    return div(mul(alpha, beta), mul(square(total), add(total, 1)));
  },
  /** (alpha - 1) / (alpha + beta - 2); for alpha, beta > 1 only */
  mode: ({ alpha, beta }) => div(sub(alpha, 1), sub(add(alpha, beta), 2)),
  /** log B(a, b) - (a - 1) psi(a) - (b - 1) psi(b) + (a + b - 2) psi(a + b) */
  entropy: ({ alpha, beta }) => {
    const total = add(alpha, beta);
    const own = add(mul(sub(alpha, 1), digamma(alpha)), mul(sub(beta, 1), digamma(beta)));
    return add(sub(logBeta(alpha, beta), own), mul(sub(total, 2), digamma(total)));
  },
} satisfies Distribution<BetaParams>;
