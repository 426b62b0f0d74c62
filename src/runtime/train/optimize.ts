/** One place through which staged programs are simplified. */
import type { Graph } from "../graph/types.js";
import { dce } from "../graph/passes/dce.js";

export function optimize(graph: Graph): Graph {
  return dce.run(graph);
}
