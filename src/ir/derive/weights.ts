/** The weights of a model: all of them, those behind expressions, and those that expressions have a gradient in. */
import { remembered } from "../../base/remembered.js";
import type { Span } from "../../base/source.js";
import { bijectionsOf, netsIn } from "../flows.js";
import type { BijectionInstance, Binding, Expr, LayerInstance, Net, Param } from "../types.js";
import { childrenOf, distExprs, walkExpr } from "../walk.js";
import { type DeriveContext, flowOf, netOf, partsOfFlow } from "./context.js";
import { gradientParts } from "./gradient-parts.js";
import { walk } from "./walk-bindings.js";

/** A parameter, or a layer or bijection with weights. */
export interface WeightEntry {
  readonly path: string;
  readonly parameters: number;
  readonly span: Span;
  readonly of:
    | { readonly kind: "param"; readonly param: Param }
    | { readonly kind: "layer"; readonly instance: LayerInstance }
    | { readonly kind: "bijection"; readonly instance: BijectionInstance };
}

/** Every weight of the model, in the order of the file: params, nets, layers that stand in densities and objectives. */
export const weightEntries = remembered((context: DeriveContext): readonly WeightEntry[] => {
  const { model } = context;
  const found = new Map<string, WeightEntry>();
  for (const param of model.params) {
    found.set(param.path, {
      path: param.path,
      parameters: param.domain.shape.reduce((n, d) => n * d.size, 1),
      span: param.span,
      of: { kind: "param", param },
    });
  }
  const seen = new Set<string>();
  const note = (e: Expr): void => {
    if (e.kind !== "layer" || e.instance.parameterCount === 0) return;
    const { instance } = e;
    found.set(instance.path, {
      path: instance.path,
      parameters: instance.parameterCount,
      span: instance.span,
      of: { kind: "layer", instance },
    });
  };
  const visit = (e: Expr): void => walk(context, e, note, seen);
  const ofNet = (net: Net): void => {
    for (const b of net.body) visit(b.value);
    visit(net.result);
  };
  // those of a flow stand together, in the order of its steps
  const conditioners = new Set(model.flows.flatMap((flow) => partsOfFlow(context, flow).nets));
  const within = new Set([...conditioners].flatMap((net) => model.nets.filter((n) => n.path.startsWith(`${net.path}.`))));
  for (const net of model.nets) if (!conditioners.has(net) && !within.has(net)) ofNet(net);
  for (const flow of model.flows) {
    for (const name of netsIn(flow.steps.filter((s) => s.kind !== "bijection"))) ofNet(netOf(context, name));
    for (const { instance, conditioner } of bijectionsOf(flow.steps)) {
      if (instance.parameterCount > 0)
        found.set(instance.path, {
          path: instance.path,
          parameters: instance.parameterCount,
          span: instance.span,
          of: { kind: "bijection", instance },
        });
      const net = conditioner && netOf(context, conditioner.net);
      for (const inner of net ? model.nets.filter((n) => n === net || n.path.startsWith(`${net.path}.`)) : []) ofNet(inner);
    }
  }
  // below a net at the flow's own path, such as a step's condition, stand nets of no bijection
  within.forEach(ofNet);
  for (const density of model.densities) {
    for (const s of density.statements) {
      if (s.kind === "bind") visit(s.binding.value);
      else if (s.kind === "draw") distExprs(s.dist).forEach(visit);
      else visit(s.value);
    }
  }
  for (const objective of model.objectives) visit(objective.value);
  for (const phase of model.train) for (const update of phase.updates) visit(update.value);
  return [...found.values()];
});

/** Paths of the params and layers behind expressions, in the order of first use. */
export function weightsIn(context: DeriveContext, exprs: readonly Expr[]): ReadonlySet<string> {
  return weightsBehind(context, exprs, childrenOf, (net) => net.body);
}

/** Those of them that the expressions have a gradient in. What a net binds and nothing reads counts as the net's. */
export function weightsWithGradient(context: DeriveContext, exprs: readonly Expr[]): readonly string[] {
  const unread = (net: Net): readonly Binding[] => {
    const read = new Set<string>();
    for (const e of [...net.body.map((b) => b.value), net.result]) walkExpr(e, (x) => x.kind === "local" && read.add(x.local.id));
    return net.body.filter((b) => !read.has(b.local.id));
  };
  const reached = weightsBehind(context, exprs, gradientParts(context), unread);
  return [...weightsIn(context, exprs)].filter((w) => reached.has(w));
}

function weightsBehind(
  context: DeriveContext,
  exprs: readonly Expr[],
  partsOf: (expr: Expr) => readonly Expr[],
  roots: (net: Net) => readonly Binding[],
): ReadonlySet<string> {
  const found = new Set<string>();
  const nets = new Set<string>();
  const seen = new Set<string>();
  const ofNet = (net: Net): void => {
    if (nets.has(net.name)) return;
    nets.add(net.name);
    for (const b of roots(net)) walk(context, b.value, visit, seen, partsOf);
    walk(context, net.result, visit, seen, partsOf);
  };
  const visit = (e: Expr): void => {
    if (e.kind === "param") found.add(e.path);
    else if (e.kind === "layer" && e.instance.parameterCount > 0) found.add(e.instance.path);
    else if (e.kind === "netCall") ofNet(netOf(context, e.net));
    else if (e.kind === "flowCall") {
      const parts = partsOfFlow(context, flowOf(context, e.flow));
      for (const b of parts.bijections) if (b.parameterCount > 0) found.add(b.path);
      parts.nets.forEach(ofNet);
    }
  };
  for (const expr of exprs) walk(context, expr, visit, seen, partsOf);
  return found;
}
