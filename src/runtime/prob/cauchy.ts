/** Cauchy(loc, scale): density 1 / (pi scale (1 + z^2)). It has no mean. */
import { add, cos, div, less, lift, log, log1p, min, mul, neg, select, sin, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar, realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { locScale, openUniform } from "./noise.js";
import { LOG_PI, standardise } from "./numeric.js";

export interface CauchyParams {
  readonly loc: TensorLike;
  readonly scale: TensorLike;
}

export const cauchy = {
  name: "Cauchy",
  support: "real",
  eventRank: 0,
  parameters: [{ loc: realScalar, scale: positiveScalar }],
  reparameterised: true,
  logProb: (x, { loc, scale }) => neg(add(add(log1p(square(standardise(x, loc, scale))), log(scale)), LOG_PI)),
  /** tan(pi (u - 1/2)) = -cot(pi u), taken from the nearer end so that the tails keep their digits. */
  sample: (key, { loc, scale }, shape) => {
    const u = openUniform(key, shape);
    const angle = mul(Math.PI, min(u, sub(1, u)));
    const cotangent = div(cos(angle), sin(angle));
    return locScale(loc, scale, select(less(u, 0.5), neg(cotangent), cotangent));
  },
  mode: ({ loc }) => lift(loc),
  entropy: ({ scale }) => add(log(scale), Math.log(4 * Math.PI)),
} satisfies Distribution<CauchyParams>;
