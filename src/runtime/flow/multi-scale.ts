/**
 * The multi-scale architecture (Dinh et al. 2017, section 3.6): part of an event is mapped further, the rest is done. Here as a bijection of one
 * tensor with one tensor of the same size, so that levels nest: the entries of z that are done at one level lie beside the others, whatever
 * shape those have at their own level.
 */
import { GmcError } from "../graph/errors.js";
import { concat, reshape, sizeOf, split } from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { showShape } from "../graph/shape.js";
import { channelsOf, leadOf } from "./bijector.js";
import type { Bijector, EventOptions, Image } from "./bijector.js";

export interface MultiScaleOptions extends EventOptions {
  /** What the first `size` entries of the last axis go through. */
  readonly inner: Bijector;
  /** Event of `inner` on the side of z; absent, that of the part: [..., size]. The part's entries are taken in C order. */
  readonly innerEvent?: Shape;
  /** Default: half of the last axis. */
  readonly size?: number;
}

/** x = (inner(z1), z2) along the last axis. */
export function multiScale({ event, inner, innerEvent, size }: MultiScaleOptions): Bijector {
  const channels = channelsOf("multiScale", event);
  const first = size ?? channels / 2;
  if (!Number.isInteger(first) || first < 1 || first >= channels) {
    throw new GmcError("GM4021", `multiScale: the last axis of ${showShape(event)} does not divide into ${first} and the rest`, [
      "half of the last axis goes through the inner flow, or `size` entries of it",
    ]);
  }
  const part = [...event.slice(0, -1), first];
  const below = innerEvent ?? part;
  if (sizeOf(below) !== sizeOf(part)) {
    throw new GmcError(
      "GM4021",
      `multiScale: the part ${showShape(part)} does not hold the entries of the inner event ${showShape(below)}`,
    );
  }
  const parts = (t: Tensor): readonly Tensor[] => split(t, [first, channels - first], -1);
  const forward = (z: Tensor): Image => {
    const lead = leadOf("multiScale", z, event);
    const [z1, z2] = parts(z);
    const { value, logDet } = inner.forward(reshape(z1!, [...lead, ...below]));
    leadOf("multiScale, its inner flow", value, part);
    return { value: concat([value, z2!], -1), logDet };
  };
  const inverse = (x: Tensor): Image => {
    const lead = leadOf("multiScale", x, event);
    const [x1, x2] = parts(x);
    const { value, logDet } = inner.inverse(x1!);
    leadOf("multiScale, its inner flow", value, below);
    return { value: concat([reshape(value, [...lead, ...part]), x2!], -1), logDet };
  };
  return { forward, inverse, directions: inner.directions };
}
