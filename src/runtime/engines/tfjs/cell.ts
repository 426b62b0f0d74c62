/**
 * A value: numbers of the host, a tensor of the device, or both, made of each other when they are asked for. It never changes, so that any number of
 * names may hold it; the last to let go disposes of the tensor. Its shape may be smaller than that of the node that it is the value of, by numpy's rule:
 * what is only stretched is stretched where a kernel does not do it itself.
 */
import { InternalError } from "../../graph/errors.js";
import type { DType, Shape } from "../../graph/types.js";
import type { HostTensor, TypedArray } from "../engine.js";
import type { Device } from "./device.js";
import type { TfTensor } from "./module.js";

const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, bool: Uint8Array } as const;

export class Cell {
  private holders = 1;

  private constructor(
    private readonly device: Device,
    readonly dtype: DType,
    readonly shape: Shape,
    private host: TypedArray | undefined,
    private onDevice: TfTensor | undefined,
  ) {}

  /** `data` is kept: nobody may change it. */
  static ofHost(device: Device, dtype: DType, shape: Shape, data: TypedArray): Cell {
    return new Cell(device, dtype, shape, data, undefined);
  }

  /** Takes the tensor over. */
  static ofTensor(device: Device, dtype: DType, tensor: TfTensor): Cell {
    return new Cell(device, dtype, tensor.shape, undefined, tensor);
  }

  /** The numbers, which nobody may change. */
  numbers(): TypedArray {
    this.host ??= asArray(this.dtype, this.held().dataSync());
    return this.host;
  }

  tensor(): TfTensor {
    // asked for in the middle of a lowering, it is still the value's own
    this.onDevice ??= this.device.tf.keep(this.device.upload(this.dtype, this.shape, this.numbers()));
    return this.onDevice;
  }

  /** A copy of the numbers, without blocking and without keeping them. */
  async read(): Promise<HostTensor> {
    const data = this.host ?? asArray(this.dtype, await this.held().data());
    return { dtype: this.dtype, shape: this.shape, data: data.slice() };
  }

  /** The same numbers in the same order. */
  reshaped(shape: Shape): Cell {
    const tensor = this.onDevice === undefined ? undefined : this.device.reshape(this.onDevice, shape);
    return new Cell(this.device, this.dtype, shape, this.host, tensor);
  }

  retain(): this {
    this.holders++;
    return this;
  }

  release(): void {
    if (--this.holders > 0) return;
    this.onDevice?.dispose();
    this.onDevice = undefined;
    this.host = undefined;
  }

  private held(): TfTensor {
    if (this.onDevice === undefined) throw new InternalError("a value was let go before it was read");
    return this.onDevice;
  }
}

export function arrayOf(dtype: DType, values: readonly number[]): TypedArray {
  return new arrays[dtype](values);
}

/** Backends hold conditions and counts in arrays of their own choice. */
function asArray(dtype: DType, data: TypedArray): TypedArray {
  return data instanceof arrays[dtype] ? data : new arrays[dtype](data);
}
