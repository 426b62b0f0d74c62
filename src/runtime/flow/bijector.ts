/**
 * What a normalizing flow is made of: a bijection from base z to data x, with the log-determinant of its Jacobian in the direction that is
 * taken. Values carry any number of leading axes, [...leading, ...event]; a log-determinant has the leading axes alone.
 * Here: the type, composition, and what the families of this folder share.
 */
import { GmcError } from "../graph/errors.js";
import { add, broadcastTo, lift, sizeOf, zeros } from "../graph/index.js";
import type { Shape, Tensor, TensorLike } from "../graph/index.js";
import { sameShape, shapeError, showShape } from "../graph/shape.js";

/** What a bijection makes of a value. */
export interface Image {
  /** [...leading, ...event of the side it goes to] */
  readonly value: Tensor;
  /** log |det J| of the map that was applied, [...leading]: one number per example. */
  readonly logDet: Tensor;
}

/**
 * How a direction is computed. closed: in one pass. sequential: exact, one pass for each entry. none: there is no exact form, and staging it is
 * GM4020.
 */
export type Direction = "closed" | "sequential" | "none";

/** From base z to data x. Both functions always exist. */
export interface Bijector {
  /** x and log |det dx/dz| */
  readonly forward: (z: Tensor) => Image;
  /** z and log |det dz/dx| */
  readonly inverse: (x: Tensor) => Image;
  readonly directions: { readonly forward: Direction; readonly inverse: Direction };
}

/** What every bijection is told: the event's shape on the side of z, without leading axes. */
export interface EventOptions {
  readonly event: Shape;
}

/** A conditioner: from an event to an event, for any leading axes. What else it depends on is closed over. */
export type Conditioner = (t: Tensor) => Tensor;

export const closed: Bijector["directions"] = { forward: "closed", inverse: "closed" };

const order: Readonly<Record<Direction, number>> = { closed: 0, sequential: 1, none: 2 };

/** The composition from z to x: the first of the list is applied first forwards. Of no bijection at all, it cannot say what it maps. */
export function chain(parts: readonly Bijector[]): Bijector {
  if (parts.length === 0) throw new GmcError("GM4021", "chain: a flow is made of one bijection at least");
  const run = (list: readonly Bijector[], direction: "forward" | "inverse", start: Tensor): Image => {
    let value = start;
    let logDet: Tensor | undefined;
    for (const part of list) {
      const image = part[direction](value);
      value = image.value;
      logDet = logDet === undefined ? image.logDet : add(logDet, image.logDet);
    }
    return { value, logDet: logDet! };
  };
  const worst = (direction: "forward" | "inverse"): Direction =>
    parts.map((part) => part.directions[direction]).reduce((a, b) => (order[a] >= order[b] ? a : b));
  const backwards = [...parts].reverse();
  return {
    forward: (z) => run(parts, "forward", z),
    inverse: (x) => run(backwards, "inverse", x),
    directions: { forward: worst("forward"), inverse: worst("inverse") },
  };
}

/** The same bijection in the other direction. */
export function invert(b: Bijector): Bijector {
  return {
    forward: b.inverse,
    inverse: b.forward,
    directions: { forward: b.directions.inverse, inverse: b.directions.forward },
  };
}

// ---- for the families of this folder ------------------------------------------------------------

/** The leading axes of a value whose last axes are `event`. GM4901 where they are not. */
export function leadOf(what: string, x: Tensor, event: Shape): Shape {
  const rank = x.shape.length - event.length;
  if (rank < 0 || !sameShape(x.shape.slice(rank), event)) {
    throw shapeError(`${what}: an event is ${showShape(event)}, and the value ${showShape(x.shape)} does not end so`);
  }
  return x.shape.slice(0, rank);
}

/** One number per example out of one for all, or one of fewer leading axes. */
export function perExample(logDet: TensorLike, lead: Shape): Tensor {
  return broadcastTo(lift(logDet), lead);
}

/** The log-determinant of a map that keeps volumes. */
export function noVolume(lead: Shape): Tensor {
  return zeros(lead);
}

/** The event's only axis. GM4021 where it has another number of axes. */
export function vectorEvent(what: string, event: Shape): number {
  if (event.length !== 1) throw new GmcError("GM4021", `${what} maps vectors [D], and the event is ${showShape(event)}`);
  return event[0]!;
}

/** Extent of the event's last axis: channels of an image, entries of a vector. GM4021 where it has no axis. */
export function channelsOf(what: string, event: Shape): number {
  const channels = event.at(-1);
  if (channels === undefined) throw new GmcError("GM4021", `${what} maps along the last axis of an event, and a scalar has none`);
  return channels;
}

/** How often a map of the channels is applied: the number of positions of an image, 1 for a vector. */
export function positionsOf(event: Shape): number {
  return sizeOf(event.slice(0, -1));
}

/** The function of a direction that has no exact form. */
export function noDirection(what: string, direction: "forward" | "inverse", instead: string): () => never {
  const map = direction === "forward" ? "from z to x" : "from x to z";
  return () => {
    throw new GmcError("GM4020", `${what} has no closed form ${map}`, [instead]);
  };
}
