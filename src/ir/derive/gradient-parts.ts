/** The parts of an expression that a gradient passes to. */
import { remembered } from "../../base/remembered.js";
import { builtins } from "../builtins.js";
import type { Expr, Net } from "../types.js";
import { childrenOf } from "../walk.js";
import { type DeriveContext, netOf } from "./context.js";
import { walk } from "./walk-bindings.js";

/** No gradient passes: `stop(…)`. */
export function stopsGradient(expr: Expr): boolean {
  return expr.kind === "builtin" && expr.fn === "stop";
}

/** No gradient passes by request, or because the value steps: a condition holds or does not. */
export function hasNoGradient(expr: Expr): boolean {
  if (expr.kind !== "builtin") return false;
  return builtins.get(expr.fn)?.noGradient === true || (expr.type.kind === "tensor" && expr.type.element === "bool");
}

/**
 * The parts of an expression that a gradient passes to: none of `stop(…)`, `argmax(…)` or `greater(…)`, and of a call of a net only the arguments that its result
 * has a gradient in.
 */
export function gradientParts(context: DeriveContext): (expr: Expr) => readonly Expr[] {
  const partsOf = (e: Expr): readonly Expr[] => {
    if (hasNoGradient(e)) return [];
    if (e.kind !== "netCall") return childrenOf(e);
    const reached = gradientParams(context).get(e.net) ?? paramsReached(netOf(context, e.net));
    return e.args.filter((_, i) => reached[i]);
  };
  const paramsReached = (net: Net): readonly boolean[] => {
    const read = new Set<string>();
    walk(context, net.result, (e) => e.kind === "local" && read.add(e.local.id), new Set(), partsOf);
    const reached = net.params.map((p) => read.has(p.id));
    gradientParams(context).set(net.name, reached);
    return reached;
  };
  return partsOf;
}

/** Of each net asked about, whether its result has a gradient in each of its parameters. */
const gradientParams = remembered((_: DeriveContext) => new Map<string, readonly boolean[]>());
