/**
 * Takes a graph, gives an equal one in which the sum of two thin matrix products is one product over both depths: A B + C D = [A C] [B; D]. So the
 * gradients of several heads on one layer come together within a kernel, not in one more that waits for all of them; the joined operands are read
 * where their halves lie. Only the order of the sums differs.
 */
import { dce } from "../../graph/passes/index.js";
import type { Graph, Node, NodeOf, Shape } from "../../graph/types.js";

/** Depth up to which joining pays: reading a joined operand asks at each element which half it is of. */
const MOST_DEPTH = 512;

export function joinProducts(graph: Graph): Graph {
  const readers = graph.nodes.map(() => 0);
  for (const node of graph.nodes) for (const id of node.inputs) readers[id]!++;
  for (const id of [...Object.values(graph.outputs), ...Object.values(graph.writes)]) readers[id]!++;
  const nodes: Node[] = [];
  const moved: number[] = [];
  const once: boolean[] = [];
  const push = (node: Node, used: number): number => {
    once.push(used === 1);
    return nodes.push({ ...node, id: nodes.length }) - 1;
  };
  for (const node of graph.nodes) {
    const here = { ...node, inputs: node.inputs.map((id) => moved[id]!) };
    const pair = here.prim === "add" ? here.inputs.map((id) => nodes[id]!) : [];
    const [first, second] = pair;
    if (
      first === undefined ||
      second === undefined ||
      first.id === second.id ||
      !joinable(first, second) ||
      !pair.every(({ id }) => once[id])
    ) {
      moved.push(push(here, readers[node.id]!));
      continue;
    }
    const { transposeA, transposeB } = first.params;
    const joined = (operand: 0 | 1, last: boolean): number => {
      const [a, b] = [nodes[first.inputs[operand]!]!, nodes[second.inputs[operand]!]!];
      const axis = a.shape.length - (last ? 1 : 2);
      const shape = a.shape.map((extent, i) => (i === axis ? extent + b.shape[i]! : extent));
      return push({ ...here, prim: "concat", inputs: [a.id, b.id], params: { axis }, shape } as Node, 1);
    };
    const inputs = [joined(0, !transposeA), joined(1, transposeB)];
    moved.push(push({ ...here, prim: "matmul", inputs, params: { transposeA, transposeB } } as Node, readers[node.id]!));
  }
  if (nodes.length === graph.nodes.length) return graph;
  const renamed = (names: Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(Object.entries(names).map(([name, id]) => [name, moved[id]!]));
  return dce.run({ ...graph, nodes, outputs: renamed(graph.outputs), writes: renamed(graph.writes) });

  function joinable(a: Node, b: Node): a is NodeOf<"matmul"> {
    if (a.prim !== "matmul" || b.prim !== "matmul") return false;
    const { transposeA, transposeB } = a.params;
    if (b.params.transposeA !== transposeA || b.params.transposeB !== transposeB) return false;
    const [depthA, depthB] = [depthOf(a), depthOf(b)];
    return rank(a, 0) === rank(b, 0) && rank(a, 1) === rank(b, 1) && depthA + depthB <= MOST_DEPTH;
  }

  function depthOf(product: NodeOf<"matmul">): number {
    return shapeOf(product, 0).at(product.params.transposeA ? -2 : -1)!;
  }

  function rank(product: Node, operand: 0 | 1): number {
    return shapeOf(product, operand).length;
  }

  function shapeOf(product: Node, operand: 0 | 1): Shape {
    return nodes[product.inputs[operand]!]!.shape;
  }
}
