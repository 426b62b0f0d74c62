/**
 * Arithmetic on shapes: sizes, strides, numpy's broadcasting rule, axes that may be negative.
 * Takes and gives plain arrays; a misfit is a GmcError that shows both shapes.
 */
import { GmcError } from "./errors.js";
import type { Shape } from "./types.js";

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}

/** The common shape of all by numpy's rule (aligned at the right, 1 stretches), or undefined where there is none. */
export function tryBroadcastShapes(shapes: readonly Shape[]): number[] | undefined {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const offset = rank - shape.length;
    for (let i = 0; i < shape.length; i++) {
      const extent = shape[i]!;
      if (extent === 1) continue;
      if (out[offset + i] !== 1 && out[offset + i] !== extent) return undefined;
      out[offset + i] = extent;
    }
  }
  return out;
}

export function broadcastShapes(what: string, shapes: readonly Shape[]): number[] {
  const out = tryBroadcastShapes(shapes);
  if (out === undefined) throw shapeError(`${what}: the shapes ${shapes.map(showShape).join(" and ")} do not broadcast`);
  return out;
}

/** An axis counted from the end where negative, as an index in 0..rank-1. */
export function normalizeAxis(what: string, axis: number, rank: number): number {
  const index = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(index) || index < 0 || index >= rank)
    throw shapeError(`${what}: axis ${axis} does not exist in a tensor of rank ${rank}`);
  return index;
}

/** Ascending, without duplicates; all axes where `axes` is undefined. */
export function normalizeAxes(what: string, axes: readonly number[] | number | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === "number" ? [axes] : axes).map((axis) => normalizeAxis(what, axis, rank));
  const sorted = [...new Set(list)].sort((a, b) => a - b);
  if (sorted.length !== list.length) throw shapeError(`${what}: an axis is named twice in [${list.join(", ")}]`);
  return sorted;
}

/** The shape without `axes`. */
export function dropAxes(shape: Shape, axes: readonly number[]): number[] {
  return shape.filter((_, i) => !axes.includes(i));
}

/** The shape with `axes` set to 1. */
export function keepAxes(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((extent, i) => (axes.includes(i) ? 1 : extent));
}

export function checkShape(what: string, shape: Shape): void {
  for (const extent of shape) {
    if (!Number.isInteger(extent) || extent < 0) throw shapeError(`${what}: ${showShape(shape)} is not a shape`);
  }
  if (sizeOf(shape) >= 2 ** 31) throw shapeError(`${what}: a tensor of shape ${showShape(shape)} has 2^31 elements or more`);
}

export function shapeError(message: string, help: readonly string[] = []): GmcError {
  return new GmcError("GM4901", message, help);
}

export function dtypeError(message: string, help: readonly string[] = []): GmcError {
  return new GmcError("GM4902", message, help);
}
