/**
 * An energy as a sum of terms: sums inside linear functions are multiplied out, names of sums are followed, numbers gathered in front.
 * What is shown to people and pointed at by errors; the analysis itself does not need the terms to be apart.
 */
import { builtins, isLinearIn } from "../builtins.js";
import type { DeriveContext } from "../derive/context.js";
import { sameShape } from "../shapes.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { shapeOf } from "./places.js";

export interface ScaledExpr {
  readonly scale: number;
  readonly expr: Expr;
}

/** Products of long sums are left as they are. */
const mostTerms = 64;

export function termsOf(context: DeriveContext, expr: Expr, scale = 1): readonly ScaledExpr[] {
  const whole = [{ scale, expr }];
  if (expr.kind === "local") {
    const binding = context.bindings.get(expr.local.id);
    const inner = binding ? termsOf(context, binding.value, scale) : [];
    return inner.length > 1 ? inner : whole;
  }
  if (expr.kind !== "builtin") return whole;
  const [a, b] = expr.args;
  if (expr.fn === "neg" && a) return termsOf(context, a, -scale);
  if ((expr.fn === "add" || expr.fn === "sub") && a && b) {
    if (!sameShape(shapeOf(a), shapeOf(expr)) || !sameShape(shapeOf(b), shapeOf(expr))) return whole;
    return [...termsOf(context, a, scale), ...termsOf(context, b, expr.fn === "add" ? scale : -scale)];
  }
  if (expr.fn === "mul" && a?.kind === "number" && b) return termsOf(context, b, scale * a.value);
  if (expr.fn === "mul" && b?.kind === "number" && a) return termsOf(context, a, scale * b.value);
  if (expr.fn === "div" && b?.kind === "number" && b.value !== 0 && a) return termsOf(context, a, scale / b.value);
  return multipliedOut(context, expr, scale) ?? whole;
}

/** `f(a + b) = f(a) + f(b)` in each argument that `f` is linear in by itself. */
function multipliedOut(context: DeriveContext, expr: BuiltinExpr, scale: number): readonly ScaledExpr[] | undefined {
  const linear = builtins.get(expr.fn)?.linear;
  const parts = expr.args.map((arg, i): readonly ScaledExpr[] => {
    const alone = linear === "all" ? expr.args.length === 1 : isLinearIn(linear, [i]) && groupSize(linear, i) === 1;
    const pieces = alone ? termsOf(context, arg) : [];
    return pieces.length > 0 && pieces.every((p) => sameShape(shapeOf(p.expr), shapeOf(arg))) ? pieces : [{ scale: 1, expr: arg }];
  });
  const count = parts.reduce((n, p) => n * p.length, 1);
  if (count > mostTerms || (count === 1 && parts.every((p) => p[0]?.scale === 1))) return undefined;
  let products: readonly { readonly scale: number; readonly args: readonly Expr[] }[] = [{ scale, args: [] }];
  for (const part of parts) products = products.flatMap((p) => part.map((t) => ({ scale: p.scale * t.scale, args: [...p.args, t.expr] })));
  return products.map((p) => ({ scale: p.scale, expr: { ...expr, args: p.args } }));
}

function groupSize(linear: "all" | readonly (readonly number[])[] | undefined, position: number): number {
  return Array.isArray(linear) ? (linear.find((group) => group.includes(position))?.length ?? 0) : 0;
}
