/** Walks over expressions that follow locals to what they are bound to. */
import { below } from "../../base/below.js";
import type { Binding, Expr } from "../types.js";
import { childrenOf, walkExpr } from "../walk.js";
import type { DeriveContext } from "./context.js";

/**
 * Calls `visit` on an expression after all below it, following locals to their bindings, in the order of evaluation.
 * `partsOf` says what stands below: all of an expression, or what a gradient passes to. Bindings in `seen` are left out, and those that are walked are added: handed on, it makes several walks as long as one.
 */
export function walk(
  context: DeriveContext,
  expr: Expr,
  visit: (expr: Expr) => void,
  seen: Set<string> = new Set(),
  partsOf: (expr: Expr) => readonly Expr[] = childrenOf,
): void {
  // A stack of our own: a chain of bindings is deeper than the machine's. `undefined` stands above what is to be visited next.
  const open: (Expr | undefined)[] = [expr];
  while (open.length > 0) {
    const e = open.pop();
    if (e === undefined) {
      visit(open.pop() as Expr);
      continue;
    }
    const below = partsOf(e);
    const bound = e.kind === "local" && !seen.has(e.local.id) ? context.bindings.get(e.local.id) : undefined;
    if (below.length === 0 && !bound) {
      visit(e);
      continue;
    }
    open.push(e, undefined);
    for (let i = below.length - 1; i >= 0; i--) open.push(below[i]);
    if (bound) open.push(bound.value);
    if (bound) seen.add(bound.local.id);
  }
}

/** Bindings that a binding reads and that are not known yet, each after what it reads, and itself last. */
export function inOrder(context: DeriveContext, binding: Binding, isKnown: (binding: Binding) => boolean): readonly Binding[] {
  const reads = (b: Binding): readonly Binding[] => {
    const found: Binding[] = [];
    walkExpr(b.value, (e) => {
      const inner = e.kind === "local" ? context.bindings.get(e.local.id) : undefined;
      if (inner && !isKnown(inner)) found.push(inner);
    });
    return found;
  };
  return [...below(binding, reads), binding];
}
