/**
 * Logs of sums and products of exponentials as sums and logsumexps: `log(w * exp(a) + exp(b))` is logsumexp(a, b) up to a number, whatever the
 * weight w above 0 is. Mixtures of Normals are written in both ways, and the analysis of growth needs to know one.
 */
import { builtins } from "../builtins.js";
import type { DeriveContext } from "../derive/context.js";
import { isNonNegative, isPositive } from "../range.js";
import { sameShape, shapeOf } from "../shapes.js";
import type { BuiltinExpr, Dim, Expr } from "../types.js";
import { builtin, filled, number } from "./algebra.js";
import { rangeOf } from "./curvature.js";
import { mostFollowed } from "./exponents.js";

/** Of a log, within a number: that it is no greater, or no less. */
export type Bound = "upper" | "lower";

/**
 * A value without logs that bounds `e`, a log of a value that is never negative, up to a number that depends on weights alone; undefined where
 * none is found, and of what is no log. `reads` says what depends on the variables; all else is a number for given weights.
 */
export function withoutLog(context: DeriveContext, reads: (e: Expr) => boolean, e: BuiltinExpr, bound: Bound): Expr | undefined {
  const [a] = e.args;
  if (!a) return undefined;
  switch (e.fn) {
    case "log":
      return logOf(context, reads, a, bound);
    case "log1p": {
      const log = logOf(context, reads, a, bound);
      return log && logSum([zero(e), log], e);
    }
    case "softplus":
      return logSum([zero(e), a], e);
    case "log_sigmoid":
      return opposite(logSum([zero(e), opposite(a)], e));
    default:
      return undefined;
  }
}

function logOf(context: DeriveContext, reads: (e: Expr) => boolean, whole: Expr, asked: Bound): Expr | undefined {
  let depth = 0;
  const visit = (e: Expr, bound: Bound): Expr | undefined => {
    const range = rangeOf(context, e);
    if (!reads(e)) return (bound === "upper" ? isNonNegative(range) : isPositive(range)) ? zero(e) : undefined;
    if (e.kind === "local") {
      const binding = depth < mostFollowed ? context.bindings.get(e.local.id) : undefined;
      if (!binding) return undefined;
      depth++;
      const inner = visit(binding.value, bound);
      depth--;
      return inner;
    }
    const made = e.kind === "builtin" ? ofBuiltin(e, bound) : undefined;
    // what lies between numbers is one
    const numbers = bound === "upper" ? isNonNegative(range) && range.high < Infinity : range.low > 0;
    return made ?? (numbers ? zero(e) : undefined);
  };
  const ofBuiltin = (e: BuiltinExpr, bound: Bound): Expr | undefined => {
    const [a, b] = e.args;
    if (!a) return undefined;
    switch (e.fn) {
      case "exp":
        return a;
      case "sigmoid":
        return opposite(logSum([zero(e), opposite(a)], e));
      case "softplus":
        // log(1 + e^a) is below e^a; nothing so simple is below it
        return bound === "upper" ? a : undefined;
      case "mul": {
        const [x, y] = [visit(a, bound), b && visit(b, bound)];
        return x && y && builtin("add", [x, y], shapeOf(e), e);
      }
      case "div":
      case "reciprocal": {
        const [above, under] = b ? [visit(a, bound), b] : [zero(e), a];
        const below = reads(under) ? visit(under, bound === "upper" ? "lower" : "upper") : divisor(under);
        return above && below && builtin("sub", [above, below], shapeOf(e), e);
      }
      case "add":
        return b && summed([a, b], e, bound);
      case "sum":
      case "mean":
      case "max":
      case "min": {
        const inner = visit(a, bound);
        const fn = { sum: "logsumexp", mean: "logmeanexp", max: "max", min: "min" }[e.fn];
        return inner && builtin(fn, [inner], shapeOf(e), e, e.options);
      }
      case "maximum":
      case "minimum": {
        const [x, y] = [visit(a, bound), b && visit(b, bound)];
        return x && y && builtin(e.fn, [x, y], shapeOf(e), e);
      }
      case "matmul": {
        if (!b || shapeOf(a).length !== 1 || shapeOf(b).length !== 1) return undefined;
        const [x, y] = [visit(a, bound), visit(b, bound)];
        return x && y && builtin("logsumexp", [builtin("add", [x, y], shapeOf(a), e)], [], e, { axes: [-1] });
      }
      case "stack":
      case "concat": {
        const parts = e.args.flatMap((x) => visit(x, bound) ?? []);
        return parts.length === e.args.length ? { ...e, args: parts } : undefined;
      }
      case "sqrt":
        return scaled(visit(a, bound), 0.5, e);
      case "square":
        return scaled(visit(a, bound), 2, e);
      case "pow":
        return b?.kind === "number" && b.value > 0 ? scaled(visit(a, bound), b.value, e) : undefined;
      default: {
        // entries in other places
        const inner = builtins.get(e.fn)?.moves === true && e.args.length === 1 ? visit(a, bound) : undefined;
        return inner && { ...e, args: [inner] };
      }
    }
  };
  /** From below a sum of what is never negative is no less than any part of it. */
  const summed = (parts: readonly Expr[], e: Expr, bound: Bound): Expr | undefined => {
    const logs = parts.map((x) => visit(x, bound));
    if (bound === "lower" && !parts.every((x) => isNonNegative(rangeOf(context, x)))) return undefined;
    const known = logs.flatMap((x) => x ?? []);
    const enough = bound === "upper" ? known.length === parts.length : known.length > 0;
    return enough ? logSum(known, e) : undefined;
  };
  const divisor = (e: Expr): Expr | undefined => (isNonNegative(rangeOf(context, e)) ? zero(e) : undefined);
  return visit(whole, asked);
}

const zero = (e: Expr): Expr => filled(0, shapeOf(e), e);

function opposite(e: Expr): Expr {
  return builtin("neg", [e], shapeOf(e), e);
}

function scaled(e: Expr | undefined, by: number, like: Expr): Expr | undefined {
  return e && builtin("mul", [number(by, like), e], shapeOf(e), like);
}

/** Entry by entry, of values that are repeated to the shape of `like`. */
function logSum(logs: readonly Expr[], like: Expr): Expr {
  const shape = shapeOf(like);
  const whole = logs.map((x) => (sameShape(shapeOf(x), shape) ? x : builtin("add", [x, zero(like)], shape, like)));
  const [first] = whole;
  if (whole.length === 1 && first) return first;
  const count: Dim = { size: whole.length, text: String(whole.length) };
  return builtin("logsumexp", [builtin("stack", whole, [count, ...shape], like)], shape, like, { axes: [-shape.length - 1] });
}
