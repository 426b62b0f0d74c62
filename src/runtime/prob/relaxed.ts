/**
 * Continuous relaxations of discrete draws (Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017): reparameterised, and biased the less the
 * lower the temperature. For `by concrete(t = …)` and `by straight_through`.
 */
import { add, argMax, cast, div, greater, oneHot, sigmoid, softmax, stopGradient, sub } from "../graph/index.js";
import type { DrawShape, Key, Tensor, TensorLike } from "../graph/index.js";
import { bernoulli, bernoulliLogits, bernoulliProbs } from "./bernoulli.js";
import type { BernoulliParams } from "./bernoulli.js";
import { categoricalLogProbs, categoricalProbs, oneHotCategorical } from "./categorical.js";
import type { CategoricalParams } from "./categorical.js";
import { standardGumbel, standardLogistic } from "./noise.js";

/** Binary concrete: sigmoid((logits + logistic noise) / temperature), in (0, 1). */
export function concreteBernoulli(key: Key, params: BernoulliParams, temperature: TensorLike, shape: DrawShape): Tensor {
  return sigmoid(div(add(bernoulliLogits(params), standardLogistic(key, shape)), temperature));
}

/** Concrete: softmax((log p + gumbel noise) / temperature) on the last axis; `shape` ends with K. */
export function concreteCategorical(key: Key, params: CategoricalParams, temperature: TensorLike, shape: DrawShape): Tensor {
  return softmax(div(add(categoricalLogProbs(params), standardGumbel(key, shape)), temperature), -1);
}

/** The value of `hard`, with the gradient of `soft` (Bengio, Léonard & Courville 2013). */
export function straightThrough(hard: Tensor, soft: Tensor): Tensor {
  return add(soft, stopGradient(sub(hard, soft)));
}

/** A draw of exactly 0 or 1 with the gradient of its relaxation. */
export function straightThroughBernoulli(key: Key, params: BernoulliParams, temperature: TensorLike, shape: DrawShape): Tensor {
  const soft = concreteBernoulli(key, params, temperature, shape);
  return straightThrough(cast(greater(soft, 0.5), "f32"), soft);
}

/** A one-hot draw with the gradient of its relaxation. */
export function straightThroughCategorical(key: Key, params: CategoricalParams, temperature: TensorLike, shape: DrawShape): Tensor {
  const soft = concreteCategorical(key, params, temperature, shape);
  return straightThrough(oneHot(argMax(soft, -1), soft.shape.at(-1) ?? 1), soft);
}

/** A draw of exactly 0 or 1 with the gradient of its mean. */
export function meanThroughBernoulli(key: Key, params: BernoulliParams, shape: DrawShape): Tensor {
  return straightThrough(bernoulli.sample(key, params, shape), bernoulliProbs(params));
}

/** A one-hot draw with the gradient of its mean. */
export function meanThroughCategorical(key: Key, params: CategoricalParams, shape: DrawShape): Tensor {
  return straightThrough(oneHotCategorical.sample(key, params, shape), categoricalProbs(params));
}
