/**
 * Nets that are written as one function. A template that a flow repeats has a net for each step, equal but for where its weights lie; a function takes
 * its weights as an argument, so the first stands for all. Nets that the model names keep functions of their own.
 */
import { type DeriveContext, netOf } from "../ir/derive/context.js";
import type { Expr, ModelIr, Net } from "../ir/types.js";
import { walkExpr } from "../ir/walk.js";
import { place } from "./place.js";

interface SharedNets {
  /** By name of a net: the one whose function it takes. */
  readonly first: ReadonlyMap<string, Net>;
  /** By name of one that others share: these. */
  readonly others: ReadonlyMap<string, readonly Net[]>;
}

const known = new WeakMap<ModelIr, SharedNets>();

/** The net whose function stands for this one: itself, or the first of its kind. */
export function sharedNet(context: DeriveContext, net: Net): Net {
  return sharedNets(context).first.get(net.name) ?? net;
}

/** Nets beside this one that take its function. */
export function sharersOf(context: DeriveContext, net: Net): readonly Net[] {
  return sharedNets(context).others.get(net.name) ?? [];
}

function sharedNets(context: DeriveContext): SharedNets {
  const before = known.get(context.model);
  if (before) return before;
  const first = new Map<string, Net>();
  const others = new Map<string, Net[]>();
  const byForm = new Map<string, Net>();
  const visit = (net: Net): Net => {
    const found = first.get(net.name);
    if (found) return found;
    for (const value of exprsOf(net)) walkExpr(value, (e) => void (e.kind === "netCall" && visit(netOf(context, e.net))));
    // a net of the model is called by its name
    const form = net.path === net.name ? net.name : formOf(context, net, (name) => first.get(name)?.name ?? name);
    const same = byForm.get(form) ?? net;
    byForm.set(form, same);
    first.set(net.name, same);
    if (same !== net) others.set(same.name, [...(others.get(same.name) ?? []), net]);
    return same;
  };
  context.model.nets.forEach(visit);
  const shared = { first, others };
  known.set(context.model, shared);
  return shared;
}

const exprsOf = (net: Net): readonly Expr[] => [...net.body.map((b) => b.value), net.result];

/** All that its function is made of: locals by number, weights by the path below its own, masks as they are decided. */
function formOf(context: DeriveContext, net: Net, functionOf: (net: string) => string): string {
  const locals = new Map([...net.params, ...net.body.map((b) => b.local)].map((l, i) => [l.id, i]));
  const below = (path: string): string => (path.startsWith(`${net.path}.`) ? path.slice(net.path.length) : path);
  const replaced = (key: string, value: unknown): unknown => {
    if (key === "span" || key === "text" || key === "doc" || key === "parameterCount") return undefined;
    if (value instanceof Map) return [...(value as Map<unknown, unknown>)];
    if (key === "local") {
      const { id, name, type } = value as Net["params"][number];
      return { id: locals.get(id) ?? id, name, type };
    }
    if (key === "instance") {
      const instance = value as Extract<Expr, { kind: "layer" }>["instance"];
      return { ...instance, path: below(instance.path), rule: context.masks.get(instance.path) };
    }
    const e = value as Expr | null;
    if (typeof e === "object" && e?.kind === "netCall") {
      const callee = netOf(context, e.net);
      // random numbers go by the name of what draws them
      return {
        kind: "called",
        net: callee.random ? callee.name : functionOf(callee.name),
        path: below(callee.path),
        args: e.args,
        over: e.over,
        type: e.type,
      };
    }
    return value;
  };
  const params = net.params.map((local) => ({ local }));
  const body = net.body.map(({ local, value }) => ({ local, value }));
  return JSON.stringify([place(net.span), net.random, params, body, net.result], replaced);
}
