/**
 * Draws of what causes a variable that is given, `z ~ p(z | x)`: from the exact posterior. Finite variables are summed over with its weights; normal ones,
 * where all between is normal with affine locations, are drawn from it, given the states of those.
 */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { distributions } from "../distributions.js";
import { listed, shortened } from "../energy/listed.js";
import type { EstimatorNote, LinearGaussian } from "../quantity.js";
import { exprsOfPosterior } from "../quantity-walk.js";
import { tensor, typeOfDomain } from "../shapes.js";
import { finiteStates, MAX_STATES, type States } from "../states.js";
import type { Expr, Local, LogDensityExpr, ObjectiveDraw, Slot } from "../types.js";
import { distExprs, freeVariables } from "../walk.js";
import { type DeriveContext, densityOf } from "./context.js";
import type { DrawRequest } from "./estimators.js";
import { ancestorsOf, gaussianPosterior } from "./marginal.js";
import type { JointStep } from "./posterior-average.js";
import type { DensitySource, PlannedDraw } from "./plan-draw.js";
import { type Behind, reachedBy, trainedThrough } from "./trained-through.js";

/** A sum over the states of a finite variable, weighted by its posterior. */
export interface PosteriorStep {
  readonly kind: "posterior";
  readonly variable: string;
  /** Set when it is bound under another name. */
  readonly local: Local | undefined;
  readonly states: States;
  readonly posterior: LogDensityExpr;
  readonly reason: string;
}

interface Asked {
  readonly context: DeriveContext;
  readonly draw: ObjectiveDraw;
  readonly source: DensitySource;
  readonly locals: ReadonlyMap<string, Local>;
  readonly request: DrawRequest;
  readonly behind: Behind;
  readonly notes: EstimatorNote[];
}

/** Undefined after an error. `effect`: a variable that is given, and drawn from what is asked for. */
export function planPosterior(asked: Asked, effect: string): PlannedDraw | undefined {
  const { context, draw, source, locals, notes } = asked;
  const { density } = source;
  const { definitions } = densityOf(context, density);
  const lawOf = (v: string): string | undefined => {
    const definition = definitions.get(v);
    return definition?.kind === "draw" ? definition.dist.dist : undefined;
  };
  const isNormal = (v: string): boolean => distributions.get(lawOf(v) ?? "")?.gaussian === true;
  const normal = source.head.filter(isNormal);
  const joint = normal.length === 0 ? jointStep(asked, lawOf) : undefined;
  if (joint) return { steps: [joint], behind: new Map(source.head.map((v): [string, boolean] => [v, false])) };
  const steps: PosteriorStep[] = [];
  const given: Slot[] = [...source.given];
  let total = 1;
  for (const variable of source.head.filter((v) => !isNormal(v))) {
    const declared = context.model.variables.get(variable);
    const states = declared && finiteStates(declared.domain, lawOf(variable));
    const type = declared && typeOfDomain(declared.domain);
    total *= states?.size ?? Infinity;
    if (!states || !type || total > MAX_STATES || draw.samples) {
      const tooMany =
        states && total > MAX_STATES
          ? statesTogether(asked, lawOf)
          : states && draw.samples
            ? `${draw.samples.size} draws of \`${variable}\` would each be the same sum over its states`
            : undefined;
      return refuse(asked, effect, variable, states && total <= MAX_STATES, tooMany);
    }
    const local = locals.get(variable);
    const value: Expr = local
      ? { kind: "local", local, type: local.type, span: draw.span }
      : { kind: "variable", variable, sample: undefined, type, span: draw.span };
    const posterior: LogDensityExpr = {
      kind: "logDensity",
      density,
      head: [{ variable, value }],
      given: [...given],
      type: tensor([]),
      span: draw.span,
    };
    given.push({ variable, value });
    const reason = `exact: its ${states.size} states, weighted by their posterior`;
    notes.push({ variable, density, estimator: "enumerate", reason });
    steps.push({ kind: "posterior", variable, local, states, posterior, reason });
  }
  const behind = new Map(steps.map((s): [string, boolean] => [s.local?.id ?? s.variable, false]));
  if (normal.length === 0) return { steps, behind };
  const at = new Map(given.map((s): [string, Expr] => [s.variable, s.value]));
  const posterior = gaussianPosterior(context, density, normal, at, draw.span);
  if (typeof posterior === "string") {
    const beside = drawnBeside(asked, normal, at);
    return refuse(asked, effect, normal[0] ?? "", false, posterior, beside);
  }
  const moved = noteNormal(asked, normal, posterior);
  const variables = normal.map((variable) => ({ variable, local: locals.get(variable) }));
  const step = { kind: "gaussian", density, variables, given: given.map((s) => s.variable), posterior, span: draw.span } as const;
  return {
    steps: [...steps, step],
    behind: new Map([...behind, ...variables.map((v): [string, boolean] => [v.local?.id ?? v.variable, moved])]),
  };
}

/** Of latents with more joint states than are summed as they stand: the step that takes them one after another. */
function jointStep({ context, draw, source, locals, request }: Asked, lawOf: (v: string) => string | undefined): JointStep | undefined {
  const { density, head, given } = source;
  const index = densityOf(context, density);
  const statesOf = (v: string): number => {
    const declared = context.model.variables.get(v);
    return (declared && finiteStates(declared.domain, lawOf(v))?.size) ?? Infinity;
  };
  const total = head.reduce((n, v) => n * statesOf(v), 1);
  if (total <= MAX_STATES || draw.samples || locals.size > 0) return undefined;
  const evidence = given.filter((s) => index.definitions.has(s.variable));
  const known = new Set(evidence.map((s) => s.variable));
  const needed = ancestorsOf(context, index, [...head, ...known]);
  const isFinite = (v: string): boolean => {
    const declared = context.model.variables.get(v);
    return declared !== undefined && !declared.domain.optional && finiteStates(declared.domain, lawOf(v)) !== undefined;
  };
  const hidden = [...index.definitions.keys()].filter((v) => needed.has(v) && !known.has(v) && (head.includes(v) || isFinite(v)));
  const read = new Set(freeVariables(request.body));
  if (!head.every(isFinite) || hidden.some((v) => !head.includes(v) && read.has(v))) return undefined;
  const slot = (variable: string): Slot[] => {
    const declared = context.model.variables.get(variable);
    return declared
      ? [{ variable, value: { kind: "variable", variable, sample: undefined, type: typeOfDomain(declared.domain), span: draw.span } }]
      : [];
  };
  const base = { kind: "logDensity", density, type: tensor([]), span: draw.span } as const;
  return {
    kind: "joint",
    density,
    latents: new Map(hidden.map((v) => [v, lawOf(v) ?? ""])),
    joint: { ...base, head: [...hidden.flatMap(slot), ...evidence], given: given.filter((s) => !known.has(s.variable)) },
    posterior: { ...base, head: head.flatMap(slot), given },
    text: `${density}(${shortened(head).join(", ")} | ${shortened(given.map((s) => s.variable)).join(", ")})`,
  };
}

/** Why finite variables are not summed over, all of them counted. */
function statesTogether({ context, source }: Asked, lawOf: (v: string) => string | undefined): string | undefined {
  const all = source.head.flatMap((v) => {
    const declared = context.model.variables.get(v);
    const states = declared && finiteStates(declared.domain, lawOf(v));
    return states ? [{ v, size: states.size }] : [];
  });
  const total = all.reduce((n, { size }) => n * size, 1);
  const shown = all.length <= 4 ? listed(all.map(({ v }) => v)) : `\`${all[0]?.v ?? ""}\` to \`${all.at(-1)?.v ?? ""}\``;
  return `${shown} have ${total.toLocaleString("en")} states together, more than the ${MAX_STATES.toLocaleString("en")} that are weighted one by one`;
}

/** The variable asked for that what is given is drawn from, by itself where it can be told. */
function causeOf({ context, source }: Asked, effect: string, otherwise: string): string {
  const definition = densityOf(context, source.density).definitions.get(effect);
  if (definition?.kind !== "draw") return otherwise;
  const read = new Set(distExprs(definition.dist).flatMap((e) => [...freeVariables(e)]));
  return source.head.find((v) => read.has(v)) ?? otherwise;
}

/** Finite variables that nothing names, given whose values the posterior is normal: drawn beside, they make it exact. */
function drawnBeside({ context, draw, source }: Asked, normal: readonly string[], at: ReadonlyMap<string, Expr>): readonly string[] {
  const { definitions } = densityOf(context, source.density);
  const states = [...definitions].flatMap(([variable, definition]): readonly Slot[] => {
    const declared = context.model.variables.get(variable);
    const type = declared && typeOfDomain(declared.domain);
    if (!declared || !type || at.has(variable) || source.head.includes(variable) || definition.kind !== "draw") return [];
    const size = finiteStates(declared.domain, definition.dist.dist)?.size ?? Infinity;
    return size > MAX_STATES ? [] : [{ variable, value: { kind: "variable", variable, sample: undefined, type, span: draw.span } }];
  });
  if (states.length === 0 || draw.samples) return [];
  const known = new Map([...at, ...states.map((s): [string, Expr] => [s.variable, s.value])]);
  const names = states.map((s) => s.variable);
  return typeof gaussianPosterior(context, source.density, normal, known, draw.span) === "string" ? [] : names;
}

/** Notes the draw of normal latents; whether a trained weight acts through it. */
function noteNormal({ context, source, request, behind, notes }: Asked, normal: readonly string[], posterior: LinearGaussian): boolean {
  const exprs = exprsOfPosterior(posterior);
  const moved = trainedThrough(context, request.over, behind)(exprs);
  for (const variable of normal)
    notes.push({
      variable,
      density: source.density,
      estimator: moved ? "reparam" : "sampled",
      reason: "exact: its posterior is normal, all that is drawn from it being normal with affine locations",
      ...(request.over === undefined
        ? {}
        : {
            gradient: {
              path: moved ? "reparameterised" : "none",
              unbiased: true,
              weights: moved ? reachedBy(context, exprs, request) : [],
            },
          }),
    });
  return moved;
}

function refuse(asked: Asked, effect: string, stuck: string, summable = false, why?: string, beside: readonly string[] = []): undefined {
  const { context, draw, source } = asked;
  const variable = causeOf(asked, effect, stuck);
  const { density, head, given } = source;
  const names = given.map((s) => s.variable);
  const all = [...beside, ...head].join(", ");
  report(
    context.diagnostics,
    "GM3531",
    draw.span,
    { conditional: `${density}(${head.join(", ")} | ${names.join(", ")})`, effect, variable, summed: summable },
    {
      labels: labelsOf(context, density, [variable, effect]),
      notes: why === undefined ? [] : [why],
      help: [
        ...(summable ? ["write one `E[…]` without a family of samples, which is exact"] : []),
        ...(beside.length > 0
          ? [`draw ${listed(beside)} beside: \`E[${all} ~ ${density}(${all} | ${names.join(", ")})](…)\` is exact`]
          : []),
        `draw from a density of your own, ${head.map((v) => `\`${v}\``).join(", ")} given ${names.map((v) => `\`${v}\``).join(", ")}`,
        ...(summable
          ? []
          : [
              `the posterior is exact for at most ${MAX_STATES} states, and for Normal latents that enter the locations of Normals linearly`,
            ]),
      ],
    },
  );
  return undefined;
}

function labelsOf(context: DeriveContext, density: string, variables: readonly string[]): readonly { span: Span; text: string }[] {
  const { definitions } = densityOf(context, density);
  return variables.flatMap((v) => {
    const found = definitions.get(v);
    return found ? [{ span: found.span, text: `\`${v}\` is drawn here` }] : [];
  });
}
