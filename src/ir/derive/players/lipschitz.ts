/**
 * A Wasserstein objective, E[x ~ data](D(x)) - E[x ~ p(x)](D(x)) maximised over an unbounded D, is a distance only over Lipschitz functions
 * (Arjovsky, Chintala & Bottou 2017, eq. 2): without a control D grows without end. Found from structure alone; three controls are known.
 */
import { report } from "../../../base/report.js";
import type { DerivedPhase, DerivedUpdate } from "../../derived-model.js";
import { layers } from "../../layers.js";
import { rangeOf } from "../../energy/curvature.js";
import { isNonNegative, type Range, rangeOfDomain } from "../../range.js";
import type { Expr, NetCallExpr, ObjectiveDraw } from "../../types.js";
import { printExpr } from "../../print.js";
import { type DeriveContext, netOf } from "../context.js";
import { underPaths } from "../weight-paths.js";
import { weightEntries, weightsIn } from "../weights.js";
import { averagedParts, calledIn, clippingText, densitiesIn, movedBy, netCalls, outsideGradients, type Sign } from "./parts.js";
import { type Penalty, readHelp, unreadText } from "./penalties.js";
import { featuresOf, holdsOnSamples, isBounded, isUpsideDown, risesApart } from "./runaway.js";
import { tailOf } from "./tails.js";
import { cuspIn, steepPart } from "./steep.js";
import { criticKey, isVerdict } from "./verdicts.js";

/** `all`: the penalties on slopes of each statement of the phase. Given back are those that a warning has told of, and whether there was one. */
export function checkLipschitz(
  context: DeriveContext,
  phase: DerivedPhase,
  derived: DerivedUpdate,
  all: ReadonlyMap<DerivedUpdate, readonly Penalty[]>,
): { readonly penalties: ReadonlySet<Penalty>; readonly warned: boolean } {
  const { update } = derived;
  let warned = false;
  const told = new Set<Penalty>();
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
    // of another distance, such as a bound of a divergence, what is not linear in the net holds it: what falls without end on samples
    let drift = false;
    if (netCalls(context, update.value, outsideGradients).some((c) => isItself(c) && !linear.has(c))) {
      const net = expr.kind === "netCall" ? expr.net : undefined;
      const held = net === undefined ? undefined : holdsOnSamples(context, derived, net);
      // of terms that see the critic on both sides it is known where they leave it free
      const found = held ?? (net !== undefined && risesApart(context, derived, net) ? "not held" : undefined);
      if (found === undefined || found === "held" || (expr.kind === "netCall" && isUpsideDown(context, derived, expr.net))) continue;
      drift = found === "data alone";
    }
    const holds = (e: Expr): boolean =>
      nets.size > 0 ? netCalls(context, e).some(isItself) : [...weightsIn(context, [e])].some((w) => weights.includes(w));
    const penalties = phase.updates.flatMap((u) =>
      movedBy(u, weights).length > 0 ? (all.get(u) ?? []).filter((p) => p.grads.some((g) => holds(g.body))) : [],
    );
    if (penalties.some((p) => p.effect === "lowers" && p.grads.some((g) => holds(g.body) && isSteep(context, g.body, nets)))) continue;
    const [clipped, normalised] = [isClipped(phase, weights), unnormalised(context, weights).length === 0];
    // data are bounded, so that only a slope without a bound at some point undoes clipped weights
    const steep = clipped ? cuspIn(context, expr, drawn) : normalised ? steepPart(context, expr, drawn) : undefined;
    if ((clipped || normalised) && !steep) continue;
    for (const p of penalties) told.add(p);
    warned = true;
    warn(context, derived, critic, { penalty: penalties[0], steep, drift });
  }
  return { penalties: told, warned };
}

/** Does something keep the values of a net within bounds, as clipped weights do, or its slopes: normalised layers, a penalty that is descended? */
export function isControlled(
  context: DeriveContext,
  phase: DerivedPhase,
  all: ReadonlyMap<DerivedUpdate, readonly Penalty[]>,
  { update, net, what }: { readonly update: DerivedUpdate; readonly net: string; readonly what: "values" | "slopes" },
): boolean {
  const weights = [...weightsIn(context, [netOf(context, net).result])];
  const read = what === "slopes" ? featuresOf(context, update.update.value, net) : [];
  if (isClipped(phase, movedBy(update, new Set([...weights, ...read])))) return true;
  if (what === "values") return false;
  const holds = (e: Expr): boolean => netCalls(context, e).some((c) => c.net === net);
  const penalties = phase.updates.flatMap((u) => (movedBy(u, weights).length > 0 ? (all.get(u) ?? []) : []));
  return (
    penalties.some((p) => p.effect === "lowers" && p.grads.some((g) => holds(g.body) && isSteep(context, g.body, new Set([net])))) ||
    unnormalised(context, weights).length === 0
  );
}

/** Does the slope of an expression grow with that of the critic, wherever its value is? That of `tanh(D(x))` or `log(sigmoid(D(x)))` goes to 0. */
function isSteep(context: DeriveContext, body: Expr, nets: ReadonlySet<string>): boolean {
  return [...nets].every((net) => ([1, -1] as const).every((way) => tailOf(context, body, net, way)?.order !== 0));
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

/** What was looked at and is no control. */
interface Found {
  readonly penalty: Penalty | undefined;
  /** What stands between normalised layers. */
  readonly steep: Expr | undefined;
  /** Its values are held on data, and nowhere else. */
  readonly drift: boolean;
}

function warn(context: DeriveContext, { update }: DerivedUpdate, { expr, name, weights }: Critic, { penalty, steep, drift }: Found): void {
  const loose = unnormalised(context, weights);
  const places = [{ span: expr.span, text: "an unbounded difference of its values" }];
  if (steep) places.push({ span: steep.span, text: "this has no bounded slope, whatever its weights" });
  const stopped = penalty?.effect === "none";
  if (penalty && !stopped) places.push({ span: penalty.expr.span, text: "this rewards steep slopes: the statement goes up with it" });
  if (penalty && stopped)
    places.push(
      penalty.unread
        ? { span: penalty.unread.span, text: `${unreadText(penalty.unread)}: it is 0` }
        : { span: (penalty.stop ?? penalty.expr).span, text: "no gradient passes here: the penalty trains nothing" },
    );
  const here = places.filter(({ span }) => span.file.path === update.span.file.path || span === expr.span);
  report(
    context.diagnostics,
    "GM3748",
    update.span,
    { net: name },
    {
      labels: here,
      notes: drift
        ? [`what falls with the size of \`${name}\` on data holds it there alone: its slopes between data and samples stay free`]
        : [],
      help: [
        ...(penalty && stopped ? [penalty.unread ? readHelp(penalty.unread) : "take `stop` out of the penalty"] : []),
        ...(penalty && !stopped ? ["a penalty is descended: `maximize W - 10 * GradientPenalty(p, D)`, or `minimize -W + 10 * …`"] : []),
        ...(loose.length > 0 && loose.length < weights.length
          ? [`not normalised, of its weights: ${loose.map((w) => `\`${w}\``).join(", ")}`]
          : []),
        ...(steep
          ? ["keep arguments of roots, logarithms and divisors away from 0, `sqrt(1e-3 + …)`"]
          : [`clip its weights: ${clippingText(weights)}`]),
        ...(penalty || expr.kind !== "netCall" ? [] : [`or add a gradient penalty: \`- 10 * GradientPenalty(p, ${name})\``]),
        ...(steep || weights.every((w) => !w.includes(".")) ? [] : ["or normalise its layers: `dense(100, spectral = true)`"]),
      ],
    },
  );
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

/** Every one of the weights is held within bounds. */
function isClipped({ phase }: DerivedPhase, weights: readonly string[]): boolean {
  const over = phase.constraints.map((c) => c.over);
  return weights.every((w) => underPaths(w, over));
}

/** Those of the weights whose layer does not divide its kernel by its spectral norm. */
function unnormalised(context: DeriveContext, weights: readonly string[]): readonly string[] {
  const entries = weightEntries(context).filter((e) => weights.includes(e.path));
  const isNormalised = ({ of }: (typeof entries)[number]): boolean =>
    of.kind === "layer" && layers.get(of.instance.layer) !== undefined && of.instance.options["spectral"] === true;
  return entries.filter((e) => !isNormalised(e)).map((e) => e.path);
}
