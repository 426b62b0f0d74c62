/**
 * How long a step of an ascent may be: the greatest curvature of a quadratic part, by power iteration, or a guess for each row, which backtracking
 * raises.
 */
import {
  abs,
  add,
  constant,
  div,
  greater,
  less,
  lessEqual,
  max,
  mul,
  ones,
  select,
  sliceAxis,
  sqrt,
  square,
  sub,
  zeros,
  type Tensor,
} from "../graph/index.js";
import { sizeOf } from "../graph/shape.js";
import type { Values } from "../energy/energy-model.js";
import { each, names, part, rowsLike, rowSum, slopes, type Ascent } from "./ascent-model.js";

/** Steps of the power iteration: from scratch, and for each update of one that goes on from where the last update left it. */
export const POWER_STEPS = 60;
export const POWER_STEPS_WARM = 20;
/** A power iteration comes to the greatest curvature from below. */
const MARGIN = 1.01;
/** Rounding of f32 in the value, relative: a comparison of two values says nothing below it. */
const ROUNDING = 1e-6;
/** Curvature that no step is made longer for. */
const LEAST_CURVATURE = 1e-6;

/** A first guess for each row: how much the gradient changes along itself. Backtracking raises what is too low. */
export function firstCurvature<W>(model: Ascent<W>, w: W, given: Values, at: Values): Tensor {
  const here = slopes(model, w, given, at).gradients;
  const size = max(sqrt(rowSum(names(model).map((v) => square(part(here, v))))), 1e-12);
  const length = 1e-2;
  const there = slopes(
    model,
    w,
    given,
    each(model, (v) => add(part(at, v), mul(part(here, v), rowsLike(div(length, size), part(here, v))))),
  ).gradients;
  const change = sqrt(rowSum(names(model).map((v) => square(sub(part(there, v), part(here, v))))));
  const guess = div(change, length);
  return max(select(less(guess, 1e30), guess, ones(guess.shape)), LEAST_CURVATURE);
}

/** Any direction with a part along each axis will do: it is the same in every evaluation. */
export function axisStart<W>(model: Ascent<W>): Values {
  return each(
    model,
    (v) => {
      const { shape } = model.variables[v]!;
      return constant(
        Array.from({ length: sizeOf(shape) }, (_, i) => 1 + 0.5 * Math.sin(12.9898 * (i + 1))),
        [1, ...shape],
      );
    },
    ":axis",
  );
}

/**
 * One power iteration: the Hessian of a quadratic times a direction is a difference of gradients, exactly. The same for every row, so that of the
 * first. `:curvature` comes to the greatest eigenvalue of minus the Hessian.
 */
export function powerStep<W>(model: Ascent<W>, w: W, given: Values, state: Values): Values {
  const row = Object.fromEntries(Object.entries(given).map(([k, t]) => [k, t.shape.length > 0 ? sliceAxis(t, 0, 0, 1) : t]));
  const axis = each(model, (v) => unitScaled(model, state, v));
  const origin = each(model, (v) => zeros(part(axis, v).shape));
  const a = slopes(model, w, row, axis).gradients;
  const b = slopes(model, w, row, origin).gradients;
  const image = each(model, (v) => sub(part(b, v), part(a, v)));
  const size = sqrt(rowSum(names(model).map((v) => square(part(image, v)))));
  return {
    ...Object.fromEntries(
      names(model).map((v) => [`${v}:axis`, select(rowsLike(greater(size, 0), part(image, v)), part(image, v), part(axis, v))]),
    ),
    ":curvature": max(mul(MARGIN, size), LEAST_CURVATURE),
  };
}

function unitScaled<W>(model: Ascent<W>, state: Values, v: string): Tensor {
  const size = sqrt(rowSum(names(model).map((u) => square(part(state, `${u}:axis`)))));
  const t = part(state, `${v}:axis`);
  return div(t, rowsLike(max(size, 1e-30), t));
}

/** Does the smooth part lie above its quadratic model with curvature L, up to rounding? [B] */
export function isSteepEnough<W>(
  model: Ascent<W>,
  w: W,
  given: Values,
  from: Values,
  to: Values,
  value: Tensor,
  gradients: Values,
  curvature: Tensor,
): Tensor {
  const reached = model.smooth(w, given, to);
  const moves = names(model).map((v) => sub(part(to, v), part(from, v)));
  const linear = rowSum(names(model).map((v, i) => mul(part(gradients, v), moves[i]!)));
  const quadratic = mul(mul(0.5, curvature), rowSum(moves.map((m) => square(m))));
  const least = sub(sub(add(value, linear), quadratic), mul(ROUNDING, add(1, abs(value))));
  return lessEqual(least, reached);
}
