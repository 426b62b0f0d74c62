/**
 * Takes a graph, gives an equal one in which a sum (or maximum) over many axes starts from one over fewer of the same values, where there is one.
 * A metric, the mean of a term over everything, then costs next to nothing, and the term itself has one reader, which patterns need.
 */
import type { Graph, Node, NodeOf } from "../types.js";

type Reduction = NodeOf<"reduceSum"> | NodeOf<"reduceMax">;

export function reuseReductions(graph: Graph): Graph {
  const before = new Map<string, Reduction[]>();
  const nodes = graph.nodes.map((node): Node => {
    if (node.prim !== "reduceSum" && node.prim !== "reduceMax") return node;
    const key = `${node.prim} ${node.inputs[0]}`;
    const earlier = before.get(key) ?? [];
    before.set(key, [...earlier, node]);
    // the one that leaves the least to do
    const narrower = earlier
      .filter((other) => isPart(other.params.axes, node.params.axes))
      .sort((a, b) => b.params.axes.length - a.params.axes.length)[0];
    return narrower === undefined
      ? node
      : { ...node, inputs: [narrower.id], params: { axes: remaining(narrower.params.axes, node.params.axes) } };
  });
  return { ...graph, nodes };
}

const isPart = (part: readonly number[], whole: readonly number[]): boolean =>
  part.length < whole.length && part.every((axis) => whole.includes(axis));

/** The axes of `whole` that are not in `done`, as they are numbered once those are gone. */
function remaining(done: readonly number[], whole: readonly number[]): number[] {
  return whole.filter((axis) => !done.includes(axis)).map((axis) => axis - done.filter((gone) => gone < axis).length);
}
