/**
 * Whether `where(a > b, A, B)` jumps where its condition flips, at a = b: `where(z > 0, z, 0)` does not, `where(z > c, z, 0)` does. Told by values: what is read
 * takes numbers of its domain, one of them such that a = b, and intervals say what A and B are there. That A and B differ at one such place proves that they
 * differ around it.
 */
import { builtins } from "../builtins.js";
import { anything, between, rangeOfDomain, type Range } from "../range.js";
import { sameExpr } from "../same-expr.js";
import { shapeOf } from "../shapes.js";
import type { BuiltinExpr, Domain, Expr } from "../types.js";

export type Edge = "meets" | "jumps" | "unknown";

export interface Known {
  /** What a name stands for, or undefined. */
  readonly meant: (e: Expr) => Expr | undefined;
  /** Of what is read freely, a variable or a parameter. */
  readonly domain: (e: Expr) => Domain | undefined;
}

/** What a value is made of, with a number for each. */
type Leaves = { readonly of: Expr; value: number }[];

const TRIES = 4;
/** Intervals between which a root is looked for. */
const GRID = 64;

export function edgeOf(e: BuiltinExpr, known: Known): Edge {
  const [condition, above, below] = e.args.map((arg) => known.meant(arg) ?? arg);
  const [a, b] = condition?.kind === "builtin" && condition.args.length === 2 ? condition.args : [];
  // `and` and `or` flip at several edges; at a point alone nothing is averaged
  if (condition?.kind !== "builtin" || !a || !b || !above || !below || !ORDERS.has(condition.fn)) return "unknown";
  const leaves: Leaves = [];
  const moved: Leaves = [];
  if (!collect([a, b], moved, known) || !collect([a, b, above, below], leaves, known)) return "unknown";
  let found: Edge = "unknown";
  for (let i = 0; i < TRIES; i++) {
    const edge = moved.map(({ of }) => at(i, of)).find((verdict) => verdict !== undefined);
    if (edge === "jumps") return isFree(leaves, known) ? "jumps" : "unknown";
    if (edge === "unknown") return "unknown";
    if (edge === "meets") found = edge;
  }
  return found;

  /** At a = b by one of what the condition reads; undefined where no number of its domain does that. */
  function at(i: number, of: Expr): Edge | undefined {
    for (const [k, leaf] of leaves.entries()) leaf.value = within(leaf.of, fraction(i * leaves.length + k + 1), known);
    const leaf = leaves.find((l) => sameExpr(l.of, of))!;
    const gap = (share: number): number => {
      leaf.value = within(of, share, known);
      return middle(valueOf(a!, leaves, known)) - middle(valueOf(b!, leaves, known));
    };
    if (!isRoot(gap)) return undefined;
    const [x, y] = [valueOf(above!, leaves, known), valueOf(below!, leaves, known)];
    const size = 1 + Math.max(...[x.low, x.high, y.low, y.high].map(Math.abs).filter(Number.isFinite));
    if (Math.max(x.low - y.high, y.low - x.high) > 1e-6 * size) return "jumps";
    return Math.max(x.high - y.low, y.high - x.low) < 1e-9 * size ? "meets" : "unknown";
  }
}

/** Comparisons that flip at a = b and hold on one side of it. */
const ORDERS: ReadonlySet<string> = new Set(["less", "less_equal", "greater", "greater_equal"]);

/** Leaves `gap` at a place where it is 0, if it crosses 0 between 0 and 1. */
function isRoot(gap: (share: number) => number): boolean {
  // an odd offset, so that no cell begins at a round number
  const place = (i: number): number => (i + 0.31) / (GRID + 1);
  for (let i = 0; i < GRID; i++) {
    let [low, high] = [place(i), place(i + 1)];
    const rises = gap(high) > 0;
    if (!(gap(low) * gap(high) < 0)) continue;
    for (let k = 0; k < 60; k++) {
      const half = (low + high) / 2;
      if (gap(half) > 0 === rises) high = half;
      else low = half;
    }
    if (Math.abs(gap(low)) < 1e-9) return true;
  }
  return false;
}

/** Numbers between 0 and 1 without a pattern (multiples of the golden ratio). */
const fraction = (n: number): number => (n * 0.6180339887498949) % 1;

/** The number that lies at a share of a domain's interval, cut off at 5 where it is endless. */
function within(of: Expr, share: number, known: Known): number {
  const domain = known.domain(of);
  const { low, high } = domain ? rangeOfDomain(domain) : anything;
  const [from, to] = [Math.max(low, -5), Math.min(high, 5)];
  return from + share * (to - from);
}

/** Values that are looked at: one that is bound to a name counts wherever it is read. */
const MOST = 200;

/** What expressions read, past functions that work entry by entry; false of very long ones. */
function collect(exprs: readonly Expr[], leaves: Leaves, known: Known): boolean {
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

/** Conditions have no interval, and are followed to what they read. */
function isByPlace(e: Expr): e is BuiltinExpr {
  const entry = e.kind === "builtin" ? builtins.get(e.fn) : undefined;
  return entry?.reads === "place" && (entry.range !== undefined || (e.type.kind === "tensor" && e.type.element === "bool"));
}

function valueOf(expr: Expr, leaves: Leaves, known: Known): Range {
  const e = known.meant(expr) ?? expr;
  if (e.kind === "number") return between(e.value, e.value, false);
  const leaf = leaves.find(({ of }) => sameExpr(of, e));
  if (leaf) return between(leaf.value, leaf.value, false);
  if (!isByPlace(e)) return anything;
  const args = e.args.map((arg) => valueOf(arg, leaves, known));
  const shapes = e.args.map((arg) => ({ shape: shapeOf(arg), simplex: false }));
  return builtins.get(e.fn)?.range?.(args, e.options, shapes) ?? anything;
}

/** Of a point: NaN of a longer interval. */
const middle = ({ low, high }: Range): number => (high - low <= 1e-12 * (1 + Math.abs(low)) ? (low + high) / 2 : NaN);

/** Whether what is read may take any values, one whatever the others are: real numbers that are variables and parameters, not functions of some. */
const isFree = (leaves: Leaves, known: Known): boolean =>
  leaves.every(({ of }) => ["real", "positive", "unit"].includes(known.domain(of)?.name ?? ""));
