/**
 * Gradients as values: `grad[y = e](D(y))` of a `.gm` file. What comes out is a tensor of the same stage, so that a penalty on it
 * is differentiated once more like anything else.
 */
import { resolveShape, type DrawShape } from "./key.js";
import { broadcastTo, lift, sum } from "./ops.js";
import { broadcastShapes } from "./shape.js";
import { emit, type Tensor, type TensorLike } from "./trace.js";
import { grad } from "./vjp.js";

/**
 * `x` as a value of its own: a gradient in it counts what is computed from it alone, whatever else reads `x`. With a shape, repeated to it:
 * each row and sample then has a gradient of its own.
 */
export function leaf(x: TensorLike, shape?: DrawShape): Tensor {
  const t = shape === undefined ? lift(x) : broadcastTo(lift(x), resolveShape(shape).shape);
  return emit("reshape", [t], { shape: [...t.shape] });
}

/** What else a gradient reads: a value [...lead, ...event], and how many axes its event has. */
export type Beside = readonly [value: TensorLike, eventRank: number];

/**
 * A leaf of `x` [...lead, ...event] with all leading axes of `x` and of what stands beside it, where the rows are not known by a name: values may
 * come with axes of their own (the states of an enumerated variable, rows), which a gradient would be summed over otherwise.
 */
export function leafAlong(x: TensorLike, eventRank: number, ...beside: readonly Beside[]): Tensor {
  const leadOf = ([value, rank]: Beside): readonly number[] => {
    const { shape } = lift(value);
    return shape.slice(0, shape.length - rank);
  };
  const { shape } = lift(x);
  const lead = broadcastShapes("leading axes of what a gradient reads", [leadOf([x, eventRank]), ...beside.map(leadOf)]);
  return leaf(x, [...lead, ...shape.slice(shape.length - eventRank)]);
}

/**
 * The gradient of each entry of `value` [...lead] in its own part of `at` [...lead, ...event], of the shape of `at`: that of their sum, since an
 * example's value reads its own part alone. Layers that couple the rows of a batch (batch_norm) break this.
 */
export function gradientIn(value: TensorLike, at: Tensor): Tensor {
  const [found] = grad(sum(lift(value)), [at]);
  return found as Tensor;
}
