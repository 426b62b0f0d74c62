/**
 * The sign of an energy's curvature in real variables, where structure and the ranges of parameters prove it: `sum((v - b)^2) / 2` is
 * positive definite in v, `-sum(v^2)` negative. Squares of affine functions, weighted by values of a known sign, are all that it knows.
 */
import { builtins } from "../builtins.js";
import { type DeriveContext, netOf } from "../derive/context.js";
import {
  anything,
  isNeverPositive,
  isNonNegative,
  isPositive,
  multiplied,
  negated,
  type Range,
  rangeOfDomain,
  rangeOfParam,
  fromZero,
} from "../range.js";
import { sameExpr } from "../same-expr.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { followed } from "./algebra.js";
import { type Dependence, listsAll, type Structure } from "./dependence.js";
import { squareOf } from "./rewrite.js";
import { shapeOf } from "../shapes.js";

/** Of the Hessian of the sum of a value's entries: zero, positive or negative semidefinite, or not known. */
export type Sign = "zero" | "positive" | "negative" | "unknown";

export interface Curvature {
  readonly sign: Sign;
  /** Variables that are held in all directions once those of `given` are. */
  readonly strict: readonly { readonly variable: string; readonly given: readonly string[] }[];
}

const ONE: Range = { low: 1, high: 1, lowOpen: false, highOpen: false };
const FLAT: Curvature = { sign: "zero", strict: [] };
const UNKNOWN: Curvature = { sign: "unknown", strict: [] };

/** Curvature in `variables` together; all others are held. `key` is their name in the structure: one variable's, or that of all real ones. */
export function curvatureOf(
  context: DeriveContext,
  structure: Structure,
  expr: Expr,
  key: string,
  variables: readonly string[],
): Curvature {
  const of = (e: Expr): Dependence | undefined => structure.of(e).on.get(key);
  const visit = followed(context, (e, inside): Curvature => {
    const d = of(e);
    if (!d || d.degree === 1) return FLAT;
    if (e.kind === "local") return inside() ?? UNKNOWN;
    return e.kind === "builtin" ? ofBuiltin(e) : UNKNOWN;
  });
  const ofBuiltin = (e: BuiltinExpr): Curvature => {
    const [a, b] = e.args;
    const square = squareOf(e);
    if (square && of(square)?.degree === 1) return { sign: "positive", strict: held(square) };
    const weighed = (e.fn === "mul" || isInner(e)) && a && b ? squareWithin(a, b) : undefined;
    if (weighed) return weighted({ sign: "positive", strict: held(weighed.of) }, weighed.weight);
    if (e.fn === "neg" && a) return opposite(visit(a));
    if (e.fn === "add" && a && b) return together(visit(a), visit(b));
    if (e.fn === "sub" && a && b) return together(visit(a), opposite(visit(b)));
    if ((e.fn === "mul" || e.fn === "matmul") && a && b) {
      if (!of(a)) return weighted(visit(b), rangeOf(context, a));
      if (!of(b)) return weighted(visit(a), rangeOf(context, b));
    }
    if (e.fn === "div" && a && b && !of(b)) return weighted(visit(a), divisor(rangeOf(context, b)));
    if (a && e.args.length === 1 && positiveLinear(e)) {
      const inner = visit(a);
      return keepsAll(e) ? inner : { ...inner, strict: [] };
    }
    return UNKNOWN;
  };
  /** `c * x` times `x`, entry by entry: the square of an affine x, and c. */
  const squareWithin = (a: Expr, b: Expr): { readonly of: Expr; readonly weight: Range } | undefined => {
    const [left, right] = [factored(a), factored(b)];
    const same = of(left.of)?.degree === 1 && sameExpr(left.of, right.of);
    return same ? { of: left.of, weight: multiplied(left.weight, right.weight) } : undefined;
  };
  /** Without the factors and divisors that read no variable. */
  const factored = (e: Expr): { readonly of: Expr; readonly weight: Range } => {
    const [a, b] = e.kind === "builtin" ? e.args : [];
    if (e.kind !== "builtin" || !a || of(e) === undefined) return { of: e, weight: ONE };
    const inside = (x: Expr, by: Range): { readonly of: Expr; readonly weight: Range } => {
      const inner = factored(x);
      return { of: inner.of, weight: multiplied(inner.weight, by) };
    };
    if (e.fn === "neg") return inside(a, negated(ONE));
    if (e.fn === "mul" && b && !of(b)) return inside(a, rangeOf(context, b));
    if (e.fn === "mul" && b && !of(a)) return inside(b, rangeOf(context, a));
    if (e.fn === "div" && b && !of(b)) return inside(a, divisor(rangeOf(context, b)));
    return { of: e, weight: ONE };
  };
  const held = (affine: Expr): Curvature["strict"] =>
    variables.flatMap((variable) =>
      spans(affine, variable)
        ? [{ variable, given: variables.filter((other) => other !== variable && structure.of(affine).on.has(other)) }]
        : [],
    );
  /** Each unit stands in some entry by itself, times something that is not zero. */
  const spans = (affine: Expr, variable: string): boolean => {
    const shape = context.model.variables.get(variable)?.domain.shape ?? [];
    const depends = (x: Expr): boolean => structure.of(x).on.has(variable);
    const look: (e: Expr) => boolean = followed(context, (e, inside): boolean => {
      const d = structure.of(e).on.get(variable);
      if (!d || d.coupling !== "single" || d.degree !== 1) return false;
      if (listsAll(d, e, shape)) return true;
      if (e.kind === "local") return inside() ?? false;
      if (e.kind !== "builtin") return false;
      const [a, b] = e.args;
      if (e.fn === "neg" && a) return look(a);
      if (!a || !b || (depends(a) && depends(b))) return false;
      const [x, other] = depends(a) ? [a, b] : [b, a];
      if (e.fn === "add" || e.fn === "sub") return look(x);
      if (e.fn === "div") return x === a && look(x);
      const range = rangeOf(context, other);
      return e.fn === "mul" && (isPositive(range) || isPositive(negated(range))) && look(x);
    });
    return look(affine);
  };
  return visit(expr);
}

/** What dividing by a value multiplies with, as far as signs go: never 0. */
export function divisor(range: Range): Range {
  return { low: range.low < 0 ? -Infinity : 0, high: range.high > 0 ? Infinity : 0, lowOpen: true, highOpen: true };
}

/** Linear, and of positive entries positive: its weights are not negative. */
export function positiveLinear(e: BuiltinExpr): boolean {
  const entry = builtins.get(e.fn);
  return entry?.linear === "all" && entry.range !== undefined && isNonNegative(entry.range([fromZero], e.options, []));
}

/** Every entry of the argument counts in the sum of the result's. */
export function keepsAll(e: BuiltinExpr): boolean {
  const count = (x: Expr | undefined): number => shapeOf(x).reduce((n, s) => n * s.size, 1);
  return typeof builtins.get(e.fn)?.reads === "function" ? shapeOf(e).length < shapeOf(e.args[0]).length : count(e) === count(e.args[0]);
}

/** `x @ y` of two vectors: a sum of products. */
export function isInner(e: BuiltinExpr): boolean {
  return e.fn === "matmul" && shapeOf(e.args[0]).length === 1 && shapeOf(e.args[1]).length === 1;
}

function opposite(c: Curvature): Curvature {
  const sign: Sign = c.sign === "positive" ? "negative" : c.sign === "negative" ? "positive" : c.sign;
  return { ...c, sign };
}

export function together(a: Curvature, b: Curvature): Curvature {
  if (a.sign === "zero") return b;
  if (b.sign === "zero") return a;
  return a.sign === b.sign && a.sign !== "unknown" ? { sign: a.sign, strict: [...a.strict, ...b.strict] } : UNKNOWN;
}

function weighted(c: Curvature, weight: Range): Curvature {
  if (c.sign === "zero") return c;
  if (isNonNegative(weight)) return isPositive(weight) ? c : { ...c, strict: [] };
  if (!isNeverPositive(weight)) return UNKNOWN;
  return isPositive(negated(weight)) ? opposite(c) : { ...opposite(c), strict: [] };
}

/** Whether the strict directions leave no direction of `variables` free: those that depend on none of the others first, and so on. */
export function isDefinite(c: Curvature, variables: readonly string[]): boolean {
  const done = new Set<string>();
  for (let before = -1; before < done.size;) {
    before = done.size;
    for (const { variable, given } of c.strict) if (given.every((g) => done.has(g))) done.add(variable);
  }
  return variables.every((v) => done.has(v));
}

/** Interval that the entries of a value lie in, for all values of the variables in their domains and all weights; `given`: of locals, by id. */
export function rangeOf(context: DeriveContext, expr: Expr, given?: ReadonlyMap<string, Range>): Range {
  const nets = new Map<string, Range>();
  const visit = followed(context, (e, inside): Range => {
    switch (e.kind) {
      case "number":
        return { low: e.value, high: e.value, lowOpen: false, highOpen: false };
      case "variable": {
        const domain = context.model.variables.get(e.variable)?.domain;
        return domain ? rangeOfDomain(domain) : anything;
      }
      case "param": {
        const domain = context.model.params.find((p) => p.name === e.param)?.domain;
        return domain ? rangeOfParam(domain) : anything;
      }
      case "local":
        return given?.get(e.local.id) ?? inside() ?? anything;
      case "builtin": {
        const known = e.args.map((a) => ({ shape: shapeOf(a), simplex: false }));
        return builtins.get(e.fn)?.range?.(e.args.map(visit), e.options, known) ?? anything;
      }
      case "netCall": {
        const before = nets.get(e.net);
        const range = before ?? visit(netOf(context, e.net).result);
        nets.set(e.net, range);
        return range;
      }
      case "field": {
        const record = recordOf(context, e.target);
        const field = record?.kind === "record" ? record.fields.find((f) => f.name === e.field) : undefined;
        return field ? visit(field.value) : anything;
      }
      default:
        return anything;
    }
  });
  return visit(expr);
}

/** What a record is made by, through a name and a net. */
function recordOf(context: DeriveContext, target: Expr): Expr | undefined {
  const named = target.kind === "local" ? context.bindings.get(target.local.id)?.value : target;
  if (named?.kind !== "netCall") return named;
  const { result } = netOf(context, named.net);
  return result.kind === "local" ? context.bindings.get(result.local.id)?.value : result;
}
