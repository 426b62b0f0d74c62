/**
 * A Wasserstein objective, E[x ~ data](D(x)) - E[x ~ p(x)](D(x)) maximised over an unbounded D, is a distance only over Lipschitz functions
 * (Arjovsky, Chintala & Bottou 2017, eq. 2): without a control D grows without end. Found from structure alone; three controls are known.
 */
import { report } from "../../../base/report.js";
import { builtins } from "../../builtins.js";
import type { DerivedPhase, DerivedUpdate } from "../../derived-model.js";
import { layers } from "../../layers.js";
import { anything } from "../../range.js";
import type { Expr } from "../../types.js";
import { childrenOf } from "../../walk.js";
import { type DeriveContext, netOf } from "../context.js";
import { underPaths } from "../weight-paths.js";
import { weightEntries, weightsIn } from "../weights.js";
import { linearParts, netCalls, type Sign } from "./parts.js";

export function checkLipschitz(context: DeriveContext, phase: DerivedPhase, derived: DerivedUpdate): void {
  const { update } = derived;
  const signs = new Map<string, Set<Sign>>();
  const spans = new Map<string, Expr>();
  for (const part of linearParts(update.value)) {
    if (!part.whole || part.expr.kind !== "expectation") continue;
    const { source } = part.expr.draws.at(-1) ?? {};
    if (source?.kind !== "data" && source?.kind !== "density") continue;
    for (const inner of linearParts(part.expr.body, part.sign)) {
      const called = inner.whole ? calledIn(inner.expr) : undefined;
      if (!called) continue;
      signs.set(called.net, (signs.get(called.net) ?? new Set<Sign>()).add(inner.sign));
      if (!spans.has(called.net)) spans.set(called.net, called);
    }
  }
  for (const [net, found] of signs) {
    const weights = [...weightsIn(context, [spans.get(net) as Expr])];
    const trained = weights.some((w) => underPaths(w, derived.moves) || derived.moves.some((m) => underPaths(m, [w])));
    if (found.size < 2 || !trained || isBounded(context, netOf(context, net).result)) continue;
    if (isClipped(phase, weights) || isPenalised(context, update.value, net) || isNormalised(context, weights)) continue;
    report(
      context.diagnostics,
      "GM3748",
      update.span,
      { net },
      {
        labels: [{ span: spans.get(net)?.span ?? update.span, text: "an unbounded difference of its values" }],
        help: [
          `clip its weights: \`constrain ${net}.weights in [-0.01, 0.01]\``,
          `or add a gradient penalty: \`- 10 * GradientPenalty(p, ${net})\``,
          "or normalise its layers: `dense(100, spectral = true)`",
        ],
      },
    );
  }
}

/** A net whose value a part is: itself, or its only entry. */
function calledIn(expr: Expr): Extract<Expr, { kind: "netCall" }> | undefined {
  if (expr.kind === "netCall") return expr;
  const [only] = expr.kind === "builtin" && ["sum", "mean", "index", "reshape", "flatten"].includes(expr.fn) ? expr.args : [];
  return only && calledIn(only);
}

/** Does its outermost function keep it within bounds? */
function isBounded(context: DeriveContext, expr: Expr): boolean {
  if (expr.kind === "local") {
    const binding = context.bindings.get(expr.local.id);
    return binding !== undefined && isBounded(context, binding.value);
  }
  if (expr.kind !== "builtin") return false;
  const entry = builtins.get(expr.fn);
  const range = entry?.range?.(
    expr.args.map(() => anything),
    expr.options,
    expr.args.map((a) => ({ shape: a.type.kind === "tensor" ? a.type.shape : [], simplex: false })),
  );
  if (range && Number.isFinite(range.low) && Number.isFinite(range.high)) return true;
  const [only] = expr.args;
  return expr.args.length === 1 && only !== undefined && entry?.linear === "all" && isBounded(context, only);
}

/** Every one of the weights is held within bounds. */
function isClipped({ phase }: DerivedPhase, weights: readonly string[]): boolean {
  const over = phase.constraints.map((c) => c.over);
  return weights.every((w) => underPaths(w, over));
}

/** The statement holds a gradient of the net. */
function isPenalised(context: DeriveContext, value: Expr, net: string): boolean {
  if (value.kind === "grad" && netCalls(context, value.body).some((c) => c.net === net)) return true;
  return childrenOf(value).some((e) => isPenalised(context, e, net));
}

/** Every one of the weights belongs to a layer that divides its kernel by its spectral norm. */
function isNormalised(context: DeriveContext, weights: readonly string[]): boolean {
  const entries = weightEntries(context).filter((e) => weights.includes(e.path));
  return entries.every(
    ({ of }) => of.kind === "layer" && layers.get(of.instance.layer) !== undefined && of.instance.options["spectral"] === true,
  );
}
