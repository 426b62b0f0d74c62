/**
 * The passes, and `optimize`, which runs them to a fixed point. It is for graphs that will not be differentiated any more: it drops stopGradient.
 */
import type { Graph, Node } from "../types.js";
import { algebra } from "./algebra.js";
import { constantFold } from "./constant-fold.js";
import { cse } from "./cse.js";
import { dce } from "./dce.js";
import { rewritePass, type Pass } from "./pass.js";
import { stability } from "./stability.js";

export { algebra, constantFold, cse, dce, stability };
export type { Pass } from "./pass.js";

/** After differentiation stopGradient is the identity. */
export const dropStopGradient: Pass = rewritePass(
  "dropStopGradient",
  () => (prim, inputs) => (prim === "stopGradient" ? inputs[0] : undefined),
);

/** In the order in which a round runs them. */
export const passes: readonly Pass[] = [dropStopGradient, constantFold, algebra, stability, cse, dce];

/** Rounds after which a graph is taken as it is; each rewrite makes work smaller, so few are ever needed. */
const ROUNDS = 6;

/** `graph` simplified. `after` sees the graph after each pass (tests verify it there; the command line dumps it). */
export function optimize(graph: Graph, after?: (pass: Pass, graph: Graph) => void): Graph {
  let current = dce.run(graph);
  for (let round = 0; round < ROUNDS; round++) {
    const before = current;
    for (const pass of passes) {
      current = pass.run(current);
      after?.(pass, current);
    }
    if (sameGraph(before, current)) break;
  }
  return current;
}

/** Nodes of the same kind over the same operands, in the same order. */
function sameGraph(a: Graph, b: Graph): boolean {
  return a.nodes.length === b.nodes.length && a.nodes.every((node, i) => sameNode(node, b.nodes[i]!));
}

function sameNode(a: Node, b: Node): boolean {
  return a.prim === b.prim && a.inputs.length === b.inputs.length && a.inputs.every((id, i) => id === b.inputs[i]);
}
