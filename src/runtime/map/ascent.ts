/**
 * Maximum a posteriori: latents that maximise a log-density given the rest, found by steps of gradient ascent. A density's terms come in two parts:
 * the smooth one, of which gradients are taken, and the priors whose kinks or edges have a proximal operator in closed form.
 *
 * Given what is maximised, `ascend` gives the latents, unrolled in the graph it is called in (evaluation); `ascentState` and `ascentStages` are the
 * same as state and stages of an update, so that many steps cost no larger graph (training). No gradient passes through the latents: at a maximum the
 * derivative of the value in the weights is that at fixed latents (the envelope theorem).
 */
import { GmcError } from "../graph/errors.js";
import {
  abs,
  add,
  constant,
  div,
  greater,
  less,
  lessEqual,
  max,
  min,
  mul,
  neg,
  ones,
  pow,
  reshape,
  select,
  sliceAxis,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  zeros,
  type Rows,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { sizeOf } from "../graph/shape.js";
import type { Shape } from "../graph/types.js";
import { gradientIn, leaf } from "../adversarial/gradients.js";
import type { Values } from "../energy/energy-model.js";
import type { WeightSpecs } from "../nn/spec.js";
import type { BeforeStage, CarriedSpec, StepContext } from "../model.js";

/** A prior that is not smooth: its log-density is `weight` (1 unless told) times the one named. */
export type Proximal =
  /** -|z - loc| / scale: the proximal operator is the soft threshold. */
  | { readonly law: "laplace"; readonly loc: TensorLike; readonly scale: TensorLike; readonly weight?: TensorLike }
  /** -rate z on z >= 0: a shift, then the projection. */
  | { readonly law: "exponential"; readonly rate: TensorLike; readonly weight?: TensorLike }
  /** Constant on low..high: a projection. */
  | { readonly law: "uniform"; readonly low: TensorLike; readonly high: TensorLike; readonly weight?: TensorLike };

export type Proximals = Readonly<Record<string, Proximal>>;

export interface AscentVariable {
  /** Event shape. */
  readonly shape: Shape;
  /** Where its domain ends: `nonnegative` 0.., `unit` 0..1. */
  readonly bounds?: "nonnegative" | "unit";
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

/** A constant of generated code: typed, and as it is. */
export const ascendable = <W>(spec: Ascent<W>): Ascent<W> => spec;

/** Steps of the power iteration: from scratch, and for each update of one that goes on from where the last update left it. */
const POWER_STEPS = 60;
const POWER_STEPS_WARM = 20;
/** A power iteration comes to the greatest curvature from below. */
const MARGIN = 1.01;
/** Rounding of f32 in the value, relative: a comparison of two values says nothing below it. */
const ROUNDING = 1e-6;
/** Curvature that no step is made longer for. */
const LEAST_CURVATURE = 1e-6;

/** The variables [B, ...event] after `method.steps` steps. `rows` is B. */
export function ascend<W>(model: Ascent<W>, w: W, given: Values, rows: Rows, method: AscentMethod): Values {
  let state = begin(model, w, given, rows.size, method);
  if (isProximalMethod(method) && model.curvature === "constant") {
    state = { ...state, ...axisStart(model) };
    for (let i = 0; i < POWER_STEPS; i++) state = { ...state, ...powerStep(model, w, given, state) };
  }
  for (let i = 0; i < method.steps; i++) state = { ...state, ...step(model, w, given, state, method) };
  return Object.fromEntries(Object.keys(model.variables).map((v) => [v, stopGradient(part(state, v))]));
}

/** What an update carries that maximises over `batch` rows: under `name.`, the variables and what the method keeps of them. */
export function ascentState(
  model: Ascent<never>,
  name: string,
  batch: number,
  method: AscentMethod,
): Readonly<Record<string, CarriedSpec>> {
  const found: Record<string, CarriedSpec> = {};
  const put = (key: string, shape: Shape, perRow: boolean, random = false): void => {
    found[`${name}.${key}`] = { shape, dtype: "f32", start: { kind: random ? "normal" : "zeros" }, ...(perRow ? { perRow: true } : {}) };
  };
  for (const [v, { shape }] of Object.entries(model.variables)) {
    put(v, [batch, ...shape], true);
    for (const slot of slotsOf(method)) put(`${v}:${slot}`, [batch, ...shape], true);
    if (isProximalMethod(method) && model.curvature === "constant") put(`${v}:axis`, [1, ...shape], false, true);
  }
  if (method.kind !== "ista") put(":count", [batch], true);
  if (isProximalMethod(method)) put(":curvature", [model.curvature === "constant" ? 1 : batch], model.curvature !== "constant");
  return found;
}

/** Stages of an update that find the variables. `given` takes what they are conditioned on from the step; `warm` goes on from what is carried. */
export function ascentStages<S extends WeightSpecs, D extends string, T extends string>(
  model: Ascent<never>,
  name: string,
  given: (context: StepContext<S, D, T>) => Values,
  method: AscentMethod,
  warm = false,
): readonly BeforeStage<S, D, T>[] {
  const stage = (
    title: string,
    times: number,
    run: (w: never, given: Values, state: Values, rows: number) => Values,
  ): BeforeStage<S, D, T> => ({
    name: title,
    times,
    run: (context) => {
      const found = run(context.w as never, given(context), under(context.carried, name), context.rows.size);
      return Object.fromEntries(Object.entries(found).map(([key, value]) => [`${name}.${key}`, value]));
    },
  });
  const power = isProximalMethod(method) && model.curvature === "constant";
  return [
    stage("start", 1, (w, conditions, state, rows) => begin(model, w, conditions, rows, method, warm ? state : undefined)),
    ...(power ? [stage("curvature", POWER_STEPS_WARM, (w, conditions, state) => powerStep(model, w, conditions, state))] : []),
    stage(method.kind, method.steps, (w, conditions, state) => step(model, w, conditions, state, method)),
  ];
}

function under(carried: Values, name: string): Values {
  const prefix = `${name}.`;
  return Object.fromEntries(Object.entries(carried).flatMap(([k, v]) => (k.startsWith(prefix) ? [[k.slice(prefix.length), v]] : [])));
}

const isProximalMethod = (method: AscentMethod): boolean => method.kind !== "adam";

function slotsOf(method: AscentMethod): readonly string[] {
  switch (method.kind) {
    case "ista":
      return [];
    case "fista":
      return ["ahead"];
    case "adam":
      return ["mean", "square"];
  }
}

function part(state: Values, name: string): Tensor {
  const found = state[name];
  if (!found) throw new GmcError("GM4008", `an ascent without its state \`${name}\``);
  return found;
}

// ---- where it begins ------------------------------------------------------------------------------------

/** Inside the domain, where a log-density is finite: at 0 without bounds. */
function startValue(bounds: AscentVariable["bounds"]): number {
  return bounds === undefined ? 0 : bounds === "nonnegative" ? 0.1 : 0.5;
}

function begin<W>(model: Ascent<W>, w: W, given: Values, rows: number, method: AscentMethod, from?: Values): Values {
  const found: Record<string, Tensor> = {};
  for (const [v, { shape, bounds }] of Object.entries(model.variables)) {
    const start = from ? part(from, v) : add(zeros([rows, ...shape]), startValue(bounds));
    found[v] = start;
    for (const slot of slotsOf(method)) found[`${v}:${slot}`] = slot === "ahead" ? start : zeros([rows, ...shape]);
  }
  if (method.kind !== "ista") found[":count"] = method.kind === "fista" ? ones([rows]) : zeros([rows]);
  if (isProximalMethod(method) && model.curvature === "varies") found[":curvature"] = firstCurvature(model, w, given, found);
  return found;
}

/** A first guess for each row: how much the gradient changes along itself. Backtracking raises what is too low. */
function firstCurvature<W>(model: Ascent<W>, w: W, given: Values, at: Values): Tensor {
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

// ---- curvature of a quadratic part -------------------------------------------------------------------------

/** Any direction with a part along each axis will do: it is the same in every evaluation. */
function axisStart<W>(model: Ascent<W>): Values {
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
function powerStep<W>(model: Ascent<W>, w: W, given: Values, state: Values): Values {
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

// ---- steps ----------------------------------------------------------------------------------------------

function step<W>(model: Ascent<W>, w: W, given: Values, state: Values, method: AscentMethod): Values {
  return method.kind === "adam" ? adamStep(model, w, given, state, method.lr ?? 0.1) : proximalStep(model, w, given, state, method);
}

/**
 * z <- prox(y + gradient / L) from y, which is z itself (ISTA) or ahead of it (FISTA: Beck & Teboulle 2009, eqs. 4.1 to 4.3). Where the curvature
 * varies, a row whose step fails the test of eq. 4.4 stays, and doubles its L.
 */
function proximalStep<W>(model: Ascent<W>, w: W, given: Values, state: Values, method: AscentMethod): Values {
  const ahead = method.kind === "fista";
  const from = each(model, (v) => part(state, ahead ? `${v}:ahead` : v));
  const { value, gradients } = slopes(model, w, given, from);
  const curvature = part(state, ":curvature");
  const proximals = model.proximal?.(w, given) ?? {};
  const to = each(model, (v) => {
    const y = part(from, v);
    const inverse = div(1, rowsLike(curvature, y));
    const moved = add(y, mul(inverse, part(gradients, v)));
    return projected(throughProximal(moved, proximals[v], inverse), model.variables[v]?.bounds);
  });
  const accepted = model.curvature === "constant" ? undefined : isSteepEnough(model, w, given, from, to, value, gradients, curvature);
  const keep = (next: Tensor, old: Tensor): Tensor => (accepted ? select(rowsLike(accepted, next), next, old) : next);
  const found: Record<string, Tensor> = each(model, (v) => keep(part(to, v), part(state, v)));
  if (accepted) found[":curvature"] = select(accepted, curvature, mul(2, curvature));
  if (ahead) {
    const t = part(state, ":count");
    const next = mul(0.5, add(1, sqrt(add(1, mul(4, square(t))))));
    const momentum = div(sub(t, 1), next);
    for (const v of names(model)) {
      const moved = add(part(to, v), mul(rowsLike(momentum, part(to, v)), sub(part(to, v), part(state, v))));
      found[`${v}:ahead`] = keep(moved, part(state, `${v}:ahead`));
    }
    found[":count"] = keep(next, t);
  }
  return found;
}

/** Does the smooth part lie above its quadratic model with curvature L, up to rounding? [B] */
function isSteepEnough<W>(
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

/** Adam (Kingma & Ba 2015, algorithm 1), upwards, on the whole: a kink has the gradient 0. Then back into the domain. */
function adamStep<W>(model: Ascent<W>, w: W, given: Values, state: Values, lr: number): Values {
  const proximals = model.proximal?.(w, given) ?? {};
  const { gradients } = slopes(
    model,
    w,
    given,
    each(model, (v) => part(state, v)),
    proximals,
  );
  const count = add(part(state, ":count"), 1);
  const found: Record<string, Tensor> = { ":count": count };
  for (const v of names(model)) {
    const g = part(gradients, v);
    const mean = add(mul(0.9, part(state, `${v}:mean`)), mul(0.1, g));
    const squares = add(mul(0.999, part(state, `${v}:square`)), mul(0.001, square(g)));
    const unbiased = (t: Tensor, decay: number): Tensor => div(t, rowsLike(sub(1, pow(decay, count)), t));
    const moved = add(part(state, v), div(mul(lr, unbiased(mean, 0.9)), add(sqrt(unbiased(squares, 0.999)), 1e-8)));
    const inside =
      proximals[v] && proximals[v].law !== "laplace" ? throughProximal(moved, { ...proximals[v], weight: 0 }, constant(0)) : moved;
    found[v] = projected(inside, model.variables[v]?.bounds);
    found[`${v}:mean`] = mean;
    found[`${v}:square`] = squares;
  }
  return found;
}

/** argmin of (z - v)^2 / 2 - step * weight * log-density(z). */
function throughProximal(v: Tensor, law: Proximal | undefined, step: Tensor): Tensor {
  if (!law) return v;
  const weight = law.weight ?? 1;
  switch (law.law) {
    case "laplace": {
      const centred = sub(v, law.loc);
      const threshold = div(mul(step, weight), law.scale);
      // what is beyond the threshold, on either side
      return add(law.loc, sub(max(sub(centred, threshold), 0), max(sub(neg(centred), threshold), 0)));
    }
    case "exponential":
      return max(sub(v, mul(mul(step, weight), law.rate)), 0);
    case "uniform":
      return min(max(v, inward(law.low, 1)), inward(law.high, -1));
  }
}

/** An end of an interval as a state of f32 holds it without leaving the interval: the density has no value beyond. Up or down by `direction`. */
function inward(end: TensorLike, direction: 1 | -1): TensorLike {
  if (typeof end !== "number") return end;
  const nearest = Math.fround(end);
  if (direction * (nearest - end) >= 0) return nearest;
  return Math.fround(nearest + direction * Math.max(Math.abs(nearest) * 2 ** -23, 2 ** -149));
}

function projected(v: Tensor, bounds: AscentVariable["bounds"]): Tensor {
  if (bounds === undefined) return v;
  const above = max(v, 0);
  return bounds === "unit" ? min(above, 1) : above;
}

/** The slope of a prior that is taken apart from the smooth part. */
function proximalValue(z: Tensor, law: Proximal): Tensor {
  const weight = law.weight ?? 1;
  switch (law.law) {
    case "laplace":
      return neg(div(mul(weight, abs(sub(z, law.loc))), law.scale));
    case "exponential":
      return neg(mul(mul(weight, law.rate), z));
    case "uniform":
      return mul(0, z);
  }
}

// ---- rows -----------------------------------------------------------------------------------------------

const names = <W>(model: Ascent<W>): readonly string[] => Object.keys(model.variables);

function each<W>(model: Ascent<W>, value: (name: string) => Tensor, suffix = ""): Record<string, Tensor> {
  return Object.fromEntries(names(model).map((v) => [`${v}${suffix}`, value(v)]));
}

/** The smooth part [B] at values, and its gradient in each; with that of the priors where these are given. */
function slopes<W>(
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
function rowSum(parts: readonly Tensor[]): Tensor {
  const sums = parts.map((t) =>
    t.shape.length > 1
      ? sum(
          t,
          Array.from({ length: t.shape.length - 1 }, (_, i) => i + 1),
        )
      : t,
  );
  return sums.reduce((total, t) => add(total, t));
}

/** [B] (or [1]) with as many axes as `like` [B, ...event]. */
function rowsLike(t: Tensor, like: Tensor): Tensor {
  return reshape(t, [...t.shape, ...like.shape.slice(1).map(() => 1)]);
}
