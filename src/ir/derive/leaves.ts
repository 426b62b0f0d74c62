/** Values of expressions at numbers that are taken for what they read: variables, parameters, results of nets. */
import { builtins } from "../builtins.js";
import { anything, between, type Range } from "../range.js";
import { sameExpr } from "../same-expr.js";
import { shapeOf } from "../shapes.js";
import type { BuiltinExpr, Domain, Expr } from "../types.js";

export interface Known {
  /** What a name stands for, or undefined. */
  readonly meant: (e: Expr) => Expr | undefined;
  /** What values lie in. */
  readonly range: (e: Expr) => Range;
  /** Of what is read freely, a variable or a parameter. */
  readonly domain: (e: Expr) => Domain | undefined;
}

/** What a value is made of, with a number for each. */
export type Leaves = { readonly of: Expr; value: number }[];

/** Numbers between 0 and 1 without a pattern (multiples of the golden ratio). */
export const fraction = (n: number): number => (n * 0.6180339887498949) % 1;

/** The number that lies at a share of the interval of a value, cut off at 5 where it is endless. */
export function within(of: Expr, share: number, known: Known): number {
  const { low, high } = known.range(of);
  const [from, to] = [Math.max(low, -5), Math.min(high, 5)];
  return from + share * (to - from);
}

/** Values that are looked at: one that is bound to a name counts wherever it is read. */
const MOST = 200;

/** What expressions read, past functions that work entry by entry; false of very long ones. */
export function collect(exprs: readonly Expr[], leaves: Leaves, known: Known): boolean {
  const open = [...exprs];
  for (let seen = 0; open.length > 0; seen++) {
    if (seen > MOST) return false;
    const next = open.pop()!;
    const e = known.meant(next) ?? next;
    if (isByPlace(e)) open.push(...e.args);
    else if (e.kind !== "number" && !leaves.some(({ of }) => sameExpr(of, e))) leaves.push({ of: e, value: 0 });
  }
  return true;
}

/** Conditions have no interval, and are followed to what they read. What is stopped stays where it is while its argument moves. */
export function isByPlace(e: Expr): e is BuiltinExpr {
  const entry = e.kind === "builtin" ? builtins.get(e.fn) : undefined;
  if (e.kind !== "builtin" || !entry || e.fn === "stop") return false;
  const has = entry.range !== undefined || entry.at !== undefined || (e.type.kind === "tensor" && e.type.element === "bool");
  return (entry.reads === "place" && has) || isOfOne(e);
}

/** A function of the entries of a tensor that has only one: `sum(u)`, `norm(u)`. */
function isOfOne(e: BuiltinExpr): boolean {
  const entry = builtins.get(e.fn);
  const of = e.args.length === 1 ? e.args[0] : undefined;
  return (
    of !== undefined && isNumber(of) && isNumber(e) && (entry?.jet !== undefined || entry?.averages === true || entry?.linear === "all")
  );
}

const isNumber = ({ type }: Expr): boolean => type.kind === "tensor" && type.shape.every((d) => d.size === 1);

export function valueOf(expr: Expr, leaves: Leaves, known: Known): Range {
  const e = known.meant(expr) ?? expr;
  if (e.kind === "number") return point(e.value);
  const leaf = leaves.find(({ of }) => sameExpr(of, e));
  if (leaf) return point(leaf.value);
  if (!isByPlace(e)) return anything;
  const [condition, above, below] = e.args;
  const holds = e.fn === "where" && condition ? holdsAt(condition, leaves, known) : undefined;
  if (holds !== undefined && above && below) return valueOf(holds ? above : below, leaves, known);
  const args = e.args.map((arg) => valueOf(arg, leaves, known));
  const entry = builtins.get(e.fn);
  const [x = NaN, y = NaN] = args.map(middle);
  if (entry?.reads !== "place") return Number.isNaN(x) ? anything : point(entry?.jet?.([x]).value ?? x);
  if (entry.at && !Number.isNaN(x) && (args.length === 1 || !Number.isNaN(y))) return point(entry.at(x, y, e.options));
  const shapes = e.args.map((arg) => ({ shape: shapeOf(arg), simplex: false }));
  return entry.range?.(args, e.options, shapes) ?? anything;
}

/** Whether a comparison holds; undefined of others, and where its sides are no numbers. */
function holdsAt(condition: Expr, leaves: Leaves, known: Known): boolean | undefined {
  const e = known.meant(condition) ?? condition;
  if (e.kind !== "builtin") return undefined;
  const [a = NaN, b = NaN] = e.args.map((arg) => middle(valueOf(arg, leaves, known)));
  return Number.isNaN(a) || Number.isNaN(b) ? undefined : ORDERS.get(e.fn)?.(a, b);
}

/** Comparisons that flip at a = b and hold on one side of it. */
export const ORDERS: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map([
  ["less", (a: number, b: number) => a < b],
  ["less_equal", (a: number, b: number) => a <= b],
  ["greater", (a: number, b: number) => a > b],
  ["greater_equal", (a: number, b: number) => a >= b],
]);

const point = (value: number): Range => between(value, value, false);

/** Of a point: NaN of a longer interval. */
export const middle = ({ low, high }: Range): number => (high - low <= 1e-12 * (1 + Math.abs(low)) ? (low + high) / 2 : NaN);

/** What may take any values, one whatever the others are: real numbers that are variables and parameters, not functions of some. */
export const freeOf = (leaves: Leaves, known: Known): Leaves =>
  leaves.filter(({ of }) => ["real", "positive", "unit"].includes(known.domain(of)?.name ?? ""));
