/** Binomial(total, logits) or Binomial(total, probs): successes among `total` trials. */
import { abs, add, and, div, exp, floor, less, log, min, mul, neg, select, softplus, stopGradient, sub } from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { bernoulliLogits, bernoulliProbs } from "./bernoulli.js";
import { drawBinomial } from "./count-sampler.js";
import { countScalar, realScalar, unitScalar } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";
import { fromOneOn, deviance, HALF_LOG_2PI, logChoose, stirlingError, xlog1py, xlogy } from "./numeric.js";

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

/** The same where its terms are large and cancel: Loader 2000, eq. 5. */
function ofMany(x: Tensor, n: Tensor, logits: Tensor): Tensor {
  const fails = sub(n, x);
  // small probabilities to all their digits, which an engine's sigmoid need not have
  const expected = (logit: Tensor): Tensor => mul(n, div(exp(min(logit, 0)), add(1, exp(neg(abs(logit))))));
  const apart = add(deviance(x, expected(logits)), deviance(fails, expected(neg(logits))));
  const errors = sub(stirlingError(n), add(stirlingError(x), stirlingError(fails)));
  return add(sub(errors, apart), sub(mul(0.5, log(div(n, mul(x, fails)))), HALF_LOG_2PI));
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
    const moderate = and(less(logits, MODERATE), less(neg(logits), MODERATE));
    const many = and(fromOneOn(x, sub(n, x)), moderate);
    return select(many, ofMany(select(many, x, 1), select(many, n, 2), select(many, logits, 0)), ofFew(x, params));
  },
  sample: (key, params, shape) => stopGradient(drawBinomial(key, params.total, bernoulliProbs(params), shape)),
  mean: (params) => mul(params.total, bernoulliProbs(params)),
  variance: (params) => {
    const p = bernoulliProbs(params);
    return mul(params.total, mul(p, sub(1, p)));
  },
  mode: (params) => min(floor(mul(add(params.total, 1), bernoulliProbs(params))), params.total),
} satisfies Distribution<BinomialParams>;
