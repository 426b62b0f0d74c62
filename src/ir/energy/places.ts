/**
 * Places: which unit of a variable each entry of a value reads, where every entry reads at most one. Axes are counted from the end, so that
 * a place stays true when a value is repeated along new leading axes.
 */
import { sha256 } from "../../base/sha256.js";
import type { BuiltinExpr, Dim, Expr } from "../types.js";
import { shapeOf } from "../shapes.js";

/** Along one axis of the variable: the position that the value's index on `axis` stands for, from `start` on; or one position throughout. */
export type Coordinate =
  | { readonly kind: "axis"; readonly axis: number; readonly start: number; readonly size: number }
  | { readonly kind: "fixed"; readonly at: number };

export type Place =
  | { readonly kind: "axes"; readonly coordinates: readonly Coordinate[] }
  /**
   * Some arrangement of units that only equals itself: `key` says which, `axes` where its own axes have come to stand; `value` lists the units in
   * that arrangement, where an expression does.
   */
  | { readonly kind: "arranged"; readonly key: string; readonly axes: readonly number[]; readonly value?: Expr };

/** Each unit at its own position. */
export function ownPlace(shape: readonly Dim[]): Place {
  const coordinates = shape.map((d, i): Coordinate =>
    d.size === 1 ? { kind: "fixed", at: 0 } : { kind: "axis", axis: i - shape.length, start: 0, size: d.size },
  );
  return { kind: "axes", coordinates };
}

export function arranged(key: string, rank: number): Place {
  return { kind: "arranged", key, axes: Array.from({ length: rank }, (_, i) => i - rank) };
}

/** The same unit at every entry: true of a variable with one unit, and of `x[2]`. */
export function isOneUnit(place: Place): boolean {
  return place.kind === "axes" && place.coordinates.every((c) => c.kind === "fixed");
}

export function samePlace(a: Place, b: Place): boolean {
  if (a.kind === "arranged" || b.kind === "arranged")
    return a.kind === b.kind && "key" in a && "key" in b && a.key === b.key && a.axes.every((x, i) => x === b.axes[i]);
  return a.coordinates.every((c, i) => {
    const d = b.coordinates[i];
    if (d === undefined || c.kind === "fixed" || d.kind === "fixed") return c.kind === "fixed" && d?.kind === "fixed" && c.at === d.at;
    return c.axis === d.axis && c.start === d.start && c.size === d.size;
  });
}

/** At no entry do both read the same unit: none is read by both, or along one axis they are shifted against each other, as `x[1..3]` and `x[2..4]`. */
export function apartByEntry(a: Place, b: Place): boolean {
  if (disjoint(a, b)) return true;
  if (a.kind === "arranged" || b.kind === "arranged") return false;
  return a.coordinates.some((c, i) => {
    const d = b.coordinates[i];
    return c.kind === "axis" && d?.kind === "axis" && c.axis === d.axis && c.start !== d.start;
  });
}

/** No unit is read by both. */
function disjoint(a: Place, b: Place): boolean {
  if (a.kind === "arranged" || b.kind === "arranged") return false;
  const span = (c: Coordinate): readonly [number, number] => (c.kind === "fixed" ? [c.at, c.at + 1] : [c.start, c.start + c.size]);
  return a.coordinates.some((c, i) => {
    const d = b.coordinates[i];
    if (d === undefined) return false;
    const [[low, high], [from, to]] = [span(c), span(d)];
    return high <= from || to <= low;
  });
}

/** Axes of the value along which it reads different units. */
export function axesOf(place: Place): readonly number[] {
  return place.kind === "arranged" ? place.axes : place.coordinates.flatMap((c) => (c.kind === "axis" ? [c.axis] : []));
}

/** The place after every axis has gone where `to` says. */
export function moveAxes(place: Place, to: (axis: number) => number): Place {
  if (place.kind === "arranged") return { ...place, axes: place.axes.map(to) };
  return { kind: "axes", coordinates: place.coordinates.map((c) => (c.kind === "axis" ? { ...c, axis: to(c.axis) } : c)) };
}

/** Where the axes stand after those of `removed` are gone. */
export function withoutAxes(place: Place, removed: readonly number[]): Place {
  return moveAxes(place, (axis) => axis + removed.filter((r) => r > axis).length);
}

/**
 * The place after a builtin that takes each entry of its result from at most one entry of one argument. `places` are those of its arguments,
 * undefined for one that does not depend on the variable.
 */
export function movePlace(expr: BuiltinExpr, places: readonly (Place | undefined)[]): Place {
  const [only] = places.flatMap((p) => p ?? []);
  const at = places.findIndex((p) => p !== undefined);
  const alone = places.filter((p) => p !== undefined).length === 1;
  if (only !== undefined && alone && isOneUnit(only)) return only;
  const shape = shapeOf(expr.args[at]);
  if (only?.kind === "axes" && alone) {
    const moved = refined(expr, only, shape);
    if (moved) return moved;
  }
  const from = places.map((p) => (p === undefined ? null : p.kind === "axes" ? p.coordinates : [p.key, p.axes]));
  const key = JSON.stringify([expr.fn, expr.options, from, expr.args.map((a) => shapeOf(a).map((d) => d.size))]);
  // a digest, for a key holds those of its arguments
  return arranged(sha256(key), shapeOf(expr).length);
}

/** Moves that keep axes apart. */
function refined(expr: BuiltinExpr, place: Extract<Place, { kind: "axes" }>, shape: readonly Dim[]): Place | undefined {
  const { options } = expr;
  switch (expr.fn) {
    case "index": {
      const axis = options["axis"] as number;
      const coordinates = place.coordinates.map((c): Coordinate =>
        c.kind === "axis" && c.axis === axis ? { kind: "fixed", at: c.start + (options["position"] as number) } : c,
      );
      return withoutAxes({ kind: "axes", coordinates }, [axis]);
    }
    case "slice": {
      const [axis, start, stop] = [options["axis"], options["start"], options["stop"]] as [number, number, number];
      const coordinates = place.coordinates.map((c): Coordinate => {
        if (c.kind === "fixed" || c.axis !== axis) return c;
        return stop - start === 1
          ? { kind: "fixed", at: c.start + start }
          : { kind: "axis", axis, start: c.start + start, size: stop - start };
      });
      return { kind: "axes", coordinates };
    }
    case "transpose": {
      const order = options["order"] as readonly number[];
      return moveAxes(place, (axis) => order.indexOf(axis) - order.length);
    }
    case "reshape":
    case "flatten": {
      const result = shapeOf(expr);
      const long = (dims: readonly Dim[]): readonly number[] => dims.flatMap((d, i) => (d.size === 1 ? [] : [i - dims.length]));
      const [before, after] = [long(shape), long(result)];
      const same = before.length === after.length && before.every((a, i) => shape.at(a)?.size === result.at(after[i] ?? 0)?.size);
      return same ? moveAxes(place, (axis) => after[before.indexOf(axis)] ?? axis) : undefined;
    }
    default:
      return undefined;
  }
}

/** Places of the factors of a matrix product `sum_j a[.., i, j] b[.., j, k]` among the axes [.., i, j, k] that it sums over, and the axis of j. */
export function contraction(
  a: readonly Dim[],
  b: readonly Dim[],
): { left: (axis: number) => number; right: (axis: number) => number; axis: number } {
  const column = b.length >= 2;
  return {
    left: (axis) => (column ? axis - 1 : axis),
    right: (axis) => (axis <= -3 && a.length >= 2 ? axis - 1 : axis),
    axis: column ? -2 : -1,
  };
}
