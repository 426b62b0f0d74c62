/**
 * Standard noise that samplers share. Uniforms are multiples of 2^-24 (random.ts), so every sampler built on one has a tail that
 * ends at probability 2^-24 and, for discrete values, an error of at most 2^-24 in each probability.
 */
import { add, log, log1p, max, mul, neg, randomUniform, sub } from "../graph/index.js";
import type { DrawShape, Key, Tensor, TensorLike } from "../graph/index.js";

/** 2^-25: what the uniform 0 stands for, the middle of its cell. */
const HALF_CELL = 2 ** -25;

/** Uniforms in (0, 1): 0 becomes 2^-25, all others keep their bits. */
export function openUniform(key: Key, shape: DrawShape): Tensor {
  return max(randomUniform(key, shape), HALF_CELL);
}

/** Exponential with rate 1: -log u. In [6e-8, 17.4]. */
export function standardExponential(key: Key, shape: DrawShape): Tensor {
  return neg(log(openUniform(key, shape)));
}

/** Gumbel(0, 1): -log(-log u). */
export function standardGumbel(key: Key, shape: DrawShape): Tensor {
  return neg(log(standardExponential(key, shape)));
}

/** Logistic(0, 1): log u - log(1 - u). */
export function standardLogistic(key: Key, shape: DrawShape): Tensor {
  const u = openUniform(key, shape);
  return sub(log(u), log1p(neg(u)));
}

/** loc + scale * noise */
export function locScale(loc: TensorLike, scale: TensorLike, noise: Tensor): Tensor {
  return add(loc, mul(scale, noise));
}
