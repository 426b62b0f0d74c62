/**
 * NegativeBinomial(total, logits) or (total, probs): successes, each of probability p, before the `total`-th failure; `total` is any
 * positive real. Mass Gamma(x + r) / (x! Gamma(r)) (1 - p)^r p^x.
 */
import { add, and, div, exp, floor, lgamma, log, log1p, max, mul, neg, select, softplus, stopGradient, sub } from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { bernoulliLogits, bernoulliProbs } from "./bernoulli.js";
import { isModerate, ofManyTrials } from "./binomial.js";
import { drawPoisson } from "./count-sampler.js";
import { positiveScalar, realScalar, unitScalar } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";
import { logStandardGamma } from "./gamma-sampler.js";
import { fromOneOn, xlogy } from "./numeric.js";

export type NegativeBinomialParams = { readonly total: TensorLike } & (Logits | Probs);

function ofFew(x: TensorLike, r: TensorLike, params: NegativeBinomialParams): Tensor {
  const coefficient = sub(lgamma(add(x, r)), add(lgamma(add(x, 1)), lgamma(r)));
  const trials =
    params.logits === undefined
      ? add(mul(r, log1p(neg(params.probs))), xlogy(x, params.probs))
      : neg(add(mul(r, softplus(params.logits)), mul(x, softplus(neg(params.logits)))));
  return add(coefficient, trials);
}

export const negativeBinomial = {
  name: "NegativeBinomial",
  support: "count",
  eventRank: 0,
  parameters: [
    { total: positiveScalar, logits: realScalar },
    { total: positiveScalar, probs: unitScalar },
  ],
  reparameterised: false,
  /** Of large x and r, r / (x + r) times the binomial probability of x successes and r failures. */
  logProb: (x, params) => {
    const logits = bernoulliLogits(params);
    const many = and(fromOneOn(x, params.total), isModerate(logits));
    const [successes, failures] = [select(many, x, 1), select(many, params.total, 1)];
    const share = log(div(failures, add(successes, failures)));
    const ofMany = add(share, ofManyTrials(successes, failures, select(many, logits, 0)));
    return select(many, ofMany, ofFew(x, select(many, 1, params.total), params));
  },
  /** Poisson of a Gamma(total, (1 - p) / p) draw. */
  sample: (key, params, shape) => {
    const logRate = add(logStandardGamma(key.at("rate"), params.total, shape), bernoulliLogits(params));
    return stopGradient(drawPoisson(key.at("count"), exp(logRate), shape));
  },
  mean: (params) => mul(params.total, exp(bernoulliLogits(params))),
  variance: (params) => {
    const p = bernoulliProbs(params);
    return div(mul(params.total, p), mul(sub(1, p), sub(1, p)));
  },
  mode: (params) => floor(max(mul(sub(params.total, 1), exp(bernoulliLogits(params))), 0)),
} satisfies Distribution<NegativeBinomialParams>;
