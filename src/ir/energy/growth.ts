/**
 * Whether an energy grows without end in every direction of its real variables, proven from its structure for all weights; exp(-energy) then
 * has an integral. `x^4 - x^2` does, and `(x^2 - 1)^2`, a quadratic energy with a net of bounded slope on top, and that of a mixture of Normals.
 *
 * The proof. Terms that are powers of |u| with a positive weight hold their u; together they make a sum H >= 0. A unit x with u = c x^m + rest
 * and a term |u|^n obeys |x| <= C (1 + H^w), where w = max(1 / (n m), w(rest) / m), once all that `rest` reads is known. A ramp, `softplus(u)`,
 * does so on one side, and two of them on both. The exponent w of other values follows by structure: of a sum the largest, of a product the sum, of
 * a power the multiple. What has an exponent below 1 is outgrown by H. So if every unit has an exponent, and every term without a lower bound has
 * one below 1, the energy is at least H - C H^w - C, and H grows with every unit.
 *
 * A unit that only a logarithm holds has an integral of its own where that is steep enough (tails.ts) and no loose term reads its variable.
 *
 * A least value of several, and -logsumexp, which lies less than a number below it, hold what each of them holds. A log of exponentials is first made
 * one (logs.ts); an energy that is the least of several only as a whole is proven case by case (cases.ts).
 */
import type { DeriveContext } from "../derive/context.js";
import { isNeverPositive, isNonNegative, isPositive, negated, type Range } from "../range.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { sameExpr } from "../same-expr.js";
import { inAllCases } from "./cases.js";
import { isInner, rangeOf } from "./curvature.js";
import { type Dependence, listsAll, type Structure } from "./dependence.js";
import { exponent, mostFollowed } from "./exponents.js";
import { withoutLog } from "./logs.js";
import { axesOf } from "./places.js";
import { tailsOf } from "./tails.js";
import { axesBefore, eachTerm, type Part } from "./sums.js";
import { shapeOf } from "../shapes.js";

export interface Growth {
  readonly proven: boolean;
  /** Variables of which some unit is not seen to be held. */
  readonly free: readonly string[];
  /** Terms without a lower bound that are not seen to be outgrown. */
  readonly loose: readonly Expr[];
}

type Side = "above" | "below";
const bothSides: readonly Side[] = ["above", "below"];

/** Units of one variable, times a number that is not 0, to a power. */
interface Monomial {
  readonly variable: string;
  readonly units: readonly number[];
  readonly power: number;
  /** Of the number; 0 where it is not known. */
  readonly sign: 1 | -1 | 0;
  /** Of x as of -x: an even power, or of |x|. */
  readonly even: boolean;
}

/** A term of at least c |a x^power + rest|^order - C, or on one side of 0 alone. */
interface Hold extends Monomial {
  readonly order: number;
  readonly rest: readonly Expr[];
  readonly sides: readonly Side[];
}

const one: Range = { low: 1, high: 1, lowOpen: false, highOpen: false };
/** Exponents below 1 by more than rounding. */
const below1 = 1 - 1e-9;

/** Growth in `variables`, which are real; all others are held. */
export function growthOf(context: DeriveContext, structure: Structure, energy: Expr, variables: readonly string[]): Growth {
  const whole = growthAsWritten(context, structure, energy, variables);
  if (whole.proven) return whole;
  const reads = (e: Expr): boolean => variables.some((v) => structure.of(e).on.has(v));
  const proven = inAllCases(context, reads, energy, (e) => growthAsWritten(context, structure, e, variables).proven);
  return proven ? { proven, free: [], loose: [] } : whole;
}

function growthAsWritten(context: DeriveContext, structure: Structure, energy: Expr, variables: readonly string[]): Growth {
  const reads = (e: Expr): boolean => variables.some((v) => structure.of(e).on.has(v));
  const loose: Expr[] = [];
  let depth = 0;
  const follow = <T>(e: Expr, visit: (value: Expr) => T): T | undefined => {
    const binding = e.kind === "local" && depth < mostFollowed ? context.bindings.get(e.local.id) : undefined;
    if (!binding) return undefined;
    depth++;
    const made = visit(binding.value);
    depth--;
    return made;
  };

  /** What the terms of a part hold; those that are not bounded below are `loose`. */
  const holdsOf = (part: Part): readonly Hold[] => {
    const found: Hold[] = [];
    eachTerm(context, reads, part, (term) => {
      const { expr: e, weight } = term;
      const own = e.kind === "builtin" ? [withoutLogs(e, term), ramp(e, term), least(e, term), divided(e, term), held(e, term)] : [];
      if (own.some((holds) => holds !== undefined)) {
        found.push(...own.flatMap((holds) => holds ?? []));
        return;
      }
      if (!isBounded(e, weight)) loose.push(e);
    });
    return found;
  };

  /** From below. */
  const isBounded = (e: Expr, weight: Range): boolean => {
    const range = rangeOf(context, e);
    return isNonNegative(weight) ? range.low > -Infinity : isNeverPositive(weight) && range.high < Infinity;
  };

  /** A log of exponentials by what bounds it on the side that counts. */
  const withoutLogs = (e: BuiltinExpr, { weight, along }: Part): readonly Hold[] | undefined => {
    if (!isNonNegative(weight) && !isNeverPositive(weight)) return undefined;
    const bound = withoutLog(context, reads, e, isNonNegative(weight) ? "lower" : "upper");
    return bound && holdsOf({ expr: bound, weight, along });
  };

  /** Divided by what lies between two numbers above 0: its numerator, up to a factor of which nothing here depends. */
  const divided = (e: BuiltinExpr, { weight, along }: Part): readonly Hold[] | undefined => {
    const [a, b] = e.args;
    if (e.fn !== "div" || !a || !b || !reads(a)) return undefined;
    const { low, high } = bounds(b);
    return low > 0 && high < Infinity ? holdsOf({ expr: a, weight, along }) : undefined;
  };

  /** As `rangeOf`, with sums of entries by how many they are. */
  const bounds = (e: Expr): { readonly low: number; readonly high: number } => {
    const [a, b] = e.kind === "builtin" ? e.args : [];
    if (e.kind === "builtin" && e.fn === "add" && a && b) {
      const [x, y] = [bounds(a), bounds(b)];
      return { low: x.low + y.low, high: x.high + y.high };
    }
    if (e.kind === "builtin" && e.fn === "sum" && a) {
      const count = (of: Expr): number => shapeOf(of).reduce((n, d) => n * d.size, 1);
      const { low, high } = bounds(a);
      // of none nothing is known
      const n = count(a) / count(e);
      return n >= 1 ? { low: low * n, high: high * n } : { low: -Infinity, high: Infinity };
    }
    return e.kind === "local" ? (follow(e, bounds) ?? rangeOf(context, e)) : rangeOf(context, e);
  };

  /** No less than its argument and no less than a number: it holds what the argument does. */
  const ramp = (e: BuiltinExpr, { weight, along }: Part): readonly Hold[] | undefined => {
    const [a] = e.args;
    return a && RAMPS.has(e.fn) && isNonNegative(weight) ? greatest([a], weight, along, true) : undefined;
  };

  /** The least, or nearly so, of several values; or their greatest, which their mean does not exceed. */
  const least = (e: BuiltinExpr, { weight, along }: Part): readonly Hold[] | undefined => {
    const upper = UPPER.has(e.fn);
    if ((!upper && !LOWER.has(e.fn)) || !(isNonNegative(weight) || isNeverPositive(weight))) return undefined;
    const isLeast = upper ? isNeverPositive(weight) : isNonNegative(weight);
    const [a, b] = e.args;
    if (!a) return undefined;
    const parts = b ? [a, b] : stackedIn(a, axesBefore(e, [], true));
    if (!isLeast) return greatest(parts ?? [a], weight, parts ? along : axesBefore(e, along), isBounded(e, weight));
    if (!parts) return holdsOf({ expr: a, weight, along: axesBefore(e, along, true) });
    return parts.map((x) => holdsOf({ expr: x, weight, along })).reduce(heldByBoth);
  };

  /** No less than any of them, so that those without a lower bound may be left out, nor than their mean. */
  const greatest = (parts: readonly Expr[], weight: Range, along: readonly number[], bounded: boolean): readonly Hold[] => {
    const found = parts.map((expr) => {
      const before = loose.length;
      const holds = holdsOf({ expr, weight, along });
      return { holds, loose: loose.splice(before) };
    });
    const clean = found.filter((f) => f.loose.length === 0);
    if (clean.length > 0) return clean.flatMap((f) => f.holds);
    if (bounded) return [];
    loose.push(...found.flatMap((f) => f.loose));
    return found.flatMap((f) => f.holds);
  };

  /** The arguments of a `stack` whose new axis alone is reduced. */
  const stackedIn = (e: Expr, axes: readonly number[]): readonly Expr[] | undefined => {
    if (e.kind === "local") return follow(e, (value) => stackedIn(value, axes));
    const stacked = e.kind === "builtin" && e.fn === "stack" && axes.length === 1 && axes[0] === -shapeOf(e).length;
    return stacked ? e.args : undefined;
  };

  /** |g|^order with a weight that is not negative, or a ramp. */
  const held = (e: BuiltinExpr, { weight, along }: Part): readonly Hold[] | undefined => {
    if (!isNonNegative(weight)) return undefined;
    const [a, b] = e.args;
    if (!a) return undefined;
    const hold = (g: Expr, order: number, axes: readonly number[], sides = bothSides): readonly Hold[] =>
      isPositive(weight) ? heldIn(g, order, axes, sides) : [];
    const inside = along.filter((axis) => -axis <= shapeOf(e).length);
    const length = e.fn === "pow" && a.kind === "builtin" && b?.kind === "number" && b.value > 0 ? a : e;
    if (length !== e && isLength(length) && length.args[0])
      return hold(length.args[0], b?.kind === "number" ? b.value : 1, lengthAxes(length, inside));
    if (RAMPS.has(e.fn)) return hold(a, 1, inside, ["above"]);
    if (isLength(e)) return hold(a, 1, lengthAxes(e, inside));
    const smooth = e.fn === "sqrt" ? underRoot(a) : undefined;
    if (smooth) return hold(smooth.of, smooth.order / 2, inside);
    if (isInner(e)) return b !== undefined && sameExpr(a, b) ? hold(a, 2, []) : undefined;
    const order = evenPower(e) ?? (e.fn === "mul" && b !== undefined && sameExpr(a, b) ? 2 : undefined);
    if (order === undefined) return undefined;
    // a ramp is no less than its argument and a number
    const under = a.kind === "builtin" && RAMPS.has(a.fn) ? a.args[0] : undefined;
    return under ? hold(under, order, inside, ["above"]) : hold(a, order, inside);
  };

  /** x and n of x^n + c, n even, where c is not below 0: the root is no less than |x|^(n / 2). */
  const underRoot = (e: Expr): { readonly of: Expr; readonly order: number } | undefined => {
    const [a, b] = e.kind === "builtin" && e.fn === "add" ? e.args : [e, undefined];
    const power = [a, b].find((x) => x !== undefined && reads(x));
    const rest = power === a ? b : a;
    if (power?.kind !== "builtin" || (rest && (reads(rest) || !isNonNegative(rangeOf(context, rest))))) return undefined;
    const [of] = power.args;
    const order = evenPower(power);
    return of && order !== undefined ? { of, order } : undefined;
  };

  const heldIn = (g: Expr, order: number, along: readonly number[], sides: readonly Side[]): readonly Hold[] => {
    const parts: { readonly expr: Expr; readonly sign: 1 | -1 }[] = [];
    const flatten = (e: Expr, sign: 1 | -1): void => {
      if (!reads(e)) return;
      const [a, b] = e.kind === "builtin" ? e.args : [];
      if (e.kind === "local" && follow(e, (value) => (flatten(value, sign), true))) return;
      if (e.kind === "builtin" && e.fn === "neg" && a) flatten(a, opposite(sign));
      else if (e.kind === "builtin" && (e.fn === "add" || e.fn === "sub") && a && b) {
        flatten(a, sign);
        flatten(b, e.fn === "sub" ? opposite(sign) : sign);
      } else parts.push({ expr: e, sign });
    };
    flatten(g, 1);
    return parts.flatMap(({ expr, sign }, i): readonly Hold[] => {
      const monomial = monomialOf(expr);
      if (!monomial) return [];
      // other units at other places: of the least nothing is known of each
      const place = structure.of(expr).on.get(monomial.variable)?.place;
      if (along.length > 0 && (!place || axesOf(place).some((axis) => along.includes(axis)))) return [];
      const rest = parts.flatMap((p, j) => (j === i ? [] : [p.expr]));
      const held = sidesOf({ ...monomial, sign: sign * monomial.sign }, sides);
      return held.length === 0 ? [] : [{ ...monomial, order, rest, sides: held }];
    });
  };

  /** a x^power with a nonzero a, for units of one variable. */
  const monomialOf = (e: Expr): Monomial | undefined => {
    for (const variable of variables) {
      const units = unitsOf(structure.of(e).on.get(variable), e, variable);
      if (units) return { variable, units, power: 1, sign: 1, even: false };
    }
    if (e.kind === "local") return follow(e, monomialOf);
    if (e.kind !== "builtin") return undefined;
    const [a, b] = e.args;
    if (!a) return undefined;
    const n = e.fn === "pow" && b?.kind === "number" && Number.isInteger(b.value) && b.value > 0 ? b.value : evenPower(e);
    if (n !== undefined) {
      const base = monomialOf(a);
      return base && { ...base, power: base.power * n, sign: n % 2 === 0 ? 1 : base.sign, even: base.even || n % 2 === 0 };
    }
    if (e.fn === "abs") {
      const base = monomialOf(a);
      return base && { ...base, sign: 1, even: true };
    }
    const times = (m: Monomial | undefined, sign: 1 | -1 | 0): Monomial | undefined => m && { ...m, sign: (m.sign * sign) as 1 | -1 | 0 };
    if (e.fn === "neg") return times(monomialOf(a), -1);
    if (!b || reads(a) === reads(b) || (e.fn !== "mul" && !(e.fn === "div" && reads(a)))) return undefined;
    const [x, factor] = reads(a) ? [a, b] : [b, a];
    const range = rangeOf(context, factor);
    const sign = isPositive(range) ? 1 : isPositive(negated(range)) ? -1 : 0;
    // one over a number is not 0
    return sign !== 0 || e.fn === "div" ? times(monomialOf(x), sign) : undefined;
  };

  /** The units that a value lists as they stand, each in an entry of its own or repeated. */
  const unitsOf = (d: Dependence | undefined, e: Expr, variable: string): readonly number[] | undefined => {
    if (!d?.plain) return undefined;
    const shape = context.model.variables.get(variable)?.domain.shape ?? [];
    if (listsAll(d, e, shape)) return Array.from({ length: shape.reduce((n, s) => n * s.size, 1) }, (_, i) => i);
    if (d.place?.kind !== "axes") return undefined;
    return d.place.coordinates.reduce<readonly number[]>(
      (found, c, axis) => {
        const [from, to] = c.kind === "fixed" ? [c.at, c.at + 1] : [c.start, c.start + c.size];
        return found.flatMap((i) => Array.from({ length: to - from }, (_, j) => i * (shape[axis]?.size ?? 1) + from + j));
      },
      [0],
    );
  };

  const holds = holdsOf({ expr: energy, weight: one, along: [] });
  const exponents = new Map<string, number[]>();
  const sides = new Map<string, Readonly<Record<Side, number[]>>>();
  for (const v of variables) {
    const shape = context.model.variables.get(v)?.domain.shape ?? [];
    const unknown = (): number[] => Array.from({ length: shape.reduce((n, s) => n * s.size, 1) }, () => Infinity);
    exponents.set(v, unknown());
    sides.set(v, { above: unknown(), below: unknown() });
  }
  const exponentOf = (e: Expr): number => exponent(context, exponents, (x, v) => unitsOf(structure.of(x).on.get(v), x, v), e);
  for (let changed = true; changed;) {
    changed = false;
    for (const { variable, units, order, power, rest, sides: own } of holds) {
      const w = Math.max(1 / (order * power), ...rest.map((r) => exponentOf(r) / power));
      const known = exponents.get(variable) ?? [];
      const each = sides.get(variable);
      for (const unit of units)
        for (const side of own) {
          // exponents fall by a factor each time, so that this ends
          if (!each || w >= (each[side][unit] ?? 0) * below1 || !Number.isFinite(w)) continue;
          each[side][unit] = w;
          known[unit] = Math.max(each.above[unit] ?? Infinity, each.below[unit] ?? Infinity);
          changed = true;
        }
    }
  }
  const tails = tailsOf(context, reads, energy, (e) => {
    const m = monomialOf(e);
    return m && m.even && m.sign > 0 ? m : undefined;
  });
  /** Held by a logarithm alone, as far as it is: whatever else is not bounded below may outgrow that. */
  const slow = variables.filter((v) => exponents.get(v)?.includes(Infinity));
  const isIntegrable = (v: string): boolean =>
    (exponents.get(v) ?? []).every((w, unit) => w < Infinity || (tails.get(v)?.get(unit) ?? 0) > 1 + 1e-9) &&
    !loose.some((e) => structure.of(e).on.has(v));
  const free = slow.filter((v) => !isIntegrable(v));
  const left = loose.filter((e) => !(exponentOf(e) < below1));
  return { proven: free.length === 0 && left.length === 0, free, loose: left };
}

/** No less than each of their values, and at most a number above the greatest. */
const UPPER: ReadonlySet<string> = new Set(["max", "maximum", "logsumexp", "logmeanexp"]);
const LOWER: ReadonlySet<string> = new Set(["min", "minimum"]);

/** At least max(u, 0) less a number. */
const RAMPS: ReadonlySet<string> = new Set(["softplus", "relu", "exp", "elu", "selu", "gelu", "silu", "mish"]);

/** What is held by the least of two values: the same units, as little as either holds them. */
function heldByBoth(left: readonly Hold[], right: readonly Hold[]): readonly Hold[] {
  return left.flatMap((a) => {
    const b = right.find(
      (h) =>
        h.variable === a.variable &&
        h.power === a.power &&
        h.even === a.even &&
        a.units.every((u) => h.units.includes(u)) &&
        a.sides.every((s) => h.sides.includes(s)),
    );
    return b ? [{ ...a, order: Math.min(a.order, b.order), rest: [...a.rest, ...b.rest] }] : [];
  });
}

/** On which sides a unit is held, where its monomial is on `sides`. */
function sidesOf({ even, sign }: { readonly even: boolean; readonly sign: number }, sides: readonly Side[]): readonly Side[] {
  if (sides.length === 2) return bothSides;
  if (sign === 0) return [];
  if (even) return (sides[0] === "above") === sign > 0 ? bothSides : [];
  return sign > 0 ? sides : sides.map(otherSide);
}

function opposite<S extends number>(sign: S): S {
  return -sign as S;
}

function otherSide(side: Side): Side {
  return side === "above" ? "below" : "above";
}

/** |x|, or the length of a vector, which is no less than that of each entry. */
function isLength(e: BuiltinExpr): boolean {
  return e.fn === "abs" || e.fn === "norm";
}

function lengthAxes(e: BuiltinExpr, along: readonly number[]): readonly number[] {
  return e.fn === "norm" ? axesBefore(e, along) : along;
}

function evenPower(e: BuiltinExpr): number | undefined {
  if (e.fn === "square") return 2;
  const n = e.fn === "pow" && e.args[1]?.kind === "number" ? e.args[1].value : NaN;
  return n > 0 && n % 2 === 0 ? n : undefined;
}

/** Whether the sum of an expression's entries falls without end in some variable, whatever values the others have: -energy grows with it. */
export function fallsIn(context: DeriveContext, structure: Structure, energy: Expr, variable: string): boolean {
  const negative: Expr = { kind: "builtin", fn: "neg", args: [energy], options: {}, type: energy.type, span: energy.span };
  return growthOf(context, structure, negative, [variable]).proven;
}
