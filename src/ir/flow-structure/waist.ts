/** How many numbers a map passes through at most: fewer than its entries, and its Jacobian is singular whatever its weights are. */
import { sizesOf } from "../shapes.js";
import type { Expr } from "../types.js";
import { childrenOf } from "../walk.js";
import { sizeOf } from "./reads.js";

/**
 * A bound on the rank of the Jacobian in the local `input`: the least number of entries of expressions that lie on every way from it to the value. What
 * stands twice is counted twice, so that a bound below the number of entries is a proof.
 */
export function waistOf(expr: Expr, input: string): number {
  const known = new Map<Expr, number>();
  const of = (e: Expr): number => {
    const before = known.get(e);
    if (before !== undefined) return before;
    const made = find(e);
    known.set(e, made);
    return made;
  };
  const find = (e: Expr): number => {
    if (e.kind === "local") return e.local.id === input ? sizeOf(sizesOf(e)) : 0;
    if (e.kind === "number" || e.kind === "variable" || e.kind === "param") return 0;
    // what is taken again for each index of a sum, and records, are as wide as all that is asked
    if (e.kind !== "builtin" && e.kind !== "layer" && e.kind !== "netCall") return Infinity;
    const through = childrenOf(e).reduce((n, child) => n + of(child), 0);
    return e.type.kind === "tensor" ? Math.min(sizeOf(sizesOf(e)), through) : through;
  };
  return of(expr);
}
