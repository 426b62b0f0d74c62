/**
 * What a graph costs: floating-point operations and bytes moved, by node and in all. A multiply-add counts as two operations, a
 * transcendental function as one; every node is taken to read its operands and write its result once, so bytes are an upper bound
 * that fusion lowers. Nodes that only name or rearrange values compute nothing.
 */
import { sizeOf } from "./shape.js";
import type { Graph, Node } from "./types.js";

export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

export function nodeCost(graph: Graph, node: Node): Cost {
  const inputs = node.inputs.map((id) => graph.nodes[id]!);
  const moved = inputs.reduce((sum, x) => sum + bytesOf(x), bytesOf(node));
  return {
    flops: flops(node, inputs),
    bytes: node.prim === "input" || node.prim === "state" || node.prim === "constant" || node.prim === "reshape" ? 0 : moved,
  };
}

export function graphCost(graph: Graph): Cost {
  let [flopsSum, bytes] = [0, 0];
  for (const node of graph.nodes) {
    const cost = nodeCost(graph, node);
    flopsSum += cost.flops;
    bytes += cost.bytes;
  }
  return { flops: flopsSum, bytes };
}

const bytesOf = (node: Node): number => sizeOf(node.shape) * (node.dtype === "bool" ? 1 : 4);

function flops(node: Node, inputs: readonly Node[]): number {
  const out = sizeOf(node.shape);
  const first = inputs[0];
  switch (node.prim) {
    case "input":
    case "state":
    case "constant":
    case "iota":
    case "random":
    case "randomCounts":
    case "cast":
    case "stopGradient":
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
    case "pad":
    case "concat":
    case "reverse":
    case "gather":
    case "dynamicSlice":
    case "dynamicUpdateSlice":
      return 0;
    case "scatterAdd":
    case "reduceSum":
    case "reduceMax":
    case "argMax":
    case "cumsum":
      return sizeOf(first!.shape);
    case "matmul": {
      const k = first!.shape[first!.shape.length - (node.params.transposeA ? 2 : 1)]!;
      return 2 * out * k;
    }
    case "conv":
      return 2 * out * sizeOf(inputs[1]!.shape.slice(0, -1));
    case "convInputGrad":
      return 2 * sizeOf(first!.shape) * sizeOf(inputs[1]!.shape.slice(0, -1));
    case "convFilterGrad":
      return 2 * sizeOf(inputs[1]!.shape) * sizeOf(node.shape.slice(0, -1));
    // running sums, products and sigmoids; backwards twice the products and the sums again
    case "nade":
      return 2 * sizeOf(first!.shape) * (inputs[1]!.shape[1]! * 2 + sizeOf(inputs[3]!.shape.slice(1)));
    case "nadeGrad":
      return 2 * sizeOf(first!.shape) * (inputs[1]!.shape[1]! * 4 + 2 * sizeOf(inputs[3]!.shape.slice(1)));
    // a pass for each entry
    case "fixedPoint":
      return node.params.places.length * graphCost(node.params.body).flops;
    case "cholesky": {
      const n = node.shape[node.shape.length - 1]!;
      return (out * n) / 3;
    }
    case "triangularSolve":
      return out * node.shape[node.shape.length - 2]!;
    default:
      return out;
  }
}
