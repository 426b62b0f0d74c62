/**
 * Units under "at most one of a block": the event cut into blocks, [...lead, n, ...grid, ...rest] with the n units of a block before what the blocks are
 * counted over, and back. So the axes after those that are cut (channels) stay together, and moving them copies runs of memory.
 */
import { reshape, sizeOf, transpose, type Shape, type Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";

export interface Blocks {
  readonly shape: Shape;
  readonly block: readonly number[];
}

/** Units of a block. */
export const blockSize = ({ block }: Blocks): number => sizeOf(block);

/** The shape over which blocks are counted: [...grid, ...rest]. */
export function gridOf({ shape, block }: Blocks): number[] {
  if (block.length > shape.length || block.some((n, i) => n < 1 || shape[i]! % n !== 0))
    throw shapeError(`blocks of ${showShape(block)} do not tile units of shape ${showShape(shape)}`);
  return shape.map((extent, i) => extent / (block[i] ?? 1));
}

/** The axis of a block's units, from the end. */
export const unitAxis = ({ shape }: Blocks): number => -shape.length - 1;

/** The axes of the event cut: [grid 0, block 0, grid 1, block 1, …, rest]. */
function cut(blocks: Blocks): { readonly shape: number[]; readonly order: number[] } {
  const grid = gridOf(blocks);
  const shape = grid.flatMap((n, i) => (i < blocks.block.length ? [n, blocks.block[i]!] : [n]));
  const inBlock = blocks.block.map((_, i) => 2 * i + 1);
  return { shape, order: [...inBlock, ...[...shape.keys()].filter((axis) => !inBlock.includes(axis))] };
}

/** From units of a block on the last axis, [...lead, ...grid, ...rest, n]. */
export function unitsForward(x: Tensor, blocks: Blocks): Tensor {
  const last = x.shape.length - 1;
  const first = last - blocks.shape.length;
  return transpose(x, [...Array.from({ length: first }, (_, i) => i), last, ...blocks.shape.map((_, i) => first + i)]);
}

export function toBlocks(x: Tensor, blocks: Blocks): Tensor {
  const rank = x.shape.length - blocks.shape.length;
  const lead = x.shape.slice(0, rank);
  const { shape, order } = cut(blocks);
  const moved = transpose(reshape(x, [...lead, ...shape]), [...lead.keys(), ...order.map((axis) => rank + axis)]);
  return reshape(moved, [...lead, blockSize(blocks), ...gridOf(blocks)]);
}

export function fromBlocks(x: Tensor, blocks: Blocks): Tensor {
  const rank = x.shape.length - blocks.shape.length - 1;
  const lead = x.shape.slice(0, rank);
  const { shape, order } = cut(blocks);
  const moved = reshape(x, [...lead, ...order.map((axis) => shape[axis]!)]);
  const back = shape.map((_, axis) => rank + order.indexOf(axis));
  return reshape(transpose(moved, [...lead.keys(), ...back]), [...lead, ...blocks.shape]);
}
