/**
 * What an expression is where a critic's value is large: its leading term in that value, `-x^2 / 4 + x` as -1/4 x^2, `log(sigmoid(-x))` as -x. A statement
 * that moves the critic has no bound where what it holds of the critic's values rises with them without end.
 */
import { builtins } from "../../builtins.js";
import { rangeOf } from "../../energy/curvature.js";
import { isNonNegative, isPositive, negated } from "../../range.js";
import { sameExpr } from "../../same-expr.js";
import type { BuiltinExpr, Expr, NetCallExpr, ObjectiveDraw } from "../../types.js";
import { type DeriveContext, netOf } from "../context.js";
import { netCalls, type Sign } from "./parts.js";

export interface Tail {
  /** Of the power; 0: within bounds; infinite: an exponential, or one that goes to 0. */
  readonly order: number;
  /** 0: not known. */
  readonly sign: Sign | 0;
  /** Of the coefficient; NaN: not known. */
  readonly size: number;
  /** The exponent of an exponential. */
  readonly exponent?: Tail;
}

export const bounded: Tail = { order: 0, sign: 0, size: NaN };

/** Which way a critic's value goes at a call, with what the `E` around draw. */
export type WayOf = (call: NetCallExpr, draws: readonly ObjectiveDraw[]) => Sign;

/** Far out in the direction `way` of the values of `critic`, of which the expression is a function; undefined where that is not known. */
export function tailOf(context: DeriveContext, expr: Expr, critic: string, way: Sign | WayOf): Tail | undefined {
  const drawn: ObjectiveDraw[] = [];
  const holds = (e: Expr): boolean => netCalls(context, e).some((c) => c.net === critic);
  const visit = (e: Expr, names: ReadonlyMap<string, Tail>): Tail | undefined => {
    switch (e.kind) {
      case "netCall": {
        if (e.net === critic) return { order: 1, sign: typeof way === "function" ? way(e, drawn) : way, size: 1 };
        const tails = e.args.map((a) => visit(a, names));
        if (tails.every((t) => t === bounded)) return bounded;
        const { params, body, result } = netOf(context, e.net);
        const inner = new Map<string, Tail>();
        for (const [i, p] of params.entries()) inner.set(p.id, tails[i] ?? { order: NaN, sign: 0, size: NaN });
        for (const b of body) inner.set(b.local.id, visit(b.value, inner) ?? { order: NaN, sign: 0, size: NaN });
        return visit(result, inner);
      }
      case "local": {
        const known = names.get(e.local.id);
        if (known) return Number.isNaN(known.order) ? undefined : known;
        const binding = context.bindings.get(e.local.id);
        return binding && holds(binding.value) ? visit(binding.value, names) : bounded;
      }
      case "number":
        return constant(e.value);
      case "expectation": {
        drawn.push(...e.draws);
        const mean = visit(e.body, names);
        drawn.splice(drawn.length - e.draws.length);
        return mean;
      }
      // a slope does not change with the height
      case "grad":
        return bounded;
      case "builtin":
        return builtins.get(e.fn)?.noGradient === true ? bounded : ofBuiltin(e, names);
      default:
        return holds(e) ? undefined : bounded;
    }
  };
  /** What stays: its sign is that of its range. */
  const weight = (e: Expr, t: Tail): Tail => {
    if (t.order !== 0 || t.sign !== 0) return t;
    const range = rangeOf(context, e);
    return isPositive(range) ? { ...t, sign: 1 } : isPositive(negated(range)) ? { ...t, sign: -1 } : t;
  };
  const ofBuiltin = (e: BuiltinExpr, names: ReadonlyMap<string, Tail>): Tail | undefined => {
    const [a, b] = e.args;
    const tails = e.args.map((x) => visit(x, names));
    if (tails.every((t) => t === bounded)) return bounded;
    const [x, y] = tails;
    if (!a || !x) return undefined;
    switch (e.fn) {
      case "neg":
        return opposite(x);
      case "add":
        return y && plus(x, y);
      case "sub": {
        // what is left of 1 goes to 0, whose logarithm does not stay
        const [inner] = a.kind === "number" && a.value === 1 && b?.kind === "builtin" && b.fn === "sigmoid" ? b.args : [];
        const of = inner && visit(inner, names);
        return of ? squashed(opposite(of)) : y && plus(x, opposite(y));
      }
      case "mul":
        if (b && holds(a) && sameExpr(a, b)) return power(x, 2);
        return y && b && times(weight(a, x), weight(b, y));
      case "div":
        if (!y || !b || holds(b)) return undefined;
        return times(x, b.kind === "number" ? constant(1 / b.value) : { ...weight(b, y), size: NaN });
      case "pow":
        return b?.kind === "number" && Number.isInteger(b.value) && b.value > 0 ? power(x, b.value) : undefined;
      case "square":
        return power(x, 2);
      case "abs":
        return x.order > 0 ? { ...x, sign: 1 } : bounded;
      case "relu":
      case "softplus":
        return softplus(x);
      case "log_sigmoid":
        return opposite(softplus(opposite(x)));
      case "leaky_relu":
        return x.sign === -1 ? times(x, constant(Number(e.options["slope"]))) : x;
      case "sigmoid":
        return squashed(x);
      case "exp":
        return exponential(x);
      case "expm1":
        return plus(exponential(x), constant(-1));
      case "log":
        if (Math.abs(x.order) === Infinity) return x.sign === 1 ? x.exponent : undefined;
        return x.order === 0 && x.sign === 1 && !Number.isNaN(x.size) ? bounded : undefined;
    }
    const range = rangeOf(context, e);
    if (Number.isFinite(range.low) && Number.isFinite(range.high)) return bounded;
    const entry = builtins.get(e.fn);
    const isMean = entry?.linear === "all" && entry.range !== undefined && isNonNegative(entry.range([{ low: 0, high: Infinity, lowOpen: false, highOpen: true }], e.options, [])); // prettier-ignore
    if (e.args.length !== 1 || !(isMean || e.fn === "batch_mean")) return undefined;
    const isOne = a.type.kind === "tensor" && a.type.shape.every((d) => d.size === 1);
    return e.fn === "sum" && !isOne ? { ...x, size: NaN } : x;
  };
  return visit(expr, new Map());
}

function constant(value: number): Tail {
  return { order: 0, sign: value > 0 ? 1 : value < 0 ? -1 : 0, size: Math.abs(value) };
}

export function opposite(t: Tail): Tail {
  return { ...t, sign: t.sign === 1 ? -1 : t.sign === -1 ? 1 : 0 };
}

/** Undefined where the leading terms may cancel. */
export function plus(a: Tail | undefined, b: Tail | undefined): Tail | undefined {
  if (!a || !b) return undefined;
  if (a.order !== b.order) return a.order > b.order ? a : b;
  if (a.order === 0) return a.sign !== 0 && a.sign === b.sign ? { order: 0, sign: a.sign, size: a.size + b.size } : bounded;
  if (a.sign === b.sign) return a.sign === 0 ? undefined : Math.abs(a.order) === Infinity ? a : { ...a, size: a.size + b.size };
  // of a difference of two values of a critic itself, which are numbers times its value and what stays, that is left
  if (a.order === 1 && a.size === b.size) return bounded;
  const most = a.size > b.size ? a : b.size > a.size ? b : undefined;
  return most && Math.abs(a.order) !== Infinity ? { ...most, size: Math.abs(a.size - b.size) } : undefined;
}

export function times(a: Tail | undefined, b: Tail | undefined): Tail | undefined {
  if (!a || !b) return undefined;
  const isZero = (t: Tail): boolean => t.order === 0 && t.size === 0;
  if (isZero(a) || isZero(b)) return constant(0);
  const [low, high] = a.order < b.order ? [a, b] : [b, a];
  if (low.order === -Infinity) return high.order <= 0 ? bounded : undefined;
  if (high.order > 0 && (a.sign === 0 || b.sign === 0)) return undefined;
  const sign = (a.sign * b.sign) as Sign | 0;
  return { order: a.order + b.order, sign, size: a.size * b.size, ...(high.exponent ? { exponent: high.exponent } : {}) };
}

function power(t: Tail, n: number): Tail | undefined {
  if (t.order === 0) return bounded;
  if (Math.abs(t.order) === Infinity) return undefined;
  return { order: t.order * n, sign: n % 2 === 0 ? 1 : t.sign, size: t.size ** n };
}

function softplus(t: Tail): Tail {
  return t.order > 0 && t.sign === 1 ? t : bounded;
}

function squashed(t: Tail): Tail | undefined {
  if (t.order <= 0) return bounded;
  return t.sign === 1 ? constant(1) : exponential(t);
}

function exponential(t: Tail): Tail | undefined {
  if (t.order <= 0) return bounded;
  if (t.order === Infinity || t.sign === 0) return undefined;
  return { order: t.sign * Infinity, sign: 1, size: 1, exponent: t };
}

/** It rises without end. */
export function rises(t: Tail | undefined): boolean {
  return t !== undefined && t.order > 0 && t.sign === 1;
}

/** It falls without end. */
export function falls(t: Tail | undefined): boolean {
  return t !== undefined && t.order > 0 && t.sign === -1;
}

/** Of a factor that stays within bounds. */
export function isFactorOf(sign: Sign, weight: number): Tail {
  return { order: 0, sign, size: weight };
}
