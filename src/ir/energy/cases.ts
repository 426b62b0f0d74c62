/**
 * Energies in which a term takes others away: `a - softplus(a - b)` is the lesser of a and b within a number, though neither of its terms holds
 * what b holds. Every value that the term may come near makes a case, of which like terms are gathered; the energy lies above the least of them.
 */
import type { DeriveContext } from "../derive/context.js";
import { sameExpr } from "../same-expr.js";
import type { Expr } from "../types.js";
import { builtin, number, plus, times } from "./algebra.js";
import { withoutLog } from "./logs.js";
import { termsOf, type ScaledExpr } from "./terms.js";
import { shapeOf } from "../shapes.js";

/** Terms split into cases, one inside the other. */
const mostSplit = 3;

/**
 * Values of which the least is no more than `energy` but for a number: those of the first term that is a greatest of several with a minus. Undefined
 * where there is none.
 */
function casesOf(context: DeriveContext, reads: (e: Expr) => boolean, energy: Expr): readonly Expr[] | undefined {
  const terms = termsOf(context, energy);
  for (const [i, term] of terms.entries()) {
    const values = term.scale < 0 ? greatestOf(context, reads, term.expr) : undefined;
    if (!values) continue;
    const others = terms.filter((_, j) => j !== i);
    return values.map((value) => {
      const own = termsOf(context, value).map((t) => ({ ...t, scale: t.scale * term.scale }));
      return gathered([...others, ...own], energy);
    });
  }
  return undefined;
}

/** Whether `isHeld` is true of the energy in all of its cases. */
export function inAllCases(
  context: DeriveContext,
  reads: (e: Expr) => boolean,
  energy: Expr,
  isHeld: (e: Expr) => boolean,
  depth = mostSplit,
): boolean {
  const cases = depth > 0 ? casesOf(context, reads, energy) : undefined;
  return cases?.every((c) => isHeld(c) || inAllCases(context, reads, c, isHeld, depth - 1)) ?? false;
}

/** Numbers of which `e` is the greatest, or a little more. */
function greatestOf(context: DeriveContext, reads: (e: Expr) => boolean, e: Expr): readonly Expr[] | undefined {
  const of = e.kind === "local" ? context.bindings.get(e.local.id)?.value : e;
  if (of?.kind !== "builtin" || shapeOf(of).length > 0) return undefined;
  const log = withoutLog(context, reads, of, "upper") ?? of;
  if (log.kind !== "builtin") return undefined;
  if (log.fn === "maximum") return log.args;
  if (log.fn === "relu" && log.args[0]) return [number(0, log), log.args[0]];
  const [stacked] = log.fn === "logsumexp" || log.fn === "max" ? log.args : [];
  return stacked?.kind === "builtin" && stacked.fn === "stack" && shapeOf(stacked).length === 1 ? stacked.args : undefined;
}

/** The sum of terms, like ones gathered. */
function gathered(terms: readonly ScaledExpr[], like: Expr): Expr {
  const kept: { scale: number; readonly expr: Expr }[] = [];
  for (const { scale, expr } of terms) {
    const known = kept.find((k) => sameExpr(k.expr, expr));
    if (known) known.scale += scale;
    else kept.push({ scale, expr });
  }
  const largest = Math.max(0, ...terms.map((t) => Math.abs(t.scale)));
  return kept
    .filter((k) => Math.abs(k.scale) > 1e-9 * largest)
    .reduce<Expr>((total, { scale, expr }) => plus(total, times(number(scale, like), expr)), builtin("zeros", [], [], like, { shape: [] }));
}
