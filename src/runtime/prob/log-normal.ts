/** LogNormal(loc, scale): exp of a Normal(loc, scale). */
import { add, exp, expm1, log, mul, square, sub } from "../graph/index.js";
import { positiveScalar, realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { normal } from "./normal.js";
import type { NormalParams } from "./normal.js";
import { HALF_LOG_2PI } from "./numeric.js";

export const logNormal = {
  name: "LogNormal",
  support: "positive",
  eventRank: 0,
  parameters: [{ loc: realScalar, scale: positiveScalar }],
  reparameterised: true,
  /** log N(log x) - log x */
  logProb: (x, params) => sub(normal.logProb(log(x), params), log(x)),
  sample: (key, params, shape) => exp(normal.sample(key, params, shape)),
  /** exp(loc + scale^2 / 2) */
  mean: ({ loc, scale }) => exp(add(loc, mul(0.5, square(scale)))),
  /** (exp(scale^2) - 1) exp(2 loc + scale^2) */
  variance: ({ loc, scale }) => mul(expm1(square(scale)), exp(add(mul(2, loc), square(scale)))),
  mode: ({ loc, scale }) => exp(sub(loc, square(scale))),
  /** loc + log scale + log(2 pi e) / 2 */
  entropy: ({ loc, scale }) => add(add(loc, log(scale)), HALF_LOG_2PI + 0.5),
  /** For x > 0. */
  cdf: (x, params) => normal.cdf(log(x), params),
} satisfies Distribution<NormalParams>;
