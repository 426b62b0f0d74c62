/** Poisson(rate): mass rate^x exp(-rate) / x! on 0, 1, 2, … */
import { add, floor, lgamma, lift, stopGradient, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { drawPoisson } from "./count-sampler.js";
import { positiveScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { xlogy } from "./numeric.js";

export interface PoissonParams {
  readonly rate: TensorLike;
}

export const poisson = {
  name: "Poisson",
  support: "count",
  eventRank: 0,
  parameters: [{ rate: positiveScalar }],
  reparameterised: false,
  /** x log rate - rate - log x! */
  logProb: (x, { rate }) => sub(sub(xlogy(x, rate), rate), lgamma(add(x, 1))),
  sample: (key, { rate }, shape) => stopGradient(drawPoisson(key, rate, shape)),
  mean: ({ rate }) => lift(rate),
  variance: ({ rate }) => lift(rate),
  mode: ({ rate }) => floor(rate),
} satisfies Distribution<PoissonParams>;
