/**
 * Calls of nets without weights, written out: an energy from a template such as `rbm_energy(v, h, W, a, b)` is analysed, explained and printed as the
 * sum that it stands for. Takes an elaborated expression and gives one of the same value and type.
 */
import type { Span } from "../base/source.js";
import type { Context } from "./env.js";
import { hasWeights } from "./nets.js";
import type { Expr, Net } from "./types.js";
import { childrenOf, mapChildren } from "./walk.js";

/** Longer ones stay calls. */
const mostNodes = 2000;

/** `expr` with such calls replaced; templates that nothing calls any more are taken out of the model. */
export function writtenOut(cx: Context, expr: Expr): Expr {
  const gone = new Set<string>();
  const inlined = (net: Net, args: readonly Expr[], call: Span): Expr => {
    // the library is not the reader's file: what comes from there stands where it is called
    const span = net.span.file.path === call.file.path ? undefined : call;
    const values = new Map<string, Expr>(net.params.flatMap((p, i) => (args[i] ? [[p.id, args[i]] as const] : [])));
    for (const b of net.body) values.set(b.local.id, visit(b.value, values, span));
    return visit(net.result, values, span);
  };
  // nets that call nets twice double with each: beyond the limit nothing is followed further
  let left = mostNodes;
  const visit = (e: Expr, values: ReadonlyMap<string, Expr>, span: Span | undefined): Expr => {
    if (--left < 0) return e;
    const at = span === undefined ? e : { ...e, span };
    const inner = (x: Expr): Expr => visit(x, values, span);
    switch (at.kind) {
      case "local":
        return values.get(at.local.id) ?? at;
      case "builtin":
      case "layer":
        return { ...at, args: at.args.map(inner) };
      case "record":
        return { ...at, fields: at.fields.map((f) => ({ ...f, value: inner(f.value) })) };
      case "field": {
        const target = inner(at.target);
        return (target.kind === "record" && target.fields.find((f) => f.name === at.field)?.value) || { ...at, target };
      }
      case "netCall": {
        const net = cx.netByName.get(at.net);
        const args = at.args.map(inner);
        if (!net || at.over || net.random || hasWeights(cx, net)) return { ...at, args };
        gone.add(net.name);
        return inlined(net, args, at.span);
      }
      case "grad":
        return mapChildren(at, inner);
      default:
        return at;
    }
  };
  const out = visit(expr, new Map(), undefined);
  if (gone.size === 0 || left < 0 || longerThan(out, mostNodes)) return expr;
  // a net of the model may be called elsewhere, a template's instance is this call's own
  const own = new Set([...cx.instances.values()].flatMap((list) => list.flatMap((i) => i.net?.name ?? [])));
  cx.nets.splice(0, cx.nets.length, ...cx.nets.filter((n) => !gone.has(n.name) || own.has(n.name)));
  return out;
}

function longerThan(expr: Expr, limit: number): boolean {
  let left = limit;
  const fits = (e: Expr): boolean => --left >= 0 && childrenOf(e).every(fits);
  return !fits(expr);
}
