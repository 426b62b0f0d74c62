/**
 * Data that may be missing in a row. A missing category is -1, a missing number NaN; neither is computed with, so no gradient meets it.
 * `data` is a batch as it is fed, [B, ...event], `rank` the number of its event axes. A row misses its value where any entry of it is missing.
 */
import { abs, and, cast, equal, less, lessEqual, not, select, type Tensor, type TensorLike } from "../graph/index.js";
import { allLast } from "../graph/last-axes.js";

/** Where entries are there: truth values of the shape of `data`. */
function there(data: Tensor): Tensor {
  // no comparison with NaN holds
  return data.dtype === "i32" ? not(less(data, 0)) : lessEqual(abs(data), LARGEST);
}
/** The greatest f32. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/** The data with `value` in place of missing entries. */
export function presentOr(data: Tensor, value: number): Tensor {
  return select(there(data), data, value);
}

/** The data, and a draw [...plates, B, ...event] where entries are missing: of the shape of the draw. Gradients pass to the draw there. */
export function fillMissing(data: Tensor, draw: Tensor): Tensor {
  return select(there(data), data, draw);
}

/** By row: `missing` where the row misses its value, `known` where it has it; both [...plates, B]. */
export function whereMissing(data: Tensor, missing: TensorLike, known: TensorLike, rank = 0): Tensor {
  return select(allLast(there(data), rank), known, missing);
}

/**
 * Weights of all states of a variable, `states` [S, 1, ...event] and `weights` [S, B], in rows that miss their value; in others 1 for the state
 * that the row has and 0 for the rest.
 */
export function weighKnown(data: Tensor, states: Tensor, weights: TensorLike, rank = 0): Tensor {
  const present = allLast(there(data), rank);
  return select(present, cast(and(present, allLast(equal(states, data), rank)), "f32"), weights);
}
