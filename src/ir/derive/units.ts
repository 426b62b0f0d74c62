/** A measure times a constant: bounds stay bounds, and log-likelihoods over log 2 are bits. */
import type { Quantity, Term } from "../quantity.js";
import type { Expr } from "../types.js";

export interface Scaled {
  /** Not 0. */
  readonly scale: number;
  /** What is scaled; the quantity itself where nothing is. */
  readonly quantity: Quantity;
}

/** Takes a constant that all terms share out of a sum: `-IWAE(p, q, k = 50) / (D * log(2))`. */
export function withoutScale(quantity: Quantity): Scaled {
  const whole: Scaled = { scale: 1, quantity };
  if (quantity.kind !== "sum") return whole;
  const scales = quantity.terms.map((t) => t.factors.reduce((s, f) => s * (constantOf(f) ?? NaN), t.scale));
  const [first] = scales;
  if (first === undefined || !(Math.abs(first) > 0) || scales.some((s) => !isNear(Math.abs(s), Math.abs(first)))) return whole;
  const [only] = quantity.terms;
  if (only && quantity.terms.length === 1) return { scale: first, quantity: only.quantity };
  if (isNear(Math.abs(first), 1) && quantity.terms.every((t) => t.factors.length === 0)) return whole;
  const terms = quantity.terms.map((t, i): Term => ({ scale: Math.sign(scales[i] ?? first), factors: [], quantity: t.quantity }));
  return { scale: Math.abs(first), quantity: { ...quantity, terms } };
}

/** Whether the multiple of a log-density by it is the same in another unit: nats, bits, bits of each of so many entries. */
export function isUnit(scale: number): boolean {
  const size = 1 / Math.abs(scale);
  return isNear(size, 1) || isWhole(size / Math.log(2));
}

/** What a measure is the log-density of: the entries of its variables, 0 where it is none; whether it is a density, and no probability. */
export interface MeasuredEvent {
  readonly entries: number;
  readonly differential: boolean;
}

/**
 * Of a measure with a log-density in it. Terms of weights of their own, a weighted bound, are still nats. Bits of a density are called differential: they
 * depend on the unit of its variable and may be below 0. Per dim is per entry: a log-density over another number is told as one over that.
 */
export function unitOf(quantity: Quantity, { entries, differential }: MeasuredEvent): string {
  const { scale, quantity: measure } = withoutScale(quantity);
  const size = 1 / Math.abs(scale);
  const bits = size / Math.log(2);
  if (isApplied(measure) || (measure.kind === "sum" && measure.terms.some((t) => t.factors.length > 0))) return "";
  if (isNear(size, 1)) return "nats";
  if (!isWhole(bits)) return "";
  const per = isNear(bits, 1) ? "" : entries === 0 || isNear(bits, entries) ? " per dim" : ` / ${Math.round(bits)}`;
  return `${differential ? "differential " : ""}bits${per}`;
}

/** Whether it is, or averages, a function of log-densities that is none itself: a number of samples, a probability. */
function isApplied(q: Quantity): boolean {
  const averages = q.kind === "expect" || (q.kind === "enumerate" && q.op === "expect");
  return averages ? isApplied(withoutScale(q.body).quantity) : q.kind === "apply";
}

const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
const isWhole = (x: number): boolean => Math.round(x) >= 1 && isNear(x, Math.round(x));

/** The value of an expression of numbers alone. */
export function constantOf(expr: Expr): number | undefined {
  if (expr.kind === "number") return expr.value;
  if (expr.kind !== "builtin") return undefined;
  const values = expr.args.map(constantOf);
  if (values.some((v) => v === undefined)) return undefined;
  const [a = NaN, b = NaN] = values as readonly number[];
  return CONSTANTS[expr.fn]?.(a, b);
}

const CONSTANTS: Readonly<Record<string, (a: number, b: number) => number>> = {
  neg: (a) => -a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  log: (a) => Math.log(a),
  exp: (a) => Math.exp(a),
  sqrt: (a) => Math.sqrt(a),
};
