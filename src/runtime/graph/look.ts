/** What has been staged, looked at: the node behind a tensor, its operands, its constant value. */
import { producer, tensorOf, type Tensor } from "./trace.js";
import type { Node, NodeOf, Prim } from "./types.js";

/** The i-th operand of a node of the current trace. */
export function operand(node: Pick<Node, "inputs">, i: number): Tensor {
  return tensorOf(node.inputs[i]!);
}

/** The node of `t` where `prim` made it. */
export function made<P extends Prim>(t: Tensor | undefined, prim: P): NodeOf<P> | undefined {
  if (t === undefined) return undefined;
  const node: NodeOf<Prim> = producer(t);
  return node.prim === prim ? (node as NodeOf<P>) : undefined;
}

/** The first operand of `t` where `prim` made it. */
export function under(t: Tensor | undefined, prim: Prim): Tensor | undefined {
  const node = made(t, prim);
  return node === undefined ? undefined : operand(node, 0);
}

/** The value that a constant is filled with, whatever its shape. */
export function constantValue(t: Tensor | undefined): number | undefined {
  const node = made(t, "constant");
  return node?.params.values.length === 1 ? node.params.values[0] : undefined;
}
