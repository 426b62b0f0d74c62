/**
 * Order-agnostic training (Germain et al. 2015, sections 4.2 and 4.3): how many orders the masked layers behind expressions choose from. They share
 * one choice, so a parameter takes as many as any of its layers has.
 */
import { type DeriveContext, netOf } from "../derive/context.js";
import { walk } from "../derive/walk-bindings.js";
import type { Expr, Net } from "../types.js";

const known = new WeakMap<Net, number>();

/** Orders of the masked layers of a net, and of the nets that it calls: 1 where it has one, or none. */
export function ordersOfNet(context: DeriveContext, net: Net): number {
  const before = known.get(net);
  if (before !== undefined) return before;
  known.set(net, 1);
  const found = ordersIn(context, [...net.body.map((b) => b.value), net.result]);
  known.set(net, found);
  return found;
}

/** Orders of the masked layers that expressions read, through bindings and nets. */
export function ordersIn(context: DeriveContext, exprs: readonly Expr[]): number {
  let most = 1;
  const seen = new Set<string>();
  const note = (e: Expr): void => {
    if (e.kind === "layer") most = Math.max(most, e.instance.masking?.orders ?? 1);
    if (e.kind === "netCall") most = Math.max(most, ordersOfNet(context, netOf(context, e.net)));
  };
  for (const e of exprs) walk(context, e, note, seen);
  return most;
}
