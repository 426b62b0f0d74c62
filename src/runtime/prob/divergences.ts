/**
 * Kullback-Leibler divergences KL(q || p) in closed form, in nats. Elementwise for distributions over scalars, reduced over the event
 * for distributions over vectors, as `logProb` is. `q` is the one that the expectation is taken under.
 * Sources: Penny 2001 (Gamma, Dirichlet), Gil et al. 2013 (table 3); the rest follows from the definitions in one line each.
 */
import { abs, add, broadcastTo, div, exp, log, mul, sigmoid, softplus, square, sub } from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { bernoulliProbs } from "./bernoulli.js";
import type { BernoulliParams } from "./bernoulli.js";
import { categoricalLogProbs, categoricalProbs, weightedSum } from "./categorical.js";
import type { CategoricalParams } from "./categorical.js";

import type { NormalParams } from "./normal.js";
import { xlog1py, xlogy } from "./numeric.js";

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

export interface LaplaceLike {
  readonly loc: TensorLike;
  readonly scale: TensorLike;
}

/** Laplace: log(bp / bq) + |d| / bp + (bq / bp) exp(-|d| / bq) - 1, d = mq - mp. */
export function klLaplace(q: LaplaceLike, p: LaplaceLike): Tensor {
  const distance = abs(sub(q.loc, p.loc));
  const spread = mul(div(q.scale, p.scale), exp(mul(-1, div(distance, q.scale))));
  return add(sub(log(p.scale), log(q.scale)), sub(add(div(distance, p.scale), spread), 1));
}

/**
 * Closed forms by the `.gm` names of q and p: `closedFormKL[q][p]`. The compiler knows these pairs by name; a test holds both lists together.
 */
export const closedFormKL = {
  Normal: { Normal: klNormal },
  Bernoulli: { Bernoulli: klBernoulli },
  Categorical: { Categorical: klCategorical },
  OneHotCategorical: { OneHotCategorical: klOneHotCategorical },
  Laplace: { Laplace: klLaplace },
} as const;
