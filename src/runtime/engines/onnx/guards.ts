/**
 * Writes that a condition masks, state = select(ok, value, state), made to cost nothing: the value is written beside the old one, as every write is,
 * and the host exchanges the two only where the condition held. ONNX's Where would take longer than a sweep's elementwise operators together.
 */
import { sameShape, sizeOf } from "../../graph/shape.js";
import type { Graph } from "../../graph/types.js";

export interface Guarded {
  /** With the masked values as writes, and the conditions as outputs. */
  readonly graph: Graph;
  /** State name -> output that holds its condition. */
  readonly guards: Readonly<Record<string, string>>;
}

/** Below so many elements a Where costs less than one more output. */
const WORTHWHILE = 1024;

export function guardWrites(graph: Graph): Guarded {
  const outputs: Record<string, number> = { ...graph.outputs };
  const writes: Record<string, number> = { ...graph.writes };
  const guards: Record<string, string> = {};
  for (const [state, id] of Object.entries(graph.writes)) {
    const node = graph.nodes[id]!;
    if (node.prim !== "select" || sizeOf(node.shape) < WORTHWHILE) continue;
    const [condition, value, old] = node.inputs.map((input) => graph.nodes[input]!);
    // a number that is spread over the state has no size of its own to exchange
    if (!sameShape(value!.shape, node.shape)) continue;
    if (condition!.shape.length > 0 || old!.prim !== "state" || old!.params.name !== state) continue;
    const name = `guard:${condition!.id}`;
    outputs[name] = condition!.id;
    writes[state] = value!.id;
    guards[state] = name;
  }
  return { graph: { ...graph, outputs, writes }, guards };
}
