/** Dirichlet(concentration [..., V]) over points of the simplex [..., V]. */
import { add, digamma, div, lgamma, lift, max, mul, softmax, sub, sum } from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { positiveVector } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { SMALLEST } from "./gamma-sampler.js";
import { logGammaDraw } from "./implicit-gamma.js";

import { lastSum, xlogy } from "./numeric.js";

export interface DirichletParams {
  readonly concentration: TensorLike;
}

/** log of the multivariate beta function: sum log Gamma(c) - log Gamma(sum c). */
export function logMultivariateBeta(concentration: Tensor): Tensor {
  return sub(sum(lgamma(concentration), [-1]), lgamma(sum(concentration, [-1])));
}

export const dirichlet = {
  name: "Dirichlet",
  support: "simplex",
  eventRank: 1,
  parameters: [{ concentration: positiveVector }],
  reparameterised: true,
  logProb: (x, params) => {
    const concentration = lift(params.concentration);
    return sub(sum(xlogy(sub(concentration, 1), x), [-1]), logMultivariateBeta(concentration));
  },
  /** Gamma draws over their sum, formed in log space; no entry underflows to 0. */
  sample: (key, { concentration }, shape) => max(softmax(logGammaDraw(key, concentration, shape), -1), SMALLEST),
  mean: (params) => {
    const concentration = lift(params.concentration);
    return div(concentration, lastSum(concentration));
  },
  variance: (params) => {
    const concentration = lift(params.concentration);
    const total = lastSum(concentration);
    const mean = div(concentration, total);
    return div(mul(mean, sub(1, mean)), add(total, 1));
  },
  /** log B(c) + (c0 - V) psi(c0) - sum (c - 1) psi(c) */
  entropy: (params) => {
    const concentration = lift(params.concentration);
    const total = sum(concentration, [-1]);
    const categories = concentration.shape.at(-1) ?? 1;
    const own = sum(mul(sub(concentration, 1), digamma(concentration)), [-1]);
    return sub(add(logMultivariateBeta(concentration), mul(sub(total, categories), digamma(total))), own);
  },
} satisfies Distribution<DirichletParams>;
