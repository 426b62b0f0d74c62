/** Which latents have a sphere that their draws lie about. */
import { rootKey, stage, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import { sizeOf } from "../graph/shape.js";
import type { Graph } from "../graph/types.js";
import type { DensityDefinition, ModelDefinition } from "../model.js";
import { averagedState, readWeights } from "../train/context.js";
import { drawFrom, variableInput } from "./draw.js";

/**
 * Latents that some density draws from a Normal around 0 that is as wide in all directions: their norms lie close about one value, and any rotation of one
 * is as likely as itself. Read off what the density computes: noise times one number.
 */
export function circledLatents(model: ModelDefinition): readonly string[] {
  const found = new Set<string>();
  for (const density of Object.values(model.densities)) {
    const latents = density.head.filter((name) => Object.hasOwn(model.latents, name));
    if (density.sample === undefined || latents.length === 0) continue;
    const graph = drawn(model, density, latents);
    for (const name of latents) if (isRound(graph, graph.outputs[name])) found.add(name);
  }
  return [...found];
}

function drawn(model: ModelDefinition, density: DensityDefinition, latents: readonly string[]): Graph {
  const held = [
    ...density.given,
    ...Object.keys(density.chain?.variables ?? {}),
    ...(density.sequential ?? []).map(({ variable }) => variable),
  ];
  const options = { model, rows: 2, averaged: new Set<string>() };
  const make = (): Record<string, Tensor> => {
    const given = Object.fromEntries(held.map((name) => [name, variableInput(options, name)]));
    const { values } = drawFrom(
      density,
      readWeights(model, averagedState(options.averaged)),
      rootKey(),
      { kind: "rows", size: options.rows },
      given,
    );
    return Object.fromEntries(latents.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])));
  };
  return optimize(stage({}, make, { mode: "eval" }));
}

function isRound(graph: Graph, id: number | undefined): boolean {
  const node = id === undefined ? undefined : graph.nodes[id];
  if (node === undefined) return false;
  switch (node.prim) {
    case "random":
      return (node.params as { readonly kind: string }).kind === "normal";
    case "neg":
    case "reshape":
      return isRound(graph, node.inputs[0]);
    case "mul":
    case "div": {
      const [a, b] = node.inputs;
      const isOne = (at: number | undefined): boolean => at !== undefined && sizeOf(graph.nodes[at]?.shape ?? []) === 1;
      return (isOne(b) && isRound(graph, a)) || (node.prim === "mul" && isOne(a) && isRound(graph, b));
    }
    default:
      return false;
  }
}
