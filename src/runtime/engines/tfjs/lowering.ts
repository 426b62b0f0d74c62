/** What a lowering rule is. */
import type { DType, NodeOf, Prim } from "../../graph/types.js";
import type { Cell } from "./cell.js";
import type { Device } from "./device.js";
import type { TfTensor } from "./module.js";

/** Takes a node and the values of its operands, gives a tensor; what it makes on the way is disposed of by who calls it. */
export type Lowering<P extends Prim> = (d: Device, node: NodeOf<P>, operands: readonly Cell[]) => TfTensor;

export interface Rule<P extends Prim> {
  readonly lower: Lowering<P>;
  /** Whether its kernels compute these types exactly; all else is done on the host. Only f32 unless told. */
  readonly takes?: (operands: readonly DType[], result: DType) => boolean;
  /** Its kernels stretch operands themselves, so these may be smaller than their nodes. */
  readonly stretches?: true;
}

/** `host`: by the kernels of the reference or of the onnx engine, which are exact or in float64. */
export type Placed<P extends Prim> = Rule<P> | "host";

export const only =
  (...types: readonly DType[]) =>
  (operands: readonly DType[], result: DType): boolean =>
    [...operands, result].every((type) => types.includes(type));
