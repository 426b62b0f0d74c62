/** Parameters of a net that its result, or one field of it, reads: axes in front of the others are none of the result's. */
import { remembered } from "../base/remembered.js";
import { type DeriveContext, netOf } from "../ir/derive/context.js";
import type { Expr, Net } from "../ir/types.js";
import { childrenOf } from "../ir/walk.js";

/** Positions of the parameters; without a field, those that any of it reads. */
export function paramsReadBy(context: DeriveContext, net: Net, field?: string): ReadonlySet<number> {
  const known = readsOfNets(context);
  const reads = known.get(net.name) ?? readsOf(context, net);
  known.set(net.name, reads);
  return reads(field);
}

type Reads = (field: string | undefined) => ReadonlySet<number>;

const readsOfNets = remembered((_: DeriveContext) => new Map<string, Reads>());

function readsOf(context: DeriveContext, net: Net): Reads {
  const ofLocal = new Map<string, Reads>(net.params.map((p, i) => [p.id, () => new Set([i])]));
  const read = (e: Expr, field: string | undefined): ReadonlySet<number> => {
    switch (e.kind) {
      case "local":
        return ofLocal.get(e.local.id)?.(field) ?? new Set();
      case "field":
        return read(e.target, e.field);
      case "record":
        return union(e.fields.filter((f) => field === undefined || f.name === field).map((f) => read(f.value, undefined)));
      case "netCall": {
        const passed = [...paramsReadBy(context, netOf(context, e.net), field)];
        return union(passed.flatMap((i) => (e.args[i] ? [read(e.args[i], undefined)] : [])));
      }
      default:
        return union(childrenOf(e).map((child) => read(child, undefined)));
    }
  };
  const each = (e: Expr): Reads => {
    const fields = e.type.kind === "record" ? e.type.fields.map((f) => f.name) : [];
    const found = new Map([undefined, ...fields].map((f) => [f, read(e, f)]));
    return (field) => found.get(field) ?? new Set();
  };
  // in order, so that a long chain of bindings is no deep recursion
  for (const { local, value } of net.body) ofLocal.set(local.id, each(value));
  return each(net.result);
}

const union = (sets: readonly ReadonlySet<number>[]): ReadonlySet<number> => new Set(sets.flatMap((s) => [...s]));
