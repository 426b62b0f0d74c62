/** Copies between strided views: what transposing, slicing, broadcasting, padding and joining come down to. */
import { sizeOf, stridesOf } from "../shape.js";
import type { Shape } from "../types.js";
import type { Data } from "./value.js";

export interface View {
  readonly data: Data;
  readonly offset: number;
  readonly strides: readonly number[];
}

/** Contiguous view. */
export function whole(data: Data, shape: Shape): View {
  return { data, offset: 0, strides: stridesOf(shape) };
}

/** to[i] = from[i] for every index i of `shape`. */
export function copy(shape: Shape, from: View, to: View): void {
  if (sizeOf(shape) === 0) return;
  const rank = shape.length;
  const [source, target] = [from.data, to.data];
  if (rank === 0) {
    target[to.offset] = source[from.offset]!;
    return;
  }
  const extent = shape[rank - 1]!;
  const [fromStep, toStep] = [from.strides[rank - 1]!, to.strides[rank - 1]!];
  const index = new Array<number>(rank).fill(0);
  let a = from.offset;
  let b = to.offset;
  for (;;) {
    // the same loop twice: the engine of JavaScript compiles one for numbers alone
    if (source instanceof Float64Array && target instanceof Float64Array)
      for (let i = 0, p = a, q = b; i < extent; i++, p += fromStep, q += toStep) target[q] = source[p]!;
    else for (let i = 0, p = a, q = b; i < extent; i++, p += fromStep, q += toStep) target[q] = source[p]!;
    let axis = rank - 2;
    for (; axis >= 0; axis--) {
      a += from.strides[axis]!;
      b += to.strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      a -= from.strides[axis]! * shape[axis]!;
      b -= to.strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** The extents before, at, and after an axis: [pre, n, post]. */
export function around(shape: Shape, axis: number): [pre: number, n: number, post: number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))];
}
