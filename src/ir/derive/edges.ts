/**
 * Whether `where(a > b, A, B)` jumps where its condition flips, at a = b: `where(z > 0, z, 0)` does not, `where(z > c, z, 0)` does. Told by values: what is read
 * takes numbers of its domain, one of them such that a = b, and intervals say what A and B are there. That A and B differ at one such place proves that they
 * differ around it.
 */
import { sameExpr } from "../same-expr.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { collect, fraction, freeOf, type Known, type Leaves, middle, ORDERS, valueOf, within } from "./leaves.js";

export type Edge = "meets" | "jumps" | "unknown";

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
    if (edge === "jumps") return freeOf(leaves, known).length === leaves.length ? "jumps" : "unknown";
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
