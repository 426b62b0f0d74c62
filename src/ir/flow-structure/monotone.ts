/**
 * Whether each entry that a written-out bijection makes grows, or falls, in the entry of its input that it is paired with: what makes an
 * elementwise or a triangular map one to one. Proven by signs: intervals of values and of derivatives go through the functions by their entries
 * in the table, and where the interval of a derivative holds 0, what is strict in its parts is strict where sums and factors of one sign keep it.
 * What is not proven may be one to one all the same.
 */
import { builtins } from "../builtins.js";
import {
  abovezero,
  added,
  anything,
  between,
  hull,
  isNonNegative,
  isPositive,
  multiplied,
  negated,
  type Range,
  reciprocal,
} from "../range.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { childrenOf } from "../walk.js";
import { type Source, readsOfEntries, runningSources, sizeOf, sourcesOf } from "./reads.js";
import type { JacobianStructure } from "./structure.js";
import { sizesOf } from "../shapes.js";

/** How a value moves with the entry: not at all, strictly up or down, strictly one way of which the sign is open, or not known to be strict. */
type Way = "still" | "up" | "down" | "either" | "unknown";

interface Moves {
  readonly range: Range;
  /** What it is; none of a quotient's second part. */
  readonly of?: Expr;
  /** Interval of the derivative. */
  readonly slope: Range;
  readonly way: Way;
}

/** An entry of the output that is not proven to be one to one in its input, and in which. */
interface NotProven {
  readonly output: number;
  readonly input: number;
}

const ZERO = between(0, 0, false);
const ONE = between(1, 1, false);

/** The first pair of entries that is not proven; undefined where all are. Of an elementwise or triangular map alone. */
export function notMonotone(
  value: Expr,
  input: string,
  jacobian: Extract<JacobianStructure, { kind: "elementwise" | "triangular" }>,
  rangeOf: (expr: Expr) => Range,
): NotProven | undefined {
  const size = sizeOf(sizesOf(value));
  const pairs =
    jacobian.kind === "triangular"
      ? jacobian.levels.flatMap((l) => l.outputs.map((output, k) => ({ output, input: l.inputs[k] ?? 0 })))
      : Array.from({ length: byPlace(value, input) ? Math.min(1, size) : size }, (_, i) => ({ output: i, input: i }));
  return pairs.find((pair) => {
    const { way } = movesOf(value, pair.output, { local: input, entry: pair.input }, rangeOf);
    return way === "unknown" || way === "still";
  });
}

/** Whether all that reads the input works entry by entry, so that one entry speaks for all. */
function byPlace(e: Expr, input: string): boolean {
  if (e.kind === "local") return true;
  const depends = (x: Expr): boolean => (x.kind === "local" ? x.local.id === input : childrenOf(x).some(depends));
  if (!depends(e)) return true;
  return e.kind === "builtin" && builtins.get(e.fn)?.reads === "place" && e.args.every((a) => byPlace(a, input));
}

function movesOf(expr: Expr, entry: number, at: { readonly local: string; readonly entry: number }, rangeOf: (expr: Expr) => Range): Moves {
  const still = (e: Expr): Moves => ({ range: rangeOf(e), slope: ZERO, way: "still", of: e });
  const isRead = new Map<Expr, ReturnType<typeof readsOfEntries>>();
  const reads = (e: Expr, i: number): boolean => {
    const known = isRead.get(e) ?? readsOfEntries(e, at.local);
    isRead.set(e, known);
    return known[i]?.has(at.entry) === true;
  };
  const visit = (e: Expr, i: number): Moves => {
    if (e.kind === "local" && e.local.id === at.local && i === at.entry) return { range: rangeOf(e), slope: ONE, way: "up" };
    if (!reads(e, i)) return still(e);
    if (e.kind !== "builtin") return { range: rangeOf(e), slope: anything, way: "unknown" };
    if (builtins.get(e.fn)?.running) {
      const terms = runningSources(e, i).map(({ arg, entry: j }) => visit(e.args[arg] as Expr, j));
      return { ...terms.reduce<Omit<Moves, "range">>(sum, { slope: ZERO, way: "still" }), range: rangeOf(e) };
    }
    const from: readonly Source[] | undefined = sourcesOf(e, i);
    if (!from) return { range: rangeOf(e), slope: anything, way: "unknown" };
    const parts = from.map(({ arg, entry: j }) => visit(e.args[arg] as Expr, j));
    const [only] = parts;
    if (builtins.get(e.fn)?.reads !== "place") return only ?? still(e);
    return settled(ofFunction(e, parts), rangeOf(e));
  };
  return visit(expr, entry);
}

/** A derivative that is never 0 says which way; a value that does not move has none. */
function settled({ slope, way }: Omit<Moves, "range">, range: Range): Moves {
  if (isPositive(slope)) return { range, slope, way: "up" };
  if (isPositive(negated(slope))) return { range, slope, way: "down" };
  return { range, slope, way };
}

const flipped: Readonly<Record<Way, Way>> = { still: "still", up: "down", down: "up", either: "either", unknown: "unknown" };

function ofFunction({ fn, args, options }: BuiltinExpr, parts: readonly Moves[]): Omit<Moves, "range"> {
  const [a, b] = parts;
  if (!a) return { slope: ZERO, way: "still" };
  switch (fn) {
    case "neg":
      return { slope: negated(a.slope), way: flipped[a.way] };
    case "add":
      return b ? sum(a, b) : a;
    case "sub":
      return b ? sum(a, { ...b, slope: negated(b.slope), way: flipped[b.way] }) : a;
    case "mul":
      return b ? product(a, b) : a;
    case "div":
      return b ? product(a, inverted(b)) : a;
    case "pow": {
      const exponent = args[1];
      if (exponent?.kind === "number") return power(a, exponent.value);
      // a^b = e^(b log a)
      if (!b || a.way !== "still" || !isPositive(a.range)) return unknown;
      if (a.range.low > 1) return { slope: multiplied(abovezero, b.slope), way: b.way };
      return a.range.high < 1 ? { slope: multiplied(negated(abovezero), b.slope), way: flipped[b.way] } : unknown;
    }
    case "maximum":
    case "minimum":
      return b && a.way === b.way && (a.way === "up" || a.way === "down") ? { slope: hull([a.slope, b.slope]), way: a.way } : unknown;
    default: {
      const derivative = builtins.get(fn)?.slope?.(a.range, options);
      if (parts.length !== 1 || !derivative) return unknown;
      const way = isPositive(derivative) ? a.way : isPositive(negated(derivative)) ? flipped[a.way] : "unknown";
      return { slope: multiplied(derivative, a.slope), way };
    }
  }
}

const unknown: Omit<Moves, "range"> = { slope: anything, way: "unknown" };

/** A strict part keeps a sum strict where the other one never goes the other way. */
function sum(a: Omit<Moves, "range">, b: Omit<Moves, "range">): Omit<Moves, "range"> {
  const slope = added(a.slope, b.slope);
  if (a.way === "still") return { slope, way: b.way };
  if (b.way === "still") return { slope, way: a.way };
  const grows = (m: Omit<Moves, "range">): boolean => m.way === "up" || isNonNegative(m.slope);
  const falls = (m: Omit<Moves, "range">): boolean => m.way === "down" || isNonNegative(negated(m.slope));
  const strict = (way: Way): boolean => a.way === way || b.way === way;
  if (strict("up") && grows(a) && grows(b)) return { slope, way: "up" };
  if (strict("down") && falls(a) && falls(b)) return { slope, way: "down" };
  return { slope, way: "unknown" };
}

/** (a b)' = a' b + a b'. A factor that does not move only scales; one of unknown sign leaves the direction open where it is 0 by chance alone. */
function product(a: Moves, b: Moves): Omit<Moves, "range"> {
  const slope = added(multiplied(a.slope, b.range), multiplied(a.range, b.slope));
  const [scale, moving] = a.way === "still" ? [a, b] : b.way === "still" ? [b, a] : [];
  if (scale && moving) {
    if (scale.range.low === 0 && scale.range.high === 0) return { slope: ZERO, way: "still" };
    if (isPositive(scale.range)) return { slope, way: moving.way };
    if (isPositive(negated(scale.range))) return { slope, way: flipped[moving.way] };
    if (moving.way === "unknown" || moving.way === "still") return { slope, way: moving.way };
    return { slope, way: !scale.of || byChance(scale.of) ? "either" : "unknown" };
  }
  const together = a.way === b.way && (a.way === "up" || a.way === "down");
  if (together && isNonNegative(a.range) && isNonNegative(b.range)) return { slope, way: a.way };
  return { slope, way: "unknown" };
}

/**
 * Whether a value that may be 0 is so by chance alone: an analytic function of what has a density is 0 nowhere else, one that is put together of
 * pieces, such as `relu`, may be 0 all along a piece.
 */
function byChance(e: Expr): boolean {
  switch (e.kind) {
    case "number":
      return e.value !== 0;
    case "builtin":
      return builtins.get(e.fn)?.pieces !== true && e.args.every(byChance);
    case "netCall":
      return false;
    default:
      return true;
  }
}

/** 1 / b, where b keeps its sign. */
function inverted(b: Moves): Moves {
  const keepsSign = isPositive(b.range) || isPositive(negated(b.range));
  const range = reciprocal(b.range);
  if (b.way === "still") return { range, slope: ZERO, way: "still" };
  if (!keepsSign) return { range, slope: anything, way: "unknown" };
  return { range, slope: negated(multiplied(multiplied(range, range), b.slope)), way: flipped[b.way] };
}

/** Odd whole powers grow, though their derivative is 0 at 0; of what is above 0 all powers do, those below 0 fall. */
function power(a: Moves, exponent: number): Omit<Moves, "range"> {
  const odd = Number.isInteger(exponent) && Math.abs(exponent % 2) === 1;
  if (exponent === 0) return { slope: ZERO, way: "still" };
  if (isNonNegative(a.range)) {
    const factor: Range = isPositive(a.range) || exponent > 1 ? { ...between(0, Infinity, true), lowOpen: isPositive(a.range) } : anything;
    const derivative = exponent > 0 ? factor : negated(factor);
    const way = exponent > 0 || isPositive(a.range) ? (exponent > 0 ? a.way : flipped[a.way]) : "unknown";
    return { slope: exponent === 1 ? a.slope : multiplied(derivative, a.slope), way };
  }
  if (!odd || exponent < 0) return unknown;
  if (exponent === 1) return a;
  return { slope: multiplied({ ...between(0, Infinity, true), lowOpen: false }, a.slope), way: a.way };
}
