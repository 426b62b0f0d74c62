/** Related samples of one-hot vectors, [n, ..., B, ...event] with the classes last, and estimators from the value at each. */
import {
  add,
  argMax,
  concat,
  expandDims,
  eye,
  log,
  mul,
  neg,
  oneHot,
  reshape,
  sliceAxis,
  softplus,
  squeeze,
  stopGradient,
  sub,
  sum,
  transpose,
  type DrawShape,
  type Key,
  type Tensor,
} from "../graph/index.js";
import { sumLast } from "../graph/last-axes.js";
import { categoricalLogProbs, categoricalProbs, oneHotCategorical, type CategoricalParams } from "../prob/categorical.js";
import { standardExponential, standardGumbel } from "../prob/noise.js";
import { only } from "./surrogate.js";

/** A sample, and for each class of each vector the sample with that vector of that class. `shape` [1 + entries, ..., B, ...event]. */
export function replacedClassDraws(key: Key, params: CategoricalParams, shape: DrawShape): Tensor {
  const z = expandDims(oneHotCategorical.sample(key, params, shape.slice(1)), 0);
  const [count] = shape;
  const entries = typeof count === "number" ? count - 1 : 0;
  const rank = shape.length - 1 - shape.findIndex((d) => typeof d !== "number");
  const event = z.shape.slice(z.shape.length - rank);
  const unit = reshape(eye(entries), [entries, ...z.shape.slice(1, z.shape.length - rank).map(() => 1), ...event]);
  const others = sub(1, expandDims(sum(unit, [-1]), -1));
  return concat([z, add(mul(z, others), unit)], 0);
}

/**
 * Local expectation gradients (Titsias & Lazaro-Gredilla 2015, eq. 7): each vector is summed over its classes, the others being as drawn. The exact gradient
 * where there is one vector. `f` [1 + entries, ..., B] at `replacedClassDraws` `z` -> [..., B].
 */
export function localClassExpectation(f: Tensor, z: Tensor, params: CategoricalParams): Tensor {
  const rank = z.shape.length - f.shape.length;
  const [all = 1, ...lead] = f.shape;
  const value = sliceAxis(f, 0, 0, 1);
  const gain = sub(sliceAxis(f, 0, 1, all), value);
  const last = transpose(
    gain,
    [...lead.keys(), -1].map((axis) => axis + 1),
  );
  const each = reshape(last, [...lead, ...z.shape.slice(z.shape.length - rank)]);
  return add(squeeze(value, [0]), sumLast(mul(stopGradient(each), only(categoricalProbs(params))), rank));
}

/**
 * The unit vector b at the largest of g = log p + Gumbel noise, g itself, and a g drawn anew given b (Tucker et al. 2017, appendix B; Grathwohl et al. 2018,
 * appendix B). `shape` [..., B, ...event].
 */
export function conditionedGumbels(
  key: Key,
  params: CategoricalParams,
  shape: DrawShape,
): { readonly b: Tensor; readonly g: Tensor; readonly given: Tensor } {
  const logP = categoricalLogProbs(params);
  const g = add(logP, standardGumbel(key.at("first"), shape));
  const b = oneHot(argMax(g, -1), g.shape.at(-1) ?? 1);
  const noise = standardExponential(key.at("second"), shape);
  // the largest is -log E_b, each other one -log(E_i / p_i + E_b)
  const top = log(expandDims(sum(mul(b, noise), [-1]), -1));
  const below = softplus(sub(sub(log(noise), logP), top));
  return { b, g, given: neg(add(top, mul(sub(1, b), below))) };
}
