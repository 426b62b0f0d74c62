/**
 * Keys: where a draw stands. A key carries the site's path, what was folded in, and the random state of the program;
 * drawing from it emits a `random` node. The same key draws the same numbers, so a sampler takes `key.at(…)` for each part.
 */
import { GmcError } from "./errors.js";
import { broadcastTo } from "./ops/elementwise.js";
import { foldStage } from "./random.js";
import { shapeError } from "./shape.js";
import { emit, source, type Tensor, type TensorLike } from "./trace.js";
import type { PrimParams } from "./types.js";

export interface Key {
  /** `z`, `encoder.dropout1` */
  readonly path: string;
  /** mixed 32 bits of what was folded in; 0 where nothing was */
  readonly stage: number;
  /** i32 scalar of a `repeat` stage, or undefined */
  readonly iteration: Tensor | undefined;
  /** Axes before that of the rows, 1 next to it, along which a layer draws the same numbers: the states that a row's sum runs over */
  readonly alike: readonly number[];
  /** The key of a part: path `a.b`. */
  at(site: string): Key;
  /** The key of the i-th stage or chunk, i known at staging. */
  fold(i: number): Key;
  /** The key of one iteration of a `repeat` stage; once. */
  iterate(iteration: Tensor): Key;
  /** The key of what is evaluated at all states of a sum, which lie along these axes: they see one network, not one each. */
  alikeAlong(positions: readonly number[]): Key;
}

/** The batch axis's extent, marked: a draw is then tied to the row, in whichever batch it sits. */
export interface Rows {
  readonly kind: "rows";
  readonly size: number;
}

/** The shape of a draw; at most one entry is Rows. */
export type DrawShape = readonly (number | Rows)[];

const NONE: readonly number[] = [];

function makeKey(path: string, stage: number, iteration: Tensor | undefined, alike = NONE): Key {
  return {
    path,
    stage,
    iteration,
    alike,
    at: (site) => makeKey(path === "" ? site : `${path}.${site}`, stage, iteration, alike),
    fold: (i) => makeKey(path, foldStage(stage, i), iteration, alike),
    iterate(i) {
      if (iteration !== undefined) throw new GmcError("GM4904", `the key ${path} already follows an iteration`);
      return makeKey(path, stage, i, alike);
    },
    alikeAlong: (positions) => makeKey(path, stage, iteration, [...alike, ...positions]),
  };
}

/** The key of the program being staged: draws read its input `rng` (u32[4], see random.ts). */
export function rootKey(): Key {
  return makeKey("", 0, undefined);
}

/** The extent of `x` along its batch axis, as Rows. */
export function rowsOf(x: Tensor, axis = 0): Rows {
  const size = x.shape[axis];
  if (size === undefined) throw shapeError(`rowsOf: axis ${axis} does not exist in a tensor of rank ${x.shape.length}`);
  return { kind: "rows", size };
}

/** A draw's shape in plain numbers, and the axis that holds Rows. */
export function resolveShape(shape: DrawShape): { shape: number[]; rowAxis: number | null } {
  let rowAxis: number | null = null;
  const plain = shape.map((entry, axis) => {
    if (typeof entry === "number") return entry;
    if (rowAxis !== null) throw shapeError(`a draw has one row axis, not both ${rowAxis} and ${axis}`);
    rowAxis = axis;
    return entry.size;
  });
  return { shape: plain, rowAxis };
}

function draw(kind: PrimParams["random"]["kind"], key: Key, shape: DrawShape): Tensor {
  const rng = source("input", "rng", { shape: [4], dtype: "u32" });
  const { shape: plain, rowAxis } = resolveShape(shape);
  const inputs = key.iteration === undefined ? [rng] : [rng, key.iteration];
  return emit(
    "random",
    inputs,
    { kind, site: key.path, stage: key.stage, rowAxis },
    { shape: plain, dtype: kind === "bits" ? "u32" : "f32" },
  );
}

/** Uniform in [0, 1): multiples of 2^-24. */
export function randomUniform(key: Key, shape: DrawShape): Tensor {
  return draw("uniform", key, shape);
}

/** Standard normal, by the inverse distribution function. */
export function randomNormal(key: Key, shape: DrawShape): Tensor {
  return draw("normal", key, shape);
}

/** u32 words. */
export function randomBits(key: Key, shape: DrawShape): Tensor {
  return draw("bits", key, shape);
}

/**
 * Whole numbers [..., V]: how many of `total` independent draws fall into each of V categories. `probs` and `total` broadcast to `shape`, which ends
 * with V, and to what is before; probabilities need not sum to one. Time grows with the totals, not with V. See random-counts.ts.
 */
export function randomCounts(key: Key, probs: TensorLike, total: TensorLike, shape: DrawShape): Tensor {
  const rng = source("input", "rng", { shape: [4], dtype: "u32" });
  const { shape: plain, rowAxis } = resolveShape(shape);
  const inputs = [broadcastTo(probs, plain), broadcastTo(total, plain.slice(0, -1)), rng];
  const params = { site: key.path, stage: key.stage, rowAxis };
  return emit("randomCounts", key.iteration === undefined ? inputs : [...inputs, key.iteration], params);
}
