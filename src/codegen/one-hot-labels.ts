/**
 * Categories as an energy sees them: one-hot vectors, so that it is linear in their units. A lookup `U[y]` becomes the product `y @ U`; labels of
 * conditions, which are not its own, stay labels.
 */
import { type DeriveContext, type EnergyBlock, netOf } from "../ir/derive/context.js";
import { withFront } from "../ir/mapped-nets.js";
import type { BuiltinExpr, Dim, Expr, Net, NetCallExpr, TensorType } from "../ir/types.js";
import { mapChildren } from "../ir/walk.js";
import { variableOf } from "./lower-dist.js";
import { isMapped } from "./mapped-calls.js";

/** The event shape in which an energy sees a variable: categories of its own are one-hot. */
export function seenShape(context: DeriveContext, energy: EnergyBlock, variable: string): readonly Dim[] {
  const { domain } = variableOf(context, variable);
  return domain.name === "category" && domain.classes && energy.variables.includes(variable)
    ? [...domain.shape, domain.classes]
    : domain.shape;
}

/** Labels of the energy's own categories, `y`, `y[2]`, `y[1..3]`, as the one-hot vectors that it sees; undefined of all else. */
function hotLabels(context: DeriveContext, energy: EnergyBlock, expr: Expr): Expr | undefined {
  if (expr.kind === "variable") {
    if (!energy.variables.includes(expr.variable) || variableOf(context, expr.variable).domain.name !== "category") return undefined;
    return { ...expr, type: { kind: "tensor", element: "real", shape: seenShape(context, energy, expr.variable) } };
  }
  // `k = y` is another name of the labels
  if (expr.kind === "local") {
    const named = context.bindings.get(expr.local.id)?.value;
    return named && hotLabels(context, energy, named);
  }
  if (expr.kind !== "builtin" || (expr.fn !== "index" && expr.fn !== "slice") || expr.type.kind !== "tensor") return undefined;
  const of = expr.args[0] && hotLabels(context, energy, expr.args[0]);
  const axis = expr.options["axis"];
  if (of?.type.kind !== "tensor" || typeof axis !== "number") return undefined;
  // the classes are one more axis, the last; axes count from the end
  const type = { ...of.type, shape: [...expr.type.shape, ...of.type.shape.slice(-1)] };
  return { ...expr, args: [of], options: { ...expr.options, axis: axis - 1 }, type };
}

/** Rows of a table that are matrices or more: the product with the table of flat rows, in the shape of the rows. */
function rowsOfTable(expr: BuiltinExpr, y: Expr, table: Expr, row: readonly Dim[]): Expr {
  const width = row.reduce((product, d) => product * d.size, 1);
  const labels = y.type.kind === "tensor" ? y.type.shape : [];
  const shaped = (of: Expr, shape: readonly Dim[]): Expr => ({
    ...expr,
    fn: "reshape",
    args: [of],
    options: { shape: shape.map((d) => d.size) },
    type: { kind: "tensor", element: "real", shape },
  });
  const flat = { size: width, text: String(width) };
  const rows = shaped(table, [...labels.slice(-1), flat]);
  const product: Expr = {
    ...expr,
    fn: "matmul",
    args: [y, rows],
    options: {},
    type: { kind: "tensor", element: "real", shape: [...labels.slice(0, -1), flat] },
  };
  return shaped(product, [...labels.slice(0, -1), ...row]);
}

/** The context as the energy sees it: what names stand for, with labels one-hot. */
export function withOneHot(context: DeriveContext, energy: EnergyBlock): DeriveContext {
  const labels = energy.variables.filter((v) => variableOf(context, v).domain.name === "category");
  if (labels.length === 0) return context;
  const bindings = [...context.bindings].map(([id, binding]) => {
    const reads = context.reads.get(id);
    return [id, labels.some((v) => reads?.has(v)) ? { ...binding, value: oneHot(context, energy, binding.value) } : binding] as const;
  });
  return { ...context, bindings: new Map(bindings) };
}

/** `U[y]` of a one-hot y is `y @ U`. */
export function oneHot(context: DeriveContext, energy: EnergyBlock, expr: Expr): Expr {
  const inner = (e: Expr): Expr => oneHot(context, energy, e);
  const hot = (e: Expr | undefined): Expr | undefined => e && hotLabels(context, energy, e);
  switch (expr.kind) {
    case "builtin": {
      const [table, index] = expr.args;
      if (expr.fn === "onehot") return hot(table) ?? mapChildren(expr, inner);
      const y = expr.fn === "take" ? hot(index) : undefined;
      if (!table || y?.type.kind !== "tensor" || table.type.kind !== "tensor") return mapChildren(expr, inner);
      const row = table.type.shape.slice(1);
      if (row.length === 0) {
        const product: Expr = { ...expr, fn: "mul", args: [y, inner(table)], options: {}, type: y.type };
        return { ...expr, fn: "sum", args: [product], options: { axes: [-1] } };
      }
      if (row.length === 1) return { ...expr, fn: "matmul", args: [y, inner(table)], options: {} };
      return rowsOfTable(expr, y, inner(table), row);
    }
    case "layer":
      return mapChildren(expr, expr.instance.layer === "embedding" ? (e) => hot(e) ?? inner(e) : inner);
    case "netCall":
      // a net's own function takes labels: one that is handed one-hot vectors is written out
      return expr.args.some((e) => hot(e)) ? inner(writtenOut(context, expr)) : mapChildren(expr, inner);
    default:
      return mapChildren(expr, inner);
  }
}

/** What a call of a net computes, in terms of its arguments; one that maps it, place by place. */
function writtenOut(context: DeriveContext, expr: NetCallExpr): Expr {
  const net = netOf(context, expr.net);
  const [first, ...rest] = expr.over ?? [];
  if (!first) return bodyOf(net, expr.args);
  const calls = Array.from({ length: first.size }, (_, position) =>
    writtenOut(context, {
      ...expr,
      over: rest,
      args: expr.args.map((arg, i) => (isMapped(net, expr, i) ? part(arg, position) : arg)),
      type: withFront(rest, net.result.type),
    }),
  );
  const stacked = (type: TensorType, values: readonly Expr[]): Expr => ({
    kind: "builtin",
    fn: "stack",
    args: values,
    options: {},
    type: { ...type, shape: [first, ...type.shape] },
    span: expr.span,
  });
  const each = withFront(rest, net.result.type);
  if (each.kind === "tensor") return stacked(each, calls);
  const fields = each.fields.map(({ name, type }) => ({
    name,
    value: stacked(
      type,
      calls.map((target): Expr => ({ kind: "field", target, field: name, type, span: expr.span })),
    ),
  }));
  return { kind: "record", fields, type: expr.type, span: expr.span };
}

/** `value[position]`, of each field of a record. */
function part(value: Expr, position: number): Expr {
  const { span } = value;
  if (value.type.kind === "tensor") {
    const [, ...shape] = value.type.shape;
    const options = { axis: -value.type.shape.length, position };
    return { kind: "builtin", fn: "index", args: [value], options, type: { ...value.type, shape }, span };
  }
  const fields = value.type.fields.map(({ name, type }) => ({
    name,
    value: part({ kind: "field", target: value, field: name, type, span }, position),
  }));
  const types = fields.flatMap(({ name, value: { type } }) => (type.kind === "tensor" ? [{ name, type }] : []));
  return { kind: "record", fields, type: { kind: "record", fields: types }, span };
}

/** The body of a net in terms of what it is called with. */
function bodyOf(net: Net, args: readonly Expr[]): Expr {
  const values = new Map(net.params.map((p, i) => [p.id, args[i]]));
  const visit = (e: Expr): Expr => (e.kind === "local" ? (values.get(e.local.id) ?? e) : mapChildren(e, visit));
  for (const b of net.body) values.set(b.local.id, visit(b.value));
  return visit(net.result);
}
