/** Bernoulli(logits) or Bernoulli(probs): x in {0, 1}; logits = log p - log(1 - p). */
import {
  add,
  cast,
  greater,
  greaterEqual,
  less,
  lift,
  log,
  log1p,
  mul,
  neg,
  randomUniform,
  select,
  sigmoid,
  softplus,
  sub,
} from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { realScalar, unitScalar } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";

import { xlog1py, xlogy } from "./numeric.js";

export type BernoulliParams = Logits | Probs;

/** P(x = 1) */
export function bernoulliProbs(params: BernoulliParams): Tensor {
  return params.logits === undefined ? lift(params.probs) : sigmoid(params.logits);
}

/** log P(x = 1) - log P(x = 0) */
export function bernoulliLogits(params: BernoulliParams): Tensor {
  return params.logits === undefined ? sub(log(params.probs), log1p(neg(params.probs))) : lift(params.logits);
}

export const bernoulli = {
  name: "Bernoulli",
  support: "binary",
  eventRank: 0,
  parameters: [{ logits: realScalar }, { probs: unitScalar }],
  reparameterised: false,
  /**
   * x logits - softplus(logits); from probs x log p + (1 - x) log(1 - p) with 0 log 0 = 0.
   * For x strictly inside (0, 1) this is the cross-entropy, as usual for grey values.
   */
  logProb: (x, params) =>
    params.logits === undefined
      ? add(xlogy(x, params.probs), xlog1py(sub(1, x), neg(params.probs)))
      : sub(mul(x, params.logits), softplus(params.logits)),
  sample: (key, params, shape) => cast(less(randomUniform(key, shape), bernoulliProbs(params)), "f32"),
  mean: bernoulliProbs,
  variance: (params) => {
    const p = bernoulliProbs(params);
    return mul(p, sub(1, p));
  },
  mode: (params) => cast(greater(bernoulliProbs(params), 0.5), "f32"),
  /** softplus(l) - l sigmoid(l) */
  entropy: (params) => {
    if (params.logits === undefined) {
      const p = params.probs;
      return neg(add(xlogy(p, p), xlog1py(sub(1, p), neg(p))));
    }
    return sub(softplus(params.logits), mul(params.logits, sigmoid(params.logits)));
  },
  cdf: (x, params) => {
    const q = sub(1, bernoulliProbs(params));
    return select(greaterEqual(x, 1), 1, select(greaterEqual(x, 0), q, 0));
  },
} satisfies Distribution<BernoulliParams>;
