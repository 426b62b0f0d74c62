/** Delta(loc): all mass at one point. Its log-mass is 0 there and -Infinity elsewhere, without a gradient. */
import { broadcastTo, cast, equal, greaterEqual, lift, mul, resolveShape } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { logWhere } from "./numeric.js";

export interface DeltaParams {
  readonly loc: TensorLike;
}

export const delta = {
  name: "Delta",
  support: "point",
  eventRank: 0,
  parameters: [{ loc: realScalar }],
  reparameterised: true,
  logProb: (x, { loc }) => logWhere(equal(x, loc), 0),
  sample: (_key, { loc }, shape) => broadcastTo(loc, resolveShape(shape).shape),
  mean: ({ loc }) => lift(loc),
  variance: ({ loc }) => mul(0, loc),
  mode: ({ loc }) => lift(loc),
  entropy: ({ loc }) => mul(0, loc),
  cdf: (x, { loc }) => cast(greaterEqual(x, loc), "f32"),
} satisfies Distribution<DeltaParams>;
