/** Values of the interpreter: f32 is held in float64; integers and conditions exactly. */
import { GmcError } from "../errors.js";
import { sizeOf } from "../shape.js";
import type { DType, Shape } from "../types.js";
import type { HostTensor, TypedArray } from "../program.js";

export type Data = Float64Array | Int32Array | Uint32Array | Uint8Array;

export interface Value {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: Data;
}

export function allocate(shape: Shape, dtype: DType): Value {
  return { shape, dtype, data: dataOf(dtype, sizeOf(shape)) };
}

/** Zeros. */
export function dataOf(dtype: DType, size: number): Data {
  switch (dtype) {
    case "f32":
      return new Float64Array(size);
    case "i32":
      return new Int32Array(size);
    case "u32":
      return new Uint32Array(size);
    case "bool":
      return new Uint8Array(size);
  }
}

/** A value from numbers in C order. */
export function valueOf(shape: Shape, dtype: DType, numbers: ArrayLike<number>): Value {
  const value = allocate(shape, dtype);
  if (numbers.length !== value.data.length) {
    throw new GmcError("GM4906", `${numbers.length} numbers do not fill a tensor of shape [${shape.join(", ")}]`);
  }
  value.data.set(numbers);
  return value;
}

export function fromHost(host: HostTensor): Value {
  return valueOf(host.shape, host.dtype, host.data);
}

export function toHost(value: Value): HostTensor {
  return { dtype: value.dtype, shape: value.shape, data: hostData(value) };
}

function hostData(value: Value): TypedArray {
  return value.data instanceof Float64Array ? Float32Array.from(value.data) : value.data.slice();
}
