/**
 * Maximum a posteriori: latents that maximise a log-density given the rest, found by steps of gradient ascent. A density's terms come in two parts:
 * the smooth one, of which gradients are taken, and the priors whose kinks or edges have a proximal operator in closed form.
 *
 * Given what is maximised, `ascend` gives the latents, unrolled in the graph it is called in (evaluation); `ascentState` and `ascentStages` are the
 * same as state and stages of an update, so that many steps cost no larger graph (training). No gradient passes through the latents: at a maximum the
 * derivative of the value in the weights is that at fixed latents (the envelope theorem).
 */
import { assertNever } from "../graph/errors.js";
import {
  add,
  constant,
  div,
  mul,
  ones,
  pow,
  select,
  sqrt,
  square,
  stopGradient,
  sub,
  zeros,
  type Rows,
  type Tensor,
} from "../graph/index.js";
import type { Shape } from "../graph/types.js";
import type { Values } from "../energy/energy-model.js";
import type { WeightSpecs } from "../nn/spec.js";
import type { BeforeStage, CarriedSpec, StepContext } from "../model.js";
import { each, names, part, rowsLike, slopes, type Ascent, type AscentMethod } from "./ascent-model.js";
import { axisStart, firstCurvature, isSteepEnough, POWER_STEPS, POWER_STEPS_WARM, powerStep } from "./curvature.js";
import { projected, startValue, throughProximal } from "./proximal.js";

/** A constant of generated code: typed, and as it is. */
export const ascendable = <W>(spec: Ascent<W>): Ascent<W> => spec;

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
    default:
      return assertNever(method.kind);
  }
}

// ---- where it begins ------------------------------------------------------------------------------------

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
