/**
 * Categorical over 0..K-1, from logits or probs [..., K]. Values are integers without the category axis; `oneHotCategorical` has values
 * [..., K] with a single 1. Sampling is by the Gumbel-max trick (Gumbel 1954): argmax(logits + gumbel noise), one noise a category.
 */
import {
  add,
  argMax,
  cast,
  div,
  equal,
  iota,
  lift,
  log,
  logSoftmax,
  mul,
  neg,
  oneHot,
  select,
  softmax,
  square,
  sub,
  sum,
} from "../graph/index.js";
import type { DrawShape, Key, Tensor, TensorLike } from "../graph/index.js";
import { realVector, simplexVector } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";
import { standardGumbel } from "./noise.js";
import { lastSum } from "./numeric.js";

export type CategoricalParams = Logits | Probs;

/** Normalised log-probabilities [..., K]; probs need not sum to one. */
export function categoricalLogProbs(params: CategoricalParams): Tensor {
  return params.logits === undefined ? log(categoricalProbs(params)) : logSoftmax(lift(params.logits), -1);
}

/** Probabilities [..., K]. */
export function categoricalProbs(params: CategoricalParams): Tensor {
  if (params.logits !== undefined) return softmax(lift(params.logits), -1);
  const probs = lift(params.probs);
  return div(probs, lastSum(probs));
}

/** Number of categories. */
export function categoriesOf(params: CategoricalParams): number {
  return lift(params.logits ?? params.probs).shape.at(-1) ?? 1;
}

/** 0, 1, …, K-1, to weigh probabilities with. */
function values(params: CategoricalParams): Tensor {
  return cast(iota(categoriesOf(params)), "f32");
}

/** sum_k weight_k value_k along the last axis, where a zero weight silences an infinite value. */
export function weightedSum(weight: Tensor, value: Tensor): Tensor {
  return sum(mul(weight, select(equal(weight, 0), 0, value)), [-1]);
}

/** Category indices (i32) of the given shape. */
function drawIndex(key: Key, params: CategoricalParams, shape: DrawShape): Tensor {
  const scores = params.logits === undefined ? log(params.probs) : params.logits;
  return argMax(add(scores, standardGumbel(key, [...shape, categoriesOf(params)])), -1);
}

function entropy(params: CategoricalParams): Tensor {
  return neg(weightedSum(categoricalProbs(params), categoricalLogProbs(params)));
}

/** The whole numbers of `x` as f32 one-hot vectors on a new last axis. */
function hot(x: TensorLike, categories: number): Tensor {
  return oneHot(cast(lift(x), "i32"), categories);
}

export const categorical = {
  name: "Categorical",
  support: "category",
  eventRank: 0,
  parameters: [{ logits: realVector }, { probs: simplexVector }],
  reparameterised: false,
  /** x [...] whole numbers (i32 or f32) -> log p_x [...] */
  logProb: (x, params) => weightedSum(hot(x, categoriesOf(params)), categoricalLogProbs(params)),
  /** `shape` has no category axis; values are i32. */
  sample: drawIndex,
  mean: (params) => sum(mul(categoricalProbs(params), values(params)), [-1]),
  variance: (params) => {
    const p = categoricalProbs(params);
    const mean = lastSum(mul(p, values(params)));
    return sum(mul(p, square(sub(values(params), mean))), [-1]);
  },
  mode: (params) => argMax(lift(params.logits ?? params.probs), -1),
  entropy,
} satisfies Distribution<CategoricalParams>;

export const oneHotCategorical = {
  name: "OneHotCategorical",
  support: "oneHot",
  eventRank: 1,
  parameters: [{ logits: realVector }, { probs: simplexVector }],
  reparameterised: false,
  /** x [..., K] -> sum_k x_k log p_k [...] */
  logProb: (x, params) => weightedSum(lift(x), categoricalLogProbs(params)),
  /** `shape` ends with K. */
  sample: (key, params, shape) => oneHot(drawIndex(key, params, shape.slice(0, -1)), categoriesOf(params)),
  mean: categoricalProbs,
  variance: (params) => {
    const p = categoricalProbs(params);
    return mul(p, sub(1, p));
  },
  mode: (params) => oneHot(argMax(lift(params.logits ?? params.probs), -1), categoriesOf(params)),
  entropy,
} satisfies Distribution<CategoricalParams>;
