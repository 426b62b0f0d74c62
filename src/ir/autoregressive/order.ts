/**
 * Orders in which the entries of a variable are drawn, and the degrees that masked layers give to their units by a rule (MADE, Germain et al.
 * 2015, section 3). The same rules as `src/runtime/nn/degrees.ts`, which masks by them; a test holds the two alike.
 */
import { chance, shuffled } from "../../base/random-order.js";

/** By name, by the seed of a random order, or the places 0.. in the order in which they are drawn. */
export type Order = "natural" | "reverse" | number | readonly number[];

/**
 * Entries of the variable (the ranks of their places, for each of the channels at a place; one later where they are the entries `itself` among
 * units that are behind them), hidden units of degrees 1 .. max (each for each of its channels), or units that read nothing of the variable.
 * Channels are an axis of their own, unless the units are `flat`: what `flatten` makes of them.
 */
export type Part =
  | {
      readonly kind: "order";
      readonly size: number;
      readonly channels?: number;
      readonly flat?: true;
      readonly order?: Order;
      readonly itself?: true;
    }
  | {
      readonly kind: "hidden";
      readonly size: number;
      readonly channels?: number;
      readonly flat?: true;
      readonly max: number;
      readonly seed?: number;
    }
  | { readonly kind: "free"; readonly size: number };

/** Units of one kind, or of several in a row. */
export type Degrees = Part | { readonly kind: "joined"; readonly parts: readonly Part[] };

/** What a masked layer connects: units whose degree is above those they read (strict), or not below. */
export interface MaskRule {
  readonly from: Degrees;
  readonly to: Degrees;
  readonly strict: boolean;
}

/** The places 0 .. n-1 in the order in which they are drawn. */
export function placesOf(order: Order, n: number): readonly number[] {
  if (order === "natural") return Array.from({ length: n }, (_, i) => i);
  if (order === "reverse") return Array.from({ length: n }, (_, i) => n - 1 - i);
  return typeof order === "number" ? shuffled(n, order, "order") : order;
}

/** Of each place, when it is drawn. */
export function ranksOf(order: Order, n: number): readonly number[] {
  const ranks = new Array<number>(n).fill(0);
  placesOf(order, n).forEach((place, rank) => (ranks[place] = rank));
  return ranks;
}

/** Units that a rule gives degrees to. */
export function unitsOf(degrees: Degrees): number {
  if (degrees.kind === "joined") return degrees.parts.reduce((n, part) => n + unitsOf(part), 0);
  return degrees.kind === "free" ? degrees.size : degrees.size * (degrees.channels ?? 1);
}

export function degreesOf(degrees: Degrees): readonly number[] {
  if (degrees.kind === "joined") return degrees.parts.flatMap(degreesOf);
  if (degrees.kind === "free") return new Array<number>(degrees.size).fill(-1);
  if (degrees.kind === "order") {
    const { size, channels = 1, order = "natural", itself = false } = degrees;
    return ranksOf(order, size).flatMap((rank) => new Array<number>(channels).fill(rank + Number(itself)));
  }
  const { size, channels = 1, max, seed } = degrees;
  const top = Math.max(1, max);
  const below = seed === undefined ? undefined : chance(seed, "degrees");
  const units = Array.from({ length: size }, (_, k) => 1 + (below ? below(top) : Math.floor((k * top) / size)));
  return units.flatMap((degree) => new Array<number>(channels).fill(degree));
}

/**
 * The rule as one of several masks has it: those past the first (0) shift the seed of every order and of every hidden layer, and one without a
 * seed gets one, so orders and connectivity both change (Germain et al. 2015, section 4.2).
 */
export function reseeded(rule: MaskRule, mask: number): MaskRule {
  const part = (degrees: Part): Part => {
    if (mask === 0 || degrees.kind === "free") return degrees;
    if (degrees.kind === "order") return { ...degrees, order: orderOfMask(degrees.order ?? "natural", mask) };
    return { ...degrees, seed: (degrees.seed ?? 0) + mask };
  };
  const side = (degrees: Degrees): Degrees =>
    degrees.kind === "joined" ? { kind: "joined", parts: degrees.parts.map(part) } : part(degrees);
  return { ...rule, from: side(rule.from), to: side(rule.to) };
}

export function orderOfMask(order: Order, mask: number): Order {
  return mask === 0 ? order : (typeof order === "number" ? order : 0) + mask;
}

/** What is wrong with a list of places, counted from 1, as an order of n of them; undefined where nothing is. */
export function whyNoOrder(list: readonly number[], n: number): string | undefined {
  const twice = list.find((place, i) => list.indexOf(place) !== i);
  const outside = list.find((place) => !Number.isInteger(place) || place < 1 || place > n);
  if (outside !== undefined) return `${outside} is none of the places 1 to ${n}`;
  if (twice !== undefined) return `${twice} stands in it twice`;
  return list.length === n ? undefined : `it holds ${list.length} of ${n} places`;
}

export function sameOrder(a: Order, b: Order): boolean {
  return typeof a === "object" && typeof b === "object" ? a.length === b.length && a.every((x, i) => x === b[i]) : a === b;
}

/** `reverse`, `the seed 7`, `[3, 1, 2]` with places counted from 1. */
export function orderText(order: Order): string {
  if (typeof order === "number") return `seed ${order}`;
  if (typeof order === "string") return `"${order}"`;
  const shown = order.slice(0, 8).map((place) => place + 1);
  return `[${shown.join(", ")}${order.length > 8 ? ", …" : ""}]`;
}
