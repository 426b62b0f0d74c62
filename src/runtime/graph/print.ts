/**
 * A graph as text, one line a node, for `--dump` and debugging:
 *   %4 = matmul(%2, %3) transposeB   f32 [128, 200]   ; log p(x | z), vae.gm:12
 */
import { showShape } from "./shape.js";
import type { Graph, Node } from "./types.js";

export function printGraph(graph: Graph): string {
  const lines = graph.nodes.map((node) => {
    const origin = node.origin === undefined ? "" : `   ; ${node.origin.label}, ${node.origin.place}`;
    const params = showParams(node);
    return `%${node.id} = ${node.prim}(${node.inputs.map((id) => `%${id}`).join(", ")})${params === "" ? "" : ` ${params}`}   ${node.dtype} ${showShape(node.shape)}${origin}`;
  });
  const named = (title: string, ids: Readonly<Record<string, number>>): string[] =>
    Object.entries(ids).map(([name, id]) => `${title} ${name} = %${id}`);
  return [...lines, ...named("output", graph.outputs), ...named("write", graph.writes)].join("\n") + "\n";
}

function showParams(node: Node): string {
  return Object.entries(node.params)
    .flatMap(([key, value]: [string, unknown]) => {
      if (value === false || value === null) return [];
      return value === true ? [key] : [`${key}=${showValue(value)}`];
    })
    .join(" ");
}

function showValue(value: unknown): string {
  if (typeof value === "object" && value !== null && "nodes" in value) return `(${(value as Graph).nodes.length} nodes)`;
  if (!Array.isArray(value)) return typeof value === "string" ? JSON.stringify(value) : String(value);
  const shown = value.slice(0, 8).map(showValue).join(", ");
  return value.length === 1 && typeof value[0] === "number" ? shown : `[${shown}${value.length > 8 ? `, … ${value.length} in all` : ""}]`;
}
