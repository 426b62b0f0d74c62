/**
 * Directions of the real variables in which an energy does not bend for any weights: `(x[1] - x[2])^2` along (1, 1). There it is constant, or
 * linear, and exp(-energy) has no integral.
 *
 * Proven by rank: apart from terms that are affine in the real variables, the energy depends on them through affine values alone, `x[1] - x[2]`
 * here. Where these span fewer dimensions than there are units, some direction changes none of them. Values whose coefficients are numbers
 * count with their rank, any other with all of its entries.
 */
import { builtins, isLinearIn } from "../builtins.js";
import type { DeriveContext } from "../derive/context.js";
import type { BuiltinExpr, Dim, Expr } from "../types.js";
import { childrenOf } from "../walk.js";
import { allReal, type Structure } from "./dependence.js";
import { shapeOf } from "./places.js";

export interface Flat {
  /** How many combinations of the units the energy bends along, at most; how many units there are. */
  readonly rank: number;
  readonly units: number;
  /** Entries of a direction, one for each unit in the order of the variables, where the coefficients are all known and the units few. */
  readonly direction: readonly number[] | undefined;
}

/** Beyond as many units coefficients are not multiplied out: values are counted by their entries. */
const mostUnits = 64;

/** Undefined where no direction is proven to be flat. */
export function flatDirection(context: DeriveContext, structure: Structure, energy: Expr, variables: readonly string[]): Flat | undefined {
  const starts = new Map<string, number>();
  let units = 0;
  for (const v of variables) {
    starts.set(v, units);
    units += count(context.model.variables.get(v)?.domain.shape ?? []);
  }
  const forms = bentForms(context, structure, energy);
  const rows: (readonly number[])[] = [];
  const touched = new Set<number>();
  let unknown = 0;
  for (const form of forms) {
    const known = units <= mostUnits ? rowsOf(context, structure, form, starts, units) : undefined;
    if (known) {
      rows.push(...known);
      continue;
    }
    const single = variables.find((v) => isSingle(structure, form, v, variables));
    const whole = count(shapeOf(form));
    const size = single === undefined ? Infinity : count(context.model.variables.get(single)?.domain.shape ?? []);
    // each entry reads one unit, so that the entries span no more than the variable
    if (single !== undefined && size <= whole) for (let i = 0; i < size; i++) touched.add((starts.get(single) ?? 0) + i);
    else unknown += whole;
  }
  if (unknown + touched.size >= units) return undefined;
  for (const i of touched) if (units <= mostUnits) rows.push(Array.from({ length: units }, (_, j) => (i === j ? 1 : 0)));
  const solved = units <= mostUnits ? reducedRows(rows, units) : undefined;
  const rank = unknown + (solved ? solved.pivots.length : touched.size);
  if (rank >= units) return undefined;
  return { rank, units, direction: solved && unknown === 0 ? nullVector(solved, units) : undefined };
}

/** The largest values affine in the real variables that stand under something that bends them. */
function bentForms(context: DeriveContext, structure: Structure, energy: Expr): readonly Expr[] {
  const found = new Set<Expr>();
  const seen = new Set<string>();
  const visit = (e: Expr, bent: boolean): void => {
    const d = structure.of(e).on.get(allReal);
    if (!d) return;
    if (d.degree === 1 && e.type.kind === "tensor") {
      if (bent) found.add(e);
      return;
    }
    if (e.kind === "local") {
      const binding = context.bindings.get(e.local.id);
      const key = `${e.local.id} ${bent}`;
      if (!binding || seen.has(key)) return;
      seen.add(key);
      visit(binding.value, bent);
      return;
    }
    const args = childrenOf(e);
    const reading = args.flatMap((a, i) => (structure.of(a).on.has(allReal) ? [i] : []));
    const bends = e.kind !== "builtin" || !isLinearIn(builtins.get(e.fn)?.linear, reading);
    for (const arg of args) visit(arg, bent || bends);
  };
  visit(energy, false);
  return [...found];
}

function isSingle(structure: Structure, form: Expr, variable: string, variables: readonly string[]): boolean {
  const { on } = structure.of(form);
  return on.get(variable)?.coupling === "single" && variables.every((v) => v === variable || !on.has(v));
}

/** Coefficients of an affine value in the units, a row for each entry; undefined where some are not numbers. */
function rowsOf(
  context: DeriveContext,
  structure: Structure,
  form: Expr,
  starts: ReadonlyMap<string, number>,
  units: number,
): readonly (readonly number[])[] | undefined {
  type Rows = readonly (readonly number[])[];
  const zero = Array.from({ length: units }, () => 0);
  const combined = (a: readonly number[], b: readonly number[], by: number): readonly number[] => a.map((x, i) => x + by * (b[i] ?? 0));
  const constant = (e: Expr): number | undefined => {
    if (e.kind === "number") return e.value;
    return e.kind === "builtin" && e.fn === "neg" && e.args[0]?.kind === "number" ? -e.args[0].value : undefined;
  };
  const visit = (e: Expr): Rows | undefined => {
    const shape = shapeOf(e);
    if (!structure.of(e).on.has(allReal)) return Array.from({ length: count(shape) }, () => zero);
    if (e.kind === "variable") {
      const start = starts.get(e.variable) ?? 0;
      return Array.from({ length: count(shape) }, (_, i) => zero.map((_zero, j) => (j === start + i ? 1 : 0)));
    }
    if (e.kind === "local") {
      const binding = context.bindings.get(e.local.id);
      return binding && visit(binding.value);
    }
    if (e.kind !== "builtin") return undefined;
    const [a, b] = e.args;
    if (!a) return undefined;
    const rows = visit(a);
    if (e.fn === "neg") return rows?.map((r) => combined(zero, r, -1));
    if ((e.fn === "add" || e.fn === "sub") && b) {
      const others = visit(b);
      if (!rows || !others) return undefined;
      const [left, right] = [repeated(rows, shapeOf(a), shape), repeated(others, shapeOf(b), shape)];
      return left.map((r, i) => combined(r, right[i] ?? zero, e.fn === "add" ? 1 : -1));
    }
    if ((e.fn === "mul" || e.fn === "div") && b) {
      const [x, y] = [constant(a), constant(b)];
      if (y !== undefined && rows && (e.fn === "mul" || y !== 0)) return rows.map((r) => combined(zero, r, e.fn === "mul" ? y : 1 / y));
      return x !== undefined && e.fn === "mul" ? visit(b)?.map((r) => combined(zero, r, x)) : undefined;
    }
    return rows && rearranged(e, rows, shapeOf(a), zero);
  };
  return visit(form);
}

/** Functions that add up or pick entries of one argument. */
function rearranged(
  e: BuiltinExpr,
  rows: readonly (readonly number[])[],
  from: readonly Dim[],
  zero: readonly number[],
): readonly (readonly number[])[] | undefined {
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
    case "mean": {
      if (shapeOf(e).length > 0) return undefined;
      const by = e.fn === "sum" ? 1 : 1 / rows.length;
      return [rows.reduce((total, r) => total.map((x, i) => x + by * (r[i] ?? 0)), zero)];
    }
    default:
      return undefined;
  }
}

/** Position of entry i along an axis, counted from the end. */
function place(i: number, shape: readonly Dim[], axis: number): number {
  const stride = count(shape.slice(shape.length + axis + 1));
  return Math.floor(i / stride) % (shape.at(axis)?.size ?? 1);
}

/** Rows of a value that is repeated to a wider shape. */
function repeated<T>(rows: readonly T[], from: readonly Dim[], to: readonly Dim[]): readonly T[] {
  return Array.from({ length: count(to) }, (_, i) => {
    const at = from.reduce((index, d, axis) => index * d.size + (d.size === 1 ? 0 : place(i, to, axis - from.length)), 0);
    return rows[at] as T;
  });
}

interface Reduced {
  readonly rows: readonly (readonly number[])[];
  /** The column of the leading entry of each row. */
  readonly pivots: readonly number[];
}

/** Gauss-Jordan elimination with pivots by size. */
function reducedRows(given: readonly (readonly number[])[], columns: number): Reduced {
  let rest = given.map((r) => [...r]);
  const done: number[][] = [];
  const pivots: number[] = [];
  for (let column = 0; column < columns && rest.length > 0; column++) {
    const best = rest.reduce((a, b) => (Math.abs(b[column] ?? 0) > Math.abs(a[column] ?? 0) ? b : a));
    const lead = best[column] ?? 0;
    if (Math.abs(lead) < 1e-9) continue;
    const row = best.map((x) => x / lead);
    const without = (r: number[]): number[] => r.map((x, i) => x - (r[column] ?? 0) * (row[i] ?? 0));
    rest = rest.filter((r) => r !== best).map(without);
    done.splice(0, done.length, ...done.map(without), row);
    pivots.push(column);
  }
  return { rows: done, pivots };
}

/** A vector that every row is orthogonal to: the first free column is 1. */
function nullVector({ rows, pivots }: Reduced, columns: number): readonly number[] {
  const free = Array.from({ length: columns }, (_, i) => i).find((i) => !pivots.includes(i)) ?? 0;
  return Array.from({ length: columns }, (_, i) => {
    const at = pivots.indexOf(i);
    const value = i === free ? 1 : at < 0 ? 0 : -(rows[at]?.[free] ?? 0);
    return Math.round(value * 1e6) / 1e6 + 0;
  });
}

function count(shape: readonly Dim[]): number {
  return shape.reduce((n, d) => n * d.size, 1);
}
