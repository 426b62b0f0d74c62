/**
 * Discrete units one by one, as single-site sampling and pseudo-likelihoods visit them: the entries that a unit covers, and its states. Under "at most
 * one of a block" the unit is the block, so that no state is visited that the variable does not have.
 */
import { eye, mul, ones, reshape, sizeOf, sliceAxis, type Shape, type Tensor } from "../graph/index.js";
import { blockSize, fromBlocks, gridOf } from "./blocks.js";
import type { Units } from "./energy-model.js";
import { independent } from "./values.js";

/** `chosen` [..., count] is one-hot over the units, `state` [..., states] over a unit's states but "all entries 0"; leads broadcast. */
export interface Sites {
  readonly count: number;
  /** How many states a unit has in which an entry is 1. */
  readonly states: number;
  /** Whether all entries 0 is a state too. */
  readonly none: boolean;
  /** 1 at the entries of the chosen unit, [..., ...event]. */
  readonly cover: (chosen: Tensor) => Tensor;
  /** The chosen unit in that state, all else 0: [..., ...event]. */
  readonly put: (chosen: Tensor, state: Tensor) => Tensor;
}

/** Undefined of units that are not discrete. */
export function sitesOf(units: Units): Sites | undefined {
  const lone = independent(units);
  const { shape } = lone;
  const last = (t: Tensor, axes: Shape): Tensor => reshape(t, [...t.shape.slice(0, -1), ...axes]);
  const single = shape.map(() => 1);
  switch (lone.kind) {
    case "bernoulli": {
      const cover = (chosen: Tensor): Tensor => last(chosen, shape);
      return { count: sizeOf(shape), states: 1, none: true, cover, put: (chosen, state) => mul(cover(chosen), last(state, single)) };
    }
    case "categorical": {
      const { classes } = lone;
      const cover = (chosen: Tensor): Tensor => last(chosen, [...shape, 1]);
      const put = (chosen: Tensor, state: Tensor): Tensor => mul(cover(chosen), last(state, [...single, classes]));
      return { count: sizeOf(shape), states: classes, none: false, cover, put };
    }
    case "oneOfBlock": {
      const [size, grid] = [blockSize(lone), gridOf(lone)];
      const put = (chosen: Tensor, state: Tensor): Tensor =>
        fromBlocks(mul(last(chosen, [1, ...grid]), last(state, [size, ...single])), lone);
      return { count: sizeOf(grid), states: size, none: true, cover: (chosen) => put(chosen, ones([size])), put };
    }
    default:
      return undefined;
  }
}

/** State number `k` of `n`, one-hot [n]. */
export function stateAt(n: number, k: number): Tensor {
  return reshape(sliceAxis(eye(n), 0, k, k + 1), [n]);
}
