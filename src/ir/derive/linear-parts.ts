/**
 * An average is linear: that of a sum is the sum of the averages of its parts, each of which reads fewer of the latents. What is averaged is taken
 * apart at sums, differences, multiples, means and, where their parts read fewer, at products of sums.
 */
import type { Quantity, Term } from "../quantity.js";
import { sameShape, shapeOf } from "../shapes.js";
import type { BuiltinExpr, Expr } from "../types.js";

interface Part {
  readonly scale: number;
  readonly expr: Expr;
}

/** Products of sums are multiplied out up to so many. */
const MOST = 4096;

/** The parts of a term that sum up to it; `reads`: how many of the latents an expression reads. */
export function linearParts(term: Term, reads: (expr: Expr) => number): readonly Term[] {
  return quantityParts(term.quantity, reads).map(({ scale, quantity }) => ({ ...term, scale: term.scale * scale, quantity }));
}

function quantityParts(q: Quantity, reads: (expr: Expr) => number): readonly { readonly scale: number; readonly quantity: Quantity }[] {
  if (q.kind === "value") return partsOf(q.expr, reads).map(({ scale, expr }) => ({ scale, quantity: { kind: "value", expr } }));
  if (q.kind === "sum")
    return q.terms.every((t) => t.factors.length === 0)
      ? q.terms.flatMap((t) => quantityParts(t.quantity, reads).map((p) => ({ ...p, scale: p.scale * t.scale })))
      : [{ scale: 1, quantity: q }];
  // sums of many log-densities
  const [stacked] = q.kind === "apply" ? q.args : [];
  if (q.kind === "apply" && stacked?.kind === "apply" && isSumOfStack(q.expr)) {
    const by = q.expr.fn === "mean" ? 1 / stacked.args.length : 1;
    return stacked.args.flatMap((a) => quantityParts(a, reads).map((p) => ({ ...p, scale: p.scale * by })));
  }
  return [{ scale: 1, quantity: q }];
}

/** `sum(stack(a, b, …))` along the axis that `stack` has made. */
function isSumOfStack({ fn, args, options }: BuiltinExpr): boolean {
  const [stacked] = args;
  if ((fn !== "sum" && fn !== "mean") || stacked?.kind !== "builtin" || stacked.fn !== "stack") return false;
  const rank = shapeOf(stacked).length;
  const { axes } = options;
  return Array.isArray(axes) && axes.length === 1 && axes[0] === -rank;
}

function partsOf(expr: Expr, reads: (expr: Expr) => number): readonly Part[] {
  const whole: readonly Part[] = [{ scale: 1, expr }];
  if (expr.kind !== "builtin") return whole;
  const [a, b] = expr.args;
  const scaled = (e: Expr, by: number): readonly Part[] => partsOf(e, reads).map((p) => ({ ...p, scale: p.scale * by }));
  const alike = (e: Expr): boolean => sameShape(shapeOf(e), shapeOf(expr));
  /** Products of parts, where each reads fewer of the latents than the whole does. */
  const products = (left: readonly Part[], right: readonly Part[], of: (x: Expr, y: Expr) => Expr): readonly Part[] => {
    const many = left.length * right.length;
    if (many === 1 || many > MOST) return whole;
    const found = left.flatMap((x) => right.map((y): Part => ({ scale: x.scale * y.scale, expr: of(x.expr, y.expr) })));
    const most = reads(expr);
    return found.every((p) => reads(p.expr) < most) ? found : whole;
  };
  const made = (fn: string, args: readonly Expr[]): Expr => ({ ...expr, fn, args, options: {} });
  if (isSumOfStack(expr) && a?.kind === "builtin") return a.args.flatMap((e) => scaled(e, expr.fn === "mean" ? 1 / a.args.length : 1));
  switch (expr.fn) {
    case "neg":
      return a ? scaled(a, -1) : whole;
    case "add":
    case "sub":
      return a && b && alike(a) && alike(b) ? [...scaled(a, 1), ...scaled(b, expr.fn === "add" ? 1 : -1)] : whole;
    case "sum":
    case "mean": {
      const inner = a ? partsOf(a, reads) : [];
      return inner.length < 2 ? whole : inner.map(({ scale, expr: e }) => ({ scale, expr: { ...expr, args: [e] } }));
    }
    case "mul":
      if (!a || !b) return whole;
      if (a.kind === "number" && alike(b)) return scaled(b, a.value);
      if (b.kind === "number" && alike(a)) return scaled(a, b.value);
      return products(
        alike(a) ? partsOf(a, reads) : [{ scale: 1, expr: a }],
        alike(b) ? partsOf(b, reads) : [{ scale: 1, expr: b }],
        (x, y) => made("mul", [x, y]),
      );
    case "div":
      if (!a || !b || !alike(a)) return whole;
      return b.kind === "number"
        ? scaled(a, 1 / b.value)
        : products(partsOf(a, reads), [{ scale: 1, expr: b }], (x, y) => made("div", [x, y]));
    default:
      return whole;
  }
}
