/** Poisson(rate): mass rate^x exp(-rate) / x! on 0, 1, 2, … */
import { add, floor, lgamma, lift, select, stopGradient, sub } from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { drawPoisson } from "./count-sampler.js";
import { positiveScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { fromOneOn, logPoissonTerm, xlogy } from "./numeric.js";

export interface PoissonParams {
  readonly rate: TensorLike;
}

/** x log rate - rate - log x! */
function ofFew(x: TensorLike, rate: TensorLike, many: Tensor): Tensor {
  const few = select(many, 0, x);
  return sub(sub(xlogy(few, rate), rate), lgamma(add(few, 1)));
}

export const poisson = {
  name: "Poisson",
  support: "count",
  eventRank: 0,
  parameters: [{ rate: positiveScalar }],
  reparameterised: false,
  logProb: (x, { rate }) => {
    const many = fromOneOn(x, rate);
    return select(many, logPoissonTerm(select(many, x, 1), select(many, rate, 1)), ofFew(x, rate, many));
  },
  sample: (key, { rate }, shape) => stopGradient(drawPoisson(key, rate, shape)),
  mean: ({ rate }) => lift(rate),
  variance: ({ rate }) => lift(rate),
  mode: ({ rate }) => floor(rate),
} satisfies Distribution<PoissonParams>;
