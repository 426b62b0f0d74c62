/**
 * A Wasserstein objective, E[x ~ data](D(x)) - E[x ~ p(x)](D(x)) maximised over an unbounded D, is a distance only over Lipschitz functions
 * (Arjovsky, Chintala & Bottou 2017, eq. 2): without a control D grows without end. Found from structure alone; three controls are known.
 */
import { report } from "../../../base/report.js";
import { builtins } from "../../builtins.js";
import type { DerivedPhase, DerivedUpdate } from "../../derived-model.js";
import { layers } from "../../layers.js";
import { rangeOf } from "../../energy/curvature.js";
import { anything, isNonNegative, type Range, rangeOfDomain } from "../../range.js";
import type { Expr, NetCallExpr, ObjectiveDraw } from "../../types.js";
import { printExpr } from "../../print.js";
import { childrenOf } from "../../walk.js";
import { type DeriveContext, netOf } from "../context.js";
import { stopsGradient } from "../gradient-parts.js";
import { underPaths } from "../weight-paths.js";
import { weightEntries, weightsIn } from "../weights.js";
import { densitiesIn, linearParts, movedBy, netCalls, type Part, type Sign } from "./parts.js";
import { criticKey, isVerdict } from "./verdicts.js";

export function checkLipschitz(context: DeriveContext, phase: DerivedPhase, derived: DerivedUpdate): void {
  const { update } = derived;
  const critics = new Map<string, Critic>();
  const linear = new Set<Expr>();
  for (const part of averagedParts(update.value, 1)) {
    if (part.expr.kind !== "expectation") continue;
    const { draws, body } = part.expr;
    // noise beside them changes nothing
    if (!draws.some(({ source }) => source.kind === "data" || source.kind === "density")) continue;
    for (const { expr, sign, weight } of averagedParts(body, part.sign)) {
      const called = calledIn(expr);
      const of = called ?? expr;
      const weights = [...weightsIn(context, [called ? { ...called, args: [] } : expr])];
      if (weights.length === 0 || densitiesIn(expr, "evaluated").size > 0) continue;
      const calls = called ? [called] : netCalls(context, expr, outsideGradients);
      // a function of a verdict, other than a multiple, is of another distance
      if (!called && calls.some(isVerdict) && !(expr.kind === "builtin" && expr.fn === "mul")) continue;
      for (const call of calls) linear.add(call);
      const key = called ? called.net : criticKey(expr);
      // nets that stand around data and samples alike are of the critic, as the features that it reads; an encoder beside it is not
      const inner = weightsIn(context, called?.args ?? []);
      const range = rangeOf(context, expr, drawnRanges(context, draws));
      const known = critics.get(key) ?? {
        expr: of,
        name: called ? called.net : printExpr(expr),
        weights,
        nets: new Set(calls.map((c) => c.net)),
        inner,
        drawn: namesOf(draws),
        heights: new Map(),
        unbounded: false,
        nonNegative: true,
      };
      known.heights.set(sign, (known.heights.get(sign) ?? 0) + part.weight * weight);
      known.inner = new Set([...known.inner].filter((w) => inner.has(w)));
      known.nonNegative &&= isNonNegative(range);
      known.unbounded ||= !(called
        ? isBounded(context, netOf(context, called.net).result, rangesAt(context, called, draws))
        : isBounded(context, expr, drawnRanges(context, draws)));
      critics.set(key, known);
    }
  }
  for (const found of critics.values()) {
    const weights = [...new Set([...found.weights, ...movedBy(derived, found.inner)])];
    const critic: Critic = { ...found, weights };
    const { expr, nets, drawn } = critic;
    if (critic.heights.size < 2 || movedBy(derived, weights).length === 0 || !critic.unbounded || isHeldDown(critic, update)) continue;
    const isItself = (e: Expr): boolean => e.kind === "netCall" && nets.has(e.net);
    // of another distance, such as a bound of a divergence, what is not linear in the net holds it
    if (netCalls(context, update.value, outsideGradients).some((c) => isItself(c) && !linear.has(c))) continue;
    const holds = (e: Expr): boolean =>
      nets.size > 0 ? netCalls(context, e).some(isItself) : [...weightsIn(context, [e])].some((w) => weights.includes(w));
    const penalties = phase.updates.filter((u) => movedBy(u, weights).length > 0).flatMap((u) => penaltiesOf(context, u, holds));
    if (isClipped(phase, weights) || penalties.some((p) => p.pulls)) continue;
    if (unnormalised(context, weights).length === 0 && !isSteep(context, expr, drawn)) continue;
    warn(context, derived, critic, penalties[0]);
  }
}

/** A function whose mean over samples is held against that over data. */
interface Critic {
  readonly expr: Expr;
  /** The net's, or what it computes. */
  readonly name: string;
  readonly weights: readonly string[];
  readonly nets: ReadonlySet<string>;
  /** Weights of what it is called with, on data and on samples alike. */
  inner: ReadonlySet<string>;
  /** Names that the `E` around draws. */
  readonly drawn: ReadonlySet<string>;
  /** The signs that it stands with, and the sum of its weights under each. */
  readonly heights: Map<Sign, number>;
  unbounded: boolean;
  nonNegative: boolean;
}

/**
 * Is it no difference of means, but an energy that the statement lowers with more weight than it raises it (Berthelot, Schumm & Metz 2017, eq. 6)?
 * Of other functions such a difference grows with a constant alone.
 */
function isHeldDown({ heights, nonNegative }: Critic, { direction }: DerivedUpdate["update"]): boolean {
  const up: Sign = direction === "maximize" ? 1 : -1;
  const [raised, lowered] = [heights.get(up) ?? 0, heights.get(up === 1 ? -1 : 1) ?? 0];
  return nonNegative && !(lowered <= raised);
}

function namesOf(draws: readonly ObjectiveDraw[]): ReadonlySet<string> {
  return new Set(draws.flatMap((d) => d.names.map((n) => (n.kind === "variable" ? n.variable : n.local.id))));
}

/** The parts that an expression is linear in, through means and sums around them. */
function averagedParts(expr: Expr, sign: Sign): readonly Part[] {
  return linearParts(expr, sign).flatMap((part): readonly Part[] => {
    if (!part.whole) return [];
    const [only] = part.expr.kind === "builtin" && AVERAGES.has(part.expr.fn) ? part.expr.args : [];
    return only ? averagedParts(only, part.sign).map((p) => ({ ...p, weight: p.weight * part.weight })) : [part];
  });
}

const AVERAGES: ReadonlySet<string> = new Set(["mean", "sum", "batch_mean"]);

function warn(context: DeriveContext, { update }: DerivedUpdate, { expr, name, weights }: Critic, penalty: Penalty | undefined): void {
  const owners = [...new Set(weights.map((w) => w.split(".")[0] ?? w))];
  const loose = unnormalised(context, weights);
  const places = [{ span: expr.span, text: "an unbounded difference of its values" }];
  if (penalty) places.push({ span: penalty.expr.span, text: "this rewards steep slopes: the statement goes up with it" });
  const here = places.filter(({ span }) => span.file.path === update.span.file.path || span === expr.span);
  report(
    context.diagnostics,
    "GM3748",
    update.span,
    { net: name },
    {
      labels: here,
      help: [
        ...(penalty ? ["a penalty is descended: `maximize W - 10 * GradientPenalty(p, D)`, or `minimize -W + 10 * …`"] : []),
        ...(loose.length < weights.length ? [`not normalised, of its weights: ${loose.map((w) => `\`${w}\``).join(", ")}`] : []),
        `clip its weights: ${owners.map((o) => `\`constrain ${o}${weights.includes(o) ? "" : ".weights"} in [-0.01, 0.01]\``).join(", ")}`,
        ...(penalty || expr.kind !== "netCall" ? [] : [`or add a gradient penalty: \`- 10 * GradientPenalty(p, ${name})\``]),
        ...(weights.every((w) => owners.includes(w)) ? [] : ["or normalise its layers: `dense(100, spectral = true)`"]),
      ],
    },
  );
}

const outsideGradients = (e: Expr): readonly Expr[] => (e.kind === "grad" ? [] : childrenOf(e));

/** A term of a statement that holds a gradient of the critic. */
interface Penalty {
  readonly expr: Expr;
  /** The statement goes down with it, as far as its sign is known. */
  readonly pulls: boolean;
}

function penaltiesOf(context: DeriveContext, { update }: DerivedUpdate, holds: (e: Expr) => boolean): readonly Penalty[] {
  const direction: Sign = update.direction === "maximize" ? 1 : -1;
  return linearParts(update.value).flatMap(({ whole, weight, expr, sign }) => {
    if (!whole || !holdsGradient(expr, holds)) return [];
    const parts = expr.kind === "expectation" ? linearParts(expr.body, sign) : [{ whole, weight, expr, sign }];
    return parts.flatMap((p) => {
      if (!p.whole || !holdsGradient(p.expr, holds)) return [];
      return [{ expr: p.expr, pulls: !isNonNegative(rangeOf(context, p.expr)) || p.sign !== direction }];
    });
  });
}

/** A net whose value a part is: itself, or its only entry. */
function calledIn(expr: Expr): NetCallExpr | undefined {
  if (expr.kind === "netCall") return expr;
  const [only] = expr.kind === "builtin" && ["sum", "mean", "index", "reshape", "flatten"].includes(expr.fn) ? expr.args : [];
  return only && calledIn(only);
}

/** The intervals that a net's parameters lie in at a call: those of the variables that an `E` around draws. */
function rangesAt(context: DeriveContext, call: NetCallExpr, draws: readonly ObjectiveDraw[]): ReadonlyMap<string, Range> {
  const drawn = drawnRanges(context, draws);
  return new Map(netOf(context, call.net).params.flatMap((p, i) => (call.args[i] ? [[p.id, rangeOf(context, call.args[i], drawn)]] : [])));
}

function drawnRanges(context: DeriveContext, draws: readonly ObjectiveDraw[]): ReadonlyMap<string, Range> {
  const drawn = new Map<string, Range>();
  for (const target of draws.flatMap((d) => d.names)) {
    const domain = target.kind === "local" && target.of !== undefined ? context.model.variables.get(target.of)?.domain : undefined;
    if (target.kind === "local" && domain) drawn.set(target.local.id, rangeOfDomain(domain));
  }
  return drawn;
}

/** Do its functions keep it within bounds whatever its weights, such as the error of an autoencoder of bounded values? */
function isBounded(context: DeriveContext, expr: Expr, given: ReadonlyMap<string, Range>): boolean {
  if (expr.kind === "local") {
    const binding = context.bindings.get(expr.local.id);
    return binding !== undefined && isBounded(context, binding.value, given);
  }
  const within = rangeOf(context, expr, given);
  if (Number.isFinite(within.low) && Number.isFinite(within.high)) return true;
  if (expr.kind !== "builtin") return false;
  const entry = builtins.get(expr.fn);
  const range = entry?.range?.(
    expr.args.map(() => anything),
    expr.options,
    expr.args.map((a) => ({ shape: a.type.kind === "tensor" ? a.type.shape : [], simplex: false })),
  );
  if (range && Number.isFinite(range.low) && Number.isFinite(range.high)) return true;
  const [only] = expr.args;
  return expr.args.length === 1 && only !== undefined && entry?.linear === "all" && isBounded(context, only, given);
}

/**
 * Has a function of layers with bounded kernels no bounded slope, since a square, a product of two of its values or an exponential stands in it, and
 * nothing around that brings its growth back?
 */
function isSteep(context: DeriveContext, expr: Expr, moving: ReadonlySet<string>): boolean {
  const moves = (e: Expr): boolean => {
    if (e.kind === "variable") return moving.has(e.variable);
    const binding = e.kind === "local" ? context.bindings.get(e.local.id) : undefined;
    if (e.kind === "local") return moving.has(e.local.id) || (binding !== undefined && moves(binding.value));
    return childrenOf(e).some(moves);
  };
  const isOpen = (e: Expr): boolean => {
    const { low, high } = rangeOf(context, e);
    return moves(e) && !(Number.isFinite(low) && Number.isFinite(high));
  };
  switch (expr.kind) {
    case "local": {
      const binding = context.bindings.get(expr.local.id);
      return binding !== undefined && isSteep(context, binding.value, moving);
    }
    case "netCall": {
      const net = netOf(context, expr.net);
      const inner = new Set(net.params.flatMap((p, i) => (expr.args[i] && moves(expr.args[i]) ? [p.id] : [])));
      return expr.args.some((a) => isSteep(context, a, moving)) || isSteep(context, net.result, inner);
    }
    case "layer":
      return expr.instance.options["spectral"] === true && expr.args.some((a) => isSteep(context, a, moving));
    case "builtin": {
      const [a, b] = expr.args;
      if (expr.fn === "pow" && a && b?.kind === "number" && b.value > 1) return isOpen(a);
      if (expr.fn === "mul" && a && b && isOpen(a) && isOpen(b)) return true;
      if (expr.fn === "exp" && a) return moves(a) && rangeOf(context, a).high === Infinity;
      const entry = builtins.get(expr.fn);
      const slope = a && entry?.slope?.(anything, expr.options);
      const keeps = entry?.linear !== undefined || (slope && Number.isFinite(slope.low) && Number.isFinite(slope.high));
      return keeps === true && isOpen(expr) && expr.args.some((arg) => isSteep(context, arg, moving));
    }
    default:
      return false;
  }
}

/** Every one of the weights is held within bounds. */
function isClipped({ phase }: DerivedPhase, weights: readonly string[]): boolean {
  const over = phase.constraints.map((c) => c.over);
  return weights.every((w) => underPaths(w, over));
}

/** A gradient of what `holds` says; none that is stopped, which pulls at nothing. */
function holdsGradient(value: Expr, holds: (e: Expr) => boolean): boolean {
  if (stopsGradient(value)) return false;
  if (value.kind === "grad" && holds(value.body)) return true;
  return childrenOf(value).some((e) => holdsGradient(e, holds));
}

/** Those of the weights whose layer does not divide its kernel by its spectral norm. */
function unnormalised(context: DeriveContext, weights: readonly string[]): readonly string[] {
  const entries = weightEntries(context).filter((e) => weights.includes(e.path));
  const isNormalised = ({ of }: (typeof entries)[number]): boolean =>
    of.kind === "layer" && layers.get(of.instance.layer) !== undefined && of.instance.options["spectral"] === true;
  return entries.filter((e) => !isNormalised(e)).map((e) => e.path);
}
