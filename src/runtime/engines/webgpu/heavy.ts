/**
 * The primitives that need a kernel of their own, a loop over more than one entry; all others are written where they are read. A total table:
 * how often an operand's entry is read, whether it must lie in memory, whether what follows entry by entry can be computed in the same kernel.
 */
import { sizeOf } from "../../graph/shape.js";
import type { Graph, NodeOf, Prim } from "../../graph/types.js";

export type HeavyPrim =
  | "reduceSum" | "reduceMax" | "argMax" | "cumsum" | "matmul" | "conv" | "convInputGrad" | "convFilterGrad" | "scatterAdd" | "cholesky"
  | "triangularSolve" | "randomCounts" | "nade" | "nadeGrad" | "fixedPoint"; // prettier-ignore

export interface Heaviness {
  /** Entries that follow at the same place are computed in the kernel. */
  readonly epilogue: boolean;
  /** Operands must lie in memory, rather than be computed where they are read. */
  readonly memory: boolean;
  /** Computed on the host, in float64. */
  readonly host: boolean;
  /** How often the kernel evaluates each entry of an operand. */
  readonly reads: (graph: Graph, node: NodeOf<HeavyPrim>, operand: number) => number;
}

/** Rows and columns of a product that a workgroup computes together, about. */
const TILE = 64;
const once = (): number => 1;

const product: Heaviness = {
  epilogue: true,
  memory: false,
  host: false,
  reads: (_graph, node, operand) => {
    const [m, n] = node.shape.slice(-2);
    return Math.ceil((operand === 0 ? n! : m!) / TILE);
  },
};
/** An entry is read for each tap, or, of a filter, for each tile of places. */
const convolution = (taps: (graph: Graph, node: NodeOf<HeavyPrim>) => number, filter: number): Heaviness => ({
  epilogue: true,
  memory: false,
  host: false,
  reads: (graph, node, operand) => (operand === filter ? Math.ceil(sizeOf(node.shape.slice(0, -1)) / TILE) : taps(graph, node)),
});
const reduction: Heaviness = { epilogue: true, memory: false, host: false, reads: once };

export const heaviness: { readonly [P in HeavyPrim]: Heaviness } = {
  reduceSum: reduction,
  reduceMax: reduction,
  argMax: reduction,
  cumsum: reduction,
  matmul: product,
  conv: convolution((graph, node) => sizeOf(graph.nodes[node.inputs[1]!]!.shape.slice(0, -2)), 1),
  convInputGrad: convolution((graph, node) => sizeOf(graph.nodes[node.inputs[1]!]!.shape.slice(0, -2)), 1),
  convFilterGrad: convolution((_graph, node) => sizeOf(node.shape.slice(0, -2)), -1),
  scatterAdd: { ...reduction, reads: (_graph, node, operand) => (operand === 1 ? sizeOf(node.shape) : 1) },
  cholesky: { epilogue: false, memory: false, host: false, reads: once },
  triangularSolve: { epilogue: false, memory: true, host: false, reads: once },
  randomCounts: { epilogue: false, memory: true, host: true, reads: once },
  nade: { epilogue: false, memory: true, host: true, reads: once },
  nadeGrad: { epilogue: false, memory: true, host: true, reads: once },
  fixedPoint: { epilogue: false, memory: true, host: true, reads: once },
};

export const isHeavy = (prim: Prim): prim is HeavyPrim => Object.hasOwn(heaviness, prim);
