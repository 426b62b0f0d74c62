/**
 * Calls that map a net over axes in front of what it takes: for its function these are leading axes, as the batch is. An argument that is the same
 * for all of them gets axes of size 1 there, and a result that reads none of those that differ is repeated.
 */
import { type DeriveContext, netOf } from "../ir/derive/context.js";
import { inFront } from "../ir/mapped-nets.js";
import type { Expr, Net, NetCallExpr } from "../ir/types.js";
import { childrenOf } from "../ir/walk.js";
import { call, type Js, num, numbers, object } from "./js.js";
import type { Scope } from "./lower-expr.js";
import { hasLead, type RecordValue, type TensorValue, type Value } from "./values.js";

/** Whether an argument of a mapped call has the axes in front. */
export function isMapped(net: Net, { args }: NetCallExpr, i: number): boolean {
  const [param, arg] = [net.params[i], args[i]];
  return param !== undefined && arg !== undefined && (inFront(param.type, arg.type)?.length ?? 0) > 0;
}

/** The arguments of a call, so that their leading axes meet. */
export function alignedArguments(net: Net, args: readonly Value[], expr: NetCallExpr): readonly Value[] {
  const { over } = expr;
  if (!over) return args;
  return args.map((arg, i) => (isMapped(net, expr, i) ? arg : withAxes(arg, over.length)));
}

/** A value with so many axes of size 1 between its leading axes and its event, where it has leading ones. */
function withAxes(value: Value, count: number): Value {
  if (value.kind === "record") {
    const fields = new Map([...value.fields].map(([name, f]) => [name, withAxes(f, count) as TensorValue]));
    return recordValue(fields);
  }
  if (!hasLead(value.lead)) return value;
  let { js } = value;
  for (let i = 0; i < count; i++) js = call("expandDims", js, num(-(value.shape.length + 1)));
  return { ...value, js };
}

/** What a mapped call gives, with all axes that it is mapped over. */
export function repeatedResults(scope: Scope, net: Net, value: Value, expr: NetCallExpr): Value {
  const sizes = expr.over?.map((d) => d.size);
  if (!sizes) return value;
  const varying = varyingIn(scope.context, net, new Set(net.params.filter((_, i) => isMapped(net, expr, i)).map((p) => p.id)));
  const repeated = (v: TensorValue): TensorValue => {
    return { ...v, js: call("repeatEvent", v.js, num(v.shape.length - sizes.length), numbers(sizes)) };
  };
  if (value.kind === "tensor") return varying(net.result) ? value : repeated(value);
  const stays = [...value.fields.keys()].filter((name) => !varying(net.result, name));
  if (stays.length === 0) return value;
  const called = scope.writer.bind(net.name, value) as RecordValue;
  return recordValue(new Map([...called.fields].map(([name, f]) => [name, stays.includes(name) ? repeated(f) : f])));
}

function recordValue(fields: ReadonlyMap<string, TensorValue>): RecordValue {
  return { kind: "record", js: object(Object.fromEntries([...fields].map(([name, f]): [string, Js] => [name, f.js]))), fields };
}

/** Whether an expression of a net, or its field of that name, certainly has the axes of the parameters with these ids. */
function varyingIn(context: DeriveContext, net: Net, mapped: ReadonlySet<string>): (expr: Expr, field?: string) => boolean {
  const bound = new Map(net.body.map((b) => [b.local.id, b.value]));
  const known = new Map<string, boolean>();
  const ofLocal = (id: string, field?: string): boolean => {
    if (mapped.has(id)) return true;
    const key = `${id}.${field ?? ""}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const value = bound.get(id);
    const found = value !== undefined && varies(value, field);
    known.set(key, found);
    return found;
  };
  const varies = (e: Expr, field?: string): boolean => {
    switch (e.kind) {
      case "local":
        return ofLocal(e.local.id, field);
      case "field":
        return varies(e.target, e.field);
      case "record":
        return e.fields.some((f) => f.name === field && varies(f.value));
      case "netCall": {
        const inner = netOf(context, e.net);
        const passed = new Set(inner.params.filter((_, i) => e.args[i] && varies(e.args[i])).map((p) => p.id));
        return passed.size > 0 && varyingIn(context, inner, passed)(inner.result, field);
      }
      default:
        return childrenOf(e).some((child) => varies(child));
    }
  };
  return varies;
}
