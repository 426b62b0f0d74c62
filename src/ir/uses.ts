/** The weights that densities and expressions depend on, by path: nets, parameters, and the layers that hang on densities and objectives. */
import type { Context } from "./env.js";
import type { Density, Expr, Flow, Net, WeightNode } from "./types.js";
import { flowsIn, netsIn } from "./flows.js";
import { distExprs, walkExpr } from "./walk.js";

/** Paths of the weights of a density, in order of use: `decoder`, `mu`, `p.dense1`. */
export function weightsOfDensity(cx: Context, density: Density): readonly string[] {
  const paths = new Set<string>();
  for (const statement of density.statements) {
    switch (statement.kind) {
      case "bind":
        collect(cx, statement.binding.value, paths);
        break;
      case "draw":
        for (const expr of distExprs(statement.dist)) collect(cx, expr, paths);
        break;
      case "define":
      case "energy":
        collect(cx, statement.value, paths);
    }
  }
  return [...paths];
}

function collect(cx: Context, expr: Expr, paths: Set<string>): void {
  walkExpr(expr, (e) => {
    if (e.kind === "param") paths.add(e.path);
    if (e.kind === "layer" && e.instance.parameterCount > 0) paths.add(e.instance.path);
    if (e.kind === "netCall") {
      const net = cx.netByName.get(e.net);
      if (net) collectNet(cx, net, paths);
    }
    if (e.kind === "flowCall") {
      const flow = cx.flowByName.get(e.flow);
      if (flow) collectFlow(cx, flow, paths);
    }
  });
}

/** A net with weights of its own is one path; nets of the model and parameters that it uses stand beside it. */
function collectNet(cx: Context, net: Net, paths: Set<string>): void {
  if (paths.has(net.path)) return;
  if (ownWeights(cx, net.weights)) paths.add(net.path);
  const inner = new Set<string>();
  for (const expr of [...net.body.map((b) => b.value), net.result]) collect(cx, expr, inner);
  for (const path of inner) if (!path.startsWith(`${net.path}.`)) paths.add(path);
}

/** A flow, likewise: its bijections and their nets are its own, flows of the model and parameters stand beside it. */
function collectFlow(cx: Context, flow: Flow, paths: Set<string>): void {
  if (paths.has(flow.path)) return;
  if (ownWeights(cx, flow.weights)) paths.add(flow.path);
  for (const name of flowsIn(flow.steps)) {
    const inner = cx.flowByName.get(name);
    if (inner) collectFlow(cx, inner, paths);
  }
  for (const name of netsIn(flow.steps)) {
    const net = cx.netByName.get(name);
    if (!net) continue;
    const found = new Set<string>();
    collect(cx, net.result, found);
    for (const path of found) if (!path.startsWith(`${flow.path}.`)) paths.add(path);
  }
}

function ownWeights(cx: Context, weights: readonly WeightNode[]): boolean {
  return weights.some((node) => node.kind !== "net" || ownWeights(cx, cx.netByName.get(node.net)?.weights ?? []));
}
