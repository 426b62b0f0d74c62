/**
 * Kullback-Leibler divergences KL(q || p) in closed form, in nats. Elementwise for distributions over scalars, reduced over the event
 * for distributions over vectors, as `logProb` is. `q` is the one that the expectation is taken under.
 * Sources: Penny 2001 (Gamma, Dirichlet), Gil et al. 2013 (table 3); the rest follows from the definitions in one line each.
 */
import {
  abs,
  add,
  and,
  broadcastTo,
  digamma,
  div,
  equal,
  exp,
  expandDims,
  eye,
  lessEqual,
  lgamma,
  lift,
  log,
  mul,
  select,
  sigmoid,
  softplus,
  square,
  sub,
  sum,
  triangularSolve,
} from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { bernoulliProbs } from "./bernoulli.js";
import type { BernoulliParams } from "./bernoulli.js";
import { categoricalLogProbs, categoricalProbs, weightedSum } from "./categorical.js";
import type { CategoricalParams } from "./categorical.js";

import type { NormalParams } from "./normal.js";
import { lastSum, logBeta, xlog1py, xlogy } from "./numeric.js";
import { broadcastShapes } from "../graph/shape.js";
import type { BetaParams } from "./beta.js";
import type { BinomialParams } from "./binomial.js";
import { logMultivariateBeta } from "./dirichlet.js";
import type { DirichletParams } from "./dirichlet.js";
import type { ExponentialParams } from "./exponential.js";
import type { GammaParams } from "./gamma.js";
import type { HalfNormalParams } from "./half-normal.js";
import type { LaplaceParams } from "./laplace.js";
import { lastExtent, logDeterminant, solveLower } from "./linear.js";
import { choleskyFactorOf } from "./multivariate-normal.js";
import type { MultivariateNormalParams } from "./multivariate-normal.js";
import type { PoissonParams } from "./poisson.js";
import type { UniformParams } from "./uniform.js";

/** Normal: log(sp / sq) + (sq^2 + (mq - mp)^2) / (2 sp^2) - 1/2. */
export function klNormal(q: NormalParams, p: NormalParams): Tensor {
  const ratio = square(div(q.scale, p.scale));
  const shift = square(div(sub(q.loc, p.loc), p.scale));
  return add(sub(log(p.scale), log(q.scale)), mul(0.5, sub(add(ratio, shift), 1)));
}

/** Bernoulli: q log(q / p) + (1 - q) log((1 - q) / (1 - p)); from logits, sigmoid(lq) (lq - lp) - softplus(lq) + softplus(lp). */
export function klBernoulli(q: BernoulliParams, p: BernoulliParams): Tensor {
  if (q.logits !== undefined && p.logits !== undefined) {
    return add(mul(sigmoid(q.logits), sub(q.logits, p.logits)), sub(softplus(p.logits), softplus(q.logits)));
  }
  const a = bernoulliProbs(q);
  const b = bernoulliProbs(p);
  const ones = sub(xlogy(a, a), xlogy(a, b));
  const zeros = sub(xlog1py(sub(1, a), mul(-1, a)), xlog1py(sub(1, a), mul(-1, b)));
  return add(ones, zeros);
}

/** Categorical, of either kind: sum_k q_k (log q_k - log p_k); a q_k of 0 adds nothing. */
export function klCategorical(q: CategoricalParams, p: CategoricalParams): Tensor {
  const weights = categoricalProbs(q);
  const difference = sub(categoricalLogProbs(q), categoricalLogProbs(p));
  return weightedSum(broadcastTo(weights, difference.shape), difference);
}

export const klOneHotCategorical = klCategorical;

/** Laplace: log(bp / bq) + |d| / bp + (bq / bp) exp(-|d| / bq) - 1, d = mq - mp. */
export function klLaplace(q: LaplaceParams, p: LaplaceParams): Tensor {
  const distance = abs(sub(q.loc, p.loc));
  const spread = mul(div(q.scale, p.scale), exp(mul(-1, div(distance, q.scale))));
  return add(sub(log(p.scale), log(q.scale)), sub(add(div(distance, p.scale), spread), 1));
}

/** Exponential: log(rq / rp) + rp / rq - 1. */
export function klExponential(q: ExponentialParams, p: ExponentialParams): Tensor {
  return add(sub(log(q.rate), log(p.rate)), sub(div(p.rate, q.rate), 1));
}

/** Gamma: (aq - ap) psi(aq) - log Gamma(aq) + log Gamma(ap) + ap (log rq - log rp) + aq (rp - rq) / rq. */
export function klGamma(q: GammaParams, p: GammaParams): Tensor {
  const a = q.concentration;
  const shapes = sub(mul(sub(a, p.concentration), digamma(a)), sub(lgamma(a), lgamma(p.concentration)));
  const rates = add(mul(p.concentration, sub(log(q.rate), log(p.rate))), mul(a, sub(div(p.rate, q.rate), 1)));
  return add(shapes, rates);
}

/** Exponential(r) is Gamma(1, r). */
export function klExponentialGamma(q: ExponentialParams, p: GammaParams): Tensor {
  return klGamma({ concentration: 1, rate: q.rate }, p);
}

export function klGammaExponential(q: GammaParams, p: ExponentialParams): Tensor {
  return klGamma(q, { concentration: 1, rate: p.rate });
}

/** Beta: log B(p) - log B(q) + (aq - ap) psi(aq) + (bq - bp) psi(bq) + (ap - aq + bp - bq) psi(aq + bq). */
export function klBeta(q: BetaParams, p: BetaParams): Tensor {
  const da = sub(q.alpha, p.alpha);
  const db = sub(q.beta, p.beta);
  const own = add(mul(da, digamma(q.alpha)), mul(db, digamma(q.beta)));
  return add(sub(logBeta(p.alpha, p.beta), logBeta(q.alpha, q.beta)), sub(own, mul(add(da, db), digamma(add(q.alpha, q.beta)))));
}

/** Dirichlet: log B(p) - log B(q) + sum_v (q_v - p_v) (psi(q_v) - psi(q_0)). */
export function klDirichlet(q: DirichletParams, p: DirichletParams): Tensor {
  const a = lift(q.concentration);
  const b = lift(p.concentration);
  const moments = sub(digamma(a), digamma(lastSum(a)));
  return add(sub(logMultivariateBeta(b), logMultivariateBeta(a)), sum(mul(sub(a, b), moments), -1));
}

/** Poisson: rq (log rq - log rp) - rq + rp. */
export function klPoisson(q: PoissonParams, p: PoissonParams): Tensor {
  return add(sub(xlogy(q.rate, q.rate), xlogy(q.rate, p.rate)), sub(p.rate, q.rate));
}

/** Uniform: log((hp - lp) / (hq - lq)) where q's interval lies within p's; Infinity elsewhere, as q then puts mass where p has none. */
export function klUniform(q: UniformParams, p: UniformParams): Tensor {
  const within = and(lessEqual(p.low, q.low), lessEqual(q.high, p.high));
  return select(within, sub(log(sub(p.high, p.low)), log(sub(q.high, q.low))), Infinity);
}

/** LogNormal: that of the normals of the logarithms, since both are pushed through one bijection. */
export function klLogNormal(q: NormalParams, p: NormalParams): Tensor {
  return klNormal(q, p);
}

/** HalfNormal: log(sp / sq) + sq^2 / (2 sp^2) - 1/2. */
export function klHalfNormal(q: HalfNormalParams, p: HalfNormalParams): Tensor {
  return klNormal({ loc: 0, scale: q.scale }, { loc: 0, scale: p.scale });
}

/** Binomial with the same number of trials: `total` times that of one trial. */
export function klBinomial(q: BinomialParams, p: BinomialParams): Tensor {
  const same = equal(q.total, p.total);
  return select(same, mul(q.total, klBernoulli(q, p)), NaN);
}

/**
 * MultivariateNormal, also against a diagonal p:
 * (|Lp^-1 Lq|_F^2 + |Lp^-1 (mp - mq)|^2 - D) / 2 + log det Lp - log det Lq.
 */
export function klMultivariateNormal(q: MultivariateNormalParams, p: MultivariateNormalParams): Tensor {
  const a = choleskyFactorOf(q);
  const b = choleskyFactorOf(p);
  const size = lastExtent(a);
  const shift = broadcastTo(sub(p.loc, q.loc), leadingOf([q.loc, p.loc], size));
  const trace = sum(square(triangularSolve(b, a)), [-2, -1]);
  const quadratic = sum(square(solveLower(b, shift)), -1);
  return add(mul(0.5, sub(add(trace, quadratic), size)), sub(logDeterminant(b), logDeterminant(a)));
}

/** A full q against a diagonal p (a standard normal prior, most often): no solve. */
export function klMultivariateNormalNormal(q: MultivariateNormalParams, p: NormalParams): Tensor {
  const factor = choleskyFactorOf(q);
  const size = lastExtent(factor);
  const scale = broadcastTo(p.scale, leadingOf([p.scale], size));
  const shift = broadcastTo(div(sub(q.loc, p.loc), scale), leadingOf([q.loc, p.loc, scale], size));
  const trace = sum(square(div(factor, expandDims(scale, -1))), [-2, -1]);
  const logs = sub(sum(log(scale), -1), logDeterminant(factor));
  return add(mul(0.5, sub(add(trace, sum(square(shift), -1)), size)), logs);
}

/** A diagonal q against a full p (a prior with correlated entries, most often): (|Lp^-1 diag(sq)|_F^2 + |Lp^-1 (mp - mq)|^2 - D) / 2 + log det Lp - sum log sq. */
export function klNormalMultivariateNormal(q: NormalParams, p: MultivariateNormalParams): Tensor {
  const factor = choleskyFactorOf(p);
  const size = lastExtent(factor);
  const scale = broadcastTo(q.scale, leadingOf([q.scale], size));
  const shift = broadcastTo(sub(p.loc, q.loc), leadingOf([q.loc, p.loc], size));
  const trace = sum(square(triangularSolve(factor, mul(eye(size), expandDims(scale, -1)))), [-2, -1]);
  const quadratic = sum(square(solveLower(factor, shift)), -1);
  return add(mul(0.5, sub(add(trace, quadratic), size)), sub(logDeterminant(factor), sum(log(scale), -1)));
}

/** The common shape of some parameters, with at least the axis of one draw. */
function leadingOf(values: readonly TensorLike[], size: number): readonly number[] {
  return broadcastShapes("KL", [...values.map((value) => lift(value).shape), [size]]);
}

/**
 * Closed forms by the `.gm` names of q and p: `closedFormKL[q][p]`. The compiler knows these pairs by name; a test holds both lists together.
 */
export const closedFormKL = {
  Normal: { Normal: klNormal, MultivariateNormal: klNormalMultivariateNormal },
  LogNormal: { LogNormal: klLogNormal },
  HalfNormal: { HalfNormal: klHalfNormal },
  MultivariateNormal: { MultivariateNormal: klMultivariateNormal, Normal: klMultivariateNormalNormal },
  Bernoulli: { Bernoulli: klBernoulli },
  Categorical: { Categorical: klCategorical },
  OneHotCategorical: { OneHotCategorical: klOneHotCategorical },
  Laplace: { Laplace: klLaplace },
  Exponential: { Exponential: klExponential, Gamma: klExponentialGamma },
  Gamma: { Gamma: klGamma, Exponential: klGammaExponential },
  Beta: { Beta: klBeta },
  Dirichlet: { Dirichlet: klDirichlet },
  Poisson: { Poisson: klPoisson },
  Binomial: { Binomial: klBinomial },
  Uniform: { Uniform: klUniform },
} as const;
