/**
 * Directions of the real variables in which an energy does not bend for any weights: `(x[1] - x[2])^2` along (1, 1). There it is constant, or
 * linear, and exp(-energy) has no integral.
 *
 * Proven by rank: apart from terms that are affine in the real variables, the energy depends on them through affine values alone, `x[1] - x[2]`
 * here. Where these span fewer dimensions than there are units, some direction changes none of them. Values whose coefficients are numbers
 * count with their rank, any other with all of its entries.
 */
import { builtins, isLinearIn } from "../builtins.js";
import { type DeriveContext } from "../derive/context.js";
import { walk } from "../derive/walk-bindings.js";
import type { Expr } from "../types.js";
import { childrenOf } from "../walk.js";
import { allReal, type Structure } from "./dependence.js";
import { linearForms, sizeOf, unitsOfReals } from "./quadratic.js";
import { shapeOf } from "../shapes.js";

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
  const all = unitsOfReals(context, variables);
  const { starts, count: units } = all;
  const forms = bentForms(context, structure, energy);
  const rows: (readonly number[])[] = [];
  const touched = new Set<number>();
  let unknown = 0;
  for (const form of forms) {
    const known = units <= mostUnits ? linearForms(context, structure, form, all) : undefined;
    if (known) {
      for (const row of known) rows.push(Array.from({ length: units }, (_, i) => row.get(i) ?? 0));
      continue;
    }
    const single = variables.find((v) => isSingle(structure, form, v, variables));
    const whole = sizeOf(shapeOf(form));
    const size = single === undefined ? Infinity : sizeOf(context.model.variables.get(single)?.domain.shape ?? []);
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
    if (e.kind === "grad") {
      // what is affine in the body need not be so in the derivative
      walk(context, e, (x) => x.kind === "variable" && visit(x, true));
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
