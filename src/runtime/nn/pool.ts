/**
 * Pooling and resizing of images x [..., H, W, C]. Built of slices, maxima and matrix products, so every gradient comes with them. At a tie,
 * the gradient of max-pooling goes to one of the largest entries.
 */
import {
  add,
  broadcastTo,
  concat,
  constant,
  div,
  matmul,
  max,
  mean,
  pad,
  reduceMax,
  reshape,
  reverse,
  select,
  sizeOf,
  slice,
  sliceAxis,
  sum,
} from "../graph/index.js";
import type { Padding, Shape, Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";
import { windowedShape } from "./conv.js";
import type { Extent } from "./conv.js";

export interface PoolOptions {
  /** Window: one number, or [height, width]. */
  readonly size: Extent;
  /** Default: the window. */
  readonly stride?: Extent;
  /** Default "valid". */
  readonly padding?: Padding;
}

export interface BlockOptions {
  /** Sizes along the leading axes of the event, which they divide. */
  readonly blocks: readonly number[];
  /** Axes of the event. */
  readonly rank: number;
}

/** x [..., ...event] -> the sum over each block of the event's leading axes: the pooled units of probabilistic max-pooling (Lee et al. 2009). */
export function blockSum(x: Tensor, { blocks, rank }: BlockOptions): Tensor {
  const first = x.shape.length - rank;
  const event = x.shape.slice(first);
  if (first < 0 || blocks.length > rank || blocks.some((size, i) => !(size >= 1) || event[i]! % size !== 0))
    throw shapeError(`blocks of ${showShape(blocks)} do not tile ${showShape(event)}`);
  const cut = event.flatMap((extent, i) => (blocks[i] === undefined ? [extent] : [extent / blocks[i], blocks[i]]));
  return sum(
    reshape(x, [...x.shape.slice(0, first), ...cut]),
    blocks.map((_, i) => first + 2 * i + 1),
  );
}

interface Windows {
  /** [N, H', W', C]: the input at each place of the window, places outside filled with `outside`. */
  readonly places: readonly Tensor[];
  readonly out: readonly number[];
  /** How many places of each window lie inside the image, in C order over [H', W']. */
  readonly counts: readonly number[];
}

const pairOf = (value: Extent): readonly [number, number] => (typeof value === "number" ? [value, value] : [value[0] ?? 1, value[1] ?? 1]);

function imageOf(what: string, x: Tensor): { readonly lead: Shape; readonly h: number; readonly w: number; readonly c: number } {
  const [h, w, c] = x.shape.slice(-3);
  if (h === undefined || w === undefined || c === undefined)
    throw shapeError(`${what}: ${showShape(x.shape)} is not [..., height, width, channels]`);
  return { lead: x.shape.slice(0, -3), h, w, c };
}

function windows(what: string, x: Tensor, options: PoolOptions, outside: number): Windows {
  const { lead, h, w, c } = imageOf(what, x);
  const window = pairOf(options.size);
  const stride = pairOf(options.stride ?? options.size);
  const padding = options.padding ?? "valid";
  const out = windowedShape([h, w], window, { stride, padding });
  const [oh = 0, ow = 0] = out;
  if (oh < 1 || ow < 1) throw shapeError(`${what}: a window of ${window.join(" x ")} does not fit into ${showShape(x.shape)}`);
  const before = [h, w].map((size, i) => {
    if (padding === "valid") return 0;
    if (padding === "same") return Math.floor(Math.max(0, ((out[i] ?? 1) - 1) * (stride[i] ?? 1) + (window[i] ?? 1) - size) / 2);
    const given = typeof padding === "number" ? padding : (padding[i] ?? 0);
    return typeof given === "number" ? given : given[0];
  });
  const [top = 0, left = 0] = before;
  // The part of the padded image that windows reach.
  const reach = [(oh - 1) * stride[0] + window[0], (ow - 1) * stride[1] + window[1]] as const;
  const bottom = Math.max(0, reach[0] - h - top);
  const right = Math.max(0, reach[1] - w - left);
  const inside = (row: number, column: number): boolean => row >= top && row < top + h && column >= left && column < left + w;
  const flat = reshape(x, [sizeOf(lead), h, w, c]);
  let padded = flat;
  if (top + left + bottom + right > 0) {
    padded = pad(flat, [0, top, left, 0], [0, bottom, right, 0]);
    if (outside !== 0) {
      const [rows, columns] = [h + top + bottom, w + left + right];
      const mask = Array.from({ length: rows * columns }, (_, i) => inside(Math.floor(i / columns), i % columns));
      padded = select(constant(mask, [rows, columns, 1]), padded, outside);
    }
  }
  const places: Tensor[] = [];
  for (let i = 0; i < window[0]; i++) {
    for (let j = 0; j < window[1]; j++) {
      const stop = [sizeOf(lead), i + (oh - 1) * stride[0] + 1, j + (ow - 1) * stride[1] + 1, c];
      places.push(slice(padded, [0, i, j, 0], stop, [1, stride[0], stride[1], 1]));
    }
  }
  const counts = Array.from({ length: oh * ow }, (_, at) => {
    const [row, column] = [Math.floor(at / ow) * stride[0], (at % ow) * stride[1]];
    let count = 0;
    for (let i = 0; i < window[0]; i++) for (let j = 0; j < window[1]; j++) count += inside(row + i, column + j) ? 1 : 0;
    return count;
  });
  return { places, out, counts };
}

/** Without padding and overlap a window is a block of a reshaped image: [N, H', h, W', w, C]. */
function blocks(x: Tensor, options: PoolOptions): Tensor | undefined {
  const { lead, h, w, c } = imageOf("pooling", x);
  const window = pairOf(options.size);
  const stride = pairOf(options.stride ?? options.size);
  const exact = h % window[0] === 0 && w % window[1] === 0 && (options.padding === undefined || typeof options.padding === "string");
  if (!exact || stride[0] !== window[0] || stride[1] !== window[1]) return undefined;
  return reshape(x, [sizeOf(lead), h / window[0], window[0], w / window[1], window[1], c]);
}

export interface ReflectPadOptions {
  /** Pixels on each side, fewer than there are. */
  readonly size: number;
}

/** x [..., H, W, C] with `size` pixels more on each side, mirrored at the border, which is not repeated. */
export function reflectPad(x: Tensor, { size }: ReflectPadOptions): Tensor {
  const mirrored = (t: Tensor, axis: number): Tensor => {
    const extent = t.shape.at(axis) ?? 0;
    if (extent <= size) throw shapeError(`reflectPad: ${showShape(x.shape)} has no ${size} pixels to mirror`);
    const before = reverse(sliceAxis(t, axis, 1, size + 1), [axis]);
    const after = reverse(sliceAxis(t, axis, extent - size - 1, extent - 1), [axis]);
    return concat([before, t, after], axis);
  };
  return mirrored(mirrored(x, -3), -2);
}

function restore(y: Tensor, lead: Shape): Tensor {
  return reshape(y, [...lead, ...y.shape.slice(1)]);
}

/** The largest entry of each window; padding never wins. */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  const lead = x.shape.slice(0, -3);
  const block = blocks(x, options);
  if (block) return restore(reduceMax(block, [2, 4]), lead);
  const { places } = windows("maxPool", x, options, -Infinity);
  return restore(
    places.reduce((a, b) => max(a, b)),
    lead,
  );
}
maxPool.outShape = poolShape;

/** The mean of each window, over the places inside the image. */
export function avgPool(x: Tensor, options: PoolOptions): Tensor {
  const lead = x.shape.slice(0, -3);
  const block = blocks(x, options);
  if (block) return restore(mean(block, [2, 4]), lead);
  const { places, counts, out } = windows("avgPool", x, options, 0);
  const total = places.reduce((a, b) => add(a, b));
  return restore(div(total, constant(counts, [...out, 1])), lead);
}
avgPool.outShape = poolShape;

function poolShape([h = 1, w = 1, c = 1]: readonly number[], options: PoolOptions): readonly number[] {
  return [...windowedShape([h, w], options.size, { stride: options.stride ?? options.size, padding: options.padding ?? "valid" }), c];
}

/** Mean over height and width: [..., H, W, C] -> [..., C]. */
export function globalAvgPool(x: Tensor): Tensor {
  return mean(x, [-3, -2]);
}
globalAvgPool.outShape = ([, , c = 1]: readonly number[]): readonly number[] => [c];

export interface UpsampleOptions {
  /** One number, or [height, width]: whole. */
  readonly factor: Extent;
  /** Default "nearest". */
  readonly method?: "nearest" | "bilinear";
}

/**
 * Enlarges H and W. "nearest" repeats pixels; "bilinear" interpolates with pixel centres at half-integers (align_corners = false), edges repeated.
 */
export function upsample(x: Tensor, { factor, method = "nearest" }: UpsampleOptions): Tensor {
  const { lead, h, w, c } = imageOf("upsample", x);
  const [fh, fw] = pairOf(factor);
  const n = sizeOf(lead);
  if (method === "nearest") {
    const spread = broadcastTo(reshape(x, [n, h, 1, w, 1, c]), [n, h, fh, w, fw, c]);
    return reshape(spread, [...lead, h * fh, w * fw, c]);
  }
  // One matrix for each axis; the first sees [H, W C], the second [W, C] for each row.
  const tall = matmul(interpolation(h, fh), reshape(x, [n, h, w * c]));
  const wide = matmul(interpolation(w, fw), reshape(tall, [n * h * fh, w, c]));
  return reshape(wide, [...lead, h * fh, w * fw, c]);
}
upsample.outShape = ([h = 1, w = 1, c = 1]: readonly number[], { factor }: UpsampleOptions): readonly number[] => {
  const [fh, fw] = pairOf(factor);
  return [h * fh, w * fw, c];
};

/** [size * factor, size]: linear interpolation at (i + 1/2) / factor - 1/2, clamped to the edges. */
function interpolation(size: number, factor: number): Tensor {
  const values = new Array<number>(size * factor * size).fill(0);
  for (let i = 0; i < size * factor; i++) {
    const at = Math.min(Math.max((i + 0.5) / factor - 0.5, 0), size - 1);
    const low = Math.floor(at);
    const high = Math.min(low + 1, size - 1);
    const share = at - low;
    values[i * size + low] = (values[i * size + low] ?? 0) + 1 - share;
    values[i * size + high] = (values[i * size + high] ?? 0) + share;
  }
  return constant(values, [size * factor, size]);
}
