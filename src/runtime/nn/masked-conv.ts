/**
 * Convolutions that see only what comes before a position: over images in raster order (van den Oord et al. 2016a, "Pixel recurrent neural
 * networks", section 3.4), over sequences (van den Oord et al. 2016b, "WaveNet", section 2.1).
 */
import { add, broadcastTo, cast, constant, conv, expandDims, less, lessEqual, mul, sliceAxis, zeros } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";
import type { Conv, ConvSpecOptions } from "./conv.js";
import { init } from "./init.js";
import { layerSpec, leaf } from "./spec.js";
import type { LayerSpec } from "./spec.js";

/** "A" hides the position itself (the first layer), "B" shows it. */
export type MaskKind = "A" | "B";

export interface MaskedConv2dOptions {
  readonly mask: MaskKind;
  /**
   * Channels in as many contiguous groups (3 for RGB): at the position itself a group sees groups before it (A), and itself too (B). 1 unless told.
   */
  readonly groups?: number;
}

export interface MaskedConv2dSpecOptions extends Omit<ConvSpecOptions, "groups">, MaskedConv2dOptions {}

function windowOf(window: number | readonly number[]): readonly [number, number] {
  const [h = 0, w = 0] = typeof window === "number" ? [window, window] : window;
  if (h % 2 !== 1 || w % 2 !== 1)
    throw shapeError(`maskedConv2d: a window is odd on both axes, so that it has a centre, found ${h} x ${w}`);
  return [h, w];
}

/**
 * x [..., H, W, in] -> [..., H, W, out], padded to the same size. The kernel [(kh + 1) / 2, kw, in, out] holds the rows of a window kh x kw down
 * to its centre; those below would be masked whole.
 */
export function maskedConv2d(w: Conv, x: Tensor, options: MaskedConv2dOptions): Tensor {
  const [rows, columns] = w.kernel.shape;
  if (w.kernel.shape.length !== 4 || rows === undefined || columns === undefined)
    throw shapeError(`maskedConv2d: a kernel is [rows, columns, in, out], found ${showShape(w.kernel.shape)}`);
  const side = (columns - 1) / 2;
  const y = conv(x, mul(w.kernel, rasterMask(w.kernel, options)), {
    padding: [
      [rows - 1, 0],
      [side, side],
    ],
  });
  return w.bias === undefined ? y : add(y, w.bias);
}

/** 1 where a tap is before the centre of the last row in raster order, and at the centre as the groups say. */
function rasterMask(kernel: Tensor, { mask, groups = 1 }: MaskedConv2dOptions): Tensor {
  const [rows = 1, columns = 1, inputs = 1, outputs = 1] = kernel.shape;
  const centre = rows * columns - (columns + 1) / 2;
  const taps = (on: (tap: number) => boolean): Tensor =>
    constant(
      Array.from({ length: rows * columns }, (_, tap) => (on(tap) ? 1 : 0)),
      [rows, columns, 1, 1],
    );
  if (groups === 1)
    return broadcastTo(
      taps((tap) => tap < centre || (mask === "B" && tap === centre)),
      kernel.shape,
    );
  const [from, to] = [groupOf(inputs, groups), groupOf(outputs, groups)].map((list) => constant(list, [list.length], "i32")) as [
    Tensor,
    Tensor,
  ];
  const [row, column] = [expandDims(from, -1), expandDims(to, 0)];
  const within = cast(mask === "A" ? less(row, column) : lessEqual(row, column), "f32");
  return add(
    broadcastTo(
      taps((tap) => tap < centre),
      kernel.shape,
    ),
    mul(
      taps((tap) => tap === centre),
      within,
    ),
  );
}

function groupOf(channels: number, groups: number): readonly number[] {
  if (channels % groups !== 0) throw shapeError(`maskedConv2d: ${channels} channels do not divide into ${groups} groups`);
  return Array.from({ length: channels }, (_, c) => Math.floor((c * groups) / channels));
}

maskedConv2d.spec = (
  inputs: number,
  outputs: number,
  window: number | readonly number[],
  options: MaskedConv2dSpecOptions,
): LayerSpec<Conv> => {
  const [h, w] = windowOf(window);
  const rows = (h + 1) / 2;
  groupOf(inputs, options.groups ?? 1);
  groupOf(outputs, options.groups ?? 1);
  // taps that the mask leaves, without the centre for A
  const area = Math.max(1, (rows - 1) * w + (w - 1) / 2 + (options.mask === "B" ? 1 : 0));
  return layerSpec("maskedConv2d", {
    kernel: leaf([rows, w, inputs, outputs], options.init ?? init.glorotUniform, [area * inputs, area * outputs]),
    ...(options.bias === false ? {} : { bias: leaf([outputs], options.biasInit ?? init.zeros) }),
  });
};
/** [H, W, in] -> [H, W, out] */
maskedConv2d.outShape = ([h = 1, w = 1]: readonly number[], outputs: number): readonly number[] => [h, w, outputs];

export interface CausalConv1dOptions {
  /** Positions between two taps. 1 unless told. */
  readonly dilation?: number;
  /** Position t reads positions before t only, not t itself. False unless told. */
  readonly strict?: boolean;
}

/** x [..., T, in] -> [..., T, out]: y[t] reads x[t - (k - 1) d], …, x[t - d], x[t], or all one earlier where strict; zeros before the start. */
export function causalConv1d(w: Conv, x: Tensor, { dilation = 1, strict = false }: CausalConv1dOptions = {}): Tensor {
  const [taps = 1, , outputs = 1] = w.kernel.shape;
  if (w.kernel.shape.length !== 3) throw shapeError(`causalConv1d: a kernel is [taps, in, out], found ${showShape(w.kernel.shape)}`);
  const length = x.shape.at(-2) ?? 0;
  const before = (taps - 1) * dilation + (strict ? 1 : 0);
  const read = strict ? sliceAxis(x, -2, 0, length - 1) : x;
  const y = strict && length === 1 ? zeros([...x.shape.slice(0, -1), outputs]) : alongLast(read, w.kernel, before, dilation);
  return w.bias === undefined ? y : add(y, w.bias);
}

/** Of rows of an image as a window one row high: the rows keep an axis of their own, along which an image may be drawn. */
function alongLast(x: Tensor, kernel: Tensor, before: number, dilation: number): Tensor {
  if (x.shape.length < 4) return conv(x, kernel, { dilation, padding: [[before, 0]] });
  return conv(x, expandDims(kernel, 0), { dilation: [1, dilation], padding: [0, [before, 0]] });
}

causalConv1d.spec = (inputs: number, outputs: number, taps: number, options: Omit<ConvSpecOptions, "groups"> = {}): LayerSpec<Conv> =>
  layerSpec("causalConv1d", {
    kernel: leaf([taps, inputs, outputs], options.init ?? init.glorotUniform),
    ...(options.bias === false ? {} : { bias: leaf([outputs], options.biasInit ?? init.zeros) }),
  });
/** [T, in] -> [T, out] */
causalConv1d.outShape = ([length = 1]: readonly number[], outputs: number): readonly number[] => [length, outputs];
