/** Gumbel(loc, scale), of maxima: CDF exp(-exp(-(x - loc) / scale)). */
import { add, exp, lift, log, mul, neg, square } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar, realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { locScale, standardGumbel } from "./noise.js";
import { EULER_GAMMA, standardise } from "./numeric.js";

export interface GumbelParams {
  readonly loc: TensorLike;
  readonly scale: TensorLike;
}

export const gumbel = {
  name: "Gumbel",
  support: "real",
  eventRank: 0,
  parameters: [{ loc: realScalar, scale: positiveScalar }],
  reparameterised: true,
  logProb: (x, { loc, scale }) => {
    const z = standardise(x, loc, scale);
    return neg(add(add(z, exp(neg(z))), log(scale)));
  },
  sample: (key, { loc, scale }, shape) => locScale(loc, scale, standardGumbel(key, shape)),
  mean: ({ loc, scale }) => add(loc, mul(EULER_GAMMA, scale)),
  variance: ({ scale }) => mul(Math.PI ** 2 / 6, square(scale)),
  mode: ({ loc }) => lift(loc),
  entropy: ({ scale }) => add(log(scale), EULER_GAMMA + 1),
  cdf: (x, { loc, scale }) => exp(neg(exp(neg(standardise(x, loc, scale))))),
} satisfies Distribution<GumbelParams>;
