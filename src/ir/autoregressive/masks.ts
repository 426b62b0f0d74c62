/**
 * Masks of layers that are masked by degrees: which rule fits an input, and what comes of a rule. The first layer on a path is strict, since the
 * entry of rank r stands for itself there; what it gives reads ranks below r alone, and layers after it are inclusive.
 */
import type { LayerInstance } from "../types.js";
import { entries, type Grid, gridOf, NONE, uniform } from "./grid.js";
import { type Degrees, degreesOf, type MaskRule, type Order, type Part, unitsOf } from "./order.js";

/** The variable whose entries are in order. */
export interface Ordered {
  /** How many entries it has. */
  readonly size: number;
  readonly order: Order;
}

/** The rule of a masked layer at an input. `before`: degrees that masked layers before it have given to their units. */
export function maskRule(
  x: Grid,
  shape: readonly number[],
  instance: LayerInstance,
  variable: Ordered,
  before: readonly Degrees[],
): MaskRule {
  const { masking = {} } = instance;
  const order = (masking.order ?? "natural") === "natural" ? {} : { order: masking.order };
  const [places = 1, channels] = x.shape;
  const [units = 1] = shape;
  const hidden = (size: number, width: number | undefined, seed: number | undefined): Part => ({
    kind: "hidden",
    size,
    ...(width === undefined ? {} : { channels: width }),
    max: Math.max(1, variable.size - 1),
    ...(seed === undefined ? {} : { seed }),
  });
  const ordered = (size: number, width: number | undefined): Part => ({
    kind: "order",
    size,
    ...(width === undefined ? {} : { channels: width }),
    ...order,
  });
  const to =
    channels !== undefined
      ? ordered(places, shape[1])
      : units === variable.size
        ? ordered(units, masking.channels)
        : hidden(units, masking.channels, masking.seed);
  if (channels === undefined) {
    const made = before.filter((d) => unitsOf(d) === places).map(flat);
    // Places of several values each, flattened: what has a row for each of them is in their order.
    const rows = masking.channels === undefined || units === variable.size ? undefined : made.find(isOrderOf(units));
    // (the order itself is read off these rules, before x is known in it)
    if (rows && (masking.order !== undefined || isBehind(x, rows, variable)))
      return { from: rows, to: ordered(units, masking.channels), strict: false };
    if (places !== variable.size) {
      const candidates = [hidden(places, undefined, undefined), ...made];
      const from = candidates.find((c) => isBehind(x, c, variable)) ?? joinedDegrees(x, [ordered(variable.size, undefined), ...before]);
      return { from: from ?? hidden(places, undefined, undefined), to, strict: false };
    }
  }
  const from = ordered(places, channels);
  return { from, to, strict: !isBehind(x, from, variable) };
}

/** The same units along one axis. */
function flat(degrees: Degrees): Degrees {
  return degrees.kind === "joined" || degrees.kind === "free" || degrees.channels === undefined ? degrees : { ...degrees, flat: true };
}

function isOrderOf(places: number): (degrees: Degrees) => boolean {
  return (degrees) => degrees.kind === "order" && degrees.size === places;
}

/** Units that a masked net of some entries of the variable has made: their degrees count those entries alone, which are drawn at `ranks`. */
export interface PartUnits {
  readonly degrees: Degrees;
  readonly ranks: readonly number[];
}

/**
 * The rule of a masked layer in a net of some entries, such as `made(x[1..4], [50])`: that of a variable of these entries. Its input is the entries,
 * as they are drawn, or units of such a net (the last of `known` that fit), to which what is drawn before the entries may be added. Undefined for
 * any other input, and where a layer names an order.
 */
export function partRule(
  x: Grid,
  shape: readonly number[],
  instance: LayerInstance,
  variable: Ordered,
  known: readonly PartUnits[],
): { readonly rule: MaskRule; readonly ranks: readonly number[] } | undefined {
  const { masking = {} } = instance;
  const [places = 1, channels] = x.shape;
  const [units = 1] = shape;
  const { order = "natural", orders } = masking;
  if (channels !== undefined || variable.order !== "natural" || order !== "natural" || orders !== undefined) return undefined;
  const read = Array.from(entries(x));
  const width = masking.channels === undefined ? {} : { channels: masking.channels };
  const to = (size: number): Degrees =>
    units === size
      ? { kind: "order", size, ...width }
      : {
          kind: "hidden",
          size: units,
          ...width,
          max: Math.max(1, size - 1),
          ...(masking.seed === undefined ? {} : { seed: masking.seed }),
        };
  const behind = known.findLast(({ degrees, ranks }) => {
    const limits = degreesOf(degrees);
    return limits.length === places && read.every((rank, i) => ranks.filter((r) => r <= rank).length <= (limits[i] ?? 0));
  });
  if (behind) return { rule: { from: flat(behind.degrees), to: to(behind.ranks.length), strict: false }, ranks: behind.ranks };
  const some = places > 1 && places < variable.size && read.every((rank, i) => rank > (i === 0 ? NONE : (read[i - 1] ?? NONE)));
  return some ? { rule: { from: { kind: "order", size: places }, to: to(places), strict: true }, ranks: read } : undefined;
}

/**
 * Units of several layers in a row, `concat(h, k)`: parts that each have known degrees, or read nothing. The entries themselves count one rank
 * later, since what is made of them reads them, too. Undefined where no such parts make up the input.
 */
function joinedDegrees(x: Grid, known: readonly Degrees[]): Degrees | undefined {
  const read = entries(x);
  const candidates = known.flatMap((d): readonly Part[] =>
    d.kind === "joined" ? [] : d.kind === "order" ? [d, { ...d, itself: true }] : [d],
  );
  const hopeless = new Set<number>();
  const partsFrom = (start: number): readonly Part[] | undefined => {
    if (start === read.length) return [];
    if (hopeless.has(start)) return undefined;
    let free = 0;
    while (read[start + free] === NONE) free++;
    const fits = (part: Part): boolean => {
      const limits = degreesOf(part);
      return start + limits.length <= read.length && limits.every((limit, i) => (read[start + i] ?? 0) < limit);
    };
    for (const part of [...(free > 0 ? [{ kind: "free", size: free } as const] : []), ...candidates.filter(fits)]) {
      const rest = partsFrom(start + unitsOf(part));
      if (rest) return [part, ...rest];
    }
    hopeless.add(start);
    return undefined;
  };
  const parts = partsFrom(0);
  return parts && { kind: "joined", parts };
}

/** Whether every unit of degree m has read ranks below m alone. */
function isBehind(x: Grid, degrees: Degrees, { size }: Ordered): boolean {
  const limits = degreesOf(degrees);
  const perPlace = degrees.kind === "order" ? size / degrees.size : 1;
  return entries(x).every((degree, i) => degree < (limits[i] ?? 0) * perPlace);
}

/** Degrees behind a masked layer: of the units that each of its units reads, the greatest. Without a rule, the greatest of all. */
export function maskedDegrees(x: Grid, shape: readonly number[], rule: MaskRule | undefined): Grid {
  const read = entries(x);
  if (!rule)
    return uniform(
      shape,
      read.reduce((a, b) => Math.max(a, b), NONE),
    );
  const [from, to] = [degreesOf(rule.from), degreesOf(rule.to)];
  const top = [from, to].flatMap((list) => list.reduce((a, b) => Math.max(a, b), 0)).reduce((a, b) => Math.max(a, b));
  const upTo = new Array<number>(top + 1).fill(NONE);
  // units of no degree are read by all
  from.forEach((degree, i) => (upTo[Math.max(0, degree)] = Math.max(upTo[Math.max(0, degree)] ?? NONE, read[i] ?? NONE)));
  for (let d = 1; d < upTo.length; d++) upTo[d] = Math.max(upTo[d] ?? NONE, upTo[d - 1] ?? NONE);
  const free = from.reduce((most, degree, i) => (degree < 0 ? Math.max(most, read[i] ?? NONE) : most), NONE);
  const at = (degree: number): number => (degree < 0 ? free : (upTo[degree] ?? NONE));
  return gridOf(
    shape,
    Int32Array.from(to, (degree) => at(rule.strict ? degree - 1 : degree)),
  );
}
