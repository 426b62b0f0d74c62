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
import { childrenOf } from "../../walk.js";
import { type DeriveContext, netOf } from "../context.js";
import { underPaths } from "../weight-paths.js";
import { weightEntries, weightsIn } from "../weights.js";
import { linearParts, movedBy, netCalls, type Sign } from "./parts.js";

export function checkLipschitz(context: DeriveContext, phase: DerivedPhase, derived: DerivedUpdate): void {
  const { update } = derived;
  const signs = new Map<string, Set<Sign>>();
  const calls = new Map<string, NetCallExpr>();
  const unbounded = new Set<string>();
  const linear = new Set<Expr>();
  for (const part of linearParts(update.value)) {
    if (!part.whole || part.expr.kind !== "expectation") continue;
    const { source } = part.expr.draws.at(-1) ?? {};
    if (source?.kind !== "data" && source?.kind !== "density") continue;
    for (const inner of linearParts(part.expr.body, part.sign)) {
      const called = inner.whole ? calledIn(inner.expr) : undefined;
      if (!called) continue;
      linear.add(called);
      signs.set(called.net, (signs.get(called.net) ?? new Set<Sign>()).add(inner.sign));
      if (!calls.has(called.net)) calls.set(called.net, called);
      if (!isBounded(context, netOf(context, called.net).result, rangesAt(context, called, part.expr.draws))) unbounded.add(called.net);
    }
  }
  for (const [net, call] of calls) {
    const weights = [...weightsIn(context, [{ ...call, args: [] }])];
    if ((signs.get(net)?.size ?? 0) < 2 || movedBy(derived, weights).length === 0 || !unbounded.has(net)) continue;
    // of another distance, such as a bound of a divergence, what is not linear in the net holds it
    if (netCalls(context, update.value, outsideGradients).some((c) => c.net === net && !linear.has(c))) continue;
    const penalties = phase.updates.filter((u) => movedBy(u, weights).length > 0).flatMap((u) => penaltiesOf(context, u, net));
    if (isClipped(phase, weights) || penalties.some((p) => p.pulls) || unnormalised(context, weights).length === 0) continue;
    warn(context, derived, call, weights, penalties[0]);
  }
}

function warn(
  context: DeriveContext,
  { update }: DerivedUpdate,
  call: NetCallExpr,
  weights: readonly string[],
  penalty: Penalty | undefined,
): void {
  const owners = [...new Set(weights.map((w) => w.split(".")[0] ?? w))];
  const loose = unnormalised(context, weights);
  const places = [{ span: call.span, text: "an unbounded difference of its values" }];
  if (penalty) places.push({ span: penalty.expr.span, text: "this rewards steep slopes: the statement goes up with it" });
  const here = places.filter(({ span }) => span.file.path === update.span.file.path || span === call.span);
  report(
    context.diagnostics,
    "GM3748",
    update.span,
    { net: call.net },
    {
      labels: here,
      help: [
        ...(penalty ? ["a penalty is descended: `maximize W - 10 * GradientPenalty(p, D)`, or `minimize -W + 10 * …`"] : []),
        ...(loose.length < weights.length ? [`not normalised, of its weights: ${loose.map((w) => `\`${w}\``).join(", ")}`] : []),
        `clip its weights: ${owners.map((o) => `\`constrain ${o}.weights in [-0.01, 0.01]\``).join(", ")}`,
        ...(penalty ? [] : [`or add a gradient penalty: \`- 10 * GradientPenalty(p, ${call.net})\``]),
        "or normalise its layers: `dense(100, spectral = true)`",
      ],
    },
  );
}

const outsideGradients = (e: Expr): readonly Expr[] => (e.kind === "grad" ? [] : childrenOf(e));

/** A term of a statement that holds a gradient of the net. */
interface Penalty {
  readonly expr: Expr;
  /** The statement goes down with it, as far as its sign is known. */
  readonly pulls: boolean;
}

function penaltiesOf(context: DeriveContext, { update }: DerivedUpdate, net: string): readonly Penalty[] {
  const direction: Sign = update.direction === "maximize" ? 1 : -1;
  return linearParts(update.value).flatMap(({ whole, expr, sign }) => {
    if (!whole || !holdsGradient(context, expr, net)) return [];
    const parts = expr.kind === "expectation" ? linearParts(expr.body, sign) : [{ whole, expr, sign }];
    return parts.flatMap((p) => {
      if (!p.whole || !holdsGradient(context, p.expr, net)) return [];
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
  const drawn = new Map<string, Range>();
  for (const target of draws.flatMap((d) => d.names)) {
    const domain = target.kind === "local" && target.of !== undefined ? context.model.variables.get(target.of)?.domain : undefined;
    if (target.kind === "local" && domain) drawn.set(target.local.id, rangeOfDomain(domain));
  }
  return new Map(netOf(context, call.net).params.flatMap((p, i) => (call.args[i] ? [[p.id, rangeOf(context, call.args[i], drawn)]] : [])));
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

/** Every one of the weights is held within bounds. */
function isClipped({ phase }: DerivedPhase, weights: readonly string[]): boolean {
  const over = phase.constraints.map((c) => c.over);
  return weights.every((w) => underPaths(w, over));
}

function holdsGradient(context: DeriveContext, value: Expr, net: string): boolean {
  if (value.kind === "grad" && netCalls(context, value.body).some((c) => c.net === net)) return true;
  return childrenOf(value).some((e) => holdsGradient(context, e, net));
}

/** Those of the weights whose layer does not divide its kernel by its spectral norm. */
function unnormalised(context: DeriveContext, weights: readonly string[]): readonly string[] {
  const entries = weightEntries(context).filter((e) => weights.includes(e.path));
  const isNormalised = ({ of }: (typeof entries)[number]): boolean =>
    of.kind === "layer" && layers.get(of.instance.layer) !== undefined && of.instance.options["spectral"] === true;
  return entries.filter((e) => !isNormalised(e)).map((e) => e.path);
}
