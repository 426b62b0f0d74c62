/** What a name, a net's call or a layer in a location stands for, so that sums of products with weights are read where they are written. */
import { layers } from "../layers.js";
import type { Dim, Expr, LayerExpr, NetCallExpr, ParamExpr } from "../types.js";
import { mapChildren } from "../walk.js";
import { type DeriveContext, netOf } from "./context.js";
import { weightsIn } from "./weights.js";

/** Nets that would be longer when written out stay calls. */
const MOST_NODES = 2000;

/** An expression of the same value whose head is neither a name, a call of a net with weights, a field of a record nor a layer that is a product. */
export function opened(context: DeriveContext, expr: Expr): Expr {
  let e = expr;
  for (let next = step(context, e); next; next = step(context, e)) e = next;
  return e;
}

function step(context: DeriveContext, e: Expr): Expr | undefined {
  switch (e.kind) {
    case "local":
      return context.bindings.get(e.local.id)?.value;
    case "netCall":
      return weightsIn(context, [e]).size > 0 ? writtenOut(context, e) : undefined;
    case "field": {
      const target = opened(context, e.target);
      return target.kind === "record" ? target.fields.find((f) => f.name === e.field)?.value : undefined;
    }
    case "layer":
      return asProduct(e);
    default:
      return undefined;
  }
}

/** The result of a net at what it is handed; undefined of one that draws or is too long. */
function writtenOut(context: DeriveContext, call: NetCallExpr): Expr | undefined {
  const net = netOf(context, call.net);
  if (net.random) return undefined;
  const values = new Map<string, Expr>(net.params.flatMap((p, i) => (call.args[i] ? [[p.id, call.args[i]] as const] : [])));
  let left = MOST_NODES;
  const visit = (e: Expr): Expr => {
    left -= 1;
    if (left < 0) return e;
    return (e.kind === "local" && values.get(e.local.id)) || mapChildren(e, visit);
  };
  for (const b of net.body) values.set(b.local.id, visit(b.value));
  const result = visit(net.result);
  return left < 0 ? undefined : result;
}

/** `x @ kernel + bias` of a layer whose table entry says that it is that. */
function asProduct({ instance, args: [x], type, span }: LayerExpr): Expr | undefined {
  const product = layers.get(instance.layer)?.product;
  if (!product || !x || instance.options["spectral"] === true || type.kind !== "tensor" || x.type.kind !== "tensor") return undefined;
  const [inputs, units] = [x.type.shape.at(-1), type.shape.at(-1)];
  if (!inputs || !units) return undefined;
  const weight = (name: string, shape: readonly Dim[]): ParamExpr => {
    const path = `${instance.path}.${name}`;
    return { kind: "param", param: path, path, type: { kind: "tensor", element: "real", shape }, span };
  };
  const mapped: Expr = { kind: "builtin", fn: "matmul", args: [x, weight(product.kernel, [inputs, units])], options: {}, type, span };
  if (instance.options["bias"] === false) return mapped;
  return { kind: "builtin", fn: "add", args: [mapped, weight(product.bias, [units])], options: {}, type, span };
}
