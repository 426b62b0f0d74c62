/**
 * The terms of a sum of a value's entries, each with the range of what it is multiplied by: sums, differences, products and quotients by what reads
 * no variable, and functions that add up entries are gone through.
 */
import type { DeriveContext } from "../derive/context.js";
import { multiplied, negated, type Range } from "../range.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { divisor, keepsAll, positiveLinear, rangeOf } from "./curvature.js";
import { mostFollowed } from "./exponents.js";
import { shapeOf } from "../shapes.js";

/** Entries of `expr` times a value in `weight`: the least of them along the axes `along` (from the end), summed over all others. */
export interface Part {
  readonly expr: Expr;
  readonly weight: Range;
  readonly along: readonly number[];
}

/** Each term of `part` that reads a variable; `leaf` takes those that are no sums. */
export function eachTerm(context: DeriveContext, reads: (e: Expr) => boolean, part: Part, leaf: (part: Part) => void): void {
  let depth = 0;
  const visit = (e: Expr, weight: Range, along: readonly number[]): void => {
    if (!reads(e) || (weight.low === 0 && weight.high === 0)) return;
    const binding = e.kind === "local" && depth < mostFollowed ? context.bindings.get(e.local.id) : undefined;
    if (binding) {
      depth++;
      visit(binding.value, weight, along);
      depth--;
    } else if (e.kind !== "builtin" || !split(e, weight, along)) leaf({ expr: e, weight, along });
  };
  const split = (e: BuiltinExpr, weight: Range, along: readonly number[]): boolean => {
    const [a, b] = e.args;
    if (!a) return false;
    if (e.fn === "neg") visit(a, negated(weight), along);
    else if ((e.fn === "add" || e.fn === "sub") && b) {
      visit(a, weight, along);
      visit(b, e.fn === "add" ? weight : negated(weight), along);
    } else if ((e.fn === "mul" || (e.fn === "matmul" && along.length === 0)) && b && reads(a) !== reads(b)) {
      const [inner, factor] = reads(a) ? [a, b] : [b, a];
      visit(inner, multiplied(weight, rangeOf(context, factor)), along);
    } else if (e.fn === "div" && b && !reads(b)) visit(a, multiplied(weight, divisor(rangeOf(context, b))), along);
    else if (e.args.length === 1 && along.length === 0 && positiveLinear(e) && keepsAll(e)) visit(a, weight, along);
    else if ((e.fn === "stack" || e.fn === "concat") && along.length === 0) for (const x of e.args) visit(x, weight, along);
    else if (e.fn === "sum" || e.fn === "mean") visit(a, weight, axesBefore(e, along));
    else return false;
    return true;
  };
  visit(part.expr, part.weight, part.along);
}

/** Axes of a reduction's result as axes of its argument, and, where `reduced`, those that it reduces. */
export function axesBefore(e: BuiltinExpr, along: readonly number[], reduced = false): readonly number[] {
  const { length: rank } = shapeOf(e.args[0]);
  const own = e.options["axes"] as readonly number[];
  const gone = shapeOf(e).length < rank ? own : [];
  const left = Array.from({ length: rank }, (_, i) => i - rank).filter((axis) => !gone.includes(axis));
  const kept = along.flatMap((axis) => left.at(axis) ?? []);
  return reduced ? [...kept, ...own] : kept;
}
