/** What a lowering rule sees: the model under construction and the nodes around it. */
import type { Node, NodeOf, Prim } from "../../graph/types.js";
import type { ModelBuilder, Value } from "./builder.js";

export interface LoweringContext {
  readonly b: ModelBuilder;
  readonly node: (id: number) => Node;
  /** The value of a node that comes before. */
  readonly value: (id: number) => Value;
  /** The same under the full shape of its node. */
  readonly full: (id: number) => string;
  /** The value of a constant that is one number over its shape, else undefined. */
  readonly scalar: (id: number) => number | undefined;
}

/** Takes a node and the values of its operands, gives the node's value. */
export type Lowering<P extends Prim> = (c: LoweringContext, node: NodeOf<P>, operands: readonly Value[]) => Value;
