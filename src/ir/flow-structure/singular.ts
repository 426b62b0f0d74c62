/**
 * Maps whose Jacobian is singular wherever they are taken: the Jacobian in float64 at a point by chance, with a value by chance for whatever is not known
 * at compile time (weights, what the flow is given, slopes that the table of functions does not give). Chance values reach every rank that others
 * reach, so that a determinant that is 0 for them is 0 for all.
 */
import { builtins, isLinearIn } from "../builtins.js";
import type { Range } from "../range.js";
import { sizesOf } from "../shapes.js";
import { layers } from "../layers.js";
import type { BuiltinExpr, Expr, LayerExpr, Local } from "../types.js";
import {
  contractedSources,
  readsOfEntries,
  reducedSources,
  runningSources,
  NOWHERE,
  indexAt,
  layerSources,
  sizeOf,
  type Source,
  sourcesOf,
} from "./reads.js";
import type { JacobianStructure } from "./structure.js";
import { fingerprint } from "../same-expr.js";

/** A derivative, and the magnitudes that it is a sum of: what is far below these is rounding. */
interface Slope {
  readonly value: number;
  readonly size: number;
}

/** Derivatives by entry of the input; those left out are 0. */
type Row = ReadonlyMap<number, Slope>;

interface Jet {
  readonly value: number;
  readonly row: Row;
}

/** Relative to the terms of a sum. */
const ROUNDING = 1e-10;

/** Numbers that rows may hold together: beyond, nothing is said. */
const MOST_READS = 40_000;

const NONE: Row = new Map();

export interface Rates {
  /** Of each entry of the value. */
  readonly rows: readonly Row[];
  readonly values: readonly number[];
}

export interface Knowledge {
  /** Whether the entries of a value along its last axis sum to 1. */
  readonly simplex: (expr: Expr) => boolean;
  /** Values of locals; by chance where it has none. */
  readonly known?: ReadonlyMap<string, readonly number[]>;
}

/** What a singular map does, for the error; undefined where nothing shows it to be one. `most`: entries up to which all of the Jacobian is taken. */
export function singularity(
  value: Expr,
  input: Local,
  structure: JacobianStructure | undefined,
  most: number,
  knowledge: Knowledge,
): string | undefined {
  const size = sizeOf(sizesOf(value));
  if (structure?.kind === "elementwise" || structure?.kind === "triangular") {
    const rates = ratesOf(value, input.id, knowledge);
    const pairs =
      structure.kind === "elementwise"
        ? Array.from({ length: size }, (_, i) => [i, i] as const)
        : structure.levels.flatMap((l) => l.outputs.map((output, k) => [output, l.inputs[k] ?? 0] as const));
    const fixed = rates && pairs.find(([output, from]) => isZero(rates.rows[output]?.get(from)));
    return fixed && saying(size === 1 ? "its value" : `entry ${fixed[0] + 1} of its value`, [], input.name, size);
  }
  if (size <= most) {
    const rates = ratesOf(value, input.id, knowledge);
    const weights = rates && dependenceOf(rates.rows, size);
    if (!weights) return undefined;
    const tied = weights.flatMap((w, i) => (w ? [i + 1] : []));
    const last = tied.at(-1) ?? size;
    return saying(`entry ${last} of its value`, tied.slice(0, -1), input.name, size);
  }
  return structure?.kind === "rankOne" && isSingularUpdate(structure, input, size, knowledge)
    ? `its determinant is 0 wherever \`${input.name}\` lies`
    : undefined;
}

function saying(entry: string, others: readonly number[], input: string, size: number): string {
  const named = others.length < 5 ? others.join(", ").replace(/, (?=\d+$)/u, " and ") : undefined;
  const from = named === undefined ? "others" : others.length === 1 ? `entry ${named}` : `entries ${named}`;
  const what =
    others.length === 0 ? `does not move with ${size === 1 ? `\`${input}\`` : "the entry that is left to it"}` : `follows from ${from}`;
  return `${entry} ${what}, so that its determinant is 0 wherever \`${input}\` lies`;
}

/** Whether `z + factor * map(z)` is regular, of a map of one shape. */
export function isRegularBeside(value: Expr, input: Local, factor: number, knowledge: Knowledge): boolean {
  const rates = ratesOf(value, input.id, knowledge);
  if (!rates) return false;
  const rows = rates.rows.map((row, i) => {
    const scaled: Row = new Map([...row].map(([j, s]) => [j, { value: factor * s.value, size: Math.abs(factor) * s.size }]));
    return sumOf([
      [1, new Map([[i, { value: 1, size: 1 }]])],
      [1, scaled],
    ]);
  });
  return dependenceOf(rows, rows.length) === undefined;
}

/** det(D + u vᵀ) = det(D) (1 + Σ uᵢ vᵢ / dᵢ), for maps too large for all of their Jacobian. */
function isSingularUpdate(
  { scalar, rest, local }: JacobianStructure & { readonly kind: "rankOne" },
  input: Local,
  size: number,
  knowledge: Knowledge,
): boolean {
  const through = ratesOf(scalar, input.id, knowledge);
  if (!through) return false;
  const given = { ...knowledge, known: new Map([[local.id, new Array<number>(size).fill(through.values[0] ?? NaN)]]) };
  const [own, moved] = [ratesOf(rest, input.id, given), ratesOf(rest, local.id, given)];
  if (!own || !moved) return false;
  const products = moved.rows.map((row, i) => (row.get(i)?.value ?? 0) * (through.rows[0]?.get(i)?.value ?? 0));
  const fixed = own.rows.flatMap((row, i) => (isZero(row.get(i)) ? [i] : []));
  if (fixed.length > 0) return fixed.length > 1 || products[fixed[0] ?? 0] === 0;
  const terms = products.map((p, i) => p / (own.rows[i]?.get(i)?.value ?? NaN));
  const total = terms.reduce((sum, t) => sum + t, 1);
  return Math.abs(total) <= ROUNDING * terms.reduce((sum, t) => sum + Math.abs(t), 1);
}

function isZero(slope: Slope | undefined): boolean {
  return slope === undefined || Math.abs(slope.value) <= ROUNDING * slope.size;
}

/** Weights by which the rows sum to nothing, 0 of those that take no part; undefined where the rows are independent. */
function dependenceOf(rows: readonly Row[], columns: number): readonly number[] | undefined {
  const n = rows.length;
  const left = rows.map((row) => Array.from({ length: columns }, (_, j) => (isZero(row.get(j)) ? 0 : (row.get(j)?.value ?? 0))));
  const weights = rows.map((_, i) => rows.map((__, k): number => (i === k ? 1 : 0)));
  const open = new Set(rows.keys());
  while (open.size > 0) {
    let pivot = { row: -1, column: -1, value: 0 };
    for (const row of open)
      for (const [column, value] of (left[row] ?? []).entries())
        if (Math.abs(value) > Math.abs(pivot.value)) pivot = { row, column, value };
    if (pivot.row < 0 || open.size === 1) break;
    open.delete(pivot.row);
    for (const row of open) {
      const factor = (left[row]?.[pivot.column] ?? 0) / pivot.value;
      if (factor === 0) continue;
      for (let j = 0; j < columns; j++) left[row]![j]! -= factor * left[pivot.row]![j]!;
      for (let k = 0; k < n; k++) weights[row]![k]! -= factor * weights[pivot.row]![k]!;
      left[row]![pivot.column] = 0;
      // what cancels is nothing: a remainder of rounding is no pivot
      const own = weights[row]!;
      for (let j = 0; j < columns; j++) if (Math.abs(left[row]![j]!) <= 1e-3 * ROUNDING * termsOf(rows, own, j)) left[row]![j] = 0;
    }
  }
  for (const row of open) {
    const own = weights[row] ?? [];
    // against the terms of each column alone: a matrix that is only badly conditioned has a column that does not cancel
    const sums = Array.from({ length: columns }, (_, j) => own.reduce((sum, w, i) => sum + w * (rows[i]?.get(j)?.value ?? 0), 0));
    if (sums.every((sum, j) => Math.abs(sum) <= ROUNDING * termsOf(rows, own, j))) {
      const most = Math.max(...own.map(Math.abs));
      return own.map((w) => (Math.abs(w) <= ROUNDING * most ? 0 : w));
    }
  }
  return undefined;
}

function termsOf(rows: readonly Row[], weights: readonly number[], column: number): number {
  return weights.reduce((sum, w, i) => sum + Math.abs(w) * (rows[i]?.get(column)?.size ?? 0), 0);
}

/** Σ factor · row. */
function sumOf(terms: readonly (readonly [number, Row])[]): Row {
  const out = new Map<number, Slope>();
  for (const [factor, row] of terms) {
    if (factor === 0) continue;
    for (const [j, { value, size }] of row) {
      const before = out.get(j);
      out.set(j, { value: (before?.value ?? 0) + factor * value, size: (before?.size ?? 0) + Math.abs(factor) * size });
    }
  }
  return out;
}

/** Value and derivatives in the local `input` of each entry, at a point by chance. */
function ratesOf(expr: Expr, input: string, { simplex, known }: Knowledge): Rates | undefined {
  const reads = readsOfEntries(expr, input);
  if (reads.reduce((n, set) => n + set.size, 0) > MOST_READS) return undefined;
  const done = new Map<Expr, readonly Jet[]>();
  const of = (e: Expr): readonly Jet[] => {
    const before = done.get(e);
    if (before) return before;
    const made = normalised(e, find(e));
    done.set(e, made);
    return made;
  };
  /** What sums to 1 along its last axis has derivatives that sum to 0 there. */
  const normalised = (e: Expr, jets: readonly Jet[]): readonly Jet[] => {
    if (!simplex(e)) return jets;
    const width = sizesOf(e).at(-1) ?? 1;
    return jets.map(({ value, row }, i) => {
      const total = groupOf(jets, i, width).reduce((sum, jet) => sum + jet.value, 0);
      return { value: value / total, row: sumOf(aroundMean(jets, row, i, width)) };
    });
  };
  const texts = new Map<Expr, string>();
  // what is written alike has one value
  const textOf = (e: Expr): string => {
    const made = texts.get(e) ?? fingerprint(e);
    texts.set(e, made);
    return made;
  };
  const chance = (e: Expr, ...place: readonly number[]): number => byChance(`${textOf(e)}${place.join()}`);
  const find = (e: Expr): readonly Jet[] => {
    const size = sizeOf(sizesOf(e));
    if (e.kind === "number") return [{ value: e.value, row: NONE }];
    if (e.kind === "local") {
      const values = known?.get(e.local.id);
      return Array.from({ length: size }, (_, i) => ({
        value: values?.[i] ?? byChance(`${e.local.id} ${i}`),
        row: e.local.id === input ? new Map([[i, { value: 1, size: 1 }]]) : NONE,
      }));
    }
    if (e.kind === "builtin") {
      const args = e.args.map(of);
      return Array.from({ length: size }, (_, i) => ofBuiltin(e, args, i));
    }
    if (e.kind === "layer" && e.args.length === 1) return ofLayer(e, of(e.args[0] as Expr));
    return unknown(e);
  };
  /** Any function of what it reads, after what that is made of: no weights reach a higher rank. */
  const ofLayer = (e: LayerExpr, input: readonly Jet[]): readonly Jet[] => {
    const within = layerSources(e);
    const size = sizeOf(sizesOf(e));
    const read = (i: number): readonly number[] => [...(within?.[i] ?? input.keys())];
    const jets = Array.from({ length: size }, (_, i): Jet => ({
      value: chance(e, i),
      row: sumOf(read(i).map((j) => [chance(e, i, j), input[j]?.row ?? NONE])),
    }));
    if (layers.get(e.instance.layer)?.centres !== true) return jets;
    const width = sizesOf(e).at(-1) ?? 1;
    return jets.map(({ value, row }, i) => ({ value, row: sumOf(aroundMean(jets, row, i, width)) }));
  };
  /** Any function of what it reads. */
  const unknown = (e: Expr): readonly Jet[] => readsOfEntries(e, input).map((set, i) => unknownEntry(e, set, i));
  const unknownEntry = (e: Expr, set: ReadonlySet<number>, i: number): Jet => ({
    value: chance(e, i),
    row: new Map([...set].map((j) => [j, { value: chance(e, i, j), size: 1 }])),
  });
  const ofBuiltin = (e: BuiltinExpr, args: readonly (readonly Jet[])[], i: number): Jet => {
    const entry = builtins.get(e.fn);
    if (entry?.constant) return { value: entry.constant(indexAt(sizesOf(e), i)), row: NONE };
    const jetAt = (source: Source): Jet =>
      source === NOWHERE ? { value: 0, row: NONE } : (args[source.arg]?.[source.entry] ?? { value: NaN, row: NONE });
    if (e.fn === "matmul") {
      const pairs = contractedSources(e, i)?.map(([a, b]) => [jetAt(a), jetAt(b)] as const);
      if (pairs)
        return {
          value: summed(pairs.map(([a, b]) => a.value * b.value)),
          row: sumOf(
            pairs.flatMap(([a, b]): readonly (readonly [number, Row])[] => [
              [b.value, a.row],
              [a.value, b.row],
            ]),
          ),
        };
    }
    if (entry?.reads === "place") return ofPlace(e, (sourcesOf(e, i) ?? []).map(jetAt), i);
    const from = (entry?.reads === "one" ? sourcesOf(e, i) : entry?.running ? runningSources(e, i) : reducedSources(e, i))?.map(jetAt);
    if (!from) return unknownEntry(e, readsOfEntries(e, input)[i] ?? new Set(), i);
    if (entry?.reads === "one" || e.fn === "sum" || e.fn === "cumsum")
      return { value: summed(from.map((jet) => jet.value)), row: sumOf(from.map((jet) => [1, jet.row])) };
    const exact = entry?.jet?.(from.map((jet) => jet.value));
    if (exact) return { value: exact.value, row: sumOf(from.map((jet, k) => [exact.slopes[k] ?? 0, jet.row])) };
    const weights = from.map((_, k) => (e.fn === "mean" ? 1 : chance(e, i, k)));
    const all = entry?.averages ? weights.reduce((sum, w) => sum + w, 0) : 1;
    return {
      value: e.fn === "mean" ? summed(from.map((jet) => jet.value / all)) : chance(e, i),
      row: sumOf(from.map((jet, k) => [(weights[k] ?? 0) / all, jet.row])),
    };
  };
  /** A function of the entries at its own place: values and slopes that its intervals give where they are points. */
  const ofPlace = (e: BuiltinExpr, args: readonly Jet[], i: number): Jet => {
    const entry = builtins.get(e.fn);
    const at = (values: readonly number[]): number | undefined => {
      const range = entry?.range?.(
        values.map(point),
        e.options,
        e.args.map((a) => ({ shape: a.type.kind === "tensor" ? a.type.shape : [], simplex: false })),
      );
      return range && pointOf(range);
    };
    const values = args.map((a) => a.value);
    const made = at(values) ?? chance(e, i);
    const adds = isLinearIn(entry?.linear, [...args.keys()]);
    const value = adds && Math.abs(made) <= ROUNDING * summed(values.map(Math.abs)) ? 0 : made;
    const slopeIn = (k: number): number => {
      const linear = entry?.linear;
      if (entry?.noGradient) return 0;
      if (isLinearIn(linear, [k])) {
        const coefficient = at(values.map((v, other) => (other === k ? 1 : isLinearIn(linear, [k, other]) ? 0 : v)));
        if (coefficient !== undefined) return coefficient;
      }
      const [base = NaN, exponent = NaN] = values;
      if (entry?.power === "exponent" && (base > 0 || (k === 0 && base < 0 && Number.isInteger(exponent))))
        return k === 0 ? exponent * base ** (exponent - 1) : Math.log(base) * base ** exponent;
      if (e.fn === "div") return -(values[0] ?? NaN) / (values[1] ?? NaN) ** 2;
      const slope = args.length === 1 ? entry?.slope?.(point(values[0] ?? NaN), e.options) : undefined;
      return (slope && pointOf(slope)) ?? chance(e, i, k);
    };
    return { value, row: sumOf(args.flatMap((a, k) => (a.row.size === 0 ? [] : [[slopeIn(k), a.row] as const]))) };
  };
  const jets = of(expr);
  return { rows: jets.map((jet) => jet.row), values: jets.map((jet) => jet.value) };
}

/** The entries along the last axis that one entry lies among. */
const groupOf = (jets: readonly Jet[], i: number, width: number): readonly Jet[] => jets.slice(i - (i % width), i - (i % width) + width);

const aroundMean = (jets: readonly Jet[], row: Row, i: number, width: number): readonly (readonly [number, Row])[] => [
  [1, row],
  ...groupOf(jets, i, width).map((jet): readonly [number, Row] => [-1 / width, jet.row]),
];

const point = (v: number): Range => ({ low: v, high: v, lowOpen: false, highOpen: false });

function pointOf({ low, high }: Range): number | undefined {
  return low === high && Number.isFinite(low) ? low : undefined;
}

/** 0 where its terms cancel but for rounding. */
function summed(terms: readonly number[]): number {
  const total = terms.reduce((sum, t) => sum + t, 0);
  return Math.abs(total) <= ROUNDING * terms.reduce((sum, t) => sum + Math.abs(t), 0) ? 0 : total;
}

/** From 0.5 to 1.5, the same for the same text. */
function byChance(text: string): number {
  let state = 2166136261;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619);
  for (const shift of [16, 13, 16]) state = Math.imul(state ^ (state >>> shift), 2246822507);
  const low = Math.imul(state ^ (state >>> 15), 3266489909);
  return 0.5 + (state >>> 0) / 2 ** 32 + (low >>> 0) / 2 ** 64;
}
