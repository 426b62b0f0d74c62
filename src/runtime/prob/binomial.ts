/** Binomial(total, logits) or Binomial(total, probs): successes among `total` trials. */
import { add, floor, min, mul, neg, softplus, stopGradient, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { bernoulliProbs } from "./bernoulli.js";
import { drawBinomial } from "./count-sampler.js";
import { countScalar, realScalar, unitScalar } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";
import { logChoose, xlog1py, xlogy } from "./numeric.js";

export type BinomialParams = { readonly total: TensorLike } & (Logits | Probs);

export const binomial = {
  name: "Binomial",
  support: "count",
  eventRank: 0,
  parameters: [
    { total: countScalar, logits: realScalar },
    { total: countScalar, probs: unitScalar },
  ],
  reparameterised: false,
  /** log C(n, x) + x logits - n softplus(logits); from probs x log p + (n - x) log(1 - p) */
  logProb: (x, params) => {
    const n = params.total;
    const trials =
      params.logits === undefined
        ? add(xlogy(x, params.probs), xlog1py(sub(n, x), neg(params.probs)))
        : sub(mul(x, params.logits), mul(n, softplus(params.logits)));
    return add(logChoose(n, x), trials);
  },
  sample: (key, params, shape) => stopGradient(drawBinomial(key, params.total, bernoulliProbs(params), shape)),
  mean: (params) => mul(params.total, bernoulliProbs(params)),
  variance: (params) => {
    const p = bernoulliProbs(params);
    return mul(params.total, mul(p, sub(1, p)));
  },
  mode: (params) => min(floor(mul(add(params.total, 1), bernoulliProbs(params))), params.total),
} satisfies Distribution<BinomialParams>;
