/** Which entries of a variable are held while the others are drawn: halves of an event by name, as masks of 1 (held) and 0. */
import { GmcError } from "../graph/errors.js";
import { sizeOf } from "../graph/shape.js";
import type { Shape } from "../graph/types.js";

export const regions = ["top", "bottom", "left", "right"] as const;
export type Region = (typeof regions)[number];

/**
 * The mask of an event shape, in C order: [H, W, …] is an image, a vector of H² entries too; of any other sequence top and left are its first half.
 * GM4030 for an event without axes.
 */
export function regionMask(event: Shape, region: Region): Float32Array {
  const [height, width] = imageOf(event);
  const inside = (row: number, column: number): boolean => {
    const upper = row < height / 2;
    const left = width === 1 ? upper : column < width / 2;
    return { top: upper, bottom: !upper, left, right: !left }[region];
  };
  const depth = sizeOf(event) / (height * width);
  return Float32Array.from({ length: sizeOf(event) }, (_, i) => {
    const pixel = Math.floor(i / depth);
    return inside(Math.floor(pixel / width), pixel % width) ? 1 : 0;
  });
}

function imageOf(event: Shape): readonly [height: number, width: number] {
  const [first, second] = event;
  if (first === undefined) throw new GmcError("GM4030", "one number has no halves to hold");
  if (second !== undefined) return [first, second];
  const side = Math.sqrt(first);
  return Number.isInteger(side) ? [side, side] : [first, 1];
}
