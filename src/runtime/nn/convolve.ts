/**
 * Convolutions as functions of an image and a kernel, linear in each: x [..., H, W, C] with kernel [kh, kw, C, K], channels last. The kernel is
 * a weight, or a value with leading axes of its own (one kernel for each row), which broadcast with those of x.
 */
import { add, conv, convTranspose, matmul, pad, reshape, slice, sliceAxis, squeeze, transpose } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";
import { unwindowedShape, windowedShape } from "./conv.js";

export interface ConvolveOptions {
  /** Default 1. */
  readonly stride?: number;
  /** "valid" (default): only where the kernel fits; "same": ceil(size / stride) positions, zeros outside. */
  readonly padding?: "valid" | "same";
}

/** x [..., H, W, C], kernel [kh, kw, C, K] -> [..., H', W', K]: sum over i, j, c of x[h s + i, w s + j, c] kernel[i, j, c, k]. */
export function convolve(x: Tensor, kernel: Tensor, { stride = 1, padding = "valid" }: ConvolveOptions = {}): Tensor {
  if (kernel.shape.length === 4) return conv(x, kernel, { stride, padding });
  const { space, window } = imageAndKernel("convolve", x, kernel);
  const [oh = 0, ow = 0] = windowedShape(space, window, { stride, padding });
  const reach = [(oh - 1) * stride + window[0], (ow - 1) * stride + window[1]] as const;
  const [top, left] = [margin(reach[0], space[0], padding), margin(reach[1], space[1], padding)];
  const below = [Math.max(0, reach[0] - space[0] - top), Math.max(0, reach[1] - space[1] - left)] as const;
  const lead = x.shape.slice(0, -3);
  const none = lead.map(() => 0);
  const padded = pad(x, [...none, top, left, 0], [...none, below[0], below[1], 0]);
  const channels = x.shape.at(-1) ?? 0;
  return sumOver(window, (i, j) => {
    const stop = [...lead, i + (oh - 1) * stride + 1, j + (ow - 1) * stride + 1, channels];
    const seen = slice(padded, [...none, i, j, 0], stop, [...lead.map(() => 1), stride, stride, 1]);
    return spread(matmul(reshape(seen, [...lead, oh * ow, channels]), entry(kernel, i, j)), oh, ow);
  });
}

/**
 * The transpose of `convolve` in x, for the same kernel: h [..., H', W', K], kernel [kh, kw, C, K] -> [..., H, W, C], with H = (H' - 1) stride + kh
 * ("valid") or H' stride ("same"). Of stride 1: sum(convolve(x, W) * h) = sum(x * convolveTranspose(h, W)).
 */
export function convolveTranspose(h: Tensor, kernel: Tensor, { stride = 1, padding = "valid" }: ConvolveOptions = {}): Tensor {
  if (kernel.shape.length === 4) return convTranspose(h, kernel, { stride, padding });
  const { space, window } = imageAndKernel("convolveTranspose", h, kernel);
  const [height = 0, width = 0] = unwindowedShape(space, window, { stride, padding });
  const whole = [(space[0] - 1) * stride + window[0], (space[1] - 1) * stride + window[1]] as const;
  const [top, left] = [margin(whole[0], height, padding), margin(whole[1], width, padding)];
  const lead = h.shape.slice(0, -3);
  const flat = reshape(h, [...lead, space[0] * space[1], h.shape.at(-1) ?? 0]);
  const size = [Math.max(whole[0], top + height), Math.max(whole[1], left + width)] as const;
  const total = sumOver(window, (i, j) => {
    const k = entry(kernel, i, j);
    const rank = k.shape.length;
    const turned = transpose(k, [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2]);
    return placed(spread(matmul(flat, turned), space[0], space[1]), [i, j], stride, size);
  });
  return sliceAxis(sliceAxis(total, -3, top, top + height), -2, left, left + width);
}

interface Extents {
  readonly space: readonly [number, number];
  readonly window: readonly [number, number];
}

function imageAndKernel(what: string, x: Tensor, kernel: Tensor): Extents {
  const [h, w, channels] = x.shape.slice(-3);
  const [kh, kw] = kernel.shape.slice(-4);
  if (h === undefined || w === undefined || channels === undefined || kh === undefined || kw === undefined || kernel.shape.length < 4) {
    throw shapeError(
      `${what}: kernel ${showShape(kernel.shape)} on ${showShape(x.shape)}: x is [..., H, W, C], a kernel [..., kh, kw, C, K]`,
    );
  }
  return { space: [h, w], window: [kh, kw] };
}

/** Zeros before the image under "same": the smaller half. */
function margin(reach: number, size: number, padding: "valid" | "same"): number {
  return padding === "valid" ? 0 : Math.floor(Math.max(0, reach - size) / 2);
}

function sumOver(window: readonly [number, number], part: (i: number, j: number) => Tensor): Tensor {
  const parts = Array.from({ length: window[0] * window[1] }, (_, n) => part(Math.floor(n / window[1]), n % window[1]));
  return parts.reduce((a, b) => add(a, b));
}

/** kernel[i, j]: [..., C, K] */
function entry(kernel: Tensor, i: number, j: number): Tensor {
  const row = squeeze(sliceAxis(kernel, -4, i, i + 1), -4);
  return squeeze(sliceAxis(row, -3, j, j + 1), -3);
}

/** [..., h w, n] -> [..., h, w, n] */
function spread(x: Tensor, h: number, w: number): Tensor {
  return reshape(x, [...x.shape.slice(0, -2), h, w, x.shape.at(-1) ?? 0]);
}

/** Pixels `stride` apart from a corner on, in zeros. */
function placed(x: Tensor, at: readonly [number, number], stride: number, size: readonly [number, number]): Tensor {
  const none = x.shape.slice(0, -3).map(() => 0);
  const [h = 0, w = 0] = x.shape.slice(-3);
  const after = [size[0] - at[0] - (h - 1) * stride - 1, size[1] - at[1] - (w - 1) * stride - 1] as const;
  return pad(x, [...none, at[0], at[1], 0], [...none, after[0], after[1], 0], [...none, stride - 1, stride - 1, 0]);
}
