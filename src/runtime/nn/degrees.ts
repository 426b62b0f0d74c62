/**
 * Integer degrees of units, from which the masks of autoregressive nets follow (MADE, Germain et al. 2015, sections 3 and 4.2).
 *
 * A degree says how far along the order of the entries a unit looks. The entry that stands at place r of the order, r = 0 .. D-1, has the
 * degree r; hidden units have degrees 1 .. D-1. A unit of degree m reads one of degree m' where m > m' (strict) or m >= m' (inclusive).
 * With one strict layer on each path, the first, and inclusive ones after it, an output of degree r sees the entries of degrees below r: a
 * hidden unit of degree m sees entries 0 .. m-1, and an output of degree r sees hidden units of degrees up to r. Units of no degree, -1, read
 * nothing of the variable, and all may read them.
 *
 * Degrees are given by a rule, so that generated code holds no lists. Seeded rules draw the same degrees in every run.
 */
import {
  cast,
  constant,
  div,
  expandDims,
  floor,
  hostStream,
  less,
  lessEqual,
  lift,
  mul,
  permutation,
  randomUniform,
  sub,
  take,
} from "../graph/index.js";
import type { Key, Tensor } from "../graph/index.js";
import { shapeError } from "../graph/shape.js";

/** An order over n places, by the name of a rule, the seed of a random order, or as the places themselves in the order in which they are drawn. */
export type Order = "natural" | "reverse" | number | readonly number[];

/**
 * Degrees of the entries of the variable, of hidden units, each once for each of its channels, or of units that all may read. Channels are an axis
 * of their own, unless the units are `flat`.
 */
export type DegreesPart =
  /** `itself`: one later, where the entries stand beside units that are behind them. */
  | {
      readonly kind: "order";
      readonly size: number;
      readonly channels?: number;
      readonly flat?: boolean;
      readonly order?: Order;
      readonly itself?: boolean;
    }
  /** 1 .. max spread evenly over the units, ascending, or drawn by a seed. `max` is D - 1. */
  | {
      readonly kind: "hidden";
      readonly size: number;
      readonly channels?: number;
      readonly flat?: boolean;
      readonly max: number;
      readonly seed?: number;
    }
  /** They read nothing of the variable. */
  | { readonly kind: "free"; readonly size: number };

/** Of units of one kind, or of several in a row. */
export type Degrees = DegreesPart | { readonly kind: "joined"; readonly parts: readonly DegreesPart[] };

/** What a masked layer connects. */
export interface DegreeRule {
  readonly from: Degrees;
  readonly to: Degrees;
  readonly strict: boolean;
}

/** The places 0 .. n-1 in the order in which they are drawn. GM4901 for a list that is no such order. */
export function orderOf(order: Order | undefined, n: number): readonly number[] {
  if (order === undefined || order === "natural") return Array.from({ length: n }, (_, i) => i);
  if (order === "reverse") return Array.from({ length: n }, (_, i) => n - 1 - i);
  if (typeof order === "number") return Array.from(permutation(n, order, "order"));
  if (order.length !== n || new Set(order).size !== n || order.some((i) => !(Number.isInteger(i) && i >= 0 && i < n)))
    throw shapeError(
      `an order of ${n} places holds each of 0 to ${n - 1} once, found [${order.slice(0, 8).join(", ")}${n > 8 ? ", …" : ""}]`,
    );
  return order;
}

/** Units that a rule gives degrees to. */
export function unitsOf(degrees: Degrees): number {
  if (degrees.kind === "joined") return degrees.parts.reduce((n, part) => n + unitsOf(part), 0);
  return degrees.kind === "free" ? degrees.size : degrees.size * (degrees.channels ?? 1);
}

/**
 * The degree of each unit. `mask` counts the masks of order-agnostic training: those past the first shift the seed of every rule (a rule
 * without one gets one), so orders and connectivity both change, and layers that share a rule still agree.
 */
export function degreesOf(degrees: Degrees, mask = 0): readonly number[] {
  if (degrees.kind === "joined") return degrees.parts.flatMap((part) => degreesOf(part, mask));
  if (degrees.kind === "free") return new Array<number>(degrees.size).fill(-1);
  if (degrees.kind === "order") {
    const { size, channels = 1, itself = false } = degrees;
    const order = orderOf(mask === 0 ? degrees.order : reseeded(degrees.order, mask), size);
    const rank = new Array<number>(size);
    order.forEach((place, r) => (rank[place] = r));
    return rank.flatMap((r) => new Array<number>(channels).fill(r + Number(itself)));
  }
  const { size, channels = 1, seed, max } = degrees;
  const top = Math.max(1, max);
  const stream = seed === undefined && mask === 0 ? undefined : hostStream((seed ?? 0) + mask, "degrees");
  const units = Array.from({ length: size }, (_, k) => 1 + (stream ? stream.below(top) : Math.floor((k * top) / size)));
  return units.flatMap((degree) => new Array<number>(channels).fill(degree));
}

function reseeded(order: Order | undefined, mask: number): Order {
  return (typeof order === "number" ? order : 0) + mask;
}

/** Which of several masks is used: the same one for all layers of a net, or all of them side by side. */
export interface MaskChoice {
  readonly masks: number;
  /** i32 [] in 0 .. masks-1, or that number; absent where all are used, along a leading axis. */
  readonly index?: Tensor | number;
  /** So many leading axes stand between the one of all masks and the batch: 0 unless told. */
  readonly within?: number;
}

type OneMask = MaskChoice & { readonly index: Tensor };

/** One of `masks` masks by chance, the same for all rows: order-agnostic and connectivity-agnostic training (Germain et al. 2015, section 4.2). */
export function drawnMask(key: Key, masks: number): OneMask {
  return { masks, index: cast(floor(mul(randomUniform(key, []), masks)), "i32") };
}

/** The masks in turn: that of a step, i32 [], or of whatever else counts from 0. */
export function maskInTurn(masks: number, step: Tensor): OneMask {
  const whole = cast(floor(div(cast(step, "f32"), masks)), "i32");
  return { masks, index: sub(step, mul(whole, lift(masks, "i32"))) };
}

/**
 * All masks side by side: what a net gives has a leading axis [masks, ...] before `within` others and the batch. An ensemble over orders is the
 * mean of p along it (Germain et al. 2015, section 4.2).
 */
export function allMasks(masks: number, within = 0): MaskChoice {
  return { masks, within };
}

/**
 * The mask [in, out] of a kernel, [masks, ...ones, in, out] of all masks, 1 where a unit reads another. Compared from the degrees in the graph, since a literal of that size would make
 * it long; without a choice it depends on literals alone, and engines compute it once.
 */
export function degreeMask(rule: DegreeRule, choice?: MaskChoice): Tensor {
  const of = (degrees: Degrees): Tensor => {
    if (choice === undefined) return constant(degreesOf(degrees), [unitsOf(degrees)], "i32");
    const { masks, index, within = 0 } = choice;
    if (typeof index === "number") return constant(degreesOf(degrees, index), [unitsOf(degrees)], "i32");
    const all = Array.from({ length: masks }, (_, mask) => degreesOf(degrees, mask)).flat();
    const units = unitsOf(degrees);
    if (index === undefined) return constant(all, [masks, ...new Array<number>(within).fill(1), units], "i32");
    return take(constant(all, [masks, units], "i32"), index, 0);
  };
  const [from, to] = [expandDims(of(rule.from), -1), expandDims(of(rule.to), -2)];
  return cast(rule.strict ? less(from, to) : lessEqual(from, to), "f32");
}
