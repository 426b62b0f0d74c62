/** Windows that slide along the axes of an image or a sequence: which positions of its input each position of the result reads. */
import { across, along, type Grid, meet } from "./grid.js";

export interface Window {
  /** Positions that it covers along each axis of space. */
  readonly size: readonly number[];
  readonly stride: number;
  readonly padding: "same" | "valid";
  readonly dilation: number;
}

/** Positions along one axis of `size`; those outside of it are the padding's zeros. */
function readsOf(size: number, outputs: number, taps: number, { stride, padding, dilation }: Window): readonly (readonly number[])[] {
  const reach = (taps - 1) * dilation + 1;
  const low = padding === "same" ? Math.floor(Math.max((outputs - 1) * stride + reach - size, 0) / 2) : 0;
  return Array.from({ length: outputs }, (_, o) => Array.from({ length: taps }, (__, t) => o * stride + t * dilation - low));
}

/** An ordinary convolution: everything under the window, all channels of it. `shape` is the result's. */
export function underWindow(grid: Grid, shape: readonly number[], window: Window): Grid {
  return allChannels(poolWindow(grid, shape, window), shape);
}

/** A pooling: everything under the window, each channel by itself. */
export function poolWindow(grid: Grid, shape: readonly number[], window: Window): Grid {
  return alongSpace(grid, shape, (size, outputs, axis) => readsOf(size, outputs, window.size[axis] ?? 1, window));
}

/** Sums over blocks that tile the leading axes. */
export function inBlocks(grid: Grid, blocks: readonly number[]): Grid {
  return blocks.reduce((out, block, axis) => {
    const starts = Array.from({ length: (grid.shape[axis] ?? 1) / block }, (_, i) => i * block);
    return along(
      out,
      axis - grid.shape.length,
      starts.map((start) => Array.from({ length: block }, (_, i) => start + i)),
    );
  }, grid);
}

/** Each pixel `factor` times in height and width; interpolated ones lie between two centres of pixels. */
export function enlarged(grid: Grid, shape: readonly number[], factor: number, between: boolean): Grid {
  return alongSpace(grid, shape, (size, outputs) =>
    Array.from({ length: outputs }, (_, o) => {
      const centre = (o + 0.5) / factor - 0.5;
      const inside = (i: number): number => Math.min(size - 1, Math.max(0, i));
      return between ? [inside(Math.floor(centre)), inside(Math.ceil(centre))] : [Math.floor(o / factor)];
    }),
  );
}

/** `border` more pixels on each side, mirrored at the outermost ones. */
export function mirrored(grid: Grid, shape: readonly number[], border: number): Grid {
  return alongSpace(grid, shape, (size, outputs) =>
    Array.from({ length: outputs }, (_, o) => {
      const at = Math.abs(o - border);
      return [at < size ? at : 2 * (size - 1) - at];
    }),
  );
}

/** Along each axis but the last, what its positions read. */
function alongSpace(
  grid: Grid,
  shape: readonly number[],
  reads: (size: number, outputs: number, axis: number) => readonly (readonly number[])[],
): Grid {
  let out = grid;
  for (let axis = 0; axis < shape.length - 1; axis++)
    out = along(out, axis - shape.length, reads(grid.shape[axis] ?? 1, shape[axis] ?? 1, axis));
  return out;
}

/** The last axis is mixed. */
function allChannels(grid: Grid, shape: readonly number[]): Grid {
  return { ...across(grid, [-1], true), shape };
}

/**
 * A masked convolution over [height, width, channels] of odd size (van den Oord et al. 2016a, section 3.4): the rows above, and of its own row
 * what lies to the left; of its own pixel the channels of groups before its own (`A`) or up to it (`B`).
 */
export function behindInRaster(grid: Grid, shape: readonly number[], size: number, mask: "A" | "B", groups: number): Grid {
  const [height = 1, width = 1, channels = 1] = shape;
  const half = (size - 1) / 2;
  const near = (n: number, low: number, high: number): readonly (readonly number[])[] =>
    Array.from({ length: n }, (_, at) => Array.from({ length: high - low + 1 }, (__, i) => at + low + i));
  const above = along(along(grid, -3, near(height, -half, -1)), -2, near(width, -half, half));
  const left = along(grid, -2, near(width, -half, -1));
  const before = allChannels(meet(grid.shape, [above, left]), shape);
  const own = meet(grid.shape, [grid]);
  const inputs = grid.shape[2] ?? 1;
  const [perInput, perOutput] = [inputs / groups, channels / groups];
  if (groups === 1) return mask === "A" ? before : meet(shape, [before, allChannels(own, shape)]);
  const reads = Array.from({ length: channels }, (_, c) => {
    const group = Math.floor(c / perOutput) + (mask === "B" ? 1 : 0);
    return Array.from({ length: group * perInput }, (__, i) => i);
  });
  return meet(shape, [before, along(own, -1, reads)]);
}

/** A causal convolution over [..., length, channels] (van den Oord et al. 2016c, section 2.1): `size` positions up to its own, `strict`: up to the one before. */
export function behindInTime(grid: Grid, shape: readonly number[], size: number, dilation: number, strict: boolean): Grid {
  const length = shape.at(-2) ?? 1;
  const shift = strict ? 1 : 0;
  const reads = Array.from({ length }, (_, t) => Array.from({ length: size }, (__, i) => t - shift - i * dilation));
  return allChannels(along(grid, -2, reads), shape);
}
