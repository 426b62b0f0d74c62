/** Whether an energy stays below some number as one real variable moves, the others held: exp(-energy) then stays above one, and has no integral. */
import type { DeriveContext } from "../derive/context.js";
import { isNeverPositive, isNonNegative } from "../range.js";
import type { Expr } from "../types.js";
import { rangeOf } from "./curvature.js";
import type { Structure } from "./dependence.js";
import { exponent } from "./exponents.js";
import { eachTerm } from "./sums.js";

export function isBoundedAbove(context: DeriveContext, structure: Structure, energy: Expr, variable: string): boolean {
  const reads = (e: Expr): boolean => structure.of(e).on.has(variable);
  // what is bounded has an exponent of 0 whatever the variable's own
  const unknown = new Map([[variable, [Infinity]]]);
  let bounded = true;
  const one = { low: 1, high: 1, lowOpen: false, highOpen: false };
  eachTerm(context, reads, { expr: energy, weight: one, along: [] }, ({ expr, weight }) => {
    const range = rangeOf(context, expr);
    const below = isNonNegative(weight) ? range.high < Infinity : isNeverPositive(weight) && range.low > -Infinity;
    bounded &&= below || exponent(context, unknown, () => undefined, expr) <= 0;
  });
  return bounded;
}
