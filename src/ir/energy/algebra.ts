/**
 * Building expressions of the IR: sums and products that drop zeros and ones and gather signs and numbers, and the replacement of a variable
 * by a value. Every result has the shape that the plain operation would have.
 */
import { builtins } from "../builtins.js";
import type { DeriveContext } from "../derive/context.js";
import { sameExpr } from "../same-expr.js";
import { broadcastShapes, sameShape, scalarType, shapeOf, tensor } from "../shapes.js";
import type { BuiltinExpr, Dim, Expr } from "../types.js";
import { childrenOf, mapChildren } from "../walk.js";

type Options = BuiltinExpr["options"];

export function number(value: number, like: Expr): Expr {
  return { kind: "number", value, text: undefined, type: scalarType, span: like.span };
}

/** `value` everywhere, in a shape. */
export function filled(value: 0 | 1, shape: readonly Dim[], like: Expr): Expr {
  if (shape.length === 0) return number(value, like);
  const options = { shape: shape.map((d) => d.size) };
  return { kind: "builtin", fn: value === 0 ? "zeros" : "ones", args: [], options, type: tensor(shape), span: like.span };
}

export function isZero(expr: Expr): boolean {
  return (expr.kind === "number" && expr.value === 0) || (expr.kind === "builtin" && expr.fn === "zeros");
}

export function isOne(expr: Expr): boolean {
  return (expr.kind === "number" && expr.value === 1) || (expr.kind === "builtin" && expr.fn === "ones");
}

export function builtin(fn: string, args: readonly Expr[], shape: readonly Dim[], like: Expr, options: Options = {}): Expr {
  return { kind: "builtin", fn, args, options, type: tensor(shape), span: like.span };
}

function both(a: Expr, b: Expr): readonly Dim[] {
  return broadcastShapes(shapeOf(a), shapeOf(b)) ?? shapeOf(a);
}

function negatedOf(expr: Expr): Expr | undefined {
  if (expr.kind === "number" && expr.value < 0) return { ...expr, value: -expr.value, text: undefined };
  return expr.kind === "builtin" && expr.fn === "neg" ? expr.args[0] : undefined;
}

export function negative(a: Expr): Expr {
  const inner = negatedOf(a);
  if (inner) return inner;
  if (isZero(a)) return a;
  if (a.kind === "number") return number(-a.value, a);
  if (a.kind === "builtin" && a.fn === "sub" && a.args[0] && a.args[1] && sameShape(shapeOf(a.args[0]), shapeOf(a.args[1])))
    return { ...a, args: [a.args[1], a.args[0]] };
  return builtin("neg", [a], shapeOf(a), a);
}

export function plus(a: Expr, b: Expr): Expr {
  const shape = both(a, b);
  if (isZero(a) && sameShape(shapeOf(b), shape)) return b;
  if (isZero(b) && sameShape(shapeOf(a), shape)) return a;
  if (a.kind === "number" && b.kind === "number") return number(a.value + b.value, a);
  const [na, nb] = [negatedOf(a), negatedOf(b)];
  if (nb) return builtin("sub", [a, nb], shape, a);
  if (na) return builtin("sub", [b, na], shape, a);
  return builtin("add", [a, b], shape, a);
}

export function minus(a: Expr, b: Expr): Expr {
  return sameExpr(a, b) ? filled(0, shapeOf(a), a) : plus(a, negative(b));
}

export function times(a: Expr, b: Expr): Expr {
  const shape = both(a, b);
  if (isZero(a) || isZero(b)) return filled(0, shape, a);
  if (isOne(a) && sameShape(shapeOf(b), shape)) return b;
  if (isOne(b) && sameShape(shapeOf(a), shape)) return a;
  if (a.kind === "number" && b.kind === "number") return number(a.value * b.value, a);
  const [na, nb] = [negatedOf(a), negatedOf(b)];
  if (na || nb) return na && nb ? times(na, nb) : negative(times(na ?? a, nb ?? b));
  if (b.kind === "number") return times(b, a);
  if (a.kind === "number" && b.kind === "builtin" && (b.fn === "mul" || b.fn === "div")) {
    const [c, d] = b.args;
    if (c?.kind === "number" && d)
      return b.fn === "mul" ? times(number(a.value * c.value, a), d) : divided(number(a.value * c.value, a), d);
    if (d?.kind === "number" && c && b.fn === "div") return times(number(a.value / d.value, a), c);
  }
  for (const [x, y] of [
    [a, b],
    [b, a],
  ] as const) {
    const [c, d] = x.kind === "builtin" && x.fn === "div" ? x.args : [];
    if (c && d && sameExpr(d, y) && sameShape(shapeOf(c), shape)) return c;
    if (c?.kind === "number" && d) return divided(times(c, y), d);
  }
  return builtin("mul", [a, b], shape, a);
}

export function divided(a: Expr, b: Expr): Expr {
  const shape = both(a, b);
  if (isZero(a)) return filled(0, shape, a);
  if (isOne(b) && sameShape(shapeOf(a), shape)) return a;
  if (sameExpr(a, b)) return filled(1, shape, a);
  if (a.kind === "number" && b.kind === "number" && b.value !== 0) return number(a.value / b.value, a);
  const [na, nb] = [negatedOf(a), negatedOf(b)];
  if (na || nb) return na && nb ? divided(na, nb) : negative(divided(na ?? a, nb ?? b));
  const [c, d] = b.kind === "builtin" && (b.fn === "div" || b.fn === "mul") ? b.args : [];
  if (b.kind === "builtin" && b.fn === "div" && c && d) return divided(times(a, d), c);
  if (a.kind === "number" && c?.kind === "number" && d) return divided(number(a.value / c.value, a), d);
  return builtin("div", [a, b], shape, a);
}

/** A matrix product whose result has the shape given. */
export function product(a: Expr, b: Expr, shape: readonly Dim[]): Expr {
  if (isZero(a) || isZero(b)) return filled(0, shape, a);
  const [na, nb] = [negatedOf(a), negatedOf(b)];
  if (na || nb) return na && nb ? product(na, nb, shape) : negative(product(na ?? a, nb ?? b, shape));
  return builtin("matmul", [a, b], shape, a);
}

export function summed(a: Expr, axes: readonly number[]): Expr {
  const shape = shapeOf(a).filter((_, i) => !axes.includes(i - shapeOf(a).length));
  if (axes.length === 0) return a;
  if (isZero(a)) return filled(0, shape, a);
  const na = negatedOf(a);
  return na ? negative(summed(na, axes)) : builtin("sum", [a], shape, a, { axes });
}

/** The same operation on other arguments, simplified. */
export function rebuilt(expr: BuiltinExpr, args: readonly Expr[]): Expr {
  const [a, b] = args;
  const shape = shapeOf(expr);
  const made = ((): Expr => {
    if (a && b) {
      if (expr.fn === "add") return plus(a, b);
      if (expr.fn === "sub") return minus(a, b);
      if (expr.fn === "mul") return times(a, b);
      if (expr.fn === "div") return divided(a, b);
      if (expr.fn === "matmul") return product(a, b, shape);
      if ((expr.fn === "conv" || expr.fn === "conv_transpose") && (isZero(a) || isZero(b))) return filled(0, shape, a);
      if (expr.fn === "pow" && b.kind === "number" && b.value > 0 && (isZero(a) || isOne(a))) return a;
    }
    if (a && expr.fn === "neg") return negative(a);
    if (a && args.length === 1 && isZero(a) && (builtins.get(expr.fn)?.linear === "all" || expr.fn === "square"))
      return filled(0, shape, a);
    return { ...expr, args };
  })();
  return sameShape(shapeOf(made), shape) ? made : { ...expr, args };
}

/** `expr` with a variable replaced; names of bindings that depend on it are spelled out. Nets are called with replaced arguments. */
export function substitute(context: DeriveContext, expr: Expr, variable: string, value: Expr): Expr {
  const visit = followed(context, (e, inside): Expr => {
    if (!mentions(context, e, variable)) return e;
    switch (e.kind) {
      case "variable":
        return value;
      case "local":
        return inside() ?? e;
      case "builtin":
        return rebuilt(e, e.args.map(visit));
      case "layer":
      case "netCall":
        return { ...e, args: e.args.map(visit) };
      case "flowCall":
        return { ...e, arg: visit(e.arg), given: e.given.map(visit) };
      case "record":
        return { ...e, fields: e.fields.map((f) => ({ ...f, value: visit(f.value) })) };
      case "field": {
        const target = visit(e.target);
        return (target.kind === "record" && target.fields.find((f) => f.name === e.field)?.value) || { ...e, target };
      }
      case "grad":
        return mapChildren(e, visit);
      default:
        return e;
    }
  });
  return visit(expr);
}

/** Bindings that are followed into one another; further down they are taken as they stand. */
const mostFollowed = 300;

/**
 * A function of expressions that is computed once for each. For a local, `inside` is the function of its binding; undefined for a net's
 * parameter, and below a chain of bindings that would be too deep.
 */
export function followed<T>(context: DeriveContext, make: (expr: Expr, inside: () => T | undefined) => T): (expr: Expr) => T {
  const known = new Map<Expr, T>();
  let depth = 0;
  const visit = (expr: Expr): T => {
    const before = known.get(expr);
    if (before !== undefined) return before;
    const made = make(expr, () => {
      const binding = expr.kind === "local" && depth < mostFollowed ? context.bindings.get(expr.local.id) : undefined;
      if (!binding) return undefined;
      depth++;
      const inner = visit(binding.value);
      depth--;
      return inner;
    });
    known.set(expr, made);
    return made;
  };
  return visit;
}

export function mentions(context: DeriveContext, expr: Expr, variable: string): boolean {
  if (expr.kind === "variable") return expr.variable === variable;
  if (expr.kind === "local") return context.reads.get(expr.local.id)?.has(variable) === true;
  return childrenOf(expr).some((child) => mentions(context, child, variable));
}

/** Whether an expression has at most `limit` nodes when it is spelled out; the parts of one that was rewritten may be shared. */
export function isShort(expr: Expr, limit: number): boolean {
  let left = limit;
  const count = (e: Expr): boolean => --left >= 0 && childrenOf(e).every(count);
  return count(expr);
}
