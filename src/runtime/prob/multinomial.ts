/** Multinomial(total, logits [..., V]) or (total, probs [..., V]): counts [..., V] of `total` independent draws from V categories. */
import { add, equal, expandDims, lgamma, lift, mul, randomCounts, sub, sum } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { categoricalLogProbs, categoricalProbs, weightedSum } from "./categorical.js";
import { countScalar, realVector, simplexVector } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";
import { logWhere } from "./numeric.js";

/** `total` [...] has no category axis. */
export type MultinomialParams = { readonly total: TensorLike } & (Logits | Probs);

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
    const coefficient = sub(lgamma(add(params.total, 1)), sum(lgamma(add(counts, 1)), -1));
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
