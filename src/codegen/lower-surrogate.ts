/**
 * Estimators -> calls of the runtime's (`src/runtime/estimate`): other samples in place of the plain ones, and the surrogate of the value that an `E`
 * averages. What each takes follows from its entry in the table of latent estimators.
 */
import { InternalError } from "../base/internal-error.js";
import { distributionOf, distributions } from "../ir/distributions.js";
import { weightsIn } from "../ir/derive/weights.js";
import { latentEntries, type Relaxable, type Surrogate } from "../ir/latent-estimators.js";
import type { AskedUse } from "../ir/quantity.js";
import type { DrawStep, Quantity, SurrogateUse } from "../ir/quantity.js";
import type { Expr } from "../ir/types.js";
import { distExprs } from "../ir/walk.js";
import { holdAllBut, readerOf, rebound } from "./held-fixed.js";
import { array, bool, call, type Js, name, num, object, str } from "./js.js";
import { lowerDist, type LoweredDist, variableOf } from "./lower-dist.js";
import { lowerExpr } from "./lower-expr.js";
import { whereDrawn } from "./lower-missing.js";
import { after, type Steps } from "./lower-draws.js";
import { lowerFactor } from "./lower-factor.js";
import { lowerQuantity } from "./lower-quantity.js";
import { densityScope, type QuantityScope, siteOf } from "./quantity-scope.js";
import { idleAxes, reducePlate, withoutIdle } from "./reduce-plate.js";
import { tensorValue, type TensorValue } from "./values.js";

type Expect = Extract<Quantity, { kind: "expect" }>;
type FactorStep = Extract<DrawStep, { kind: "factor" }>;

interface Noise {
  readonly lowered: LoweredDist;
  /** Of the distribution itself. */
  readonly sample: Js;
  readonly key: Js;
  /** Of the whole draw. */
  readonly shape: Js;
}

/** What is drawn in place of a sample of the distribution itself; undefined where that is drawn. */
export function replacedDraw(scope: QuantityScope, step: FactorStep, { lowered, sample, key, shape }: Noise): Js | undefined {
  const surrogate = latentEntries.get(step.estimator)?.rule.surrogate;
  if (surrogate && holdsSample(surrogate)) return distributionOf(step.factor.dist)?.reparameterised ? call("stopGradient", sample) : sample;
  if (surrogate?.kind === "replaced") {
    const temperature = step.asked && temperatureJs(scope, step.asked);
    return call(byValues(step, surrogate.draw), key, lowered.params, ...(temperature ? [temperature] : []), shape);
  }
  if (surrogate?.kind === "related")
    return call(
      byValues(step, surrogate.draw),
      key,
      lowered.params,
      shape,
      ...(surrogate.carries ? learning(scope, scope.memory, step.asked) : []),
    );
  return undefined;
}

/** The runtime's function for what is drawn. */
function byValues({ estimator, factor: { dist } }: FactorStep, names: Readonly<Partial<Record<Relaxable, string>>>): string {
  const values = distributions.get(dist.dist)?.values;
  const fn = values === undefined || values === "classes" ? undefined : names[values];
  if (fn === undefined) throw new InternalError(`${estimator} of ${dist.dist}`);
  return fn;
}

/** Whether the estimator of a draw descends the variance of the gradient in its parameters. */
export function learnsFromParameters({ estimator }: FactorStep): boolean {
  const surrogate = latentEntries.get(estimator)?.rule.surrogate;
  return surrogate?.kind === "related" && surrogate.carries !== undefined;
}

/** The score function takes the gradient through the log-probability of the draw: none may pass through the draw as well. */
function holdsSample(surrogate: Surrogate): boolean {
  return surrogate.kind === "held" || surrogate.kind === "score" || (surrogate.kind === "bound" && surrogate.of === "logQ");
}

/** `carried, "rebar:12:z", { temperature: 0.5 }` */
function learning(scope: QuantityScope, memory: string | undefined, asked?: AskedUse, weights?: Js): readonly Js[] {
  const learned = asked?.options["learned"];
  const settings = object({
    temperature: (asked && temperatureJs(scope, asked)) ?? num(0.5),
    learned: learned === false ? bool(false) : undefined,
    weights,
  });
  return [learned === false ? object([]) : name("carried"), str(memory ?? ""), settings];
}

/** A number, or the value of a schedule. */
function temperatureJs(scope: QuantityScope, { options, exprs }: AskedUse): Js | undefined {
  const [scheduled, number] = [exprs["t"], options["t"]];
  if (scheduled) return tensorValue(lowerExpr(scope, scheduled)).js;
  return typeof number === "number" ? num(number) : undefined;
}

/** The body of an `E`, as a value with the gradient of its estimator. `inner` has what the steps bind, `outer` what stands around them. */
export function lowerSurrogate(inner: QuantityScope, outer: QuantityScope, q: Expect, use: SurrogateUse, steps: Steps): TensorValue {
  const surrogate = latentEntries.get(use.estimator)?.rule.surrogate;
  const drawn = q.steps.flatMap((s, position) => (s.kind === "factor" && s.estimator === use.estimator ? [{ step: s, position }] : []));
  switch (surrogate?.kind) {
    case "fixedDensity":
      return lowerQuantity({ ...inner, fixed: fixedWith(inner, q.steps, drawn) }, q.body);
    case "bound": {
      if (!q.plate) throw new InternalError(`${use.estimator} without a family`);
      const bounds = new Map(inner.bounds);
      if (surrogate.of === "logQ") {
        bounds.set(q.plate.id, (logW, axis) => call(surrogate.fn, logW.js, logQ(inner, drawn).js, ...(axis === 0 ? [] : [num(axis)])));
        return lowerQuantity({ ...inner, bounds }, q.body);
      }
      const held = holdSamples(inner, q.steps, drawn);
      bounds.set(q.plate.id, (logW) => call(surrogate.fn, logW.js, array(held.pairs)));
      return lowerQuantity({ ...held.scope, bounds, fixed: fixedWith(inner, q.steps, drawn) }, q.body);
    }
    case "score":
      return lowerScore(inner, outer, q, use, drawn);
    case "related":
      return lowerRelated(inner, outer, q, use, drawn, steps);
    default:
      throw new InternalError(`${use.estimator} has no surrogate`);
  }
}

interface DrawnStep {
  readonly step: FactorStep;
  readonly position: number;
}

/**
 * The log-densities of draws with their parameters held fixed. Of one that reads another of these draws, all is held but the draw: through it, the
 * log-density moves with the sample (Tucker et al. 2019, eq. 6, where z is all that q draws).
 */
function fixedWith(scope: QuantityScope, steps: readonly DrawStep[], drawn: readonly DrawnStep[]): NonNullable<QuantityScope["fixed"]> {
  const readsDrawn = readerOf(scope.context, steps, drawn);
  const held = holdAllBut(steps, drawn);
  const own = drawn.map(({ step: { factor } }) => {
    const follows = readsDrawn(distExprs(factor.dist), factor.at, factor.variable);
    return [`${factor.density}.${factor.variable}`, follows ? held : undefined] as const;
  });
  return new Map([...(scope.fixed ?? []), ...own]);
}

/** log q of all that is drawn. */
function logQ(scope: QuantityScope, drawn: readonly DrawnStep[]): TensorValue {
  const quiet = { ...scope, enumerating: true };
  const [first, ...rest] = drawn.map(({ step }) => {
    const log = lowerFactor(quiet, step.factor);
    return step.fills ? whereDrawn(scope, step.factor.variable, log) : log;
  });
  if (!first) throw new InternalError("a score function of nothing that is drawn");
  return rest.reduce(
    (total, value) => ({
      ...total,
      js: call("add", total.js, value.js),
      lead: { plates: new Set([...total.lead.plates, ...value.lead.plates]), batch: total.lead.batch || value.lead.batch },
    }),
    first,
  );
}

function sampleOf(scope: QuantityScope, { step }: DrawnStep): TensorValue {
  const value = step.local ? scope.local(step.local.id) : scope.variable(step.factor.variable);
  if (!value) throw new InternalError(`\`${step.factor.variable}\` is not drawn`);
  return tensorValue(value);
}

/** The samples without a gradient, under the names of the draws, what follows from them, and both beside each other. */
function holdSamples(
  scope: QuantityScope,
  steps: readonly DrawStep[],
  drawn: readonly DrawnStep[],
): { readonly scope: QuantityScope; readonly pairs: readonly Js[] } {
  let held = scope;
  const pairs = drawn.map((d): Js => {
    const sample = sampleOf(scope, d);
    const { factor, local } = d.step;
    // a leaf: the log of a held `exp(u)` would be `u`, by which a derivative in the sample sees nothing
    const apart = call("leaf", call("stopGradient", sample.js));
    const fixed = scope.writer.bind(`${local?.name ?? factor.variable}Fixed`, { ...sample, js: apart });
    const { variable, local: locals } = held;
    held = local
      ? { ...held, local: (id) => (id === local.id ? fixed : locals(id)) }
      : { ...held, variable: (v) => (v === factor.variable ? fixed : variable(v)) };
    return object({ drawn: sample.js, fixed: fixed.js });
  });
  const readsDrawn = readerOf(scope.context, steps, drawn);
  const following = steps.flatMap((step) => (step.kind === "bind" && readsDrawn([step.value], step.at) ? [step] : []));
  return { scope: rebound(held, following), pairs };
}

function lowerScore(inner: QuantityScope, outer: QuantityScope, q: Expect, use: SurrogateUse, drawn: readonly DrawnStep[]): TensorValue {
  const body = named(inner, lowerQuantity(inner, q.body));
  const log = logQ(inner, drawn);
  const { baseline: kind = "running_mean", normalize } = use.options;
  const { baseline } = use.exprs;
  const over = q.plate;
  if (over?.own) {
    if (!body.lead.plates.has(over.id)) return body;
    return estimated(inner, body, over.id, call("leaveOneOut", body.js, log.js));
  }
  // of a family that the body has reduced, all samples share the value
  const logs = over && log.lead.plates.has(over.id) && !body.lead.plates.has(over.id) ? reducePlate(inner, log, over.id, "sum").js : log.js;
  const value = { ...body, lead: { plates: body.lead.plates, batch: true } };
  if (baseline) {
    const learned = tensorValue(lowerExpr(outer, baseline));
    const options = object({ weights: weightsBehind(inner, baseline), normalize: normalize === true ? bool(true) : undefined });
    return { ...value, js: call("scoreLearned", body.js, logs, learned.js, name("carried"), str(use.memory), options) };
  }
  if (kind === "none") return { ...value, js: call("scoreFunction", body.js, logs) };
  return { ...value, js: call("scoreRunningMean", body.js, logs, name("carried"), str(use.memory)) };
}

function lowerRelated(
  inner: QuantityScope,
  outer: QuantityScope,
  q: Expect,
  use: SurrogateUse,
  drawn: readonly DrawnStep[],
  steps: Steps,
): TensorValue {
  const surrogate = latentEntries.get(use.estimator)?.rule.surrogate;
  const [only] = drawn;
  if (surrogate?.kind !== "related" || !only || !q.plate) throw new InternalError(`${use.estimator} takes one draw`);
  const body = named(inner, lowerQuantity(inner, q.body));
  if (!body.lead.plates.has(q.plate.id)) return body;
  const sample = sampleOf(inner, only);
  const { factor, local } = only.step;
  const before = after(outer, steps, only.position);
  const { shape } = variableOf(inner.context, factor.variable).domain;
  const dist = lowerDist(densityScope(before, factor.at, factor.variable), factor.dist, shape.length);
  const args: Js[] = [body.js];
  const { control } = use.exprs;
  if (control) args.push(tensorValue(lowerExpr(inner, control)).js);
  args.push(sample.js, dist.params);
  if (surrogate.replays) {
    const site = siteOf(outer, local?.name ?? factor.variable);
    args.push(call("key.at", str(site)), inner.writer.drawShape(sample.lead, shape));
  }
  if (surrogate.carries) {
    args.push(...learning(outer, use.memory, use, control && weightsBehind(inner, control)));
  }
  return estimated(inner, body, q.plate.id, call(byValues(only.step, surrogate.fn), ...args));
}

/** The weights of a baseline or control variate that are its own: what it shares with the objective, it does not move. */
function weightsBehind(scope: QuantityScope, expr: Expr): Js {
  const own = [...weightsIn(scope.context, [expr])].filter((w) => scope.helpers?.includes(w));
  return call("weightsUnder", name("w"), array(own.map(str)));
}

function named(scope: QuantityScope, value: TensorValue): TensorValue {
  return value.js.kind === "name" ? value : (scope.writer.bind("value", value) as TensorValue);
}

/** An estimate that has reduced the outermost plate, that of related samples. */
function estimated({ writer }: QuantityScope, value: TensorValue, plate: string, js: Js): TensorValue {
  const whole = withoutIdle(js, idleAxes(writer, value.lead, plate));
  return { ...value, js: whole, lead: { batch: true, plates: new Set([...value.lead.plates].filter((p) => p !== plate)) } };
}
