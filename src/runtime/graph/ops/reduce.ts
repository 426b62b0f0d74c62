/**
 * Reductions and what is built of them. `axes` may be negative; omitted, all axes. Reduced axes are dropped unless `keep` is given.
 */
import { normalizeAxes, normalizeAxis, sizeOf } from "../shape.js";
import { emit, type Tensor } from "../trace.js";
import { abs, add, cast, div, exp, less, log, mul, neg, select, sqrt, stopGradient, sub } from "./elementwise.js";
import { keepDims, reshape } from "./structure.js";

export type Axes = readonly number[] | number;

const counted = (x: Tensor): Tensor => (x.dtype === "bool" ? cast(x, "f32") : x);

/** Sum; of a condition, how often it holds (f32). */
export function sum(x: Tensor, axes?: Axes): Tensor {
  const list = normalizeAxes("sum", axes, x.shape.length);
  return list.length === 0 ? counted(x) : emit("reduceSum", [counted(x)], { axes: list });
}

export function mean(x: Tensor, axes?: Axes): Tensor {
  const list = normalizeAxes("mean", axes, x.shape.length);
  const count = sizeOf(list.map((axis) => x.shape[axis]!));
  return count === 1 ? sum(x, list) : mul(sum(x, list), 1 / count);
}

/** Mean squared distance from the mean (divided by n). */
export function variance(x: Tensor, axes?: Axes): Tensor {
  const list = normalizeAxes("variance", axes, x.shape.length);
  const centred = sub(x, keepDims(mean(x, list), x.shape, list));
  return mean(mul(centred, centred), list);
}

export function reduceMax(x: Tensor, axes?: Axes): Tensor {
  const list = normalizeAxes("reduceMax", axes, x.shape.length);
  return list.length === 0 ? x : emit("reduceMax", [x], { axes: list });
}

export function reduceMin(x: Tensor, axes?: Axes): Tensor {
  return neg(reduceMax(neg(x), axes));
}

/** Index (i32) of the largest along `axis`, the first of equals. */
export function argMax(x: Tensor, axis: number): Tensor {
  return emit("argMax", [x], { axis: normalizeAxis("argMax", axis, x.shape.length) });
}

/** Inclusive running sum along `axis`; from the end where `reverse`. */
export function cumsum(x: Tensor, axis: number, reverse = false): Tensor {
  return emit("cumsum", [x], { axis: normalizeAxis("cumsum", axis, x.shape.length), reverse });
}

/** The largest along `axes`, kept at extent 1, without gradient, and 0 where it is infinite: what to subtract before exp. */
function shift(x: Tensor, axes: readonly number[]): Tensor {
  const top = reduceMax(stopGradient(x), axes);
  return keepDims(select(less(abs(top), Infinity), top, 0), x.shape, axes);
}

/** log Σ exp(x), stable; -Infinity where all are. */
export function logSumExp(x: Tensor, axes?: Axes): Tensor {
  const list = normalizeAxes("logSumExp", axes, x.shape.length);
  if (list.length === 0) return x;
  const top = shift(x, list);
  const total = log(emit("reduceSum", [exp(sub(x, top))], { axes: list }));
  return add(total, reshape(top, total.shape));
}

/** log of the mean of exp(x), stable. */
export function logMeanExp(x: Tensor, axes?: Axes): Tensor {
  const list = normalizeAxes("logMeanExp", axes, x.shape.length);
  return sub(logSumExp(x, list), Math.log(sizeOf(list.map((axis) => x.shape[axis]!))));
}

/** exp(x) / Σ exp(x) along `axis`. */
export function softmax(x: Tensor, axis = -1): Tensor {
  const list = [normalizeAxis("softmax", axis, x.shape.length)];
  const e = exp(sub(x, shift(x, list)));
  return div(e, keepDims(sum(e, list), x.shape, list));
}

/** log softmax(x) along `axis`, stable. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const list = [normalizeAxis("logSoftmax", axis, x.shape.length)];
  const centred = sub(x, shift(x, list));
  return sub(centred, keepDims(log(sum(exp(centred), list)), x.shape, list));
}

/** Euclidean norm over `axes`; its gradient at 0 is 0. */
export function norm(x: Tensor, axes?: Axes): Tensor {
  const squares = sum(mul(x, x), axes);
  const positive = less(0, squares);
  return select(positive, sqrt(select(positive, squares, 1)), 0);
}
