/** How stored bytes become values of a model's variables, drawn anew in each step. */
import { add, cast, div, less, randomUniform, rowsOf } from "../graph/index.js";
import type { DrawShape, Key, Tensor } from "../graph/index.js";

/** The shape of `x` [B, ...event] as a draw tied to its rows. */
function drawLike(x: Tensor): DrawShape {
  return [rowsOf(x), ...x.shape.slice(1)];
}

/** Dynamic binarisation: a fresh Bernoulli(x) for each entry of x [B, ...event] in [0, 1] (Salakhutdinov & Murray 2008). */
export function binarize(key: Key, x: Tensor): Tensor {
  return cast(less(randomUniform(key, drawLike(x)), x), "f32");
}

/** Uniform dequantisation: whole numbers x in 0..levels-1 become (x + u) / levels in [0, 1), u ~ U(0, 1) (Uria, Murray & Larochelle 2013; Theis et al. 2016). */
export function dequantize(key: Key, x: Tensor, levels = 256): Tensor {
  return div(add(x, randomUniform(key, drawLike(x))), levels);
}
