/** Dead code: drops what no output and no write needs, unread inputs and states included, and numbers the rest anew. */
import type { Graph, Node } from "../types.js";
import type { Pass } from "./pass.js";

export const dce: Pass = { name: "dce", run: dropDead };

function dropDead(graph: Graph): Graph {
  const live = new Array<boolean>(graph.nodes.length).fill(false);
  for (const id of [...Object.values(graph.outputs), ...Object.values(graph.writes)]) live[id] = true;
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    if (live[id]) for (const input of graph.nodes[id]!.inputs) live[input] = true;
  }
  if (live.every(Boolean)) return graph;
  const renamed: number[] = [];
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    if (!live[node.id]) continue;
    renamed[node.id] = nodes.length;
    nodes.push({ ...node, id: nodes.length, inputs: node.inputs.map((id) => renamed[id]!) } as Node);
  }
  const map = (ids: Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, renamed[id]!]));
  return { nodes, outputs: map(graph.outputs), writes: map(graph.writes) };
}
