/** Multinomial(total, logits [..., V]) or (total, probs [..., V]): counts [..., V] of `total` independent draws from V categories. */
import { add, div, equal, expandDims, lift, mul, randomCounts, reshape, sizeOf, sub, sum } from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { categoricalLogProbs, categoricalProbs, weightedSum } from "./categorical.js";
import { countScalar, realVector, simplexVector } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";
import { logFactorial, logWhere } from "./numeric.js";

/** `total` [...] has no category axis. */
export type MultinomialParams = { readonly total: TensorLike } & (Logits | Probs);

/** log N! - sum log x_v! [...], N = sum x: the log of the number of orders in which the words of a document [..., V] may stand. */
export function logOrders(counts: Tensor): Tensor {
  return sub(logFactorial(sum(counts, -1)), sum(logFactorial(counts), -1));
}

/**
 * -log P of one word of a document: from log p [...] of its counts [..., ...event], with its N words in the order in which they stand, over N. That is
 * without the log N! - sum log x_v! that the counts have for all orders. exp of its mean over documents is the perplexity (Salakhutdinov & Hinton 2009).
 * Of counts of several kinds, each has its orders, and N is the number of all words.
 */
export function minusLogWord(logProb: Tensor, ...counts: readonly Tensor[]): Tensor {
  const rank = logProb.shape.length;
  const flat = counts.map((x) => reshape(x, [...x.shape.slice(0, rank), sizeOf(x.shape.slice(rank))]));
  const total = (parts: readonly Tensor[]): Tensor => parts.reduce((a, b) => add(a, b));
  return div(sub(total(flat.map(logOrders)), logProb), total(flat.map((x) => sum(x, -1))));
}

export const multinomial = {
  name: "Multinomial",
  support: "count",
  eventRank: 1,
  parameters: [
    { total: countScalar, logits: realVector },
    { total: countScalar, probs: simplexVector },
  ],
  reparameterised: false,
  /** log n! - sum log x_v! + sum x_v log p_v; -Infinity where the counts do not add up to the total */
  logProb: (x, params) => {
    const counts = lift(x);
    const coefficient = sub(logFactorial(params.total), sum(logFactorial(counts), -1));
    return logWhere(equal(sum(counts, -1), params.total), add(coefficient, weightedSum(counts, categoricalLogProbs(params))));
  },
  /** `shape` ends with V. Exact, one draw after another. */
  sample: (key, params, shape) => randomCounts(key, categoricalProbs(params), params.total, shape),
  mean: (params) => mul(trailing(params.total), categoricalProbs(params)),
  variance: (params) => {
    const p = categoricalProbs(params);
    return mul(trailing(params.total), mul(p, sub(1, p)));
  },
} satisfies Distribution<MultinomialParams>;

/** `total` against the category axis. */
function trailing(total: TensorLike): TensorLike {
  return typeof total === "number" || total.shape.length === 0 ? total : expandDims(total, -1);
}
