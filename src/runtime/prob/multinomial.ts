/** Multinomial(total, logits [..., V]) or (total, probs [..., V]): counts [..., V] of `total` independent draws from V categories. */
import {
  add,
  broadcastTo,
  concat,
  div,
  equal,
  expandDims,
  greater,
  lgamma,
  lift,
  mul,
  pad,
  reshape,
  resolveShape,
  select,
  sliceAxis,
  stopGradient,
  sub,
  sum,
} from "../graph/index.js";
import type { Key, Tensor, TensorLike, DrawShape } from "../graph/index.js";
import { categoricalLogProbs, categoricalProbs, weightedSum } from "./categorical.js";
import { drawBinomial } from "./count-sampler.js";
import { countScalar, realVector, simplexVector } from "./distribution.js";
import type { Distribution, Logits, Probs } from "./distribution.js";
import { logWhere } from "./numeric.js";

/** `total` [...] has no category axis. */
export type MultinomialParams = { readonly total: TensorLike } & (Logits | Probs);

/**
 * Counts by halving: the total is split between the two halves of the categories by a binomial draw, and so on down; log2 V rounds of
 * V / 2^r binomials each, exact up to the binomial sampler's bound.
 */
function drawCounts(key: Key, total: Tensor, probs: Tensor, shape: DrawShape): Tensor {
  const leading = shape.slice(0, -1);
  const plain = resolveShape(leading).shape;
  const categories = probs.shape.at(-1) ?? 1;
  const rounds = Math.ceil(Math.log2(Math.max(1, categories)));
  const spread = broadcastTo(probs, [...plain, categories]);
  const leaves = pad(spread, plain.map(() => 0).concat(0), plain.map(() => 0).concat(2 ** rounds - categories));
  // masses[r]: probability of each of the 2^r blocks of round r.
  const masses: Tensor[] = [leaves];
  for (let r = rounds; r > 0; r--) masses.unshift(sum(reshape(masses[0] ?? leaves, [...plain, 2 ** (r - 1), 2]), -1));
  let counts = expandDims(broadcastTo(total, plain), -1);
  for (let r = 1; r <= rounds; r++) {
    const blocks = 2 ** (r - 1);
    const pairs = reshape(masses[r] ?? leaves, [...plain, blocks, 2]);
    const left = reshape(sliceAxis(pairs, -1, 0, 1), [...plain, blocks]);
    const both = sum(pairs, -1);
    const share = select(greater(both, 0), div(left, select(greater(both, 0), both, 1)), 0);
    const drawn = drawBinomial(key.at(`round${r}`), counts, share, [...leading, blocks]);
    counts = reshape(concat([expandDims(drawn, -1), expandDims(sub(counts, drawn), -1)], -1), [...plain, 2 * blocks]);
  }
  return sliceAxis(counts, -1, 0, categories);
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
    const coefficient = sub(lgamma(add(params.total, 1)), sum(lgamma(add(counts, 1)), -1));
    return logWhere(equal(sum(counts, -1), params.total), add(coefficient, weightedSum(counts, categoricalLogProbs(params))));
  },
  /** `shape` ends with V. */
  sample: (key, params, shape) => stopGradient(drawCounts(key, lift(params.total), categoricalProbs(params), shape)),
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
