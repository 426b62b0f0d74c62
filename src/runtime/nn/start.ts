/**
 * Starts that depend on what reaches a layer (Krähenbühl et al. 2016; Salimans & Kingma 2016; Kingma & Dhariwal 2018). A layer marks the leaves with
 * `fromInput` and passes its weights through `startingFrom`. Before the first step, training stages what it will train once more with the
 * paths of those leaves as `starts`, on one batch: there each layer computes its start from its input, goes on with it, so that layers
 * behind it see what they will see, and writes it to the state. In every other stage the weights are what they are.
 */
import { writeState } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { currentTrace, producer } from "../graph/trace.js";
import type { LeafSpec } from "./spec.js";

/** Marks a leaf: its initialiser holds until the first batch is seen. It is stored as it is, without a constraint. */
export function fromInput(spec: LeafSpec): LeafSpec {
  return { ...spec, startsFromInput: true };
}

/**
 * `w`, or in the stage that starts its leaves what `start` makes of the layer's input, of the same shapes. A layer that is called twice starts
 * from the first call. Weights that come from no state (a net gives them) are left alone.
 */
export function startingFrom<W extends { readonly [K in keyof W]: Tensor }>(w: W, start: () => W): W {
  const { starts, writes } = currentTrace();
  if (starts === undefined) return w;
  const names = Object.entries<Tensor>(w).map(([leaf, t]) => {
    const node = producer(t);
    return [leaf, node.prim === "state" ? node.params.name : ""] as const;
  });
  if (!names.every(([, name]) => starts.has(name))) return w;
  if (names.every(([, name]) => writes.has(name))) return Object.fromEntries(names.map(([leaf, name]) => [leaf, writes.get(name)!])) as W;
  const values = start();
  for (const [leaf] of names) writeState(w[leaf as keyof W], values[leaf as keyof W]);
  return values;
}
