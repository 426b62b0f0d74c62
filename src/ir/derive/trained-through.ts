/** Whether a weight that a statement moves has a gradient through expressions: what asks for a gradient through a draw. */
import { remembered } from "../../base/remembered.js";
import type { Expr } from "../types.js";
import { type DeriveContext, flowOf, netOf, partsOfFlow } from "./context.js";
import { gradientParts } from "./gradient-parts.js";
import { inOrder } from "./walk-bindings.js";
import { coveringPaths, underPaths } from "./weight-paths.js";
import { weightEntries, weightsIn } from "./weights.js";

/** Whether a weight that the statement moves acts through names that an `E` has drawn: variables by name, others by the id of their local. */
export type Behind = ReadonlyMap<string, boolean>;

/** Tells of expressions whether a weight that the statement moves has a gradient through their values, through draws as well. */
export function trainedThrough(
  context: DeriveContext,
  over: readonly string[] | undefined,
  behind: Behind,
): (exprs: readonly Expr[]) => boolean {
  if (over === undefined) return () => false;
  const locals = new Map<string, boolean>();
  const nets = new Map<string, boolean>();
  const partsOf = gradientParts(context);
  const acts = (e: Expr): boolean => {
    if (e.kind === "variable") return behind.get(e.variable) === true;
    if (e.kind === "local") return behind.get(e.local.id) === true || ofLocal(e.local.id);
    if (e.kind === "param") return underPaths(e.path, over);
    if (e.kind === "layer" && e.instance.parameterCount > 0 && underPaths(e.instance.path, over)) return true;
    return (e.kind === "netCall" && ofNet(e.net)) || (e.kind === "flowCall" && ofFlow(e.flow)) || partsOf(e).some(acts);
  };
  const ofLocal = (id: string): boolean => {
    const binding = locals.has(id) ? undefined : context.bindings.get(id);
    if (binding) for (const b of inOrder(context, binding, (other) => locals.has(other.local.id))) locals.set(b.local.id, acts(b.value));
    return locals.get(id) === true;
  };
  const ofNet = (name: string): boolean => {
    const known = nets.get(name);
    if (known !== undefined) return known;
    const found = acts(netOf(context, name).result);
    nets.set(name, found);
    return found;
  };
  const ofFlow = (name: string): boolean => {
    const parts = partsOfFlow(context, flowOf(context, name));
    return parts.bijections.some((b) => b.parameterCount > 0 && underPaths(b.path, over)) || parts.nets.some((n) => ofNet(n.name));
  };
  return (exprs) => exprs.some(acts);
}

/** The same list each time: what is counted below its prefixes is counted once. */
const weightPaths = remembered((context: DeriveContext): readonly string[] => weightEntries(context).map((e) => e.path));

/** The trained weights that expressions read themselves, by the shortest paths. */
export function reachedBy(
  context: DeriveContext,
  exprs: readonly Expr[],
  { over }: { readonly over: readonly string[] | undefined },
): readonly string[] {
  const read = [...weightsIn(context, exprs)].filter((w) => over?.some((o) => underPaths(w, [o]) || underPaths(o, [w])));
  return coveringPaths(weightPaths(context), read);
}
