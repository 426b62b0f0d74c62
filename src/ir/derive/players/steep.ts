/** Whether a function of layers with bounded kernels has a bounded slope: what spectral normalisation bounds is the layers alone. */
import { builtins } from "../../builtins.js";
import { rangeOf } from "../../energy/curvature.js";
import { anything, type Range } from "../../range.js";
import type { BuiltinExpr, Expr, NetCallExpr } from "../../types.js";
import { childrenOf } from "../../walk.js";
import { type DeriveContext, netOf } from "../context.js";

/** Where a function loses a bound of its slope, seen from `moving`: it grows too fast there, or comes to a point where its slope has no bound. */
export function steepPart(context: DeriveContext, expr: Expr, moving: ReadonlySet<string>): Expr | undefined {
  return fastPart(context, expr, moving) ?? cuspIn(context, expr, moving);
}

function firstOf(exprs: readonly Expr[], of: (e: Expr) => Expr | undefined): Expr | undefined {
  for (const e of exprs) {
    const found = of(e);
    if (found) return found;
  }
  return undefined;
}

/** Does it, or what it reads or is bound to, depend on names that move? */
function moves(context: DeriveContext, e: Expr, moving: ReadonlySet<string>): boolean {
  if (e.kind === "variable") return moving.has(e.variable);
  const binding = e.kind === "local" ? context.bindings.get(e.local.id) : undefined;
  if (e.kind === "local") return moving.has(e.local.id) || (binding !== undefined && moves(context, binding.value, moving));
  return childrenOf(e).some((x) => moves(context, x, moving));
}

/** It moves, and no bounds are known. */
function isOpen(context: DeriveContext, e: Expr, moving: ReadonlySet<string>): boolean {
  const { low, high } = rangeOf(context, e);
  return moves(context, e, moving) && !(Number.isFinite(low) && Number.isFinite(high));
}

function paramsMoved(context: DeriveContext, { net, args }: NetCallExpr, moving: ReadonlySet<string>): ReadonlySet<string> {
  return new Set(netOf(context, net).params.flatMap((p, i) => (args[i] && moves(context, args[i], moving) ? [p.id] : [])));
}

/** A square, a product of two of its values or an exponential, with nothing around that brings its growth back. */
function fastPart(context: DeriveContext, expr: Expr, moving: ReadonlySet<string>): Expr | undefined {
  const open = (e: Expr): boolean => isOpen(context, e, moving);
  const inArgs = (args: readonly Expr[]): Expr | undefined => firstOf(args, (e) => fastPart(context, e, moving));
  switch (expr.kind) {
    case "local": {
      const binding = context.bindings.get(expr.local.id);
      return binding && fastPart(context, binding.value, moving);
    }
    case "netCall":
      return inArgs(expr.args) ?? fastPart(context, netOf(context, expr.net).result, paramsMoved(context, expr, moving));
    case "layer":
      return expr.instance.options["spectral"] === true ? inArgs(expr.args) : undefined;
    case "builtin": {
      const [a, b] = expr.args;
      if (expr.fn === "pow" && a && b?.kind === "number" && b.value > 1) return open(a) ? expr : undefined;
      if (expr.fn === "mul" && a && b && open(a) && open(b)) return expr;
      if (expr.fn === "exp" && a) return moves(context, a, moving) && rangeOf(context, a).high === Infinity ? expr : undefined;
      const entry = builtins.get(expr.fn);
      const slope = a && entry?.slope?.(anything, expr.options);
      const keeps = entry?.linear !== undefined || (slope && isBounded(slope));
      return keeps === true && open(expr) ? inArgs(expr.args) : undefined;
    }
    default:
      return undefined;
  }
}

/** A root, a logarithm or a quotient whose argument may come to where its slope has no bound: whatever is around cannot mend that. */
export function cuspIn(context: DeriveContext, expr: Expr, moving: ReadonlySet<string>): Expr | undefined {
  if (expr.kind === "local") {
    const binding = context.bindings.get(expr.local.id);
    return binding && cuspIn(context, binding.value, moving);
  }
  if (expr.kind === "builtin" && isCusp(context, expr, moving)) return expr;
  const inner = expr.kind === "netCall" ? cuspIn(context, netOf(context, expr.net).result, paramsMoved(context, expr, moving)) : undefined;
  return inner ?? firstOf(childrenOf(expr), (e) => cuspIn(context, e, moving));
}

function isCusp(context: DeriveContext, e: BuiltinExpr, moving: ReadonlySet<string>): boolean {
  const [a, b] = e.args;
  const isMoved = (x: Expr): boolean => moves(context, x, moving);
  if (!a) return false;
  if (e.fn === "div" && b)
    // where both grow the quotient may be bounded, as x / (1 + |x|)
    return isMoved(b) && (!keepsFrom0(rangeOf(context, b)) || (isOpen(context, a, moving) && !isOpen(context, b, moving)));
  if (e.fn === "pow") return b?.kind === "number" && b.value < 1 && isMoved(a) && !keepsFrom0(rangeOf(context, a));
  const slope = e.args.length === 1 ? builtins.get(e.fn)?.slope : undefined;
  if (!slope || isRootOfSquares(e) || !isMoved(a)) return false;
  // what grows without end at infinity, as an exponential, is another matter
  return !isBounded(slope(rangeOf(context, a), e.options)) && isBounded(slope(AWAY, e.options));
}

/** Positive, or negative, by more than any small number. */
function keepsFrom0(range: Range): boolean {
  return range.low > 0 || range.high < 0;
}

const AWAY: Range = { low: 1, high: Infinity, lowOpen: false, highOpen: true };

function isBounded(slope: Range): boolean {
  return Number.isFinite(slope.low) && Number.isFinite(slope.high);
}

/** `sqrt(sum(x^2) + c)`: a norm, whose slope is at most 1. */
function isRootOfSquares({ fn, args: [a] }: BuiltinExpr): boolean {
  const isSquares = (e: Expr | undefined): boolean => {
    if (e?.kind === "number") return e.value >= 0;
    if (e?.kind !== "builtin") return false;
    const [x, y] = e.args;
    switch (e.fn) {
      case "square":
        return true;
      case "pow":
        return y?.kind === "number" && y.value === 2;
      case "add":
        return isSquares(x) && isSquares(y);
      case "sum":
      case "mean":
        return isSquares(x);
      case "mul":
        return (x?.kind === "number" && x.value >= 0 && isSquares(y)) || (y?.kind === "number" && y.value >= 0 && isSquares(x));
      default:
        return false;
    }
  };
  return fn === "sqrt" && isSquares(a);
}
