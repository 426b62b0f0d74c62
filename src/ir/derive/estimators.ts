/**
 * How each draw of an `E` is estimated: the legal estimator that language.md's order prefers, or the one asked for by `by`.
 * A draw through which no trained weight acts needs no gradient and is only sampled (the wake phase of wake-sleep).
 */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { distributions } from "../distributions.js";
import type { DrawStep, Estimator, EstimatorNote, Factor } from "../quantity.js";
import { tensor, typeOfDomain } from "../shapes.js";
import { finiteStates, MAX_STATES, stateCount, type States } from "../states.js";
import type { DistCall, Expr, Local, LogDensityExpr, ObjectiveDraw, Slot } from "../types.js";
import { childrenOf, distExprs } from "../walk.js";
import type { Choices } from "./choices.js";
import {
  definitionInputs,
  type DensityIndex,
  type DeriveContext,
  densityOf,
  flowOf,
  inOrder,
  netOf,
  parentsOf,
  partsOfFlow,
  readsItself,
  stopsGradient,
  underPaths,
} from "./context.js";
import { dataSteps, type Taken } from "./data-draws.js";
import { type EnergyDrawn, planEnergyDraw } from "./energy-draws.js";
import type { DrawnTogether } from "./flow-change.js";
import { ancestorsOf } from "./marginal.js";

type DensitySource = Extract<ObjectiveDraw["source"], { kind: "density" }>;

interface Request {
  /** Weight paths that the statement moves; undefined for an evaluation, where no gradient is taken. */
  readonly over: readonly string[] | undefined;
  readonly choices: Choices;
  /** Rows of the streams that draws around it have taken. */
  readonly taken: Taken;
  readonly span: Span;
}

/** Whether a weight that the statement moves acts through names that an `E` has drawn: variables by name, others by the id of their local. */
export type Behind = ReadonlyMap<string, boolean>;

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

export interface PlannedDraw {
  /** In order. */
  readonly steps: readonly (DrawStep | PosteriorStep)[];
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
  request: Request,
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
      const moved = trainedThrough(context, request, behind)(distExprs(dist));
      if (moved && distributions.get(dist.dist)?.reparameterised !== true) {
        reportNoGradient(context, request, target.local.name, dist, "", [
          "draw it from a density of the model where its states can be summed, or from a reparameterised distribution such as Normal or Logistic",
        ]);
        return undefined;
      }
      const choice: Choice = moved ? reparamOf(dist) : { estimator: "none", reason: "its parameters are not trained" };
      return {
        steps: [{ kind: "distribution", local: target.local, dist, type: target.local.type, ...choice, span: draw.span }],
        behind: new Map([[target.local.id, moved]]),
      };
    }
    case "density":
      return planDensity(context, draw, draw.source, request, behind, notes);
  }
}

/** Tells of expressions whether a weight that the statement moves has a gradient through their values, through draws as well. */
function trainedThrough(context: DeriveContext, { over }: Request, behind: Behind): (exprs: readonly Expr[]) => boolean {
  if (over === undefined) return () => false;
  const locals = new Map<string, boolean>();
  const nets = new Map<string, boolean>();
  const acts = (e: Expr): boolean => {
    if (stopsGradient(e)) return false;
    if (e.kind === "variable") return behind.get(e.variable) === true;
    if (e.kind === "local") return behind.get(e.local.id) === true || ofLocal(e.local.id);
    if (e.kind === "param") return underPaths(e.path, over);
    if (e.kind === "layer" && e.instance.parameterCount > 0 && underPaths(e.instance.path, over)) return true;
    return (e.kind === "netCall" && ofNet(e.net)) || (e.kind === "flowCall" && ofFlow(e.flow)) || childrenOf(e).some(acts);
  };
  const ofLocal = (id: string): boolean => {
    const binding = locals.has(id) ? undefined : context.bindings.get(id);
    if (binding) for (const b of inOrder(context, binding, (other) => locals.has(other.local.id))) locals.set(b.local.id, acts(b.value));
    return locals.get(id) === true;
  };
  const ofNet = (name: string): boolean => {
    const known = nets.get(name);
    if (known !== undefined) return known;
    const net = netOf(context, name);
    const found = [...net.body.map((b) => b.value), net.result].some(acts);
    nets.set(name, found);
    return found;
  };
  const ofFlow = (name: string): boolean => {
    const parts = partsOfFlow(context, flowOf(context, name));
    return parts.bijections.some((b) => b.parameterCount > 0 && underPaths(b.path, over)) || parts.nets.some((n) => ofNet(n.name));
  };
  return (exprs) => exprs.some(acts);
}

function planDensity(
  context: DeriveContext,
  draw: ObjectiveDraw,
  source: DensitySource,
  request: Request,
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
  if (effect !== undefined) return planPosterior(context, draw, source, locals, effect, notes);
  const steps: DrawStep[] = [];
  const outside = trainedThrough(context, request, behind);
  const upstream = new Map(source.given.map((s) => [s.variable, outside([s.value])]));
  const trained = trainedThrough(context, request, upstream);
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
    const choice = chooseEstimator(context, draw, variable, definition.dist, moved, request);
    if (!choice) return undefined;
    const fills = declared?.domain.optional === true && !local ? { fills: true as const } : {};
    notes.push({
      variable,
      density: source.density,
      estimator: choice.estimator === "none" ? "sampled" : choice.estimator,
      reason: fills.fills ? `${choice.reason}, in rows where the data miss it` : choice.reason,
    });
    steps.push({ kind: "factor", factor, local, estimator: choice.estimator, reason: choice.reason, ...fills, span: draw.span });
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

/** Draws of what causes a known variable, `c ~ p(c | x)`: finite ones by their exact posterior, as weights of their states. */
function planPosterior(
  context: DeriveContext,
  draw: ObjectiveDraw,
  source: DensitySource,
  locals: ReadonlyMap<string, Local>,
  effect: string,
  notes: EstimatorNote[],
): PlannedDraw | undefined {
  const { density } = source;
  const steps: PosteriorStep[] = [];
  const given: Slot[] = [...source.given];
  let total = 1;
  for (const variable of source.head) {
    const declared = context.model.variables.get(variable);
    const definition = densityOf(context, density).definitions.get(variable);
    const states = declared && finiteStates(declared.domain, definition?.kind === "draw" ? definition.dist.dist : undefined);
    const type = declared && typeOfDomain(declared.domain);
    total *= states?.size ?? Infinity;
    if (!states || !type || total > MAX_STATES || draw.samples) {
      const conditional = `${density}(${source.head.join(", ")} | ${source.given.map((s) => s.variable).join(", ")})`;
      report(
        context.diagnostics,
        "GM3531",
        draw.span,
        { conditional, effect, variable },
        {
          labels: labelsOf(context, density, [variable, effect]),
          help: [
            `draw from a density of your own, ${source.head.map((v) => `\`${v}\``).join(", ")} given ${source.given.map((s) => `\`${s.variable}\``).join(", ")}`,
            ...(states && total <= MAX_STATES
              ? ["its states can be summed exactly in one `E[…]` without a family of samples"]
              : [`a sum over the posterior is exact for at most ${MAX_STATES} states`]),
          ],
        },
      );
      return undefined;
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
  return { steps, behind: new Map(source.head.map((v) => [locals.get(v)?.id ?? v, false])) };
}

function labelsOf(context: DeriveContext, density: string, variables: readonly string[]): readonly { span: Span; text: string }[] {
  const { definitions } = densityOf(context, density);
  return variables.flatMap((v) => {
    const found = definitions.get(v);
    return found ? [{ span: found.span, text: `\`${v}\` is drawn here` }] : [];
  });
}

interface Choice {
  readonly estimator: Estimator;
  readonly reason: string;
}

function reparamOf(dist: DistCall): Choice {
  return { estimator: "reparam", reason: `a sample of ${dist.dist} is a differentiable function of its parameters` };
}

function chooseEstimator(
  context: DeriveContext,
  draw: ObjectiveDraw,
  variable: string,
  dist: DistCall,
  moved: boolean,
  request: Request,
): Choice | undefined {
  const info = distributions.get(dist.dist);
  const model = context.model.variables.get(variable);
  const states = model && finiteStates(model.domain, dist.dist);
  const enumerable = info?.discrete === true && states !== undefined && states.size <= MAX_STATES && draw.samples === undefined;
  if (readsItself(context, { variable, dist }) && !enumerable) {
    reportSequential(context, variable, dist, draw, request);
    return undefined;
  }
  const asked = request.choices.latents.get(variable) ?? request.choices.latents.get(undefined);
  if (asked) {
    const { span } = asked;
    const { name } = asked.entry;
    if (name === "reparam" && info?.reparameterised) return { estimator: "reparam", reason: "asked for" };
    if (name === "enumerate" && enumerable) return { estimator: "enumerate", reason: `asked for: its ${states.size} states are summed` };
    if (name === "reparam" || name === "enumerate") {
      const why =
        name === "reparam"
          ? `a sample of ${dist.dist} is not a differentiable function of its parameters`
          : states && states.size > MAX_STATES
            ? `it has ${stateCount(states.size)} states, more than ${MAX_STATES}`
            : draw.samples
              ? "a family of samples is drawn; an exact sum needs none"
              : "it is not finite";
      report(
        context.diagnostics,
        "GM3504",
        span,
        { estimator: name, variable, dist: dist.dist },
        { label: "asked for here", labels: [{ span: dist.span, text: why }], help: legalHelp(info?.reparameterised === true, enumerable) },
      );
      return undefined;
    }
    report(
      context.diagnostics,
      "GM3509",
      span,
      { construct: `the estimator \`${name}\`` },
      { help: legalHelp(info?.reparameterised === true, enumerable) },
    );
    return undefined;
  }
  if (enumerable && states) return { estimator: "enumerate", reason: `exact: its ${states.size} states are summed` };
  if (!moved)
    return {
      estimator: "none",
      reason: request.over === undefined ? "an evaluation takes no gradient" : "no trained weight acts through it",
    };
  if (info?.reparameterised) return reparamOf(dist);
  const family = draw.samples !== undefined && states !== undefined && states.size <= MAX_STATES;
  const why = family
    ? ": a family of samples is drawn, and an exact sum needs none"
    : states
      ? `: it has ${stateCount(states.size)} states`
      : "";
  reportNoGradient(context, request, variable, dist, why, [
    `train by wake-sleep: \`maximize E[…](log p(…)) over p\` and \`maximize E[… ~ p(…)](log q(…)) over q\` need no gradient through \`${variable}\``,
    family
      ? "or draw one sample: `ELBO(p, q)` is then summed over its states exactly"
      : `or make the latent finite with at most ${MAX_STATES} states, or one with a reparameterised distribution such as Normal or Logistic`,
  ]);
  return undefined;
}

/** A draw that takes one pass for each entry, in an objective that is one graph. */
function reportSequential(context: DeriveContext, variable: string, dist: DistCall, draw: ObjectiveDraw, request: Request): void {
  const density = draw.source.kind === "density" ? draw.source.density : "";
  const role = context.model.variables.get(variable)?.role;
  report(
    context.diagnostics,
    "GM3725",
    request.span,
    { variable, density },
    {
      label: "asks for its samples",
      labels: [{ span: dist.span, text: `the parameters of an entry of \`${variable}\` read those before it` }],
      help: [
        role === "data"
          ? `evaluate it instead: \`log ${density}(${variable})\` takes one pass for all entries; \`gmc sample\` draws it`
          : `draw \`${variable}\` from a density whose parameters do not read it; a prior \`p(${variable})\` may be autoregressive, since an objective only evaluates it`,
        `or make it finite: up to ${MAX_STATES} states are summed exactly`,
      ],
    },
  );
}

function reportNoGradient(
  context: DeriveContext,
  request: Request,
  variable: string,
  dist: DistCall,
  states: string,
  help: readonly string[],
): void {
  report(
    context.diagnostics,
    "GM3503",
    request.span,
    { variable, dist: dist.dist, states },
    { label: "asks for a gradient through it", labels: [{ span: dist.span, text: "not reparameterised" }], help },
  );
}

function legalHelp(reparam: boolean, enumerable: boolean): readonly string[] {
  const legal = [...(reparam ? ["`reparam`"] : []), ...(enumerable ? ["`enumerate`"] : [])];
  return [
    legal.length > 0
      ? `legal here: ${legal.join(", ")}; without \`by\` gmc chooses one and \`gmc explain\` says which`
      : "no estimator that this version derives fits this latent",
  ];
}
