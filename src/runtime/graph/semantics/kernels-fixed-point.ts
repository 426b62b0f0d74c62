/**
 * A fixed point by its definition: a pass of the body for each entry in the order, which fixes that entry; later ones are held at 0, a finite value
 * that the body ignores for the entry at hand.
 */
import { stagedFor } from "../host.js";
import type { Graph, NodeOf, Prim } from "../types.js";
import { allocate, valueOf, type Value } from "./value.js";

/** `run`: the kernel of one node. */
export const fixedPointKernel =
  (run: (node: NodeOf<Prim>, inputs: readonly Value[], out: Value) => void) =>
  ({ params: { body, places } }: NodeOf<"fixedPoint">, captured: readonly Value[], out: Value): void => {
    const size = places.length;
    const known = valueOf(out.shape, "f32", new Float64Array(out.data.length));
    for (let place = 0; place < size; place++) {
      const values = passOf(body, captured, known, run);
      for (let i = places.indexOf(place); i < out.data.length; i += size) known.data[i] = values.data[i]!;
    }
    out.data.set(known.data);
  };

function passOf(
  body: Graph,
  captured: readonly Value[],
  x: Value,
  run: (node: NodeOf<Prim>, inputs: readonly Value[], out: Value) => void,
): Value {
  const values: Value[] = [];
  for (const node of body.nodes) {
    if (node.prim === "input") {
      const { name } = node.params;
      values.push(stagedFor(`operand ${name} of a fixed point`, name === "x" ? x : captured[Number(name)]!, node));
      continue;
    }
    const out = allocate(node.shape, node.dtype);
    const operands = node.inputs.map((id) => values[id]!);
    run(node as NodeOf<Prim>, operands, out);
    values.push(out);
  }
  return values[body.outputs["x"]!]!;
}
