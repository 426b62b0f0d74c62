/**
 * Operations that move, cut and join: nothing is computed. Axes may be negative.
 */
import { GmcError } from "../errors.js";
import { checkShape, keepAxes, normalizeAxes, normalizeAxis, sameShape, shapeError, showShape, sizeOf } from "../shape.js";
import { emit, type Tensor, type TensorLike } from "../trace.js";
import type { DType, Shape } from "../types.js";
import { broadcastTo, cast, constant, equal, iota, lift } from "./elementwise.js";

export { broadcastTo };

/** The same elements in C order under another shape; one extent may be -1 and follows from the rest. */
export function reshape(x: TensorLike, shape: Shape): Tensor {
  const t = lift(x);
  const open = shape.indexOf(-1);
  let target = [...shape];
  if (open >= 0) {
    const rest = sizeOf(shape.filter((_, i) => i !== open));
    const extent = rest === 0 ? 0 : sizeOf(t.shape) / rest;
    if (!Number.isInteger(extent)) throw shapeError(`reshape: ${showShape(t.shape)} does not divide into ${showShape(shape)}`);
    target = target.map((n, i) => (i === open ? extent : n));
  }
  checkShape("reshape", target);
  return sameShape(t.shape, target) ? t : emit("reshape", [t], { shape: target });
}

/** Axis i of the result is axis perm[i] of `x`; without `perm` the order of the axes is reversed. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  const rank = x.shape.length;
  const order = perm === undefined ? x.shape.map((_, i) => rank - 1 - i) : perm.map((axis) => normalizeAxis("transpose", axis, rank));
  return order.every((p, i) => p === i) && order.length === rank ? x : emit("transpose", [x], { perm: order });
}

/** The last two axes exchanged. */
export function matrixTranspose(x: Tensor): Tensor {
  const rank = x.shape.length;
  if (rank < 2) throw shapeError(`matrixTranspose: ${showShape(x.shape)} has no two axes`);
  return transpose(x, [...x.shape.keys()].slice(0, -2).concat(rank - 1, rank - 2));
}

/**
 * x[start:stop:stride] per axis. Axes past the end of the lists are taken whole; a negative bound counts from the end.
 */
export function slice(x: Tensor, start: readonly number[], stop: readonly number[] = [], stride?: readonly number[]): Tensor {
  const bound = (list: readonly number[], axis: number, whole: number): number => {
    const value = list[axis] ?? whole;
    return value < 0 ? value + x.shape[axis]! : value;
  };
  if (Math.max(start.length, stop.length, stride?.length ?? 0) > x.shape.length)
    throw shapeError(`slice: more bounds than axes in ${showShape(x.shape)}`);
  const from = x.shape.map((_, i) => bound(start, i, 0));
  const to = x.shape.map((extent, i) => bound(stop, i, extent));
  const step = x.shape.map((_, i) => stride?.[i] ?? 1);
  const whole = x.shape.every((extent, i) => from[i] === 0 && to[i] === extent && step[i] === 1);
  return whole ? x : emit("slice", [x], { start: from, stop: to, stride: step });
}

/** x[…, from:to, …] along one axis. */
export function sliceAxis(x: Tensor, axis: number, from: number, to: number): Tensor {
  const a = normalizeAxis("sliceAxis", axis, x.shape.length);
  return slice(
    x,
    x.shape.map((_, i) => (i === a ? from : 0)),
    x.shape.map((extent, i) => (i === a ? to : extent)),
  );
}

/** Zeros around: low[i] before and high[i] after on each axis, inside[i] between neighbours. */
export function pad(x: Tensor, low: readonly number[], high: readonly number[], inside?: readonly number[]): Tensor {
  const between = inside ?? x.shape.map(() => 0);
  return [...low, ...high, ...between].every((n) => n === 0)
    ? x
    : emit("pad", [x], { low: [...low], high: [...high], inside: [...between] });
}

export function concat(xs: readonly Tensor[], axis: number): Tensor {
  const first = xs[0];
  if (first === undefined) throw new GmcError("GM4901", "concat: nothing to join");
  return xs.length === 1 ? first : emit("concat", xs, { axis: normalizeAxis("concat", axis, first.shape.length) });
}

/** Joins along a new axis. */
export function stack(xs: readonly Tensor[], axis = 0): Tensor {
  return concat(
    xs.map((x) => expandDims(x, axis)),
    axis,
  );
}

/** Cuts along `axis` into equal parts (a number of them), or into parts of the given extents. */
export function split(x: Tensor, parts: number | readonly number[], axis: number): Tensor[] {
  const a = normalizeAxis("split", axis, x.shape.length);
  const extent = x.shape[a]!;
  const sizes = typeof parts === "number" ? Array.from({ length: parts }, () => extent / parts) : parts;
  if (sizes.some((n) => !Number.isInteger(n)) || sizes.reduce((n, m) => n + m, 0) !== extent) {
    throw shapeError(`split: axis ${a} of ${showShape(x.shape)} does not divide into [${sizes.join(", ")}]`);
  }
  let from = 0;
  return sizes.map((n) => sliceAxis(x, a, from, (from += n)));
}

/** A new axis of extent 1 at `axis` of the result. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const a = normalizeAxis("expandDims", axis, x.shape.length + 1);
  return reshape(x, [...x.shape.slice(0, a), 1, ...x.shape.slice(a)]);
}

/** Drops axes of extent 1: those given, or all of them. */
export function squeeze(x: Tensor, axes?: readonly number[] | number): Tensor {
  const drop = axes === undefined ? [...x.shape.keys()].filter((i) => x.shape[i] === 1) : normalizeAxes("squeeze", axes, x.shape.length);
  if (drop.some((i) => x.shape[i] !== 1)) throw shapeError(`squeeze: axes [${drop.join(", ")}] of ${showShape(x.shape)} are not all 1`);
  return reshape(
    x,
    x.shape.filter((_, i) => !drop.includes(i)),
  );
}

export function reverse(x: Tensor, axes: readonly number[] | number): Tensor {
  const list = normalizeAxes("reverse", axes, x.shape.length);
  return list.length === 0 ? x : emit("reverse", [x], { axes: list });
}

/** Entries of `x` at `indices` (integers in range) along `axis`, as numpy's take: x.shape[:axis] + indices.shape + x.shape[axis+1:]. */
export function take(x: Tensor, indices: TensorLike, axis: number): Tensor {
  return emit("gather", [x, cast(typeof indices === "number" ? lift(indices, "i32") : indices, "i32")], {
    axis: normalizeAxis("take", axis, x.shape.length),
  });
}

/** Adds `updates` into zeros with `size` entries along `axis`, at `indices`; the transpose of `take`. */
export function scatterAdd(updates: Tensor, indices: Tensor, axis: number, size: number): Tensor {
  return emit("scatterAdd", [updates, cast(indices, "i32")], { axis, size });
}

/** `size` entries of `axis` from a runtime index on (clamped so that they fit). */
export function dynamicSlice(x: Tensor, index: TensorLike, axis: number, size: number): Tensor {
  return emit("dynamicSlice", [x, lift(index, "i32")], { axis: normalizeAxis("dynamicSlice", axis, x.shape.length), size });
}

/** `x` with `update` written from a runtime index on along `axis` (clamped so that it fits). */
export function dynamicUpdateSlice(x: Tensor, update: Tensor, index: TensorLike, axis: number): Tensor {
  return emit("dynamicUpdateSlice", [x, update, lift(index, "i32")], { axis: normalizeAxis("dynamicUpdateSlice", axis, x.shape.length) });
}

/** 1 at the place `i` names along a new last axis of extent `n`, else 0. */
export function oneHot(i: Tensor, n: number, dtype: DType = "f32"): Tensor {
  return cast(equal(expandDims(cast(i, "i32"), -1), iota(n)), dtype);
}

/** The identity matrix. */
export function eye(n: number): Tensor {
  if (n === 1) return constant(1, [1, 1]);
  return oneHot(iota(n), n);
}

/** 0, 1, … along `axis` of `shape`. */
export function iotaAlong(shape: Shape, axis: number, dtype: DType = "i32"): Tensor {
  return emit("iota", [], { axis: normalizeAxis("iotaAlong", axis, shape.length) }, { shape: [...shape], dtype });
}

/** Entries on and below the diagonal `k` of the last two axes; zeros above. */
export function lowerTriangle(x: Tensor, k = 0): Tensor {
  return emitTriangle(x, k, true);
}

/** Entries on and above the diagonal `k` of the last two axes; zeros below. */
export function upperTriangle(x: Tensor, k = 0): Tensor {
  return emitTriangle(x, k, false);
}

function emitTriangle(x: Tensor, k: number, lower: boolean): Tensor {
  const matrix = x.shape.slice(-2);
  if (matrix.length < 2) throw shapeError(`${showShape(x.shape)} is not a (batch of) matrices`);
  const row = iotaAlong(matrix, 0);
  const column = iotaAlong(matrix, 1);
  const shifted = k === 0 ? row : emit("add", [row, lift(k, "i32")], {});
  const keep = emit("le", lower ? [column, shifted] : [shifted, column], {});
  return emit("select", [broadcastTo(keep, x.shape), x, lift(0, x.dtype)], {});
}

/** Extents kept at 1 where reduced: what a reduced value needs to broadcast against `shape` again. */
export function keepDims(reduced: Tensor, shape: Shape, axes: readonly number[]): Tensor {
  return reshape(reduced, keepAxes(shape, axes));
}
