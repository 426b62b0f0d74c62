/**
 * Gradients as values: `grad[y = e](D(y))` of a `.gm` file. What comes out is a tensor of the same stage, so that a penalty on it
 * is differentiated once more like anything else.
 */
import { resolveShape, type DrawShape } from "./key.js";
import { broadcastTo, lift, sum } from "./ops.js";
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

/**
 * The gradient of each entry of `value` [...lead] in its own part of `at` [...lead, ...event], of the shape of `at`: that of their sum, since an
 * example's value reads its own part alone. Layers that couple the rows of a batch (batch_norm) break this.
 */
export function gradientIn(value: Tensor, at: Tensor): Tensor {
  const [found] = grad(sum(value), [at]);
  return found as Tensor;
}
