/**
 * Terms that grow as a logarithm does, `c log(1 + x^2 / n)` of a Student t or a product of experts: exp of minus them falls as |x|^(-2 c), which has an
 * integral where 2 c > 1. Weights count by their size here, not by their sign alone, so that only those that are numbers are followed.
 */
import type { DeriveContext } from "../derive/context.js";
import { isPositive } from "../range.js";
import type { Expr } from "../types.js";
import { rangeOf } from "./curvature.js";
import { mostFollowed } from "./exponents.js";

/** Units of which a value has the power, times a number above 0. */
export interface EvenPower {
  readonly variable: string;
  readonly units: readonly number[];
  readonly power: number;
}

/** For each unit a power of |x| that exp(-terms) falls as, at least. `powerOf` says what is an even power of units. */
export function tailsOf(
  context: DeriveContext,
  reads: (e: Expr) => boolean,
  energy: Expr,
  powerOf: (e: Expr) => EvenPower | undefined,
): ReadonlyMap<string, ReadonlyMap<number, number>> {
  const found = new Map<string, Map<number, number>>();
  let depth = 0;
  const visit = (e: Expr, weight: number): void => {
    if (e.kind === "local") {
      const binding = depth < mostFollowed ? context.bindings.get(e.local.id) : undefined;
      if (!binding) return;
      depth++;
      visit(binding.value, weight);
      depth--;
      return;
    }
    if (e.kind !== "builtin" || !reads(e)) return;
    const [a, b] = e.args;
    if (!a) return;
    if (e.fn === "neg") visit(a, -weight);
    else if (e.fn === "sum") visit(a, weight);
    else if ((e.fn === "add" || e.fn === "sub") && b) {
      visit(a, weight);
      visit(b, e.fn === "add" ? weight : -weight);
    } else if (e.fn === "mul" && b?.kind === "number") visit(a, weight * b.value);
    else if (e.fn === "mul" && b && a.kind === "number") visit(b, weight * a.value);
    else if (e.fn === "div" && b?.kind === "number") visit(a, weight / b.value);
    else if (weight > 0) {
      const inner = e.fn === "log1p" ? powerOf(a) : e.fn === "log" ? abovePositive(a) : undefined;
      if (!inner) return;
      const units = found.get(inner.variable) ?? new Map<number, number>();
      for (const unit of inner.units) units.set(unit, (units.get(unit) ?? 0) + weight * inner.power);
      found.set(inner.variable, units);
    }
  };
  /** Of a power and a number above 0. */
  const abovePositive = (e: Expr): EvenPower | undefined => {
    const [a, b] = e.kind === "builtin" && e.fn === "add" ? e.args : [];
    if (!a || !b || reads(a) === reads(b)) return undefined;
    const [power, number] = reads(a) ? [a, b] : [b, a];
    return isPositive(rangeOf(context, number)) ? powerOf(power) : undefined;
  };
  visit(energy, 1);
  return found;
}
