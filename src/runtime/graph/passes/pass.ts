/** What a pass is: a function from graph to graph with a name. It keeps the values of outputs and writes, and the origins of what it keeps. */
import { rebuild } from "../stage.js";
import type { Peephole } from "../trace.js";
import type { Graph } from "../types.js";

export interface Pass {
  readonly name: string;
  run(graph: Graph): Graph;
}

/** A pass that rewrites node by node; what a rewrite emits is rewritten again. `peephole` is made afresh for each graph. */
export function rewritePass(name: string, peephole: () => Peephole): Pass {
  return { name, run: (graph) => rebuild(graph, peephole()) };
}
