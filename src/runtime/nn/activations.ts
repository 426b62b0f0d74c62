/** Activations beyond those that are tensor operations (relu, tanh, sigmoid, softplus, softmax). Elementwise, any shape, unless said otherwise. */
import {
  abs,
  add,
  concat,
  div,
  erf,
  exp,
  expm1,
  greater,
  max,
  min,
  mul,
  neg,
  reduceMax,
  relu,
  reshape,
  select,
  sigmoid,
  split,
  tanh,
} from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { normalizeAxis } from "../graph/shape.js";

/** x where positive, slope * x elsewhere (Maas et al. 2013). */
export function leakyRelu(x: Tensor, { slope = 0.01 }: { readonly slope?: number } = {}): Tensor {
  return select(greater(x, 0), x, mul(slope, x));
}

/** x where positive, alpha (exp(x) - 1) elsewhere (Clevert et al. 2016). */
export function elu(x: Tensor, { alpha = 1 }: { readonly alpha?: number } = {}): Tensor {
  // exp sees no positive number: the branch not taken cannot overflow.
  return select(greater(x, 0), x, mul(alpha, expm1(min(x, 0))));
}

/** Self-normalising ELU (Klambauer et al. 2017). */
export function selu(x: Tensor): Tensor {
  return mul(1.0507009873554805, elu(x, { alpha: 1.6732632423543772 }));
}

/** x Phi(x), Phi the standard normal CDF (Hendrycks & Gimpel 2016). */
export function gelu(x: Tensor): Tensor {
  return mul(mul(0.5, x), add(1, erf(mul(x, Math.SQRT1_2))));
}

/** x sigmoid(x) (Elfwing et al. 2018; "swish"). */
export function silu(x: Tensor): Tensor {
  return mul(x, sigmoid(x));
}

/** x tanh(softplus(x)) (Misra 2019), by tanh(log(1 + e^x)) = (s^2 - 1) / (s^2 + 1), s = 1 + e^x. */
export function mish(x: Tensor): Tensor {
  // For x > 20 the factor is 1 in float32, and e^x is kept from overflowing.
  const e = exp(min(x, 20));
  const squared = mul(e, add(e, 2));
  return mul(x, div(squared, add(squared, 2)));
}

/** x / (1 + |x|) */
export function softsign(x: Tensor): Tensor {
  return div(x, add(1, abs(x)));
}

/** x clipped to [-1, 1]. */
export function hardTanh(x: Tensor): Tensor {
  return max(min(x, 1), -1);
}

/** First half times sigmoid of the second, along `axis` (Dauphin et al. 2017). */
export function glu(x: Tensor, axis = -1): Tensor {
  const [value, gate] = halves(x, axis);
  return mul(value, sigmoid(gate));
}

/** tanh of the first half times sigmoid of the second, along `axis` (van den Oord et al. 2016: PixelCNN, WaveNet). */
export function gatedTanh(x: Tensor, axis = -1): Tensor {
  const [value, gate] = halves(x, axis);
  return mul(tanh(value), sigmoid(gate));
}

function halves(x: Tensor, axis: number): readonly [Tensor, Tensor] {
  const [first, second] = split(x, 2, axis);
  return [first as Tensor, second as Tensor];
}

/** relu of x and of -x along the last axis, which doubles (Shang et al. 2016). */
export function concatRelu(x: Tensor): Tensor {
  return concat([relu(x), relu(neg(x))], x.shape.length - 1);
}

/** elu of x and of -x along the last axis, which doubles (Salimans et al. 2017). */
export function concatElu(x: Tensor): Tensor {
  return concat([elu(x), elu(neg(x))], x.shape.length - 1);
}

/** The largest of each group of `pieces` neighbours along `axis` (Goodfellow et al. 2013). */
export function maxout(x: Tensor, pieces: number, axis = -1): Tensor {
  const at = normalizeAxis("maxout", axis, x.shape.length);
  const size = x.shape[at] ?? 1;
  return reduceMax(reshape(x, [...x.shape.slice(0, at), size / pieces, pieces, ...x.shape.slice(at + 1)]), [at + 1]);
}
