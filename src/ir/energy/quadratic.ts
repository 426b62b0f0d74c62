/**
 * Values as polynomials of degree two in the real variables, as far as their coefficients are numbers (hyperparameters are): what an energy's
 * Hessian is, and whether it is positive definite, where no weight has a say in it.
 */
import type { DeriveContext } from "../derive/context.js";
import type { BuiltinExpr, Dim, Expr } from "../types.js";
import { allReal, type Structure } from "./dependence.js";
import { squareOf } from "./rewrite.js";
import { shapeOf } from "../shapes.js";

/** One entry of a value. A part that is undefined is not known; a quadratic part always is. */
interface Entry {
  /** Coefficients of x_i x_j, i <= j, by i * units + j. */
  readonly quadratic: ReadonlyMap<number, number>;
  readonly linear: ReadonlyMap<number, number> | undefined;
  readonly constant: number | undefined;
}

type Entries = readonly Entry[];

/** The real variables as one vector. */
export interface UnitsOfReals {
  readonly variables: readonly string[];
  readonly starts: ReadonlyMap<string, number>;
  readonly count: number;
}

const none: ReadonlyMap<number, number> = new Map();
/** Coefficients that are made before the search is given up. */
const mostCoefficients = 1_000_000;
/** Units for which a Cholesky factor is computed while compiling. */
export const mostFactored = 256;

export function unitsOfReals(context: DeriveContext, variables: readonly string[]): UnitsOfReals {
  const starts = new Map<string, number>();
  let units = 0;
  for (const v of variables) {
    starts.set(v, units);
    units += sizeOf(context.model.variables.get(v)?.domain.shape ?? []);
  }
  return { variables, starts, count: units };
}

/** The linear coefficients of each entry of an affine value; undefined where some are not numbers. */
export function linearForms(
  context: DeriveContext,
  structure: Structure,
  form: Expr,
  units: UnitsOfReals,
): readonly ReadonlyMap<number, number>[] | undefined {
  const rows = entriesOf(context, structure, form, units)?.map((e) => e.linear);
  return rows?.every((r) => r !== undefined) ? rows : undefined;
}

/** What the energy's second derivatives are; undefined where one depends on weights or on other variables. */
export interface Hessian {
  /** Entries by row and column; both triangles. */
  readonly rows: readonly ReadonlyMap<number, number>[];
}

export function constantHessian(context: DeriveContext, structure: Structure, energy: Expr, units: UnitsOfReals): Hessian | undefined {
  const whole = entriesOf(context, structure, energy, units)?.[0];
  if (!whole) return undefined;
  const rows = Array.from({ length: units.count }, () => new Map<number, number>());
  for (const [key, value] of whole.quadratic) {
    const [i, j] = [Math.floor(key / units.count), key % units.count];
    rows[i]?.set(j, i === j ? 2 * value : value);
    rows[j]?.set(i, i === j ? 2 * value : value);
  }
  return { rows };
}

/** A direction along which the curvature is negative, its largest entry 1 or -1; undefined where none was found. */
export function fallingDirection({ rows }: Hessian): readonly number[] | undefined {
  const n = rows.length;
  const times = (v: Float64Array): Float64Array =>
    Float64Array.from(rows, (row) => {
      let total = 0;
      for (const [j, value] of row) total += value * (v[j] ?? 0);
      return total;
    });
  const bound = rows.reduce(
    (most, row) =>
      Math.max(
        most,
        [...row.values()].reduce((t, x) => t + Math.abs(x), 0),
      ),
    0,
  );
  // the power method on bound - H tends to the eigenvector of H's lowest eigenvalue
  let v = Float64Array.from({ length: n }, (_, i) => 1 + Math.sin(i + 1) / 2);
  for (let step = 0; step < 500; step++) {
    const h = times(v);
    const next = v.map((x, i) => bound * x - (h[i] ?? 0));
    const size = Math.hypot(...next);
    if (size === 0) break;
    v = next.map((x) => x / size);
  }
  const top = v.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  if (top === 0) return undefined;
  const direction = v.map((x) => Math.round((x / top) * 1e3) / 1e3 + 0);
  const along = times(direction).reduce((t, x, i) => t + x * (direction[i] ?? 0), 0);
  const length = direction.reduce((t, x) => t + x * x, 0);
  return along < -1e-6 * bound * length ? [...direction] : undefined;
}

/** By a Cholesky factorisation with room for rounding; false also where there are too many units for one. */
export function isPositiveDefinite({ rows }: Hessian): boolean {
  const n = rows.length;
  if (n > mostFactored) return rows.every((row, i) => row.size === 1 && (row.get(i) ?? 0) > 0);
  const top = rows.reduce((t, row, i) => Math.max(t, row.get(i) ?? 0), 0);
  const factor = rows.map(() => new Float64Array(n));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const [a, b] = [factor[i] ?? new Float64Array(n), factor[j] ?? new Float64Array(n)];
      let rest = rows[i]?.get(j) ?? 0;
      for (let k = 0; k < j; k++) rest -= (a[k] ?? 0) * (b[k] ?? 0);
      if (i === j && !(rest > 1e-9 * top)) return false;
      a[j] = i === j ? Math.sqrt(rest) : rest / (b[j] ?? NaN);
    }
  }
  return true;
}

/** The least whole number that, added to the diagonal, makes it positive definite. */
export function lackOf({ rows }: Hessian): number {
  const raised = (by: number): Hessian => ({ rows: rows.map((row, i) => new Map([...row, [i, (row.get(i) ?? 0) + by]])) });
  // by Gershgorin's theorem no more is needed
  const most = rows.reduce(
    (m, row, i) =>
      Math.max(
        m,
        [...row].reduce((t, [j, x]) => t + (j === i ? -x : Math.abs(x)), 0),
      ),
    0,
  );
  let [low, high] = [0, Math.floor(most) + 1];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isPositiveDefinite(raised(middle))) high = middle;
    else low = middle;
  }
  return high;
}

/** Undefined where a quadratic coefficient is not a number, where the degree is higher, or where there are too many. */
function entriesOf(context: DeriveContext, structure: Structure, whole: Expr, units: UnitsOfReals): Entries | undefined {
  let made = 0;
  const known = new Map<string, Entries | undefined>();
  /** What stands for a value that is not multiplied out: of an affine one nothing is known, and it bends nothing by itself. */
  const unread = (e: Expr): Entries | undefined => {
    const degree = structure.of(e).on.get(allReal)?.degree ?? 0;
    if (degree > 1) return undefined;
    return filled(shapeOf(e), { quadratic: none, linear: degree === 0 ? none : undefined, constant: undefined });
  };
  const filled = (shape: readonly Dim[], entry: Entry): Entries | undefined => {
    const size = sizeOf(shape);
    made += size;
    return made > mostCoefficients ? undefined : Array.from({ length: size }, () => entry);
  };
  const budgeted = (entries: Entries | undefined): Entries | undefined => {
    for (const e of entries ?? []) made += 1 + e.quadratic.size + (e.linear?.size ?? 0);
    return made > mostCoefficients ? undefined : entries;
  };
  const visit = (e: Expr): Entries | undefined => {
    if (made > mostCoefficients || e.type.kind !== "tensor") return undefined;
    return budgeted(read(e)) ?? unread(e);
  };
  const read = (e: Expr): Entries | undefined => {
    if (e.kind === "number") return filled([], { quadratic: none, linear: none, constant: e.value });
    if (e.kind === "variable") {
      const start = units.starts.get(e.variable);
      if (start === undefined) return undefined;
      return Array.from({ length: sizeOf(shapeOf(e)) }, (_, i) => ({ quadratic: none, linear: new Map([[start + i, 1]]), constant: 0 }));
    }
    if (e.kind === "local") {
      if (!known.has(e.local.id)) {
        const binding = context.bindings.get(e.local.id);
        known.set(e.local.id, binding && visit(binding.value));
      }
      return known.get(e.local.id);
    }
    return e.kind === "builtin" ? ofBuiltin(e) : undefined;
  };
  const ofBuiltin = (e: BuiltinExpr): Entries | undefined => {
    const [a, b] = e.args;
    const shape = shapeOf(e);
    if (e.fn === "zeros" || e.fn === "ones") return filled(shape, { quadratic: none, linear: none, constant: e.fn === "ones" ? 1 : 0 });
    if (!a) return undefined;
    const rows = visit(a);
    if (!rows) return undefined;
    if (e.fn === "neg") return rows.map((r) => scaled(r, -1));
    if (squareOf(e)) return each(rows, (r) => product(r, r, units.count));
    if (b && (e.fn === "add" || e.fn === "sub" || e.fn === "mul" || e.fn === "div")) {
      const others = visit(b);
      if (!others) return undefined;
      const [left, right] = [repeated(rows, shapeOf(a), shape), repeated(others, shapeOf(b), shape)];
      if (e.fn === "add" || e.fn === "sub") return left.map((r, i) => sumOf([r, scaled(right[i] ?? zero, e.fn === "add" ? 1 : -1)]));
      if (e.fn === "mul") return each(left, (r, i) => product(r, right[i] ?? zero, units.count));
      return each(left, (r, i) => {
        const by = right[i] ?? zero;
        const inverse = by.constant === undefined || by.constant === 0 ? undefined : 1 / by.constant;
        return isConstant(by) ? product(r, { ...by, constant: inverse }, units.count) : undefined;
      });
    }
    if (e.fn === "matmul" && b && shapeOf(a).length === 1 && shapeOf(b).length === 1) {
      const others = visit(b);
      const products = others && each(rows, (r, i) => product(r, others[i] ?? zero, units.count));
      return products && [sumOf(products)];
    }
    return rearranged(e, rows, shapeOf(a));
  };
  return visit(whole);
}

const zero: Entry = { quadratic: none, linear: none, constant: 0 };

function each(entries: Entries, make: (entry: Entry, i: number) => Entry | undefined): Entries | undefined {
  const made = entries.map(make);
  return made.every((m) => m !== undefined) ? made : undefined;
}

function isConstant(e: Entry): boolean {
  return e.quadratic.size === 0 && e.linear?.size === 0;
}

function scaled(e: Entry, by: number): Entry {
  const map = (m: ReadonlyMap<number, number>): ReadonlyMap<number, number> => new Map([...m].map(([k, v]) => [k, v * by]));
  return {
    quadratic: map(e.quadratic),
    linear: e.linear && map(e.linear),
    constant: e.constant === undefined ? undefined : e.constant * by,
  };
}

function sumOf(entries: Entries): Entry {
  const quadratic = new Map<number, number>();
  const linear = new Map<number, number>();
  for (const e of entries) {
    for (const [k, v] of e.quadratic) added(quadratic, k, v);
    for (const [k, v] of e.linear ?? []) added(linear, k, v);
  }
  return {
    quadratic,
    linear: entries.every((e) => e.linear) ? linear : undefined,
    constant: entries.reduce<number | undefined>((t, e) => (t === undefined || e.constant === undefined ? undefined : t + e.constant), 0),
  };
}

/** What cancels is gone: `x * y - x * y` does not bend. */
function added(into: Map<number, number>, key: number, value: number): void {
  const total = (into.get(key) ?? 0) + value;
  if (total === 0) into.delete(key);
  else into.set(key, total);
}

/** Undefined where a coefficient of degree two is not known, or one of a higher degree would be. */
function product(a: Entry, b: Entry, units: number): Entry | undefined {
  const [x, y] = isConstant(a) ? [a, b] : [b, a];
  if (isConstant(x)) {
    if (x.constant !== undefined) return scaled(y, x.constant);
    return y.quadratic.size > 0 ? undefined : { quadratic: none, linear: y.linear?.size === 0 ? none : undefined, constant: undefined };
  }
  if (!a.linear || !b.linear || a.quadratic.size > 0 || b.quadratic.size > 0) return undefined;
  const quadratic = new Map<number, number>();
  for (const [i, p] of a.linear) for (const [j, q] of b.linear) added(quadratic, Math.min(i, j) * units + Math.max(i, j), p * q);
  if (a.constant === undefined || b.constant === undefined) return { quadratic, linear: undefined, constant: undefined };
  const linear = sumOf([scaled({ ...zero, linear: a.linear }, b.constant), scaled({ ...zero, linear: b.linear }, a.constant)]).linear;
  return { quadratic, linear, constant: a.constant * b.constant };
}

/** Functions that add up or pick entries of one argument. */
function rearranged(e: BuiltinExpr, rows: Entries, from: readonly Dim[]): Entries | undefined {
  const { options } = e;
  const axis = options["axis"] as number;
  switch (e.fn) {
    case "reshape":
    case "flatten":
      return rows;
    case "index":
      return rows.filter((_, i) => place(i, from, axis) === options["position"]);
    case "slice":
      return rows.filter((_, i) => place(i, from, axis) >= Number(options["start"]) && place(i, from, axis) < Number(options["stop"]));
    case "sum":
    case "mean":
      return shapeOf(e).length > 0 ? undefined : [scaled(sumOf(rows), e.fn === "sum" ? 1 : 1 / rows.length)];
    default:
      return undefined;
  }
}

/** Position of entry i along an axis, counted from the end. */
export function place(i: number, shape: readonly Dim[], axis: number): number {
  const stride = sizeOf(shape.slice(shape.length + axis + 1));
  return Math.floor(i / stride) % (shape.at(axis)?.size ?? 1);
}

/** Entries of a value that is repeated to a wider shape. */
function repeated(rows: Entries, from: readonly Dim[], to: readonly Dim[]): Entries {
  return Array.from({ length: sizeOf(to) }, (_, i) => {
    const at = from.reduce((index, d, axis) => index * d.size + (d.size === 1 ? 0 : place(i, to, axis - from.length)), 0);
    return rows[at] ?? zero;
  });
}

export function sizeOf(shape: readonly Dim[]): number {
  return shape.reduce((n, d) => n * d.size, 1);
}
