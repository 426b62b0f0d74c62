/** Bijections that only move entries; they keep volumes. */
import { GmcError } from "../graph/errors.js";
import { constant, permutation, reshape, reverse, take, transpose } from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { showShape } from "../graph/shape.js";
import { channelsOf, closed, leadOf, noVolume } from "./bijector.js";
import type { Bijector, EventOptions } from "./bijector.js";

function moves(what: string, from: Shape, to: Shape, forward: (z: Tensor) => Tensor, inverse: (x: Tensor) => Tensor): Bijector {
  return {
    forward: (z) => ({ logDet: noVolume(leadOf(what, z, from)), value: forward(z) }),
    inverse: (x) => ({ logDet: noVolume(leadOf(what, x, to)), value: inverse(x) }),
    directions: closed,
  };
}

/** The last axis the other way round. */
export function reverseFlow({ event }: EventOptions): Bijector {
  channelsOf("reverse", event);
  const turned = (t: Tensor): Tensor => reverse(t, -1);
  return moves("reverse", event, event, turned, turned);
}

export interface PermuteOptions extends EventOptions {
  /** x[i] = z[order[i]] along the last axis; a number is the seed of a random order, the same in every run. */
  readonly order: readonly number[] | number;
}

/** A fixed order of the last axis. */
export function permute({ event, order }: PermuteOptions): Bijector {
  const extent = channelsOf("permute", event);
  const list = typeof order === "number" ? [...permutation(extent, order, "permute")] : order;
  if (list.length !== extent || [...list].sort((a, b) => a - b).some((at, i) => at !== i)) {
    throw new GmcError("GM4021", `permute: [${list.join(", ")}] is no order of ${extent} entries`, [
      `each of 0 to ${extent - 1} stands in it once`,
    ]);
  }
  const back = new Array<number>(extent).fill(0);
  list.forEach((from, to) => (back[from] = to));
  const along =
    (indices: readonly number[]) =>
    (t: Tensor): Tensor =>
      take(t, constant(indices, [extent], "i32"), t.shape.length - 1);
  return moves("permute", event, event, along(list), along(back));
}

export interface SqueezeOptions extends EventOptions {
  /** Default 2. */
  readonly factor?: number;
}

/**
 * From z to x, channels become space: an image [H, W, f^2 C] becomes [f H, f W, C]; backwards each f x f block of pixels becomes one position
 * (Dinh et al. 2017, section 3.6). A sequence [T, f C] becomes [f T, C]. Channel (i f + j) C + c is pixel (i, j) of its block.
 */
export function squeezeFlow({ event, factor = 2 }: SqueezeOptions): Bijector {
  const spatial = event.slice(0, -1);
  const block = factor ** spatial.length;
  const channels = (event.at(-1) ?? 0) / block;
  if (spatial.length < 1 || spatial.length > 2 || !Number.isInteger(factor) || factor < 2 || !Number.isInteger(channels)) {
    throw new GmcError("GM4021", `squeeze: the channels of ${showShape(event)} do not divide into blocks of ${factor} x ${factor}`, [
      "its event on the side of z is [H, W, f^2 C] or [T, f C]",
    ]);
  }
  const wide = [...spatial.map((n) => n * factor), channels];
  const factors = spatial.map(() => factor);
  // [...spatial, ...factors, C] <-> [h, f, w, f, C]
  const n = spatial.length;
  const mixed = spatial.flatMap((_, i) => [i, n + i]).concat(2 * n);
  const apart = mixed.map((_, axis) => mixed.indexOf(axis));
  const withLead = (lead: Shape, perm: readonly number[]): number[] => [...lead.map((_, i) => i), ...perm.map((p) => p + lead.length)];
  const lead = (t: Tensor, shape: Shape): Shape => t.shape.slice(0, t.shape.length - shape.length);
  return moves(
    "squeeze",
    event,
    wide,
    (z) => {
      const l = lead(z, event);
      return reshape(transpose(reshape(z, [...l, ...spatial, ...factors, channels]), withLead(l, mixed)), [...l, ...wide]);
    },
    (x) => {
      const l = lead(x, wide);
      const split = reshape(x, [...l, ...spatial.flatMap((extent) => [extent, factor]), channels]);
      return reshape(transpose(split, withLead(l, apart)), [...l, ...event]);
    },
  );
}

/** Event of the side of x of a squeeze. */
squeezeFlow.outShape = (event: Shape, factor = 2): Shape => {
  const spatial = event.slice(0, -1);
  return [...spatial.map((n) => n * factor), (event.at(-1) ?? 0) / factor ** spatial.length];
};
