/**
 * Calls that map a net over axes in front of what it takes: for its function these are leading axes, as the batch is. An argument that is the same
 * for all of them gets axes of size 1 there, and a result that reads none of those that differ is repeated.
 */
import { inFront } from "../ir/mapped-nets.js";
import type { Net, NetCallExpr } from "../ir/types.js";
import { call, type Js, num, numbers, object } from "./js.js";
import type { Scope } from "./lower-expr.js";
import { paramsReadBy } from "./net-reads.js";
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
  const varies = (field?: string): boolean => [...paramsReadBy(scope.context, net, field)].some((i) => isMapped(net, expr, i));
  const repeated = (v: TensorValue): TensorValue => {
    return { ...v, js: call("repeatEvent", v.js, num(v.shape.length - sizes.length), numbers(sizes)) };
  };
  if (value.kind === "tensor") return varies() ? value : repeated(value);
  const stays = [...value.fields.keys()].filter((name) => !varies(name));
  if (stays.length === 0) return value;
  const called = scope.writer.bind(net.name, value) as RecordValue;
  return recordValue(new Map([...called.fields].map(([name, f]) => [name, stays.includes(name) ? repeated(f) : f])));
}

function recordValue(fields: ReadonlyMap<string, TensorValue>): RecordValue {
  return { kind: "record", js: object(Object.fromEntries([...fields].map(([name, f]): [string, Js] => [name, f.js]))), fields };
}
