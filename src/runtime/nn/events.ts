/**
 * Shape operations on the event axes of a tensor [...leading, ...event]: what leads (samples, batch) stays as it is. Axes are negative:
 * they count from the end.
 */
import { broadcastTo, cast, concat, constant, equal, expandDims, iota, pad, reshape, select, sum, transpose } from "../graph/index.js";
import type { DType, Shape, Tensor, TensorLike } from "../graph/index.js";
import { broadcastShapes, shapeError, showShape, sizeOf } from "../graph/shape.js";

/** The last `eventRank` axes in another shape of as many entries. */
export function reshapeEvent(x: Tensor, eventRank: number, shape: Shape): Tensor {
  if (eventRank > x.shape.length) throw shapeError(`reshapeEvent: ${showShape(x.shape)} has no ${eventRank} event axes`);
  return reshape(x, [...x.shape.slice(0, x.shape.length - eventRank), ...shape]);
}

/** The last `eventRank` axes as one. */
export function flatten(x: Tensor, eventRank: number): Tensor {
  return reshapeEvent(x, eventRank, [sizeOf(x.shape.slice(x.shape.length - eventRank))]);
}

/** The last axes in the order given, by negative numbers: `transposeEvent(x, [-1, -2])` swaps the last two. */
export function transposeEvent(x: Tensor, order: readonly number[]): Tensor {
  const leading = x.shape.length - order.length;
  const axes = order.map((axis) => axis + x.shape.length);
  if (leading < 0 || axes.some((axis) => axis < leading || axis >= x.shape.length)) {
    throw shapeError(`transposeEvent: [${order.join(", ")}] does not name the last ${order.length} axes of ${showShape(x.shape)}`);
  }
  return transpose(x, [...Array.from({ length: leading }, (_, i) => i), ...axes]);
}

/** Joins along a negative axis; leading axes broadcast. All have the same event rank or are lifted to it by their leading axes. */
export function concatEvent(xs: readonly Tensor[], axis: number): Tensor {
  const rank = Math.max(...xs.map((x) => x.shape.length));
  const shapes = xs.map((x) => [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape]);
  const common = broadcastShapes(
    "concat",
    shapes.map((shape) => shape.map((size, i) => (i === rank + axis ? 1 : size))),
  );
  return concat(
    xs.map((x, i) =>
      broadcastTo(
        x,
        common.map((size, at) => (at === rank + axis ? (shapes[i]?.[at] ?? 1) : size)),
      ),
    ),
    rank + axis,
  );
}

/** Zeros before and after each of the last axes. */
export function padEvent(x: Tensor, low: readonly number[], high: readonly number[]): Tensor {
  const leading = new Array<number>(x.shape.length - low.length).fill(0);
  return pad(x, [...leading, ...low], [...leading, ...high]);
}

/**
 * Rows of a table that differs from example to example: `table` [...lead, K, ...row] with `rank` event axes at labels [...lead, ...S] with
 * `labelRank` of them -> [...lead, ...S, ...row]. Leading axes broadcast.
 */
export function takeEvent(table: Tensor, labels: Tensor, rank: number, labelRank = 0): Tensor {
  const axis = table.shape.length - rank;
  const classes = table.shape[axis];
  if (rank < 1 || axis < 0 || classes === undefined) throw shapeError(`takeEvent: ${showShape(table.shape)} has no ${rank} event axes`);
  const ones = (n: number): readonly number[] => Array.from({ length: n }, () => 1);
  const { shape } = labels;
  const hot = reshape(equal(expandDims(labels, shape.length), iota(classes)), [...shape, classes, ...ones(rank - 1)]);
  const rows = reshape(table, [...table.shape.slice(0, axis), ...ones(labelRank), ...table.shape.slice(axis)]);
  // no product: what is not picked may be infinite
  return sum(select(hot, rows, 0), [-rank]);
}

/** The last `eventRank` axes repeated to `shape`, as numpy does; a number fills it. */
export function broadcastEvent(x: TensorLike, eventRank: number, shape: Shape, dtype?: DType): Tensor {
  if (typeof x === "number" || typeof x === "boolean") return constant(x, shape, dtype);
  const lead = x.shape.slice(0, x.shape.length - eventRank);
  const aligned = reshape(x, [...lead, ...shape.slice(eventRank).map(() => 1), ...x.shape.slice(lead.length)]);
  return broadcastTo(dtype === undefined ? aligned : cast(aligned, dtype), [...lead, ...shape]);
}

/** Values [...lead, ...sizes, ...event] that are alike along `sizes`, of x [...lead, 1, …, ...event], or of one that lacks these axes and all leading ones. */
export function repeatEvent(x: Tensor, eventRank: number, sizes: Shape): Tensor {
  const event = x.shape.slice(x.shape.length - eventRank);
  return broadcastTo(x, broadcastShapes("repeatEvent", [x.shape, [...sizes, ...event]]));
}
