/**
 * What another order of a set's points does to a value, axis by axis: the rules that the tables of functions and layers name in `permutes`.
 *
 * A value's axis is `moved` where its entries are put into that order, `alike` where its entries are all the same, and `kept` where they differ and stay
 * as they are. A rule gives the axes of the result, or says why there is none: the result then depends on the order in some other way. Deep Sets
 * (Zaheer et al. 2017): a function is equivariant whose result has one moved axis, invariant whose result has none.
 */
import type { Options } from "../builtin-types.js";

export type Axis = "moved" | "alike" | "kept";

/** Of a value without names of its axes: sizes and what becomes of each, outermost first. */
export interface Placed {
  readonly shape: readonly number[];
  readonly axes: readonly Axis[];
}

/** Why a result depends on the order of the points, as the end of a sentence about the function. */
interface Disordered {
  readonly why: string;
}

export type PermutesRule = (
  args: readonly Placed[],
  call: { readonly options: Options; readonly shape: readonly number[]; readonly spec: readonly (number | readonly number[])[] },
) => readonly Axis[] | Disordered;

const byPlaceText = "works on the points by their place, not all alike";

export const isMoved = (x: Placed): boolean => x.axes.includes("moved");

/** Entry by entry, operands repeated to the shape of the result. */
export const entrywise: PermutesRule = (args, { shape }) => joined(args, shape);

/** No rule for points: what has none stays, what has some depends on their order. */
export const byPlace: PermutesRule = (args, { shape }) => (args.some(isMoved) ? { why: byPlaceText } : shape.map(keptAt));

/** All entries of the result are alike. */
export const uniform: PermutesRule = (_, { shape }) => shape.map(() => "alike");

/** A sum, a mean, the greatest: axes are gone, in whatever order their entries stood. */
export const reducing =
  (axesOf: (options: Options) => readonly number[]): PermutesRule =>
  ([x], { options }) => {
    const axes = axesOf(options);
    return x ? x.axes.filter((_, i) => !axes.includes(i - x.axes.length)) : [];
  };

/** Mixes what lies along these axes by their places, everything else alike; of the result they are `kept`, or gone where it has fewer axes. */
export const mixing =
  (axesOf: (options: Options) => readonly number[]): PermutesRule =>
  ([x], { options, shape }) => {
    if (!x) return shape.map(keptAt);
    const axes = axesOf(options);
    const isMixed = (i: number): boolean => axes.includes(i - x.axes.length);
    if (x.axes.some((axis, i) => axis === "moved" && isMixed(i))) return { why: byPlaceText };
    const rest = shape.length < x.axes.length ? x.axes.filter((_, i) => !isMixed(i)) : x.axes;
    return rest.map((axis, i) => (isMixed(i) && shape.length === x.axes.length ? keptAt(shape[i] ?? 1) : axis));
  };

/** Along these axes every entry is set beside all others in the same way: reordered, it gives the same in that order. */
export const regardless: PermutesRule = ([x], { shape }) => x?.axes ?? shape.map(keptAt);

/** The same entries in another shape: a moved axis must come out as one of its own, with as many entries behind it. */
export const reshaping: PermutesRule = ([x], { shape }) => {
  if (!x) return shape.map(keptAt);
  const behind = (sizes: readonly number[], axis: number): number => sizes.slice(axis + 1).reduce((n, s) => n * s, 1);
  const out: Axis[] = shape.map((size) => (x.axes.every((axis) => axis === "alike") ? "alike" : keptAt(size)));
  for (const [i, axis] of x.axes.entries()) {
    if (axis !== "moved") continue;
    const at = shape.findIndex((size, j) => size === x.shape[i] && behind(shape, j) === behind(x.shape, i));
    if (at < 0) return { why: "puts the axis of the points together with another one" };
    out[at] = "moved";
  }
  return out;
};

/** Axes in another order, counted from the end. */
export const reordering: PermutesRule = ([x], { options, shape }) => {
  const order = options["order"] as readonly number[];
  return shape.map((_, i) => x?.axes.at(order[i] ?? 0) ?? "kept");
};

/** A part of an axis, which is gone where the result has one axis less. */
export const taking: PermutesRule = ([x], { options, shape }) => {
  const axis = options["axis"] as number;
  if (!x) return shape.map(keptAt);
  if (x.axes.at(axis) === "moved") return { why: "takes points by their place" };
  return shape.length < x.axes.length ? x.axes.filter((_, i) => i - x.axes.length !== axis) : x.axes;
};

/** Operands one after the other along an axis, the other axes entry by entry. `fresh`: the axis is a new one, the first. */
export const joining =
  (fresh: boolean): PermutesRule =>
  (args, { options, shape }) => {
    const axis = fresh ? -shape.length : ((options["axis"] as number | undefined) ?? -1);
    const at = shape.length + axis;
    if (!fresh && args.some((x) => x.axes.at(axis) === "moved")) return { why: "joins points to others along their axis" };
    const others = args.map((x): Placed => {
      const whole = fresh || x.axes.length === 0 ? { shape: [1, ...x.shape], axes: ["alike" as const, ...x.axes] } : x;
      return { shape: whole.shape.map((s, i) => (i === at ? 1 : s)), axes: whole.axes.map((a, i) => (i === at ? "alike" : a)) };
    });
    const out = joined(
      others,
      shape.map((s, i) => (i === at ? 1 : s)),
    );
    return "why" in out ? out : out.map((a, i) => (i === at ? keptAt(shape[i] ?? 1) : a));
  };

/** Zeros before and after. */
export const padding: PermutesRule = ([x], { options, shape }) => {
  if (!x) return shape.map(keptAt);
  const [low, high] = [options["low"] as readonly number[], options["high"] as readonly number[]];
  const isPadded = (i: number): boolean => (low[i] ?? 0) > 0 || (high[i] ?? 0) > 0;
  if (x.axes.some((axis, i) => axis === "moved" && isPadded(i))) return { why: "adds entries at the ends of the axis of the points" };
  return x.axes.map((axis, i) => (isPadded(i) ? "kept" : axis));
};

/** sum_k a[.., i, k] b[.., k, j]; a vector stands for a row on the left, a column on the right. */
export const contracting: PermutesRule = ([a, b], { shape }) => {
  if (!a || !b) return shape.map(keptAt);
  const [row, column] = [a.axes.length === 1, b.axes.length === 1];
  const inner: readonly Axis[] = [a.axes.at(-1) ?? "kept", b.axes.at(column ? -1 : -2) ?? "kept"];
  if (inner.includes("moved") && inner.includes("kept")) return { why: "adds up the points with a factor for each place" };
  const lead = joined([ahead(a), ahead(b)], shape.slice(0, shape.length - (row ? 0 : 1) - (column ? 0 : 1)));
  if ("why" in lead) return lead;
  return [...lead, ...(row ? [] : [a.axes.at(-2) ?? "kept"]), ...(column ? [] : [b.axes.at(-1) ?? "kept"])];
};

/** Rows of a table by label: the labels' axes, then those of a row. */
export const lookingUp: PermutesRule = ([table, labels], { shape }) => {
  if (!table || !labels) return shape.map(keptAt);
  if (table.axes[0] === "moved") return { why: "takes points by their place" };
  return [...labels.axes, ...table.axes.slice(1)];
};

/** A new last axis, whose entries are those of a class. */
export const classed: PermutesRule = ([x], { shape }) => [...(x?.axes ?? []), keptAt(shape.at(-1) ?? 1)];

const keptAt = (size: number): Axis => (size === 1 ? "alike" : "kept");

/** Leading axes of an operand of a matrix product. */
function ahead(x: Placed): Placed {
  const n = Math.max(0, x.axes.length - 2);
  return { shape: x.shape.slice(0, n), axes: x.axes.slice(0, n) };
}

function joined(args: readonly Placed[], shape: readonly number[]): readonly Axis[] | Disordered {
  const out: Axis[] = [];
  for (let at = -shape.length; at < 0; at++) {
    const found = new Set(
      args.flatMap((x): readonly Axis[] => {
        const axis = x.axes.at(at);
        return axis === undefined || x.axes.length + at < 0 ? [] : [x.shape.at(at) === 1 && shape.at(at) !== 1 ? "alike" : axis];
      }),
    );
    if (found.has("moved") && found.has("kept")) return { why: "sets the points beside values that differ from place to place" };
    out.push(found.has("moved") ? "moved" : found.has("kept") ? "kept" : "alike");
  }
  return out;
}
