/** Gamma(concentration, rate): density rate^a x^(a-1) exp(-rate x) / Gamma(a), a the concentration. */
import { add, digamma, div, exp, lgamma, log, max, mul, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { SMALLEST } from "./gamma-sampler.js";
import { logGammaDraw } from "./implicit-gamma.js";

import { xlogy } from "./numeric.js";

export interface GammaParams {
  readonly concentration: TensorLike;
  readonly rate: TensorLike;
}

export const gamma = {
  name: "Gamma",
  support: "positive",
  eventRank: 0,
  parameters: [{ concentration: positiveScalar, rate: positiveScalar }],
  reparameterised: true,
  /** a log rate + (a - 1) log x - rate x - log Gamma(a) */
  logProb: (x, { concentration, rate }) =>
    sub(add(mul(concentration, log(rate)), xlogy(sub(concentration, 1), x)), add(mul(rate, x), lgamma(concentration))),
  sample: (key, { concentration, rate }, shape) => max(exp(sub(logGammaDraw(key, concentration, shape), log(rate))), SMALLEST),
  mean: ({ concentration, rate }) => div(concentration, rate),
  variance: ({ concentration, rate }) => div(concentration, square(rate)),
  mode: ({ concentration, rate }) => div(max(sub(concentration, 1), 0), rate),
  /** a - log rate + log Gamma(a) + (1 - a) psi(a) */
  entropy: ({ concentration, rate }) =>
    add(add(sub(concentration, log(rate)), lgamma(concentration)), mul(sub(1, concentration), digamma(concentration))),
} satisfies Distribution<GammaParams>;
