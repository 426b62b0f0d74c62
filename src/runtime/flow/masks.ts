/**
 * Which entries of an event a coupling keeps and which it changes. Halves are slices and every other entry is a reshape: a gather is slower,
 * and its gradient a scattered sum.
 */
import { GmcError, assertNever } from "../graph/errors.js";
import { cast, concat, constant, equal, mul, reshape, sizeOf, sliceAxis, split, stack, sub } from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { showShape } from "../graph/shape.js";
import { channelsOf } from "./bijector.js";

/**
 * `halves`, `channel`: the first half of the last axis is kept (one less than the rest where the extent is odd), the rest changed; the second
 * name is that of images. `alternate`: of the last axis, entries 0, 2, 4, … are kept. `checkerboard`: entries whose indices, all but the
 * channel of an image, have an even sum are kept.
 */
export type Mask = "halves" | "alternate" | "checkerboard" | "channel";

export interface MaskOptions {
  /** Default: halves. */
  readonly mask?: Mask;
  /** Keeps what would be changed, and changes what would be kept. Default false. */
  readonly swap?: boolean;
}

/** How an event is divided. */
export interface Division {
  /** Of the last axis, how many entries parameters are needed for. */
  readonly entries: number;
  /** What a net may see, and what holds the entries to change. */
  readonly cut: (x: Tensor) => { readonly seen: Tensor; readonly changed: Tensor };
  /** The event again, of what was seen and what the other has become. */
  readonly join: (seen: Tensor, changed: Tensor) => Tensor;
  /** Where `changed` also holds entries to keep: 1 at those to change, else 0; of the event's rank, extent 1 along channels. */
  readonly board?: Tensor;
}

/** Stages the division of an event. GM4021 where the mask leaves nothing to keep or nothing to change. */
export function divide(what: string, event: Shape, { mask = "halves", swap = false }: MaskOptions): Division {
  const extent = channelsOf(what, event);
  switch (mask) {
    case "halves":
    case "channel": {
      const sizes = [Math.floor(extent / 2), Math.ceil(extent / 2)] as const;
      if (extent < 2) throw nothingLeft(what, event, mask);
      return inParts(
        sizes,
        swap,
        (x) => split(x, sizes, -1),
        (parts) => concat(parts, -1),
      );
    }
    case "alternate":
      if (extent < 2) throw nothingLeft(what, event, mask);
      return inParts([Math.ceil(extent / 2), Math.floor(extent / 2)], swap, everyOther, interleave);
    case "checkerboard": {
      // a vector's entries are its places; of an image the last axis is no place
      const places = event.length > 1 ? event.slice(0, -1) : event;
      if (sizeOf(places) < 2) throw nothingLeft(what, event, mask);
      const values = parities(places).map((parity) => Number((parity === 0) === swap));
      const board = constant(values, event.length > 1 ? [...places, 1] : places);
      return { entries: extent, cut: (x) => ({ seen: mul(x, sub(1, board)), changed: x }), join: (_, changed) => changed, board };
    }
    default:
      return assertNever(mask);
  }
}

/** The sum of each place's indices, modulo 2, in C order. */
function parities(shape: Shape): number[] {
  return shape.reduce<number[]>((before, extent) => before.flatMap((p) => Array.from({ length: extent }, (_, i) => (p + i) % 2)), [0]);
}

function nothingLeft(what: string, event: Shape, mask: string): GmcError {
  return new GmcError("GM4021", `${what}: the mask \`${mask}\` leaves nothing to keep of an event ${showShape(event)}`, [
    "a coupling keeps one part of an event and changes the other: it needs two entries at least",
  ]);
}

/** Two parts of the last axis; the first is kept unless swapped. */
function inParts(
  sizes: readonly [number, number],
  swap: boolean,
  cut: (x: Tensor) => readonly Tensor[],
  join: (parts: readonly [Tensor, Tensor]) => Tensor,
): Division {
  const [kept, other] = swap ? ([1, 0] as const) : ([0, 1] as const);
  return {
    entries: sizes[other],
    cut: (x) => {
      const parts = cut(x);
      return { seen: parts[kept]!, changed: parts[other]! };
    },
    join: (seen, changed) => join(swap ? [changed, seen] : [seen, changed]),
  };
}

/** Entries 0, 2, … and 1, 3, … of the last axis. */
function everyOther(x: Tensor): readonly Tensor[] {
  const lead = x.shape.slice(0, -1);
  const extent = x.shape.at(-1)!;
  const pairs = Math.floor(extent / 2);
  const paired = reshape(sliceAxis(x, -1, 0, 2 * pairs), [...lead, pairs, 2]);
  const [even, odd] = split(paired, 2, -1).map((t) => reshape(t, [...lead, pairs]));
  return [extent % 2 === 0 ? even! : concat([even!, sliceAxis(x, -1, extent - 1, extent)], -1), odd!];
}

/** Undoes it. */
function interleave([even, odd]: readonly [Tensor, Tensor]): Tensor {
  const lead = even.shape.slice(0, -1);
  const pairs = odd.shape.at(-1)!;
  const paired = reshape(stack([sliceAxis(even, -1, 0, pairs), odd], -1), [...lead, 2 * pairs]);
  return even.shape.at(-1) === pairs ? paired : concat([paired, sliceAxis(even, -1, pairs, pairs + 1)], -1);
}

/** As a condition: where an entry is changed. */
export function isChanged(board: Tensor): Tensor {
  return equal(cast(board, "i32"), 1);
}
