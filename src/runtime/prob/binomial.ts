/** Binomial(total, logits) or Binomial(total, probs): successes among `total` trials. */
import { abs, add, and, div, exp, floor, less, min, mul, neg, select, softplus, stopGradient, sub } from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { bernoulliLogits, bernoulliProbs } from "./bernoulli.js";
import { drawBinomial } from "./count-sampler.js";
import { countScalar, realScalar, unitScalar } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";
import { fromOneOn, logBinomialTerm, logChoose, xlog1py, xlogy } from "./numeric.js";

export type BinomialParams = { readonly total: TensorLike } & (Logits | Probs);

/** Beyond, a probability in float32 has no complement worth the name. */
const MODERATE = 10;

/** log C(n, x) + x logits - n softplus(logits); from probs x log p + (n - x) log(1 - p) */
function ofFew(x: TensorLike, params: BinomialParams): Tensor {
  const n = params.total;
  const trials =
    params.logits === undefined
      ? add(xlogy(x, params.probs), xlog1py(sub(n, x), neg(params.probs)))
      : sub(mul(x, params.logits), mul(n, softplus(params.logits)));
  return add(logChoose(n, x), trials);
}

/**
 * The same where its terms are large and cancel, of x successes and as many failures as are given, real and 1 or more; logits within `MODERATE` of 0.
 */
export function ofManyTrials(x: Tensor, fails: Tensor, logits: Tensor): Tensor {
  // small probabilities to all their digits, which an engine's sigmoid need not have
  const expected = (logit: Tensor): Tensor => mul(add(x, fails), div(exp(min(logit, 0)), add(1, exp(neg(abs(logit))))));
  return logBinomialTerm(x, fails, expected(logits), expected(neg(logits)));
}

/** Whether logits are so near to 0 that both probabilities have all their digits. */
export function isModerate(logits: Tensor): Tensor {
  return and(less(logits, MODERATE), less(neg(logits), MODERATE));
}

export const binomial = {
  name: "Binomial",
  support: "count",
  eventRank: 0,
  parameters: [
    { total: countScalar, logits: realScalar },
    { total: countScalar, probs: unitScalar },
  ],
  reparameterised: false,
  logProb: (x, params) => {
    const n = params.total;
    const logits = bernoulliLogits(params);
    const fails = sub(n, x);
    const many = and(fromOneOn(x, fails), isModerate(logits));
    return select(many, ofManyTrials(select(many, x, 1), select(many, fails, 1), select(many, logits, 0)), ofFew(x, params));
  },
  sample: (key, params, shape) => stopGradient(drawBinomial(key, params.total, bernoulliProbs(params), shape)),
  mean: (params) => mul(params.total, bernoulliProbs(params)),
  variance: (params) => {
    const p = bernoulliProbs(params);
    return mul(params.total, mul(p, sub(1, p)));
  },
  mode: (params) => min(floor(mul(add(params.total, 1), bernoulliProbs(params))), params.total),
} satisfies Distribution<BinomialParams>;
