/** Dropout (Srivastava et al. 2014), inverted: what is kept is scaled by 1 / (1 - rate). */
import { cast, currentMode, greaterEqual, mul, randomUniform, rowsOf } from "../graph/index.js";
import type { Key, Tensor } from "../graph/index.js";
import { shapeError } from "../graph/shape.js";

export interface DropoutOptions {
  /**
   * Number of event axes of x [...samples, B, ...event]. Where given, the mask of a row is tied to the row, in whichever batch it sits;
   * otherwise to its place in this tensor. Along the axes that the key has alike, all have the same mask.
   */
  readonly eventRank?: number;
}

/** In a training stage, sets entries to zero with probability `rate`; the identity in evaluation. */
export function dropout(key: Key, x: Tensor, rate: number, { eventRank }: DropoutOptions = {}): Tensor {
  if (!(rate >= 0 && rate < 1)) throw shapeError(`dropout: the rate must lie in [0, 1), found ${rate}`);
  if (currentMode() === "eval" || rate === 0) return x;
  const rowAxis = eventRank === undefined ? -1 : x.shape.length - eventRank - 1;
  const shape = x.shape.map((size, axis) => (axis === rowAxis ? rowsOf(x, axis) : key.alike.includes(rowAxis - axis) ? 1 : size));
  return mul(x, mul(cast(greaterEqual(randomUniform(key, shape), rate), "f32"), 1 / (1 - rate)));
}
