/** Exponential(rate): density rate exp(-rate x) for x >= 0. */
import { div, exp, greaterEqual, less, log, mul, neg, select, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { standardExponential } from "./noise.js";
import { logWhere } from "./numeric.js";

export interface ExponentialParams {
  readonly rate: TensorLike;
}

export const exponential = {
  name: "Exponential",
  support: "nonnegative",
  eventRank: 0,
  parameters: [{ rate: positiveScalar }],
  reparameterised: true,
  logProb: (x, { rate }) => logWhere(greaterEqual(x, 0), sub(log(rate), mul(rate, x))),
  sample: (key, { rate }, shape) => div(standardExponential(key, shape), rate),
  mean: ({ rate }) => div(1, rate),
  variance: ({ rate }) => div(1, square(rate)),
  mode: ({ rate }) => mul(0, rate),
  entropy: ({ rate }) => sub(1, log(rate)),
  cdf: (x, { rate }) => select(less(x, 0), 0, sub(1, exp(neg(mul(rate, x))))),
} satisfies Distribution<ExponentialParams>;
