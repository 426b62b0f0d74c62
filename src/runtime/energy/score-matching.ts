/**
 * Fitting energies of real variables without their partition function: through the score, psi(x) = d log p(x) / dx = -dF/dx, which
 * does not know log Z. All losses are to be minimised, one number for each row.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  broadcastTo,
  cast,
  div,
  expandDims,
  eye,
  mean,
  mul,
  randomNormal,
  randomUniform,
  reshape,
  sizeOf,
  less,
  square,
  stopGradient,
  sub,
  sum,
  vjp,
  neg,
  type DrawShape,
  type Key,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";

import type { EnergyModel, Values } from "./energy-model.js";
import { gradientOf } from "./fields.js";
import { freeEnergy, summedBy, type Summation } from "./free-energy.js";
import { drawLead, flat, isReal, plainShape, seenBy, unitsOf, without } from "./values.js";

/** Up to this many entries the trace of the Hessian is exact, unless told otherwise. */
const EXACT_TRACE = 64;

export interface ScoreOptions extends Pick<Summation, "sum" | "joint" | "paired" | "enumerate"> {
  /** The real variable whose score is matched; may be left out where the model has one variable beside those summed over. */
  readonly name?: string;
}

export interface ScoreMatchingOptions extends ScoreOptions {
  /** "exact", or the number of random projections that estimate the trace. Exact up to 64 entries, else 1 projection. */
  readonly trace?: "exact" | number;
}

/**
 * Hyvarinen 2005: |psi|^2 / 2 + tr d psi / dx, whose mean is, up to a constant of the data, half the squared distance between the scores of model and data.
 * The trace is exact, or estimated by projections on random signs (sliced score matching with variance reduction: Song et al. 2019).
 */
export function scoreMatching<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: ScoreMatchingOptions = {}): Tensor {
  const name = scored(model, options);
  const event = unitsOf(model, name).shape;
  const size = sizeOf(event);
  const how = options.trace ?? (size <= EXACT_TRACE ? "exact" : 1);
  const lead = plainShape(drawLead(model, without(seenBy(model, x), summedBy(options)), undefined));
  const at = (points: Tensor): Tensor => score(model, w, x, name, points, options);
  const rank = (t: Tensor): Tensor => sum(flat(t, event), -1);
  const points = stopGradient(broadcastTo(x[name]!, [...lead, ...event]));
  const half = mul(0.5, rank(square(at(points))));
  const copies = how === "exact" ? size : how;
  // Row i of the copies carries direction i: one second derivative for all.
  const many = stopGradient(broadcastTo(expandDims(points, 0), [copies, ...points.shape]));
  const directions =
    how === "exact"
      ? broadcastTo(reshape(eye(size), [size, ...lead.map(() => 1), ...event]), many.shape)
      : signs(key, [copies, ...drawLead(model, { [name]: points }, undefined), ...event]);
  const [product] = vjp([at(many)], [directions], [many]);
  const traces = rank(mul(product!, directions));
  return add(half, how === "exact" ? sum(traces, 0) : mean(traces, 0));
}

/**
 * Vincent 2011: rows are blurred by noise of deviation sigma and the score there is to point back, |psi(x + sigma e) + e / sigma|^2 / 2. Its minimum is
 * the score of the blurred data.
 */
export function denoisingScoreMatching<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  sigma: TensorLike,
  options: ScoreOptions = {},
): Tensor {
  const name = scored(model, options);
  const event = unitsOf(model, name).shape;
  const lead = drawLead(model, without(seenBy(model, x), summedBy(options)), undefined);
  const noise = randomNormal(key.at(name), [...lead, ...event]);
  const blurred = stopGradient(add(x[name]!, mul(sigma, noise)));
  const miss = add(score(model, w, x, name, blurred, options), div(noise, sigma));
  return mul(0.5, sum(flat(square(miss), event), -1));
}

/** -dF/dx at `points`, [...lead, ...event]; differentiable in the weights and in the points. */
function score<W>(model: EnergyModel<W>, w: W, x: Values, name: string, points: Tensor, options: ScoreOptions): Tensor {
  const { sum: names, joint, paired, enumerate } = options;
  const energy = freeEnergy(
    model,
    w,
    { ...x, [name]: points },
    { ...(names && { sum: names }), ...(joint && { joint }), ...(paired && { paired }), ...(enumerate && { enumerate }) },
  );
  const [gradient] = gradientOf(energy, [points]);
  return neg(gradient!);
}

function scored(model: EnergyModel, options: ScoreOptions): string {
  const { name } = options;
  const left = Object.keys(model.units).filter((other) => !summedBy(options).includes(other));
  const only = name ?? (left.length === 1 ? left[0] : undefined);
  if (only === undefined)
    throw new GmcError("GM4009", `score matching of \`${model.name}\` (${model.place}): name one of ${left.join(", ")}`);
  if (!isReal(unitsOf(model, only)))
    throw new GmcError("GM4009", `score matching of \`${only}\` (${model.place}): it is discrete, and only real variables have a score`, [
      "cd and pcd fit it",
    ]);
  return only;
}

/** -1 or 1 with equal chance. */
function signs(key: Key, shape: DrawShape): Tensor {
  return sub(mul(2, cast(less(randomUniform(key.at("signs"), shape), 0.5), "f32")), 1);
}
