/** The draws of an expectation -> statements: each where it is first needed, what a long chain reads from its far end. */
import { InternalError } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { variablesIn } from "../ir/derive/context.js";
import type { DrawStep } from "../ir/quantity.js";
import { exprsOfPosterior } from "../ir/quantity-walk.js";
import type { Dim, DistCall, Expr } from "../ir/types.js";
import { distExprs } from "../ir/walk.js";
import { below } from "../base/below.js";
import { call, method, num, str } from "./js.js";
import { lowerDist, type LoweredDist, lowerDistRecord, variableOf } from "./lower-dist.js";
import { energyDraws } from "./lower-energy.js";
import { flowImage, lowerExpr, type Scope } from "./lower-expr.js";
import { gaussianDraws } from "./lower-gaussian.js";
import { fillIn } from "./lower-missing.js";
import { learnsFromParameters, replacedDraw } from "./lower-surrogate.js";
import { capital } from "./names.js";
import { densityScope, type QuantityScope, siteOf } from "./quantity-scope.js";
import { type FunctionWriter, type Lead, tensorValue, type Value } from "./values.js";

export const drawnFactor = (step: DrawStep): readonly string[] =>
  step.kind === "factor" && !step.local ? [`${step.factor.density}.${step.factor.variable}`] : [];

/** The names under which a step draws. */
export function sitesOf(scope: QuantityScope, step: DrawStep): readonly string[] {
  switch (step.kind) {
    case "factor":
      return [siteOf(scope, step.local?.name ?? step.factor.variable)];
    case "distribution":
      return [siteOf(scope, step.local.name)];
    case "energy":
      return [step.density, ...step.variables.map((v) => v.local?.name ?? v.variable)].map((name) => siteOf(scope, name));
    case "gaussian":
      return [siteOf(scope, step.variables.map((v) => v.local?.name ?? v.variable).join(", "))];
    case "bind":
    case "data":
      return [];
  }
}

/** The draws of an `E`, each evaluated where it is first needed. */
export interface Steps {
  /** By the name of the variable, or the id of the local, that a draw binds. */
  readonly variables: Map<string, BoundStep>;
  readonly locals: Map<string, BoundStep>;
  /** By the name of the density's variable. */
  readonly drawn: Map<string, BoundStep>;
}

interface BoundStep {
  readonly position: number;
  readonly inputs: readonly Expr[];
  readonly isKnown: () => boolean;
  readonly value: () => Value;
}

/** The scope at a step: what the steps before it bind, then what is bound outside. */
export function after<S extends Scope>(scope: S, steps: Steps, position: number): S {
  const lookup =
    (own: ReadonlyMap<string, BoundStep>, outer: Scope["variable"]): Scope["variable"] =>
    (name) => {
      const step = own.get(name);
      return step && step.position < position ? step.value() : outer(name);
    };
  return { ...scope, variable: lookup(steps.variables, scope.variable), local: lookup(steps.locals, scope.local) };
}

export function bindStep(scope: QuantityScope, steps: Steps, step: DrawStep, position: number, plate: string | undefined): void {
  const { context, writer } = scope;
  const before = after(scope, steps, position);
  const bind = (inputs: readonly Expr[], make: () => Value): BoundStep => {
    let value: Value | undefined;
    const self: BoundStep = {
      position,
      inputs,
      isKnown: () => value !== undefined,
      value: () =>
        (value ??= writer.nested("draw", (deep) => {
          // What a long chain of draws reads is drawn from its far end.
          if (deep) for (const earlier of below(self, (b) => undrawn(context, steps, b))) earlier.value();
          return make();
        })),
    };
    return self;
  };
  switch (step.kind) {
    case "factor": {
      const { factor, local } = step;
      const { shape } = variableOf(context, factor.variable).domain;
      const bound = bind(distExprs(factor.dist), () => {
        const inner = densityScope(before, factor.at, factor.variable);
        const drawn = drawFrom(before, inner, factor.dist, shape, local?.name ?? factor.variable, plate, step);
        return step.fills ? fillIn(scope, factor.variable, drawn) : drawn;
      });
      steps.drawn.set(factor.variable, bound);
      if (local) steps.locals.set(local.id, bound);
      else steps.variables.set(factor.variable, bound);
      return;
    }
    case "bind": {
      const local = step.at.get(step.variable);
      const bound = bind([step.value], () => lowerBind(before, step));
      steps.drawn.set(step.variable, bound);
      if (local?.kind === "local") steps.locals.set(local.local.id, bound);
      else steps.variables.set(step.variable, bound);
      return;
    }
    case "data": {
      const bound = bind([], () => lowerRow(scope, step, plate));
      if (step.local) steps.locals.set(step.local.id, bound);
      else steps.variables.set(step.variable, bound);
      return;
    }
    case "energy":
    case "gaussian": {
      const draws = step.kind === "energy" ? energyDraws(before, step, plate) : gaussianDraws(before, step, plate);
      const inputs = step.kind === "energy" ? [...step.at.values()] : exprsOfPosterior(step.posterior);
      for (const { variable, local } of step.variables) {
        const drawn = bind(inputs, draws(variable));
        steps.drawn.set(variable, drawn);
        if (local) steps.locals.set(local.id, drawn);
        else steps.variables.set(variable, drawn);
      }
      return;
    }
    case "distribution":
      steps.locals.set(
        step.local.id,
        bind([], () => drawFrom(before, before, step.dist, step.type.shape, step.local.name, plate)),
      );
      return;
  }
}

/** What follows from the draws before it. */
export function lowerBind(before: QuantityScope, step: Extract<DrawStep, { kind: "bind" }>): Value {
  const local = step.at.get(step.variable);
  const wanted = local?.kind === "local" ? local.local.name : step.variable;
  const inner = densityScope(before, step.at);
  return step.value.kind === "flowCall"
    ? flowImage(inner, step.value, wanted).value
    : named(before.writer, wanted, lowerExpr(inner, step.value));
}

/** A value under a name of its own, unless it has one. */
function named(writer: FunctionWriter, wanted: string, value: Value): Value {
  return value.js.kind === "name" || value.js.kind === "number" ? value : writer.bind(wanted, value);
}

/** A row of the data: of the batch, or of the batch moved on; a family of them along its plate. */
function lowerRow(scope: QuantityScope, step: Extract<DrawStep, { kind: "data" }>, plate: string | undefined): Value {
  const row = scope.data(step.variable);
  if (!row) throw new InternalError(`\`${step.variable}\` is no data of the objective`);
  if (step.family && plate !== undefined) {
    const { size, position } = scope.writer.plate(plate);
    const above = position > 1 ? [num(position)] : [];
    const value: Value = {
      ...tensorValue(row),
      lead: { plates: new Set([plate]), batch: true },
      js: call("rowFamily", row.js, num(step.shift), size, ...above),
    };
    return scope.writer.bind(step.local?.name ?? step.variable, value, "rows of the batch, each moved on by one more");
  }
  if (step.shift === 0) return row;
  const moved: Value = { ...tensorValue(row), js: call("rollRows", row.js, num(step.shift)) };
  return scope.writer.bind(step.local?.name ?? step.variable, moved, "other rows of the batch");
}

/** Steps that a step reads and that have no value yet. */
function undrawn(context: DeriveContext, steps: Steps, step: BoundStep): readonly BoundStep[] {
  return [...variablesIn(context, step.inputs)].flatMap((v) => {
    const read = steps.drawn.get(v);
    return read && !read.isKnown() ? [read] : [];
  });
}

function drawFrom(
  scope: QuantityScope,
  inner: Scope,
  dist: DistCall,
  shape: readonly Dim[],
  wanted: string,
  plate: string | undefined,
  step?: Extract<DrawStep, { kind: "factor" }>,
): Value {
  if (step && learnsFromParameters(step)) shareParameters(scope, lowerDistRecord(inner, dist, shape.length), wanted);
  const lowered = lowerDist(inner, dist, shape.length);
  const lead: Lead = { plates: new Set([...lowered.lead.plates, ...(plate === undefined ? [] : [plate])]), batch: true };
  if (!scope.key) throw new InternalError("a draw stands where there is no key");
  const key = call("key.at", str(siteOf(scope, wanted)));
  const whole = scope.writer.drawShape(lead, shape);
  const sample = method(lowered.object, "sample", key, lowered.params, whole);
  const js = (step && replacedDraw(scope, step, { lowered, sample, key, shape: whole })) ?? sample;
  return scope.writer.bind(wanted, { kind: "tensor", js, shape, lead });
}

/** One name for each parameter: the estimator takes gradients in it, of all that reads it. */
function shareParameters(scope: QuantityScope, { own, of }: LoweredDist, wanted: string): void {
  for (const { name: parameter, js, value } of own)
    if (js.kind !== "name" && js.kind !== "member" && js.kind !== "number")
      scope.writer.share(`${parameter}${capital(wanted)}`, { ...value, js });
  if (of) shareParameters(scope, of, `${wanted}Of`);
}
