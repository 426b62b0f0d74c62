/**
 * What is computed on the host: draws, factors, scattered sums and NADE by the kernels that the onnx engine has for them, in WebAssembly memory of their
 * own, so that draws are the same bits on both; all else by the reference's kernels, exact in integers and in float64 for floats.
 */
import type { Node, NodeOf, Prim } from "../../graph/types.js";
import { runKernel } from "../../graph/semantics/kernels.js";
import { allocate, toHost, valueOf, type Value } from "../../graph/semantics/value.js";
import type { TypedArray } from "../engine.js";
import { hostKernel, type HostRun } from "../onnx/host.js";
import { Arena } from "../onnx/memory.js";
import { isHostPrim } from "../onnx/plan.js";

export interface HostValue {
  readonly dtype: Node["dtype"];
  readonly shape: Node["shape"];
  readonly numbers: () => TypedArray;
}

/** Gives the numbers of a node's value, in an array of their own. */
export type HostKernel = (operands: readonly HostValue[]) => TypedArray;

export class Host {
  private readonly arena = new Arena();

  kernel(node: Node): HostKernel {
    return isHostPrim(node) ? this.shared(node, hostKernel(this.arena, node)) : (operands) => byReference(node, operands);
  }

  private shared(node: Node, run: HostRun): HostKernel {
    return (operands) => {
      // regions come before views of them: a new one may move the memory
      const regions = operands.map(({ dtype, shape, numbers }) => this.arena.copyOf({ dtype, shape, data: numbers() }));
      const out = this.arena.region(node.dtype, node.shape);
      try {
        run(regions, out);
        return out.data().slice();
      } finally {
        for (const region of [...regions, out]) region.free();
      }
    };
  }
}

function byReference(node: Node, operands: readonly HostValue[]): TypedArray {
  const out = allocate(node.shape, node.dtype);
  runKernel(node as NodeOf<Prim>, operands.map(valueOfHost), out);
  return toHost(out).data;
}

/** Integers and conditions are read where they are. */
function valueOfHost({ dtype, shape, numbers }: HostValue): Value {
  const data = numbers();
  return data instanceof Float32Array ? valueOf(shape, dtype, data) : { dtype, shape, data };
}

/** A value stretched by numpy's rule. */
export function stretchedOnHost(value: HostValue, shape: Node["shape"]): TypedArray {
  const node = { id: 0, prim: "broadcast", inputs: [], params: { shape }, shape, dtype: value.dtype, origin: undefined } as const;
  return byReference(node, [value]);
}
