/**
 * The steps of one draw of an `E`: its variables in order, each with the estimator that `estimators.ts` chooses for it. A draw through which no trained
 * weight acts needs no gradient and is only sampled (the wake phase of wake-sleep).
 */
import { report } from "../../base/report.js";
import { distributionOf } from "../distributions.js";
import type { DrawStep, EstimatorNote, Factor } from "../quantity.js";
import { tensor, typeOfDomain } from "../shapes.js";
import type { Expr, Local, ObjectiveDraw } from "../types.js";
import { distExprs } from "../walk.js";
import { definitionInputs, type DensityIndex, type DeriveContext, densityOf, parentsOf, variablesIn } from "./context.js";
import { dataSteps } from "./data-draws.js";
import { type EnergyDrawn, planEnergyDraw } from "./energy-draws.js";
import { type Choice, chooseEstimator, type DrawRequest, reportNoGradient } from "./estimators.js";
import type { DrawnTogether } from "./flow-change.js";
import { ancestorsOf } from "./marginal.js";
import type { JointStep } from "./posterior-average.js";
import { planPosterior, type PosteriorStep } from "./plan-posterior.js";
import { type Behind, reachedBy, trainedThrough } from "./trained-through.js";

export type DensitySource = Extract<ObjectiveDraw["source"], { kind: "density" }>;

export interface PlannedDraw {
  /** In order. */
  readonly steps: readonly (DrawStep | PosteriorStep | JointStep)[];
  /** Of what it draws. */
  readonly behind: Behind;
  /** Of a density: each variable of it that it draws, under the name that it is bound to. */
  readonly drawn?: DrawnTogether;
}

/** The estimator of what is pushed through a net: no draw of its own, and the gradient passes. */
export const PATHWISE = "pathwise";

/** Steps of one draw; undefined after an error has been reported. */
export function planDraw(
  context: DeriveContext,
  draw: ObjectiveDraw,
  request: DrawRequest,
  behind: Behind,
  notes: EstimatorNote[],
): PlannedDraw | undefined {
  switch (draw.source.kind) {
    case "data": {
      const steps = dataSteps(context, draw, draw.source.stream, request.taken);
      const names = draw.names.map((n): [string, boolean] => [n.kind === "variable" ? n.variable : n.local.id, false]);
      return steps && { steps, behind: new Map(names) };
    }
    case "distribution": {
      const [target] = draw.names;
      if (target?.kind !== "local" || target.local.type.kind !== "tensor") {
        report(context.diagnostics, "GM3509", draw.span, { construct: "a draw of several names from one distribution" });
        return undefined;
      }
      const { dist } = draw.source;
      const moved = trainedThrough(context, request.over, behind)(distExprs(dist));
      if (moved && distributionOf(dist)?.reparameterised !== true) {
        reportNoGradient(context, request, target.local.name, dist, "", [
          "draw it from a density of the model where its states can be summed, or from a reparameterised distribution such as Normal or Logistic",
        ]);
        return undefined;
      }
      const choice: Pick<Choice, "estimator" | "reason"> = moved
        ? { estimator: "reparam", reason: `a sample of ${dist.dist} is a differentiable function of its parameters` }
        : { estimator: "none", reason: "its parameters are not trained" };
      return {
        steps: [{ kind: "distribution", local: target.local, dist, type: target.local.type, ...choice, span: draw.span }],
        behind: new Map([[target.local.id, moved]]),
      };
    }
    case "density":
      return planDensity(context, draw, draw.source, request, behind, notes);
  }
}

function planDensity(
  context: DeriveContext,
  draw: ObjectiveDraw,
  source: DensitySource,
  request: DrawRequest,
  behind: Behind,
  notes: EstimatorNote[],
): PlannedDraw | undefined {
  const index = densityOf(context, source.density);
  const at = new Map(source.given.map((s): [string, Expr] => [s.variable, s.value]));
  const locals = new Map<string, Local>();
  source.head.forEach((variable, i) => {
    const target = draw.names[i];
    if (target?.kind === "local") locals.set(variable, target.local);
  });
  const named = new Set(source.head);
  const given = source.given.map((s) => s.variable);
  const known = new Set(given.filter((v) => index.definitions.has(v)));
  const needed = ancestorsOf(context, index, source.head, known);
  const effect = [...known].find((v) => followsFrom(context, index, v, needed, known));
  if (effect !== undefined) return planPosterior({ context, draw, source, locals, request, behind, notes }, effect);
  const steps: DrawStep[] = [];
  const outside = trainedThrough(context, request.over, behind);
  const upstream = new Map(source.given.map((s) => [s.variable, outside([s.value])]));
  const trained = trainedThrough(context, request.over, upstream);
  const energyDrawn: EnergyDrawn[] = [];
  for (const [variable, definition] of index.definitions) {
    if (!needed.has(variable)) continue;
    const declared = context.model.variables.get(variable);
    const type = declared && typeOfDomain(declared.domain);
    if (!named.has(variable) && type)
      locals.set(variable, { id: `${source.density}.${variable}@${draw.span.start}`, name: variable, type, span: definition.span });
    const local = locals.get(variable);
    if (local) at.set(variable, { kind: "local", local, type: local.type, span: draw.span });
    const moved = trained(definitionInputs(definition));
    upstream.set(variable, moved);
    if (definition.kind === "define") {
      if (moved)
        notes.push({
          variable,
          density: source.density,
          estimator: PATHWISE,
          reason: "a differentiable function of what it is computed from",
          gradient: { path: "reparameterised", unbiased: true, weights: reachedBy(context, [definition.value], request) },
        });
      steps.push({ kind: "bind", variable, density: source.density, value: definition.value, at, span: definition.span });
      continue;
    }
    if (definition.kind === "energy") {
      energyDrawn.push({ variable, local, moved });
      if (energyDrawn.length < definition.block.variables.filter((v) => !given.includes(v)).length) continue;
      const step = planEnergyDraw(context, source.density, energyDrawn, given, at, request, draw.span, notes);
      if (!step) return undefined;
      steps.push(step);
      continue;
    }
    const factor: Factor = { kind: "factor", density: source.density, variable, dist: definition.dist, at, span: definition.span };
    const earlier = [...needed].filter((v) => v !== variable && upstream.has(v));
    const follows = [...variablesIn(context, definitionInputs(definition))].some((v) => earlier.includes(v));
    const choice = chooseEstimator(context, { draw, variable, dist: definition.dist, moved, follows }, request);
    if (!choice) return undefined;
    const fills = request.fills && declared?.domain.optional === true && !local ? { fills: true as const } : {};
    notes.push({
      variable,
      density: source.density,
      estimator: choice.estimator === "none" ? "sampled" : choice.text,
      reason: fills.fills ? `${choice.reason}, in rows where the data miss it` : choice.reason,
      ...(request.over === undefined
        ? {}
        : {
            gradient: {
              path: choice.path,
              unbiased: choice.unbiased,
              ...(choice.unsure === undefined ? {} : { unsure: choice.unsure }),
              weights: moved ? reachedBy(context, definitionInputs(definition), request) : [],
            },
          }),
    });
    const { estimator, reason, asked } = choice;
    steps.push({ kind: "factor", factor, local, estimator, reason, ...(asked ? { asked } : {}), ...fills, span: draw.span });
  }
  const drawn = [...needed].map((v): [string, boolean] => [locals.get(v)?.id ?? v, upstream.get(v) === true]);
  const values = [...needed].map((v): [string, Expr] => {
    const { domain } = context.model.variables.get(v) ?? {};
    const own: Expr = {
      kind: "variable",
      variable: v,
      sample: undefined,
      type: domain ? typeOfDomain(domain) : tensor([]),
      span: draw.span,
    };
    return [v, at.get(v) ?? own];
  });
  return { steps, behind: new Map(drawn), drawn: { density: source.density, values: new Map(values), given: source.given } };
}

/** Whether the conditional of a known variable reads any of `drawn`, through others that are not known: they then do not follow it forwards. */
function followsFrom(
  context: DeriveContext,
  index: DensityIndex,
  variable: string,
  drawn: ReadonlySet<string>,
  known: ReadonlySet<string>,
): boolean {
  const definition = index.definitions.get(variable);
  if (!definition) return false;
  // Within an energy, the conditionals given the rest are known; what they read from above is not.
  const block = new Set(definition.kind === "energy" ? definition.block.variables : []);
  const parents = [...parentsOf(context, definition)].filter((v) => !block.has(v));
  return [...ancestorsOf(context, index, parents, known)].some((v) => drawn.has(v));
}
