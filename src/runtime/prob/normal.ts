/** Normal(loc, scale), scale the standard deviation. */
import { add, div, erf, lift, log, mul, randomNormal, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar, realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { locScale } from "./noise.js";
import { HALF_LOG_2PI, standardise } from "./numeric.js";

export interface NormalParams {
  readonly loc: TensorLike;
  readonly scale: TensorLike;
}

export const normal = {
  name: "Normal",
  support: "real",
  eventRank: 0,
  parameters: [{ loc: realScalar, scale: positiveScalar }],
  reparameterised: true,
  /** -((x - loc) / scale)^2 / 2 - log scale - log(2 pi) / 2 */
  logProb: (x, { loc, scale }) => sub(mul(-0.5, square(standardise(x, loc, scale))), add(log(scale), HALF_LOG_2PI)),
  sample: (key, { loc, scale }, shape) => locScale(loc, scale, randomNormal(key, shape)),
  mean: ({ loc }) => lift(loc),
  variance: ({ scale }) => square(scale),
  mode: ({ loc }) => lift(loc),
  /** log scale + log(2 pi e) / 2 */
  entropy: ({ scale }) => add(log(scale), HALF_LOG_2PI + 0.5),
  cdf: (x, { loc, scale }) => mul(0.5, add(1, erf(div(standardise(x, loc, scale), Math.SQRT2)))),
} satisfies Distribution<NormalParams>;
