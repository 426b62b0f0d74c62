/**
 * Whether an energy grows without end in every direction of its real variables, proven from its structure for all weights; exp(-energy) then
 * has an integral. `x^4 - x^2` does, and `(x^2 - 1)^2`, and a quadratic energy with a net of bounded slope on top.
 *
 * The proof. Terms that are powers of |u| with a positive weight hold their u; together they make a sum H >= 0. A unit x with u = c x^m + rest
 * and a term |u|^n obeys |x| <= C (1 + H^w), where w = max(1 / (n m), w(rest) / m), once all that `rest` reads is known. The exponent w of
 * other values follows by structure: of a sum the largest, of a product the sum, of a power the multiple. What has an exponent below 1 is
 * outgrown by H. So if every unit has an exponent, and every term without a lower bound has one below 1, the energy is at least
 * H - C H^w - C, and H grows with every unit.
 */
import { builtins, isLinearIn } from "../builtins.js";
import { type DeriveContext, netOf } from "../derive/context.js";
import { layers } from "../layers.js";
import { isNeverPositive, isNonNegative, isPositive, multiplied, negated, type Range } from "../range.js";
import { sameExpr } from "../same-expr.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { divisor, isInner, keepsAll, positiveLinear, rangeOf } from "./curvature.js";
import { type Dependence, listsAll, type Structure } from "./dependence.js";

export interface Growth {
  readonly proven: boolean;
  /** Variables of which some unit is not seen to be held. */
  readonly free: readonly string[];
  /** Terms without a lower bound that are not seen to be outgrown. */
  readonly loose: readonly Expr[];
}

/** A term of at least c |a x^power + rest|^order - C, for units of one variable. */
interface Hold {
  readonly variable: string;
  readonly units: readonly number[];
  readonly order: number;
  readonly power: number;
  readonly rest: readonly Expr[];
}

const one: Range = { low: 1, high: 1, lowOpen: false, highOpen: false };
/** Exponents below 1 by more than rounding. */
const below1 = 1 - 1e-9;
/** Names that are followed into one another. */
const mostFollowed = 300;

/** Growth in `variables`, which are real; all others are held. */
export function growthOf(context: DeriveContext, structure: Structure, energy: Expr, variables: readonly string[]): Growth {
  const reads = (e: Expr): boolean => variables.some((v) => structure.of(e).on.has(v));
  const holds: Hold[] = [];
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

  /** Terms of the sum of an expression's entries, each times a value in `weight`. */
  const collect = (e: Expr, weight: Range): void => {
    if (!reads(e) || (weight.low === 0 && weight.high === 0)) return;
    if (e.kind === "local" && follow(e, (value) => (collect(value, weight), true))) return;
    if (e.kind === "builtin" && (split(e, weight) || held(e, weight))) return;
    const range = rangeOf(context, e);
    const bounded = isNonNegative(weight) ? range.low > -Infinity : isNeverPositive(weight) && range.high < Infinity;
    if (!bounded) loose.push(e);
  };

  const split = (e: BuiltinExpr, weight: Range): boolean => {
    const [a, b] = e.args;
    if (!a) return false;
    if (e.fn === "neg") collect(a, negated(weight));
    else if ((e.fn === "add" || e.fn === "sub") && b) {
      collect(a, weight);
      collect(b, e.fn === "add" ? weight : negated(weight));
    } else if ((e.fn === "mul" || e.fn === "matmul") && b && reads(a) !== reads(b)) {
      const [inner, factor] = reads(a) ? [a, b] : [b, a];
      collect(inner, multiplied(weight, rangeOf(context, factor)));
    } else if (e.fn === "div" && b && !reads(b)) collect(a, multiplied(weight, divisor(rangeOf(context, b))));
    else if (e.args.length === 1 && positiveLinear(e) && keepsAll(e)) collect(a, weight);
    else return false;
    return true;
  };

  /** |g|^order with a weight that is not negative. */
  const held = (e: BuiltinExpr, weight: Range): boolean => {
    if (!isNonNegative(weight)) return false;
    const [a, b] = e.args;
    if (!a) return false;
    if (e.fn === "pow" && a.kind === "builtin" && isLength(a) && a.args[0] && b?.kind === "number" && b.value > 0) {
      if (isPositive(weight)) hold(a.args[0], b.value);
      return true;
    }
    const self = (e.fn === "mul" || isInner(e)) && b !== undefined && sameExpr(a, b);
    const order = evenPower(e) ?? (self ? 2 : isLength(e) ? 1 : undefined);
    if (order === undefined) return false;
    if (isPositive(weight)) hold(a, order);
    return true;
  };

  const hold = (g: Expr, order: number): void => {
    const parts: Expr[] = [];
    const flatten = (e: Expr): void => {
      if (!reads(e)) return;
      const [a, b] = e.kind === "builtin" ? e.args : [];
      if (e.kind === "local" && follow(e, (value) => (flatten(value), true))) return;
      if (e.kind === "builtin" && a && (e.fn === "neg" || ((e.fn === "add" || e.fn === "sub") && b))) for (const x of e.args) flatten(x);
      else parts.push(e);
    };
    flatten(g);
    parts.forEach((part, i) => {
      const monomial = monomialOf(part);
      if (!monomial) return;
      holds.push({ ...monomial, order, rest: parts.filter((_, j) => j !== i) });
    });
  };

  /** a x^power with a nonzero a, for units of one variable. */
  const monomialOf = (e: Expr): Pick<Hold, "variable" | "units" | "power"> | undefined => {
    for (const variable of variables) {
      const units = unitsOf(structure.of(e).on.get(variable), e, variable);
      if (units) return { variable, units, power: 1 };
    }
    if (e.kind === "local") return follow(e, monomialOf);
    if (e.kind !== "builtin") return undefined;
    const [a, b] = e.args;
    if (!a) return undefined;
    const n = e.fn === "pow" && b?.kind === "number" && Number.isInteger(b.value) && b.value > 0 ? b.value : evenPower(e);
    if (n !== undefined) {
      const base = monomialOf(a);
      return base && { ...base, power: base.power * n };
    }
    if (e.fn === "neg") return monomialOf(a);
    if (!b || reads(a) === reads(b) || (e.fn !== "mul" && !(e.fn === "div" && reads(a)))) return undefined;
    const [x, factor] = reads(a) ? [a, b] : [b, a];
    // one over a number is not 0
    if (e.fn === "div") return monomialOf(x);
    const range = rangeOf(context, factor);
    return isPositive(range) || isPositive(negated(range)) ? monomialOf(x) : undefined;
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

  collect(energy, one);

  const exponents = new Map<string, number[]>(
    variables.map((v) => {
      const shape = context.model.variables.get(v)?.domain.shape ?? [];
      return [v, Array.from({ length: shape.reduce((n, s) => n * s.size, 1) }, () => Infinity)];
    }),
  );
  const exponentOf = (e: Expr): number => exponent(context, exponents, (x, v) => unitsOf(structure.of(x).on.get(v), x, v), e);
  for (let changed = true; changed;) {
    changed = false;
    for (const { variable, units, order, power, rest } of holds) {
      const w = Math.max(1 / (order * power), ...rest.map((r) => exponentOf(r) / power));
      const known = exponents.get(variable) ?? [];
      for (const unit of units) {
        // exponents fall by a factor each time, so that this ends
        if (w >= (known[unit] ?? 0) * below1 || !Number.isFinite(w)) continue;
        known[unit] = w;
        changed = true;
      }
    }
  }
  const free = variables.filter((v) => exponents.get(v)?.includes(Infinity));
  const left = loose.filter((e) => !(exponentOf(e) < below1));
  return { proven: free.length === 0 && left.length === 0, free, loose: left };
}

/** |x|, or the length of a vector, which is no less than that of each entry. */
function isLength(e: BuiltinExpr): boolean {
  return e.fn === "abs" || e.fn === "norm";
}

function evenPower(e: BuiltinExpr): number | undefined {
  if (e.fn === "square") return 2;
  const n = e.fn === "pow" && e.args[1]?.kind === "number" ? e.args[1].value : NaN;
  return n > 0 && n % 2 === 0 ? n : undefined;
}

/**
 * The least w known with |entries| <= C (1 + H^w), from the exponents of the units; 0 for what is bounded. `listed` gives the units that a value
 * of the energy's own body lists.
 */
function exponent(
  context: DeriveContext,
  exponents: ReadonlyMap<string, readonly number[]>,
  listed: (e: Expr, variable: string) => readonly number[] | undefined,
  energy: Expr,
): number {
  let depth = 0;
  /** -1 for what depends on no variable: unlike something bounded, it may stand under any function. */
  const visit = (e: Expr, env: ReadonlyMap<string, number> | undefined): number => {
    switch (e.kind) {
      case "variable":
        return Math.max(-1, ...(exponents.get(e.variable) ?? []));
      case "local": {
        const known = env?.get(e.local.id);
        if (known !== undefined) return known;
        const binding = depth < mostFollowed ? context.bindings.get(e.local.id) : undefined;
        if (!binding) return Infinity;
        depth++;
        const inner = visit(binding.value, env);
        depth--;
        return inner;
      }
      case "record":
        return Math.max(-1, ...e.fields.map((f) => visit(f.value, env)));
      case "field":
        return visit(e.target, env);
      case "netCall": {
        const net = netOf(context, e.net);
        const inner = new Map<string, number>(net.params.map((p, i) => [p.id, e.args[i] ? visit(e.args[i], env) : -1]));
        for (const b of net.body) inner.set(b.local.id, visit(b.value, inner));
        return visit(net.result, inner);
      }
      case "layer": {
        const of = Math.max(-1, ...e.args.map((a) => visit(a, env)));
        const growth = layers.get(e.instance.layer)?.growth;
        return of < 0 ? of : grown(of, growth);
      }
      case "builtin":
        return ofBuiltin(e, env);
      case "grad": {
        const values = e.locals.map(({ local, value }): [string, number] => [local.id, visit(value, env)]);
        const of = Math.max(...values.map(([, w]) => w), visit(e.body, new Map([...(env ?? []), ...values])));
        return of < 0 ? of : Infinity; // a bounded function may have any slope
      }
      default:
        return -1;
    }
  };
  const ofBuiltin = (e: BuiltinExpr, env: ReadonlyMap<string, number> | undefined): number => {
    if (!env)
      for (const [variable, known] of exponents) {
        const units = listed(e, variable);
        if (units) return Math.max(...units.map((u) => known[u] ?? Infinity));
      }
    const args = e.args.map((a) => visit(a, env));
    const most = Math.max(-1, ...args);
    if (most < 0) return -1;
    const range = rangeOf(context, e);
    if (range.low > -Infinity && range.high < Infinity) return 0;
    const entry = builtins.get(e.fn);
    const positions = args.flatMap((w, i) => (w >= 0 ? [i] : []));
    if (isLinearIn(entry?.linear, positions)) return most;
    const [base = 0] = args;
    const n = e.args[1]?.kind === "number" ? e.args[1].value : NaN;
    if (entry?.power === "exponent") return positions.length === 1 && base >= 0 && n >= 0 ? n * base : Infinity;
    if (typeof entry?.power === "number") return entry.power * base;
    if (positions.every((i) => isLinearIn(entry?.linear, [i]))) return positions.reduce((total, i) => total + (args[i] ?? 0), 0);
    if (e.fn === "div" && e.args[1] && rangeOf(context, e.args[1]).low > 0) return Math.max(0, base);
    return grown(most, entry?.growth);
  };
  return visit(energy, undefined);
}

function grown(exponent: number, growth: number | undefined): number {
  if (growth === undefined) return Infinity;
  return growth === 0 ? 0 : growth * exponent;
}

/** Whether the sum of an expression's entries falls without end in some variable, whatever values the others have: -energy grows with it. */
export function fallsIn(context: DeriveContext, structure: Structure, energy: Expr, variable: string): boolean {
  const negative: Expr = { kind: "builtin", fn: "neg", args: [energy], options: {}, type: energy.type, span: energy.span };
  return growthOf(context, structure, negative, [variable]).proven;
}
