/**
 * Where a value steps as a draw moves: `sign(z)`, `argmax(z)`, `where(z > 0, 1, 0)`, `abs(z) / z`. The derivative of a sample sees nothing of a step, so that the gradient of
 * a reparameterised draw leaves out what its density does there (Lee, Yu & Yang 2018, "Reparameterization gradient for non-differentiable models").
 */
import { builtins } from "../builtins.js";
import { rangeOf } from "../energy/curvature.js";
import type { BuiltinExpr, DistCall, Expr, NetCallExpr, ObjectiveDraw } from "../types.js";
import { childrenOf, distExprs } from "../walk.js";
import { type DeriveContext, densityOf, netOf } from "./context.js";
import { type Edge, edgeOf } from "./edges.js";
import { isByPlace, type Known } from "./leaves.js";
import { ancestorsOf } from "./marginal.js";
import { distributionOf } from "../distributions.js";
import { type PoleEdge, poleEdge } from "./singular.js";

/** What carries the draw: names of variables, and locals that have been looked at. */
interface Scope {
  readonly variables: ReadonlySet<string>;
  readonly locals: Map<string, boolean>;
  /** What they stand for. */
  readonly values: Map<string, Expr>;
  /** Around a net that is called, where its arguments are known. */
  readonly outer?: Scope;
}

function meantBy(e: Expr, scope: Scope): Expr | undefined {
  let value: Expr | undefined = e;
  // an argument's own names are of the scope around
  for (let at: Scope | undefined = scope; value?.kind === "local" && at;)
    if (at.values.has(value.local.id)) value = at.values.get(value.local.id);
    else at = at.outer;
  return value;
}

/** What is known of what a `where` reads: a name that stands for nothing else is that of a draw. */
const knownIn = (context: DeriveContext, scope: Scope): Known => ({
  meant: (e) => meantBy(e, scope),
  range: (e) => rangeOf(context, e),
  domain: (e) => {
    if (e.kind === "variable") return context.model.variables.get(e.variable)?.domain;
    if (e.kind === "param") return context.model.params.find((p) => p.name === e.param)?.domain;
    return undefined;
  },
});

/** What is looked for: a step, or a `stop` of what moves. */
type Sought = "step" | "stop";

/** Where the value of an `E`, or the parameters of what is drawn after it, step as a variable of its draw moves, and what follows it. */
export function stepOf(context: DeriveContext, draw: ObjectiveDraw, variable: string, body: Expr): Steps {
  const { found, ...others } = foundIn(context, "step", draw, variable, body);
  return { step: found, ...others };
}

/** Where these stand in a `stop`: of what a sample does there its derivative sees nothing, while its density counts it. */
export const stopOf = (context: DeriveContext, draw: ObjectiveDraw, variable: string, body: Expr): Expr | undefined =>
  foundIn(context, "stop", draw, variable, body).found;

interface Found {
  readonly found: Expr | undefined;
  readonly unsure: Expr | undefined;
  readonly pole: Expr | undefined;
  readonly steep: Expr | undefined;
  readonly endless: Expr | undefined;
  readonly meant: Meaning;
}

function foundIn(context: DeriveContext, sought: Sought, draw: ObjectiveDraw, variable: string, body: Expr): Found {
  const { source, names } = draw;
  if (source.kind !== "density" || !mayBe(context, sought, draw, body))
    return { found: undefined, unsure: undefined, pole: undefined, steep: undefined, endless: undefined, meant: (e) => e };
  const covers = (leaf: Expr): boolean => coversDomain(context, source.density, leaf);
  const [onTheWay, inBody] = [looking(context, sought, steps, covers), looking(context, sought, steps, covers)];
  const moving = new Set([variable]);
  moveThrough(context, onTheWay, source, drawnBy(context, source), moving, variable);
  inBody.carries(body, scopeOf(source.head.flatMap((v, i) => (moving.has(v) && names[i] ? [names[i]] : []))));
  return {
    found: inBody.found() ?? onTheWay.found(),
    unsure: inBody.unsure() ?? onTheWay.unsure(),
    pole: inBody.at("unknown") ?? onTheWay.at("unknown"),
    steep: inBody.at("steep") ?? onTheWay.at("steep"),
    endless: inBody.at("endless") ?? onTheWay.at("endless"),
    meant: (inBody.found() ? inBody : onTheWay).meant,
  };
}

export interface Steps {
  readonly step: Expr | undefined;
  /** A `where` that is taken for continuous, and of which it is not known. */
  readonly unsure: Expr | undefined;
  /** What has a pole, and it is not known what it does there. */
  readonly pole: Expr | undefined;
  /** What has a mean and whose derivative has none, as log |z| around 0. */
  readonly steep: Expr | undefined;
  /** What has no mean itself, as 1 / z. */
  readonly endless: Expr | undefined;
  /** Where the step stands. */
  readonly meant: Meaning;
}

/** What a name stands for; other expressions as they are. */
export type Meaning = (e: Expr) => Expr;

interface Taken {
  /** Whether `where` steps: with branches that move too it may be continuous, as `where(z > 0, z, 0)` is, and is taken for it unless it is seen to jump. */
  readonly where: (condition: boolean, branches: boolean, edge: () => Edge) => boolean;
  readonly pole: (edge: PoleEdge) => boolean;
}

const steps: Taken = {
  where: (condition, branches, edge) => condition && (!branches || edge() === "jumps"),
  pole: (edge) => edge === "jumps",
};

/** A branch that moves with another of the draws takes no step away. */
const maySteps: Taken = { where: (condition) => condition, pole: (edge) => edge !== "meets" };

type Looked = WeakMap<ObjectiveDraw, { readonly body: Expr; readonly may: boolean }>;
const looked: Readonly<Record<Sought, Looked>> = { step: new WeakMap(), stop: new WeakMap() };

/** Whether there may be any as any of the draws moves. As a rule there is none, and then one look at a long objective does for all of them. */
function mayBe(context: DeriveContext, sought: Sought, draw: ObjectiveDraw, body: Expr): boolean {
  const { source, names } = draw;
  const before = looked[sought].get(draw);
  if (before?.body === body) return before.may;
  const look = looking(context, sought, maySteps);
  if (source.kind === "density") {
    const drawn = drawnBy(context, source);
    moveThrough(context, look, source, drawn, new Set(drawn));
  }
  look.carries(body, scopeOf(names));
  const may = look.found() !== undefined;
  looked[sought].set(draw, { body, may });
  return may;
}

type DensitySource = Extract<ObjectiveDraw["source"], { readonly kind: "density" }>;

/** Adds to the variables that move those of a density, from top to bottom, that follow from them. What `own` is drawn from does not move with it. */
function moveThrough(
  context: DeriveContext,
  look: Look,
  { density }: DensitySource,
  drawn: ReadonlySet<string>,
  moving: Set<string>,
  own?: string,
): void {
  const scope: Scope = { variables: moving, locals: new Map(), values: new Map() };
  for (const s of densityOf(context, density).density.statements) {
    if (s.kind === "bind") look.bind(s.binding.local.id, s.binding.value, scope);
    else if ((s.kind === "draw" || s.kind === "define") && s.variable !== own && drawn.has(s.variable))
      if (look.some(s.kind === "draw" ? distExprs(s.dist) : [s.value], scope)) moving.add(s.variable);
  }
}

const drawnBy = (context: DeriveContext, { density, head, given }: DensitySource): ReadonlySet<string> =>
  ancestorsOf(context, densityOf(context, density), head, new Set(given.map((s) => s.variable)));

const scopeOf = (names: ObjectiveDraw["names"]): Scope => ({
  variables: new Set(names.map((n) => (n.kind === "variable" ? n.variable : n.local.id))),
  locals: new Map(),
  values: new Map(),
});

interface Look {
  /** Whether an expression reads the draw; where steps are sought, other than through `stop`. */
  readonly carries: (e: Expr, scope: Scope) => boolean;
  readonly some: (exprs: readonly Expr[], scope: Scope) => boolean;
  readonly bind: (id: string, value: Expr, scope: Scope) => void;
  /** The first on the way. */
  readonly found: () => Expr | undefined;
  readonly unsure: () => Expr | undefined;
  /** What has a pole where it is so. */
  readonly at: (edge: PoleEdge) => Expr | undefined;
  /** At what was found. */
  readonly meant: Meaning;
}

/** Whether a variable takes all values of its domain, as one that is drawn between bounds does not. */
function coversDomain(context: DeriveContext, density: string, leaf: Expr): boolean {
  if (leaf.kind !== "variable") return false;
  const definition = densityOf(context, density).definitions.get(leaf.variable);
  const isWide = (dist: DistCall): boolean => !distributionOf(dist)?.edges && (dist.of === undefined || isWide(dist.of));
  return definition?.kind === "draw" && isWide(definition.dist);
}

function looking(context: DeriveContext, sought: Sought, taken: Taken, covers: (leaf: Expr) => boolean = () => false): Look {
  let found: Expr | undefined;
  const poles = new Map<PoleEdge, Expr>();
  let unsure: Expr | undefined;
  let within: Scope | undefined;
  const find = (e: Expr, scope: Scope): void => {
    if (found) return;
    [found, within] = [e, scope];
  };
  const some = (exprs: readonly Expr[], scope: Scope): boolean => exprs.map((e) => carries(e, scope)).includes(true);

  /** `within`: whether the expression is part of one that is looked at for poles as a whole. */
  const carries = (e: Expr, scope: Scope, within = false): boolean => {
    switch (e.kind) {
      case "variable":
        return scope.variables.has(e.variable);
      case "local":
        return scope.locals.get(e.local.id) ?? scope.variables.has(e.local.id);
      case "builtin":
        return ofBuiltin(e, scope, within);
      case "netCall":
        return ofNet(e, scope);
      case "logDensity": {
        const { statements } = densityOf(context, e.density).density;
        const moving = [...e.head, ...e.given].filter((slot) => carries(slot.value, scope)).map((slot) => slot.variable);
        const inner: Scope = { variables: new Set(moving), locals: new Map(), values: new Map() };
        for (const s of statements)
          if (s.kind === "draw") some(distExprs(s.dist), inner);
          // in order, so that a long chain of bindings is no deep recursion
          else if (s.kind === "bind") bind(s.binding.local.id, s.binding.value, inner);
          else carries(s.value, inner);
        return moving.length > 0;
      }
      default:
        return some(childrenOf(e), scope);
    }
  };
  const bind = (id: string, value: Expr, scope: Scope): void => {
    scope.locals.set(id, carries(value, scope));
    scope.values.set(id, value);
  };
  const ofBuiltin = (e: BuiltinExpr, scope: Scope, within: boolean): boolean => {
    if (e.fn === "stop" && sought === "step") return false;
    const whole = sought === "step" && isByPlace(e);
    const moving = e.args.map((a) => carries(a, scope, whole));
    if (sought === "stop") {
      if (e.fn === "stop" && moving.includes(true)) find(e, scope);
      return moving.includes(true);
    }
    const [condition, ...branches] = moving;
    const isStep =
      e.fn === "where"
        ? taken.where(condition === true, branches.includes(true), () => edgeAt(e, scope))
        : builtins.get(e.fn)?.noGradient === true && moving.includes(true);
    if (isStep) find(e, scope);
    else if (whole && !within && moving.includes(true)) {
      const edge = poleEdge(e, knownIn(context, scope), (leaf) => carriesAround(leaf, scope), covers);
      if (taken.pole(edge)) find(e, scope);
      if (!poles.has(edge)) poles.set(edge, e);
    }
    return moving.includes(true);
  };
  /** What an argument of a net is made of is of the scope around. */
  const carriesAround = (e: Expr, scope: Scope): boolean =>
    carries(e, scope) || (scope.outer !== undefined && carriesAround(e, scope.outer));
  const edgeAt = (e: BuiltinExpr, scope: Scope): Edge => {
    const edge = edgeOf(e, knownIn(context, scope));
    if (edge === "unknown") unsure ??= e;
    return edge;
  };
  const ofNet = (e: NetCallExpr, scope: Scope): boolean => {
    const { params, body, result } = netOf(context, e.net);
    const inner: Scope = {
      variables: new Set(),
      values: new Map(params.flatMap((p, i) => (e.args[i] === undefined ? [] : [[p.id, e.args[i]] as const]))),
      outer: scope,
      locals: new Map(params.map((p, i) => [p.id, e.args[i] !== undefined && carries(e.args[i], scope)])),
    };
    for (const b of body) bind(b.local.id, b.value, inner);
    return carries(result, inner);
  };
  return {
    carries,
    some,
    bind,
    found: () => found,
    unsure: () => unsure,
    at: (edge) => poles.get(edge),
    meant: (e) => (within && meantBy(e, within)) ?? e,
  };
}
