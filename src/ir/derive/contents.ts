/** What expressions and quantities contain, as derivation asks it. */
import { remembered } from "../../base/remembered.js";
import { layers } from "../layers.js";
import type { Quantity } from "../quantity.js";
import { quantityChildren } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { childrenOf } from "../walk.js";
import { type DeriveContext } from "./context.js";
import { walk } from "./walk-bindings.js";
import { underPaths } from "./weight-paths.js";

/** Whether a density stands in it, or what only stands around one. Asked at every level of a sum. */
export const isProbabilistic = remembered(
  (expr: Expr): boolean =>
    expr.kind === "logDensity" ||
    expr.kind === "expectation" ||
    expr.kind === "reduce" ||
    expr.kind === "optimum" ||
    childrenOf(expr).some(isProbabilistic),
);

/** Whether samples estimate a part of it. */
export function containsSampledExpectation(q: Quantity): boolean {
  return q.kind === "expect" || quantityChildren(q).some(containsSampledExpectation);
}

/** Whether evaluating expressions draws random numbers of its own (dropout), outside of any `E`. */
export function drawsNumbers(context: DeriveContext, exprs: readonly Expr[]): boolean {
  let found = false;
  const seen = new Set<string>();
  const note = (x: Expr): void => {
    found ||=
      (x.kind === "netCall" && (context.nets.get(x.net)?.random ?? false)) ||
      (x.kind === "flowCall" && (context.flows.get(x.flow)?.random ?? false)) ||
      (x.kind === "layer" && layers.get(x.instance.layer)?.keyed === true);
  };
  for (const e of exprs) walk(context, e, note, seen);
  return found;
}

/** Weight paths among `weights` that a statement moves: all of them where it names none. */
export function movedBy(weights: readonly string[], over: readonly string[]): readonly string[] {
  return over.length === 0 ? weights : weights.filter((w) => underPaths(w, over) || over.some((o) => underPaths(o, [w])));
}
