/** What an ascent maximises, by variable, and what its steps read of it: values, slopes, sums over rows. */
import { InternalError } from "../graph/errors.js";
import { gradientIn, leaf } from "../graph/gradients.js";
import { add, type Tensor } from "../graph/index.js";
import { beforeEvent, sumLast } from "../graph/last-axes.js";
import type { Shape } from "../graph/types.js";
import type { Values } from "../energy/energy-model.js";
import { proximalValue, type Bounds, type Proximals } from "./proximal.js";

export interface AscentVariable {
  /** Event shape. */
  readonly shape: Shape;
  /** Where its domain ends. */
  readonly bounds?: Exclude<Bounds, undefined>;
}

/** What is maximised in some variables, [B] of values [B, ...event]. */
export interface Ascent<W> {
  readonly variables: Readonly<Record<string, AscentVariable>>;
  /** All but the proximal terms; differentiable in the variables. */
  readonly smooth: (w: W, given: Values, at: Values) => Tensor;
  /** By variable; a variable without one has no such term. */
  readonly proximal?: (w: W, given: Values) => Proximals;
  /** `constant`: the smooth part is quadratic, with the same matrix for every row, so its curvature is found by power iteration; else by backtracking. */
  readonly curvature: "constant" | "varies";
}

export interface AscentMethod {
  /** Proximal gradient steps (Daubechies et al. 2004), the same with momentum (Beck & Teboulle 2009), or Adam (Kingma & Ba 2015). */
  readonly kind: "ista" | "fista" | "adam";
  readonly steps: number;
  /** Of Adam. */
  readonly lr?: number;
}

/** A part of the state of an ascent: a variable, or under `variable:slot` what the method keeps of it. */
export function part(state: Values, name: string): Tensor {
  const found = state[name];
  if (!found) throw new InternalError(`an ascent without its state ${name}`);
  return found;
}

export const names = <W>(model: Ascent<W>): readonly string[] => Object.keys(model.variables);

export function each<W>(model: Ascent<W>, value: (name: string) => Tensor, suffix = ""): Record<string, Tensor> {
  return Object.fromEntries(names(model).map((v) => [`${v}${suffix}`, value(v)]));
}

/** The smooth part [B] at values, and its gradient in each; with that of the priors where these are given. */
export function slopes<W>(
  model: Ascent<W>,
  w: W,
  given: Values,
  at: Values,
  proximals: Proximals = {},
): { readonly value: Tensor; readonly gradients: Values } {
  const leaves = each(model, (v) => leaf(part(at, v)));
  const value = model.smooth(w, given, leaves);
  const whole = Object.entries(proximals).reduce((total, [v, law]) => add(total, rowSum([proximalValue(part(leaves, v), law)])), value);
  return { value, gradients: each(model, (v) => gradientIn(whole, part(leaves, v))) };
}
/** The sum over each row's entries of all parts: [B]. */
export function rowSum(parts: readonly Tensor[]): Tensor {
  return parts.map((t) => sumLast(t, t.shape.length - 1)).reduce((total, t) => add(total, t));
}

/** [B] (or [1]) with as many axes as `like` [B, ...event]. */
export function rowsLike(t: Tensor, like: Tensor): Tensor {
  return beforeEvent(t, like.shape.length - 1);
}
