/** What the host hands to programs: arrays of numbers, and the feeds that graphs read. */
import { GmcError } from "./errors.js";
import type { HostTensor, HostTensors, TypedArray } from "./program.js";
import { sameShape, showShape, sizeOf } from "./shape.js";
import type { DType, Graph, Shape } from "./types.js";

/** Zeros. */
export function hostArray(dtype: DType, size: number): TypedArray {
  return new { f32: Float32Array, i32: Int32Array, u32: Uint32Array, bool: Uint8Array }[dtype](size);
}

export function hostZeros(dtype: DType, shape: Shape): HostTensor {
  return { dtype, shape, data: hostArray(dtype, sizeOf(shape)) };
}

/** Names of the inputs that a graph reads. */
export function inputNames({ nodes }: Graph): readonly string[] {
  return nodes.flatMap((n) => (n.prim === "input" ? [n.params.name] : []));
}

/** Those of the feeds that the graphs read. */
export function feedsOf(graphs: readonly Graph[], feeds: HostTensors): HostTensors {
  const read = new Set(graphs.flatMap(inputNames));
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => read.has(name)));
}

interface Typed {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** `found`; GM4906 where it is not what a graph was staged for. `what`: `state entry w`. */
export function stagedFor<T extends Typed>(what: string, found: T, { dtype, shape }: Typed): T {
  if (found.dtype === dtype && sameShape(found.shape, shape)) return found;
  throw new GmcError(
    "GM4906",
    `the ${what} is ${found.dtype} ${showShape(found.shape)}, the graph was staged for ${dtype} ${showShape(shape)}`,
  );
}
