/** Dirichlet(concentration [..., V]) over points of the simplex [..., V]. */
import {
  add,
  and,
  digamma,
  div,
  greater,
  less,
  lgamma,
  lift,
  log,
  max,
  mul,
  not,
  select,
  softmax,
  expandDims,
  sub,
  sum,
} from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { allLast } from "../graph/last-axes.js";
import { positiveVector } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { SMALLEST } from "./gamma-sampler.js";
import { logGammaDraw } from "./implicit-gamma.js";
import { lastSum, logPoissonTerm, xlogy } from "./numeric.js";

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
  /**
   * sum (c - 1) log x - log B(c). Where all c are 1 or more these terms cancel in float32, and it is made of what does not: n of Poisson counts c with
   * means n x, given their sum n (the identity of the multinomial, for real counts), times prod(c / x) / n.
   */
  logProb: (x, params) => {
    const concentration = lift(params.concentration);
    const point = lift(x);
    const inSum = allLast(and(not(less(concentration, 1)), greater(point, 0)), 1);
    const large = expandDims(inSum, -1);
    const [c, at] = [select(large, concentration, 1), select(large, point, 1)];
    const n = lastSum(c);
    const counts = sum(add(logPoissonTerm(c, mul(n, at)), sub(log(c), log(at))), [-1]);
    const whole = sum(add(logPoissonTerm(n, n), log(n)), [-1]);
    const few = select(large, 1, concentration);
    const asItStands = sub(sum(xlogy(sub(few, 1), point), [-1]), logMultivariateBeta(few));
    return select(inSum, sub(counts, whole), asItStands);
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
