/** Flows that are given something: values meet what they are given in their leading axes, as samples of one and rows of the other do. */
import { broadcastTo } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { broadcastShapes } from "../graph/shape.js";
import type { Bijector, Image } from "./bijector.js";

export interface ConditionedOptions {
  /** Axes of an event on the side of z, and on that of x. */
  readonly axes: readonly [number, number];
  /** What the bijection closes over, each with the number of its event's axes. */
  readonly on: readonly (readonly [value: Tensor, axes: number])[];
}

/** The bijection on values that have every leading axis of what it is given: a coupling keeps a part as it is, and joins it to the rest. */
export function conditioned(b: Bijector, { axes, on }: ConditionedOptions): Bijector {
  const run =
    (direction: (t: Tensor) => Image, rank: number) =>
    (t: Tensor): Image => {
      const cut = t.shape.length - rank;
      const lead = t.shape.slice(0, cut);
      const joint = broadcastShapes("conditioned", [lead, ...on.map(([value, own]) => value.shape.slice(0, value.shape.length - own))]);
      const same = joint.length === lead.length && joint.every((n, i) => n === lead[i]);
      return direction(same ? t : broadcastTo(t, [...joint, ...t.shape.slice(cut)]));
    };
  return { forward: run(b.forward, axes[0]), inverse: run(b.inverse, axes[1]), directions: b.directions };
}
