/** What is done along the last axes of a tensor [...lead, ...event], where only the number of the event's axes is known. */
import { cast, equal } from "./ops/elementwise.js";
import { reduceMin, sum } from "./ops/reduce.js";
import { reshape } from "./ops/structure.js";
import type { Tensor } from "./trace.js";

/** `[-2, -1]` of 2. */
const lastAxes = (rank: number): readonly number[] => Array.from({ length: rank }, (_, i) => i - rank);

/** The sum over the last `rank` axes: [...lead, ...event] -> [...lead]. */
export function sumLast(x: Tensor, rank: number): Tensor {
  return sum(x, lastAxes(rank));
}

/** Whether a condition holds all along the last `rank` axes: [...lead, ...event] -> [...lead]. */
export function allLast(condition: Tensor, rank: number): Tensor {
  return rank === 0 ? condition : equal(reduceMin(cast(condition, "f32"), lastAxes(rank)), 1);
}

/** `x` [...lead] with `rank` axes of extent 1 behind, so that it meets [...lead, ...event]. A number meets all as it is. */
export function beforeEvent(x: Tensor, rank: number): Tensor {
  return rank === 0 || x.shape.length === 0 ? x : reshape(x, [...x.shape, ...new Array<number>(rank).fill(1)]);
}
