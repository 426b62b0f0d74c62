/**
 * A backend of TensorFlow.js: kernels by name over tensors. `kernelNames` is all that the lowerings need; a backend without one of them is refused
 * when it is looked for (load.ts), so that no run finds out. Kernels are called as they are, without the functions of tf.*, which record gradients.
 */
import { InternalError } from "../../graph/errors.js";
import type { DType, Shape } from "../../graph/types.js";
import type { TypedArray } from "../engine.js";
import type { TfModule, TfTensor } from "./module.js";

export const kernelNames = [
  "Abs",
  "Add",
  "ArgMax",
  "BatchMatMul",
  "Cast",
  "Concat",
  "Conv2D",
  "Conv2DBackpropInput",
  "Cos",
  "Cumsum",
  "Equal",
  "Erf",
  "Exp",
  "Expm1",
  "Floor",
  "GatherV2",
  "Identity",
  "Less",
  "LessEqual",
  "Log",
  "Log1p",
  "LogicalAnd",
  "LogicalNot",
  "LogicalOr",
  "Max",
  "Maximum",
  "Minimum",
  "Multiply",
  "Neg",
  "NotEqual",
  "PadV2",
  "Pow",
  "RealDiv",
  "Relu",
  "Reshape",
  "Reverse",
  "Select",
  "Sigmoid",
  "Sign",
  "Sin",
  "Slice",
  "Sqrt",
  "StridedSlice",
  "Sub",
  "Sum",
  "Tanh",
  "Tile",
  "Transpose",
] as const;

/** Kernels that are used where a backend has them; without, others are put together to the same end. */
export type OptionalKernel = "Conv2DBackpropFilter";
export type Kernel = (typeof kernelNames)[number] | OptionalKernel;

/** Where a kernel of a backend, as of 4.22, does not compute what its name says; the lowerings then go around it. */
const inexact: Readonly<Record<string, ReadonlySet<Kernel>>> = {
  // log(1 + x), which loses a small x; of a number and NaN, in this order, the number; 0 for -1e-30; one after the other, in float32
  wasm: new Set(["Log1p", "Maximum", "Minimum", "Sign", "Sum"]),
  // seven digits of 1, not of the value near 0 (Abramowitz & Stegun 7.1.26)
  cpu: new Set(["Erf"]),
};

/** Types that a tensor may have; words of 32 bits without a sign stay on the host. */
const tfType = { f32: "float32", i32: "int32", bool: "bool" } as const;

type Attributes = Readonly<Record<string, unknown>>;

export class Device {
  constructor(
    readonly tf: TfModule,
    /** the name under which TensorFlow.js knows it */
    readonly backend: string,
  ) {}

  has(kernel: Kernel): boolean {
    return this.tf.getKernel(kernel, this.backend) !== undefined;
  }

  /** Whether a kernel computes what it is called. */
  exact(kernel: Kernel): boolean {
    return inexact[this.backend]?.has(kernel) !== true;
  }

  /** TensorFlow.js has one backend at a time; another session may have taken another. */
  async enter(): Promise<void> {
    if (this.tf.getBackend() !== this.backend) await this.tf.setBackend(this.backend);
  }

  run(kernel: Kernel, inputs: Readonly<Record<string, TfTensor>> | readonly TfTensor[], attributes: Attributes = {}): TfTensor {
    return this.tf.engine().runKernel(kernel, inputs, attributes);
  }

  unary(kernel: Kernel, x: TfTensor): TfTensor {
    return this.run(kernel, { x });
  }

  binary(kernel: Kernel, a: TfTensor, b: TfTensor): TfTensor {
    return this.run(kernel, { a, b });
  }

  number(value: number): TfTensor {
    return this.upload("f32", [], Float32Array.of(value));
  }

  reshape(x: TfTensor, shape: Shape): TfTensor {
    return this.run("Reshape", { x }, { shape });
  }

  /** Zeros around: `paddings` [before, after] for each axis. */
  pad(x: TfTensor, paddings: readonly (readonly [number, number])[]): TfTensor {
    return paddings.every(([before, after]) => before === 0 && after === 0) ? x : this.run("PadV2", { x }, { paddings, constantValue: 0 });
  }

  slice(x: TfTensor, begin: Shape, size: Shape): TfTensor {
    return size.every((extent, axis) => extent === x.shape[axis]) ? x : this.run("Slice", { x }, { begin, size });
  }

  stridedSlice(x: TfTensor, begin: Shape, end: Shape, strides: Shape): TfTensor {
    const masks = { beginMask: 0, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0 };
    if (strides.every((stride) => stride === 1))
      return this.slice(
        x,
        begin,
        end.map((stop, axis) => stop - begin[axis]!),
      );
    return this.run("StridedSlice", { x }, { begin, end, strides, ...masks });
  }

  concat(parts: readonly TfTensor[], axis: number): TfTensor {
    return parts.length === 1 ? parts[0]! : this.run("Concat", parts, { axis });
  }

  /** Stretched by numpy's rule. */
  stretched(x: TfTensor, shape: Shape): TfTensor {
    const aligned = [...new Array<number>(shape.length - x.shape.length).fill(1), ...x.shape];
    const reps = shape.map((extent, axis) => (aligned[axis] === extent ? 1 : extent));
    const whole = aligned.length === x.shape.length ? x : this.reshape(x, aligned);
    return reps.every((n) => n === 1) ? whole : this.run("Tile", { x: whole }, { reps });
  }

  /** `data` is kept, not copied, by some backends. */
  upload(dtype: DType, shape: Shape, data: TypedArray): TfTensor {
    if (dtype === "u32") throw new InternalError("words have no tensor");
    return this.tf.engine().makeTensor(data, shape, tfType[dtype]);
  }
}
