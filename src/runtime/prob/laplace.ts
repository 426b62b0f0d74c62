/** Laplace(loc, scale): density exp(-|x - loc| / scale) / (2 scale). */
import { abs, add, exp, less, lift, log, mul, neg, select, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar, realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { locScale, openUniform } from "./noise.js";
import { LOG_2, standardise } from "./numeric.js";

export interface LaplaceParams {
  readonly loc: TensorLike;
  readonly scale: TensorLike;
}

export const laplace = {
  name: "Laplace",
  support: "real",
  eventRank: 0,
  parameters: [{ loc: realScalar, scale: positiveScalar }],
  reparameterised: true,
  logProb: (x, { loc, scale }) => sub(neg(abs(standardise(x, loc, scale))), add(log(scale), LOG_2)),
  /** By the inverse CDF: log(2u) below the median, -log(2 - 2u) above. */
  sample: (key, { loc, scale }, shape) => {
    const u = openUniform(key, shape);
    return locScale(loc, scale, select(less(u, 0.5), log(mul(2, u)), neg(log(mul(2, sub(1, u))))));
  },
  mean: ({ loc }) => lift(loc),
  variance: ({ scale }) => mul(2, square(scale)),
  mode: ({ loc }) => lift(loc),
  /** 1 + log(2 scale) */
  entropy: ({ scale }) => add(log(scale), 1 + LOG_2),
  cdf: (x, { loc, scale }) => {
    const z = standardise(x, loc, scale);
    const tail = mul(0.5, exp(neg(abs(z))));
    return select(less(z, 0), tail, sub(1, tail));
  },
} satisfies Distribution<LaplaceParams>;
