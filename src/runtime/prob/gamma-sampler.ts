/**
 * Draws from Gamma(concentration, 1) with static shapes, in log space.
 *
 * Marsaglia & Tsang 2000, "A simple method for generating gamma variables": with d = a - 1/3 and c = 1 / sqrt(9 d), the proposal
 * d v, v = (1 + c n)^3, n ~ N(0, 1), is accepted if v > 0 and log u < n^2 / 2 + d (1 - v + log v). For a >= 1 a proposal is accepted with
 * probability at least 0.951. A concentration below 1 draws from a + 1 and multiplies by u^(1/a).
 *
 * The number of proposals is fixed at 6 instead of "until accepted": all fail with probability at most 0.049^6 < 1.5e-8, below
 * the 2^-24 grid of the uniforms, and the result is then the mode d. That number bounds the bias in total variation.
 */
import { add, and, div, greater, less, lift, log, mul, randomNormal, select, slice, sqrt, square, squeeze, sub } from "../graph/index.js";
import type { DrawShape, Key, Tensor, TensorLike } from "../graph/index.js";
import { openUniform } from "./noise.js";

const GAMMA_PROPOSALS = 6;

/** log of a Gamma(concentration, 1) draw: finite where the draw itself would underflow. No gradient; callers cut it. */
export function logStandardGamma(key: Key, concentration: TensorLike, shape: DrawShape): Tensor {
  const { boosted, logDraw, boost } = gammaParts(key, lift(concentration), shape);
  return select(boosted, add(logDraw, boost), logDraw);
}

/** The log of a draw at a concentration of at least 1, and what is added to it where the concentration itself is below 1: `boosted`. */
export function gammaParts(
  key: Key,
  given: Tensor,
  shape: DrawShape,
): { readonly boosted: Tensor; readonly logDraw: Tensor; readonly boost: Tensor } {
  const boosted = less(given, 1);
  const d = sub(select(boosted, add(given, 1), given), 1 / 3);
  const c = div(1, sqrt(mul(9, d)));
  const n = randomNormal(key.at("normal"), [GAMMA_PROPOSALS, ...shape]);
  const logU = log(openUniform(key.at("accept"), [GAMMA_PROPOSALS, ...shape]));
  const root = add(1, mul(c, n));
  const positive = greater(root, 0);
  const logV = mul(3, log(select(positive, root, 1)));
  const v = mul(mul(root, root), root);
  const accepted = and(positive, less(logU, add(mul(0.5, square(n)), mul(d, add(sub(1, v), logV)))));
  const logDraw = add(log(d), firstAccepted(accepted, logV, 0));
  const boost = div(log(openUniform(key.at("boost"), shape)), given);
  return { boosted, logDraw, boost };
}

/** Of proposals along axis 0, the first accepted one; `otherwise` where there is none. */
export function firstAccepted(accepted: Tensor, proposals: Tensor, otherwise: TensorLike): Tensor {
  let out: TensorLike = otherwise;
  for (let i = (proposals.shape[0] ?? 0) - 1; i >= 0; i--) out = select(entry(accepted, i), entry(proposals, i), out);
  return lift(out);
}

function entry(x: Tensor, i: number): Tensor {
  const start = x.shape.map((_, axis) => (axis === 0 ? i : 0));
  const stop = x.shape.map((size, axis) => (axis === 0 ? i + 1 : size));
  return squeeze(slice(x, start, stop), [0]);
}

/** For samplers that need a value kept strictly inside (0, 1). */
export const SMALLEST = 2 ** -126;
export const LARGEST_BELOW_ONE = 1 - 2 ** -24;
