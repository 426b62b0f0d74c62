/** Intervals of real numbers, ends possibly left out: what elementwise functions do to them. */
import type { Domain } from "./types.js";

export interface Range {
  readonly low: number;
  readonly high: number;
  /** The end itself is never reached. */
  readonly lowOpen: boolean;
  readonly highOpen: boolean;
}

export const anything: Range = { low: -Infinity, high: Infinity, lowOpen: true, highOpen: true };
export const abovezero: Range = { low: 0, high: Infinity, lowOpen: true, highOpen: true };
export const fromZero: Range = { low: 0, high: Infinity, lowOpen: false, highOpen: true };
/** 0 < x < 1 */
export const openUnit: Range = { low: 0, high: 1, lowOpen: true, highOpen: true };
export const closedUnit: Range = { low: 0, high: 1, lowOpen: false, highOpen: false };

export function between(low: number, high: number, open: boolean): Range {
  return { low, high, lowOpen: open, highOpen: open };
}

export function isPositive(r: Range): boolean {
  return r.low > 0 || (r.low === 0 && r.lowOpen);
}

export function isNonNegative(r: Range): boolean {
  return r.low >= 0;
}

export function isOnlyZero(r: Range): boolean {
  return r.low === 0 && r.high === 0;
}

/** No value of it is above zero. */
export function isNeverPositive(r: Range): boolean {
  return r.high <= 0;
}

export function isWithinUnit(r: Range): boolean {
  return r.low >= 0 && r.high <= 1;
}

export function rangeOfDomain(domain: Domain): Range {
  switch (domain.name) {
    case "real":
      return anything;
    case "positive":
      return abovezero;
    case "unit":
    case "binary":
    case "simplex":
      return closedUnit;
    case "category":
      return between(0, (domain.classes?.size ?? 1) - 1, false);
    case "count":
      return fromZero;
    case "byte":
      return between(0, 255, false);
  }
}

/** Of a parameter: what is stored is unbounded, a logit for `unit`, and the ends of a domain lie at infinity there. */
export function rangeOfParam(domain: Domain): Range {
  return domain.name === "unit" || domain.name === "simplex" ? openUnit : rangeOfDomain(domain);
}

/** Without its ends: what a density is spread over, of which single points are no part. */
export function interior(r: Range): Range {
  return { ...r, lowOpen: true, highOpen: true };
}

/** `(-1, 1)`, `[0, infinity)` */
export function showRange({ low, high, lowOpen, highOpen }: Range): string {
  const end = (n: number): string => (Number.isFinite(n) ? String(Number(n.toPrecision(6))) : n < 0 ? "-infinity" : "infinity");
  return `${lowOpen || low === -Infinity ? "(" : "["}${end(low)}, ${end(high)}${highOpen || high === Infinity ? ")" : "]"}`;
}

export function negated(r: Range): Range {
  return { low: -r.high, high: -r.low, lowOpen: r.highOpen, highOpen: r.lowOpen };
}

export function added(a: Range, b: Range): Range {
  return {
    low: a.low + b.low,
    high: a.high + b.high,
    lowOpen: a.lowOpen || b.lowOpen,
    highOpen: a.highOpen || b.highOpen,
  };
}

/** The product where both factors are of one known sign; anything else is not worked out, but for a factor that is a number. */
export function multiplied(a: Range, b: Range): Range {
  if (isNonNegative(a) && isNonNegative(b)) {
    const low = product(a.low, b.low);
    const high = product(a.high, b.high);
    return {
      low,
      high,
      lowOpen: low === 0 ? isPositive(a) && isPositive(b) : a.lowOpen || b.lowOpen,
      // 0 times anything is 0, whatever the other factor never reaches
      highOpen: high !== 0 && (a.highOpen || b.highOpen),
    };
  }
  if (a.high <= 0 && b.high <= 0) return multiplied(negated(a), negated(b));
  if (a.high <= 0 && isNonNegative(b)) return negated(multiplied(negated(a), b));
  if (isNonNegative(a) && b.high <= 0) return negated(multiplied(a, negated(b)));
  const corners = [product(a.low, b.low), product(a.low, b.high), product(a.high, b.low), product(a.high, b.high)];
  return { low: Math.min(...corners), high: Math.max(...corners), lowOpen: false, highOpen: false };
}

/** The sum of n values of an interval. */
export function times(r: Range, n: number): Range {
  return { ...r, low: product(r.low, n), high: product(r.high, n) };
}

export function reciprocal(r: Range): Range {
  if (isPositive(r))
    return {
      low: r.high === Infinity ? 0 : 1 / r.high,
      high: r.low === 0 ? Infinity : 1 / r.low,
      lowOpen: r.high === Infinity || r.highOpen,
      highOpen: r.low === 0 || r.lowOpen,
    };
  if (r.high < 0 || (r.high === 0 && r.highOpen)) return negated(reciprocal(negated(r)));
  return anything;
}

/** e^x. */
export function exponential(r: Range): Range {
  return {
    low: Math.exp(r.low),
    high: Math.exp(r.high),
    lowOpen: r.lowOpen || r.low === -Infinity,
    highOpen: r.highOpen || r.high === Infinity,
  };
}

/** Above 0, up to a number. */
export function upTo(high: number): Range {
  return { low: 0, high, lowOpen: true, highOpen: false };
}

/** A function that grows with its argument: applied to both ends; `open` where it never reaches its own limits. */
export function monotone(f: (x: number) => number): (r: readonly Range[]) => Range {
  return ([r = anything]) => {
    const low = f(r.low);
    const high = f(r.high);
    return { low, high, lowOpen: r.lowOpen, highOpen: r.highOpen };
  };
}

export function hull(ranges: readonly Range[]): Range {
  const first = ranges[0];
  if (first === undefined) return anything;
  return ranges.slice(1).reduce(
    (a, b) => ({
      low: Math.min(a.low, b.low),
      high: Math.max(a.high, b.high),
      lowOpen: a.low === b.low ? a.lowOpen && b.lowOpen : a.low < b.low ? a.lowOpen : b.lowOpen,
      highOpen: a.high === b.high ? a.highOpen && b.highOpen : a.high > b.high ? a.highOpen : b.highOpen,
    }),
    first,
  );
}

/** What lies in both. */
export function common(a: Range, b: Range): Range {
  return {
    low: Math.max(a.low, b.low),
    high: Math.min(a.high, b.high),
    lowOpen: a.low === b.low ? a.lowOpen || b.lowOpen : a.low > b.low ? a.lowOpen : b.lowOpen,
    highOpen: a.high === b.high ? a.highOpen || b.highOpen : a.high < b.high ? a.highOpen : b.highOpen,
  };
}

/** The greater of both, entry by entry. */
export function maximum(a: Range, b: Range): Range {
  const low = Math.max(a.low, b.low);
  return {
    low,
    high: Math.max(a.high, b.high),
    lowOpen: (a.low === low && a.lowOpen) || (b.low === low && b.lowOpen),
    highOpen: a.highOpen && b.highOpen,
  };
}

/** 0 * inf is 0 here: an end at infinity is never reached. */
function product(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}
