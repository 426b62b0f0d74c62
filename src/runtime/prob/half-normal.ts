/** HalfNormal(scale): |N(0, scale)|. */
import { abs, add, div, erf, greaterEqual, log, max, mul, randomNormal, square } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";

import { normal } from "./normal.js";
import { LOG_2, logWhere } from "./numeric.js";

export interface HalfNormalParams {
  readonly scale: TensorLike;
}

export const halfNormal = {
  name: "HalfNormal",
  support: "nonnegative",
  eventRank: 0,
  parameters: [{ scale: positiveScalar }],
  reparameterised: true,
  logProb: (x, { scale }) => logWhere(greaterEqual(x, 0), add(LOG_2, normal.logProb(x, { loc: 0, scale }))),
  sample: (key, { scale }, shape) => mul(scale, abs(randomNormal(key, shape))),
  mean: ({ scale }) => mul(Math.sqrt(2 / Math.PI), scale),
  variance: ({ scale }) => mul(1 - 2 / Math.PI, square(scale)),
  mode: ({ scale }) => mul(0, scale),
  /** log(pi scale^2 / 2) / 2 + 1/2 */
  entropy: ({ scale }) => add(log(scale), 0.5 * Math.log(Math.PI / 2) + 0.5),
  cdf: (x, { scale }) => erf(div(max(x, 0), mul(Math.SQRT2, scale))),
} satisfies Distribution<HalfNormalParams>;
