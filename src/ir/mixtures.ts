/**
 * Convex combinations: `w * a + (1 - w) * b` with w in 0..1, `p[1] * a + p[2] * b` with p probabilities, `sum(p * a)`, and what nests of them. Such
 * a mean lies where what it mixes does, of which sums and products of intervals alone know nothing. Found by structure, so that a sum that is
 * one may not be known to be.
 */
import type { Facts } from "./facts.js";
import { between, hull, isWithinUnit, multiplied, negated, type Range, reciprocal } from "./range.js";
import { sameExpr } from "./same-expr.js";
import type { Expr } from "./types.js";

/** What the analysis asks of an expression. */
export interface Known {
  readonly facts: (expr: Expr) => Facts;
  /** Two evaluations of it may differ, as those of dropout do. */
  readonly random: (expr: Expr) => boolean;
}

/** A product and what it is divided by, with its sign. */
interface Term {
  readonly negative: boolean;
  readonly factors: readonly Expr[];
  readonly divisors: readonly Expr[];
}
type BuiltinExpr = Extract<Expr, { kind: "builtin" }>;

export interface Mixture {
  readonly range: Range;
  /** It mixes vectors of probabilities, each as a whole. */
  readonly simplex: boolean;
}

/** Terms of a sum that are looked at; one of more is none for this analysis. */
const mostTerms = 128;

/** Of a sum that is a mean; undefined where that is not seen. */
export function mixtureOf(known: Known, expr: BuiltinExpr): Mixture | undefined {
  if (expr.fn === "sum") return weightedSum(known, expr);
  if (expr.fn !== "add" && expr.fn !== "sub") return undefined;
  const terms: Term[] = [];
  return termsOf(known, expr, false, terms) ? mixed(known, terms) : undefined;
}

/** What a name stands for, else the expression itself. */
function meant({ facts }: Known, expr: Expr): Expr {
  return expr.kind === "local" ? (facts(expr).stands ?? expr) : expr;
}

/** false: there are too many. */
function termsOf(known: Known, expr: Expr, negative: boolean, out: Term[]): boolean {
  const e = meant(known, expr);
  if (e.kind === "builtin") {
    const [a, b] = e.args;
    if (e.fn === "neg" && a) return termsOf(known, a, !negative, out);
    if ((e.fn === "add" || e.fn === "sub") && a && b)
      return termsOf(known, a, negative, out) && termsOf(known, b, negative !== (e.fn === "sub"), out);
  }
  out.push({ negative, ...partsOf(known, expr) });
  return out.length <= mostTerms;
}

function partsOf(known: Known, expr: Expr): Pick<Term, "factors" | "divisors"> {
  const e = meant(known, expr);
  const [a, b] = e.kind === "builtin" && (e.fn === "mul" || e.fn === "div") ? e.args : [];
  if (e.kind !== "builtin" || !a || !b) return { factors: [expr], divisors: [] };
  const [left, right] = [partsOf(known, a), partsOf(known, b)];
  const [above, below] = e.fn === "mul" ? [right.factors, right.divisors] : [right.divisors, right.factors];
  return { factors: [...left.factors, ...above], divisors: [...left.divisors, ...below] };
}

/** By the first factor of the first term that tells all terms apart, in those that it weighs and those that what is left of 1 weighs. */
function mixed(known: Known, terms: readonly Term[]): Mixture | undefined {
  const [first, ...others] = terms;
  if (!first) return undefined;
  if (others.length === 0) return productOf(known, first);
  for (const weight of first.factors) {
    const found = bySharing(known, terms, weight) ?? byEntries(known, terms, weight);
    if (found) return found;
  }
  return undefined;
}

function bySharing(known: Known, terms: readonly Term[], weight: Expr): Mixture | undefined {
  if (!isWithinUnit(known.facts(weight).range)) return undefined;
  const [its, rest]: [Term[], Term[]] = [[], []];
  for (const term of terms) {
    const left = without(term, (f) => same(known, f, weight));
    const right = left ? undefined : without(term, (f) => isRest(known, f, weight));
    if (left) its.push(left);
    else if (right) rest.push(right);
    else return undefined;
  }
  if (rest.length === 0) return undefined;
  const [a, b] = [mixed(known, its), mixed(known, rest)];
  return a && b && { range: hull([a.range, b.range]), simplex: a.simplex && b.simplex && isScalar(weight) };
}

/** Weights that are entries of one vector of probabilities, each once; where some are missing, 0 takes their place. */
function byEntries(known: Known, terms: readonly Term[], weight: Expr): Mixture | undefined {
  const vector = entryOf(known, weight)?.of;
  if (!vector) return undefined;
  const positions = new Set<number>();
  const parts: Mixture[] = [];
  for (const term of terms) {
    let position: number | undefined;
    const rest = without(term, (f) => {
      const entry = entryOf(known, f);
      if (!entry || !same(known, entry.of, vector)) return false;
      position = entry.position;
      return true;
    });
    const part = rest && productOf(known, rest);
    if (!part || position === undefined || positions.has(position)) return undefined;
    positions.add(position);
    parts.push(part);
  }
  const all = vector.type.kind === "tensor" && vector.type.shape.at(-1)?.size === positions.size;
  const ranges = parts.map((p) => p.range);
  return {
    range: hull(all ? ranges : [...ranges, between(0, 0, false)]),
    simplex: all && isScalar(weight) && parts.every((p) => p.simplex),
  };
}

/** `sum(p * a)` along the axis of p's probabilities alone. */
function weightedSum(known: Known, { args: [body], options }: BuiltinExpr): Mixture | undefined {
  const axes = options["axes"] as readonly number[];
  if (!body || axes.length !== 1 || axes[0] !== -1 || body.type.kind !== "tensor") return undefined;
  const size = body.type.shape.at(-1)?.size;
  const isWeight = (f: Expr): boolean => known.facts(f).simplex && f.type.kind === "tensor" && f.type.shape.at(-1)?.size === size;
  const rest = without({ negative: false, ...partsOf(known, body) }, isWeight);
  const part = rest && rest.factors.length > 0 ? productOf(known, rest) : undefined;
  return part && { range: part.range, simplex: false };
}

function productOf({ facts }: Known, { negative, factors, divisors }: Term): Mixture {
  const ranges = [...factors.map((f) => facts(f).range), ...divisors.map((d) => reciprocal(facts(d).range))];
  const range = ranges.reduce(multiplied, between(1, 1, false));
  const [only, ...more] = factors;
  const alone = only !== undefined && more.length + divisors.length === 0 && !negative;
  return { range: negative ? negated(range) : range, simplex: alone && facts(only).simplex };
}

/** A term less its first factor of a kind. */
function without(term: Term, isOne: (factor: Expr) => boolean): Term | undefined {
  const at = term.factors.findIndex(isOne);
  return at < 0 ? undefined : { ...term, factors: term.factors.filter((_, i) => i !== at) };
}

/** `p[k]` of probabilities p. */
function entryOf(known: Known, expr: Expr): { readonly of: Expr; readonly position: number } | undefined {
  const e = meant(known, expr);
  const [of] = e.kind === "builtin" && e.fn === "index" ? e.args : [];
  if (e.kind !== "builtin" || !of || e.options["axis"] !== -1 || !known.facts(of).simplex) return undefined;
  return { of, position: Number(e.options["position"]) };
}

/** Whether two are 1 together: `w` and `1 - w`, `sigmoid(u)` and `sigmoid(-u)`. */
function isRest(known: Known, a: Expr, b: Expr): boolean {
  const [x, y] = [meant(known, a), meant(known, b)];
  if (isRestOf(known, x, b) || isRestOf(known, y, a)) return true;
  if (x.kind !== "builtin" || y.kind !== "builtin" || x.fn !== "sigmoid" || y.fn !== "sigmoid") return false;
  const [u, v] = [x.args[0], y.args[0]];
  return u !== undefined && v !== undefined && (isNegative(known, u, v) || isNegative(known, v, u));
}

/** `1 - b` */
function isRestOf(known: Known, expr: Expr, b: Expr): boolean {
  if (expr.kind !== "builtin" || expr.fn !== "sub") return false;
  const [one, subtracted] = expr.args;
  return one !== undefined && subtracted !== undefined && isOne(known, one) && same(known, subtracted, b);
}

function isNegative(known: Known, u: Expr, v: Expr): boolean {
  const e = meant(known, u);
  return e.kind === "builtin" && e.fn === "neg" && e.args[0] !== undefined && same(known, e.args[0], v);
}

function isOne({ facts }: Known, expr: Expr): boolean {
  const { low, high } = facts(expr).range;
  return low === 1 && high === 1;
}

/** One value, whatever names it goes by. */
function same(known: Known, a: Expr, b: Expr): boolean {
  if (a.kind === "local" && b.kind === "local" && sameExpr(a, b)) return true;
  const [x, y] = [meant(known, a), meant(known, b)];
  return x === y || (sameExpr(x, y) && !known.random(x));
}

function isScalar({ type }: Expr): boolean {
  return type.kind === "tensor" && type.shape.length === 0;
}
