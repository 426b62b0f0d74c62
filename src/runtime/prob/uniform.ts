/** Uniform(low, high), low < high. */
import { add, and, div, greaterEqual, lessEqual, log, max, min, mul, neg, randomUniform, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { logWhere } from "./numeric.js";

export interface UniformParams {
  readonly low: TensorLike;
  readonly high: TensorLike;
}

export const uniform = {
  name: "Uniform",
  support: "interval",
  eventRank: 0,
  parameters: [{ low: realScalar, high: realScalar }],
  reparameterised: true,
  /** -log(high - low) on the closed interval, -Infinity outside */
  logProb: (x, { low, high }) => logWhere(and(greaterEqual(x, low), lessEqual(x, high)), neg(log(sub(high, low)))),
  sample: (key, { low, high }, shape) => add(low, mul(sub(high, low), randomUniform(key, shape))),
  mean: ({ low, high }) => mul(0.5, add(low, high)),
  variance: ({ low, high }) => mul(1 / 12, square(sub(high, low))),
  entropy: ({ low, high }) => log(sub(high, low)),
  cdf: (x, { low, high }) => min(max(div(sub(x, low), sub(high, low)), 0), 1),
} satisfies Distribution<UniformParams>;
