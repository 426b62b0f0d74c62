/**
 * Convolutions and their transposes, channels last. x is [..., H, W, C] (2d) or [..., L, C] (1d) with any leading axes.
 * Padding "same" by default, as in the language: the result has ceil(size / stride) positions (times stride, transposed).
 */
import { add, conv, convTranspose } from "../graph/index.js";
import type { ConvOptions, ConvTransposeOptions, Padding, Tensor } from "../graph/index.js";
import { shapeError, sizeOf } from "../graph/shape.js";
import { init } from "./init.js";
import type { Init } from "./init.js";
import { normalisedKernel, singularLeaf } from "./spectral.js";
import { layerSpec, leaf } from "./spec.js";
import type { LayerSpec } from "./spec.js";

export interface Conv {
  /** conv: [...window, in / groups, out]; transposed: [...window, out / groups, in] */
  readonly kernel: Tensor;
  /** [out] */
  readonly bias?: Tensor;
  /** The last extent of the kernel, of a layer with spectral normalisation. */
  readonly singular?: Tensor;
}

/** A window's extent: one number for all axes, or one for each. */
export type Extent = number | readonly number[];

export interface ConvSpecOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default 1. */
  readonly groups?: number;
  /** Divides the kernel by its largest singular value. Default false. */
  readonly spectral?: boolean;
  /** Default Glorot uniform. */
  readonly init?: Init;
  /** Default zeros. */
  readonly biasInit?: Init;
}

function perAxis(value: Extent | undefined, axes: number, fallback = 1): readonly number[] {
  return typeof value === "object" ? value : new Array<number>(axes).fill(value ?? fallback);
}

function padsOf(padding: Exclude<Padding, "same">, axes: number): readonly (readonly [number, number])[] {
  if (padding === "valid") return new Array<readonly [number, number]>(axes).fill([0, 0]);
  const list = typeof padding === "number" ? new Array<number>(axes).fill(padding) : padding;
  return list.map((p) => (typeof p === "number" ? [p, p] : [p[0], p[1]]));
}

/** Positions of a window on each spatial axis: the size after a convolution or pooling. */
export function windowedShape(spatial: readonly number[], window: Extent, options: Omit<ConvOptions, "groups"> = {}): readonly number[] {
  const extents = perAxis(window, spatial.length);
  const stride = perAxis(options.stride, spatial.length);
  const dilation = perAxis(options.dilation, spatial.length);
  const padding = options.padding ?? "same";
  return spatial.map((size, i) => {
    const step = stride[i] ?? 1;
    if (padding === "same") return Math.ceil(size / step);
    const [before, after] = padsOf(padding, spatial.length)[i] ?? [0, 0];
    return Math.floor((size + before + after - ((extents[i] ?? 1) - 1) * (dilation[i] ?? 1) - 1) / step) + 1;
  });
}

/** Size after a transposed convolution. */
export function unwindowedShape(
  spatial: readonly number[],
  window: Extent,
  options: Omit<ConvTransposeOptions, "groups"> = {},
): readonly number[] {
  const extents = perAxis(window, spatial.length);
  const stride = perAxis(options.stride, spatial.length);
  const dilation = perAxis(options.dilation, spatial.length);
  const extra = perAxis(options.outputPadding, spatial.length, 0);
  const padding = options.padding ?? "same";
  return spatial.map((size, i) => {
    const step = stride[i] ?? 1;
    if (padding === "same") return size * step;
    const [before, after] = padsOf(padding, spatial.length)[i] ?? [0, 0];
    return (size - 1) * step - before - after + ((extents[i] ?? 1) - 1) * (dilation[i] ?? 1) + 1 + (extra[i] ?? 0);
  });
}

function withBias(w: Conv, y: Tensor): Tensor {
  return w.bias === undefined ? y : add(y, w.bias);
}

function checkAxes(what: string, w: Conv, axes: number): void {
  if (w.kernel.shape.length !== axes + 2) throw shapeError(`${what} takes a kernel of ${axes + 2} axes, found ${w.kernel.shape.length}`);
}

function specOf(layer: string, axes: number, transposed: boolean) {
  return (inputs: number, outputs: number, window: Extent, options: ConvSpecOptions = {}): LayerSpec<Conv> => {
    const groups = options.groups ?? 1;
    if (inputs % groups !== 0 || outputs % groups !== 0)
      throw shapeError(`${layer}: ${inputs} and ${outputs} channels do not both divide into ${groups} groups`);
    const extents = perAxis(window, axes);
    const area = sizeOf(extents);
    const channels = transposed ? [outputs / groups, inputs] : [inputs / groups, outputs];
    // A unit sees area * in / groups inputs, and an input reaches area * out / groups units.
    const fans = [(area * inputs) / groups, (area * outputs) / groups] as const;
    return layerSpec(layer, {
      kernel: leaf([...extents, ...channels], options.init ?? init.glorotUniform, fans),
      ...(options.bias === false ? {} : { bias: leaf([outputs], options.biasInit ?? init.zeros) }),
      ...(options.spectral === true ? { singular: singularLeaf(channels[1] ?? 1) } : {}),
    });
  };
}

/** x [..., H, W, in] -> [..., H', W', out]: cross-correlation with the kernel, plus bias. */
export function conv2d(w: Conv, x: Tensor, options: ConvOptions = {}): Tensor {
  checkAxes("conv2d", w, 2);
  return withBias(w, conv(x, normalisedKernel(w), { padding: "same", ...options }));
}
conv2d.spec = specOf("conv2d", 2, false);
/** [H, W, in] -> [H', W', out] */
conv2d.outShape = ([h = 1, w = 1]: readonly number[], outputs: number, window: Extent, options: ConvOptions = {}): readonly number[] => [
  ...windowedShape([h, w], window, options),
  outputs,
];

/** x [..., L, in] -> [..., L', out]. */
export function conv1d(w: Conv, x: Tensor, options: ConvOptions = {}): Tensor {
  checkAxes("conv1d", w, 1);
  return withBias(w, conv(x, normalisedKernel(w), { padding: "same", ...options }));
}
conv1d.spec = specOf("conv1d", 1, false);
/** [L, in] -> [L', out] */
conv1d.outShape = ([length = 1]: readonly number[], outputs: number, window: Extent, options: ConvOptions = {}): readonly number[] => [
  ...windowedShape([length], window, options),
  outputs,
];

/** x [..., H, W, in] -> [..., H', W', out]: the gradient of a convolution in its input, plus bias ("deconvolution"). */
export function convTranspose2d(w: Conv, x: Tensor, options: ConvTransposeOptions = {}): Tensor {
  checkAxes("convTranspose2d", w, 2);
  return withBias(w, convTranspose(x, normalisedKernel(w), { padding: "same", ...options }));
}
convTranspose2d.spec = specOf("convTranspose2d", 2, true);
/** [H, W, in] -> [H', W', out] */
convTranspose2d.outShape = (
  [h = 1, w = 1]: readonly number[],
  outputs: number,
  window: Extent,
  options: ConvTransposeOptions = {},
): readonly number[] => [...unwindowedShape([h, w], window, options), outputs];

/** x [..., L, in] -> [..., L', out]. */
export function convTranspose1d(w: Conv, x: Tensor, options: ConvTransposeOptions = {}): Tensor {
  checkAxes("convTranspose1d", w, 1);
  return withBias(w, convTranspose(x, normalisedKernel(w), { padding: "same", ...options }));
}
convTranspose1d.spec = specOf("convTranspose1d", 1, true);
/** [L, in] -> [L', out] */
convTranspose1d.outShape = (
  [length = 1]: readonly number[],
  outputs: number,
  window: Extent,
  options: ConvTransposeOptions = {},
): readonly number[] => [...unwindowedShape([length], window, options), outputs];
