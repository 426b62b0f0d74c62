/**
 * Primitives that stand for several others, written out: what runs along the units is then seen by the rules. A primitive is here where its whole
 * costs less than its parts, but its part at one unit does not.
 */
import * as g from "../ops.js";
import { rebuild } from "../stage.js";
import type { Tensor } from "../trace.js";
import type { Graph, Prim } from "../types.js";

type Composed = (inputs: readonly Tensor[]) => Tensor;

const COMPOSED: { readonly [P in Prim]?: Composed } = {
  /** outward_d sigmoid(bias + Σ_{i<d} x_i inward_i) */
  nade: ([x, inward, bias, outward]) => {
    const terms = g.mul(g.expandDims(x!, -1), inward!);
    const before = g.cumsum(g.pad(g.sliceAxis(terms, 1, 0, x!.shape[1]! - 1), [0, 1, 0], [0, 0, 0]), 1);
    const hidden = g.sigmoid(g.add(before, bias!));
    return g.sum(g.mul(g.expandDims(hidden, 2), outward!), -1);
  },
};

/** The graph without such primitives. */
export function expanded(graph: Graph): Graph {
  return rebuild(graph, (prim, inputs) => COMPOSED[prim]?.(inputs));
}
