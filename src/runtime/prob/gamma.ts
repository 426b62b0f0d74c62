/** Gamma(concentration, rate): density rate^a x^(a-1) exp(-rate x) / Gamma(a), a the concentration. */
import { add, and, digamma, div, exp, greater, less, lgamma, log, max, mul, not, select, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { SMALLEST } from "./gamma-sampler.js";
import { logGammaDraw } from "./implicit-gamma.js";
import { logPoissonTerm, xlogy } from "./numeric.js";

/** From here on the terms of the density cancel in float32. */
const LARGE = 16;

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
  /** a log rate + (a - 1) log x - rate x - log Gamma(a); of large a, a / x times the Poisson probability of a at rate x */
  logProb: (x, { concentration, rate }) => {
    const large = and(not(less(concentration, LARGE)), greater(x, 0));
    const a = select(large, concentration, LARGE);
    const at = select(large, x, 1);
    const few = select(large, 1, concentration);
    const asItStands = sub(add(mul(few, log(rate)), xlogy(sub(few, 1), x)), add(mul(rate, x), lgamma(few)));
    return select(large, add(sub(log(a), log(at)), logPoissonTerm(a, mul(rate, at))), asItStands);
  },
  sample: (key, { concentration, rate }, shape) => max(exp(sub(logGammaDraw(key, concentration, shape), log(rate))), SMALLEST),
  mean: ({ concentration, rate }) => div(concentration, rate),
  variance: ({ concentration, rate }) => div(concentration, square(rate)),
  mode: ({ concentration, rate }) => div(max(sub(concentration, 1), 0), rate),
  /** a - log rate + log Gamma(a) + (1 - a) psi(a) */
  entropy: ({ concentration, rate }) =>
    add(add(sub(concentration, log(rate)), lgamma(concentration)), mul(sub(1, concentration), digamma(concentration))),
} satisfies Distribution<GammaParams>;
