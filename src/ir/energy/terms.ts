/**
 * An energy as a sum of terms: sums inside linear functions are multiplied out, names of sums are followed, numbers gathered in front.
 * What is shown to people and pointed at by errors; the analysis itself does not need the terms to be apart.
 */
import { builtins, isLinearIn } from "../builtins.js";
import type { DeriveContext } from "../derive/context.js";
import { sameShape, shapeOf } from "../shapes.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { followed } from "./algebra.js";

export interface ScaledExpr {
  readonly scale: number;
  readonly expr: Expr;
}

/** Products of long sums are left as they are. */
const mostTerms = 64;

export function termsOf(context: DeriveContext, expr: Expr): readonly ScaledExpr[] {
  const visit: (e: Expr) => readonly ScaledExpr[] = followed(context, (e, inside) => {
    const whole = [{ scale: 1, expr: e }];
    if (e.kind === "local") {
      const inner = inside() ?? [];
      return inner.length > 1 && inner.length <= mostTerms ? inner : whole;
    }
    if (e.kind !== "builtin") return whole;
    const [a, b] = e.args;
    if (e.fn === "neg" && a) return scaled(visit(a), -1);
    if ((e.fn === "add" || e.fn === "sub") && a && b) {
      if (!sameShape(shapeOf(a), shapeOf(e)) || !sameShape(shapeOf(b), shapeOf(e))) return whole;
      return [...visit(a), ...scaled(visit(b), e.fn === "add" ? 1 : -1)];
    }
    if (e.fn === "mul" && a?.kind === "number" && b) return scaled(visit(b), a.value);
    if (e.fn === "mul" && b?.kind === "number" && a) return scaled(visit(a), b.value);
    if (e.fn === "div" && b?.kind === "number" && b.value !== 0 && a) return scaled(visit(a), 1 / b.value);
    return multipliedOut(visit, e) ?? whole;
  });
  return visit(expr);
}

function scaled(terms: readonly ScaledExpr[], by: number): readonly ScaledExpr[] {
  return by === 1 ? terms : terms.map((t) => ({ ...t, scale: t.scale * by }));
}

/** `f(a + b) = f(a) + f(b)` in each argument that `f` is linear in by itself. */
function multipliedOut(terms: (expr: Expr) => readonly ScaledExpr[], expr: BuiltinExpr): readonly ScaledExpr[] | undefined {
  const linear = builtins.get(expr.fn)?.linear;
  const parts = expr.args.map((arg, i): readonly ScaledExpr[] => {
    const alone = linear === "all" ? expr.args.length === 1 : isLinearIn(linear, [i]) && groupSize(linear, i) === 1;
    const pieces = alone ? terms(arg) : [];
    return pieces.length > 0 && pieces.every((p) => sameShape(shapeOf(p.expr), shapeOf(arg))) ? pieces : [{ scale: 1, expr: arg }];
  });
  const count = parts.reduce((n, p) => n * p.length, 1);
  if (count > mostTerms || (count === 1 && parts.every((p) => p[0]?.scale === 1))) return undefined;
  let products: readonly { readonly scale: number; readonly args: readonly Expr[] }[] = [{ scale: 1, args: [] }];
  for (const part of parts) products = products.flatMap((p) => part.map((t) => ({ scale: p.scale * t.scale, args: [...p.args, t.expr] })));
  return products.map((p) => ({ scale: p.scale, expr: { ...expr, args: p.args } }));
}

function groupSize(linear: "all" | readonly (readonly number[])[] | undefined, position: number): number {
  return Array.isArray(linear) ? (linear.find((group) => group.includes(position))?.length ?? 0) : 0;
}
