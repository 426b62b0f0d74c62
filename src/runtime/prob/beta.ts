/** Beta(alpha, beta): density x^(alpha-1) (1-x)^(beta-1) / B(alpha, beta) on (0, 1). */
import {
  add,
  and,
  digamma,
  div,
  greater,
  less,
  log,
  log1p,
  max,
  min,
  mul,
  neg,
  not,
  select,
  sigmoid,
  square,
  sub,
} from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { LARGEST_BELOW_ONE, SMALLEST } from "./gamma-sampler.js";
import { logGammaDraw } from "./implicit-gamma.js";
import { logBeta, logBinomialTerm, xlog1py, xlogy } from "./numeric.js";

/** From a sum of the parameters like this on, the terms of the density cancel in float32. */
const LARGE = 16;

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
  /** (a - 1) log x + (b - 1) log(1 - x) - log B(a, b); of large a and b, a b / (n x (1 - x)) times a binomial probability, n = a + b */
  logProb: (x, { alpha, beta }) => {
    const inside = and(greater(x, 0), less(x, 1));
    const large = and(and(not(less(alpha, 1)), not(less(beta, 1))), and(not(less(add(alpha, beta), LARGE)), inside));
    const [a, b, at] = [select(large, alpha, LARGE), select(large, beta, LARGE), select(large, x, 0.5)];
    const n = add(a, b);
    const [p, q] = [select(large, 1, alpha), select(large, 1, beta)];
    const asItStands = sub(add(xlogy(sub(p, 1), x), xlog1py(sub(q, 1), neg(x))), logBeta(p, q));
    const odds = sub(log(mul(div(a, n), b)), add(log(at), log1p(neg(at))));
    return select(large, add(odds, logBinomialTerm(a, b, mul(n, at), mul(n, sub(1, at)))), asItStands);
  },
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
