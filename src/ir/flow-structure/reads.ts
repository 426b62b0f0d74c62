/**
 * Which entries of its input each entry of an expression's value reads: a set for each, exact for what the table of functions says of itself
 * (its own place, a rearrangement, whole axes), and all that any argument reads where it says nothing.
 */
import { entries, gridOf, NONE } from "../autoregressive/grid.js";
import { builtins } from "../builtins.js";
import { layers } from "../layers.js";
import type { BuiltinExpr, Expr, LayerExpr } from "../types.js";
import { childrenOf } from "../walk.js";
import { sizesOf } from "../shapes.js";

type Entries = readonly ReadonlySet<number>[];

const NOTHING: ReadonlySet<number> = new Set();

export interface ReadOptions {
  /** Expressions that count as constants. */
  readonly cut?: (expr: Expr) => boolean;
}

/** Sets of entries of the local `input`, in C order, for each entry of the value. */
export function readsOfEntries(expr: Expr, input: string, options: ReadOptions = {}): Entries {
  const { cut = () => false } = options;
  const own = (e: Expr): Entries => Array.from({ length: sizeOf(sizesOf(e)) }, (_, i) => new Set([i]));
  const known = new Map<Expr, Entries>();
  const of = (e: Expr): Entries => {
    const before = known.get(e);
    if (before) return before;
    const made = cut(e) ? constantOf(e) : find(e);
    known.set(e, made);
    return made;
  };
  const find = (e: Expr): Entries => {
    const size = sizeOf(sizesOf(e));
    if (e.kind === "local") return e.local.id === input ? own(e) : constantOf(e);
    if (e.kind === "builtin") return ofBuiltin(e, e.args.map(of)) ?? all(e, size);
    const within = e.kind === "layer" ? layerSources(e) : undefined;
    const [inner] = within ? childrenOf(e).map(of) : [];
    return inner && within ? within.map((set) => union([...set].map((j) => inner[j] ?? NOTHING))) : all(e, size);
  };
  const all = (e: Expr, size: number): Entries => {
    const together = union(childrenOf(e).flatMap((a) => of(a)));
    return new Array<ReadonlySet<number>>(size).fill(together);
  };
  return of(expr);
}

const constantOf = (e: Expr): Entries => new Array<ReadonlySet<number>>(sizeOf(sizesOf(e))).fill(NOTHING);

function union(sets: readonly ReadonlySet<number>[]): ReadonlySet<number> {
  const distinct = new Set(sets.filter((s) => s.size > 0));
  const [only] = distinct;
  if (distinct.size <= 1) return only ?? NOTHING;
  return new Set([...distinct].flatMap((s) => [...s]));
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Indices of each entry, in C order. */
function indicesOf(shape: readonly number[]): readonly (readonly number[])[] {
  return shape.reduce<readonly (readonly number[])[]>(
    (before, n) => before.flatMap((index) => Array.from({ length: n }, (_, i) => [...index, i])),
    [[]],
  );
}

/** The index of an entry, in C order. */
export function indexAt(shape: readonly number[], entry: number): readonly number[] {
  let rest = entry;
  return shape
    .toReversed()
    .map((n) => {
      const i = rest % n;
      rest = Math.floor(rest / n);
      return i;
    })
    .toReversed();
}

function at(shape: readonly number[], index: readonly number[]): number {
  return index.reduce((flat, i, axis) => flat * (shape[axis] ?? 1) + i, 0);
}

/** The entry of an operand that meets an entry of the result, trailing axes aligned and axes of size 1 repeated. */
function broadcastAt(shape: readonly number[], index: readonly number[]): number {
  const own = index.slice(index.length - shape.length);
  return at(
    shape,
    own.map((i, axis) => (shape[axis] === 1 ? 0 : i)),
  );
}

/** undefined: the function says nothing that helps. */
function ofBuiltin(e: BuiltinExpr, args: readonly Entries[]): Entries | undefined {
  const entry = builtins.get(e.fn);
  const shapes = e.args.map(sizesOf);
  const shape = sizesOf(e);
  const indices = indicesOf(shape);
  const pick = (position: number, index: readonly number[]): ReadonlySet<number> =>
    args[position]?.[at(shapes[position] ?? [], index)] ?? NOTHING;
  const reads = typeof entry?.reads === "function" ? entry.reads(e.options) : entry?.reads;
  if (reads === "place") return indices.map((index) => union(args.map((a, i) => a[broadcastAt(shapes[i] ?? [], index)] ?? NOTHING)));
  if (reads === "one") return ofMove(e, shapes, indices, pick, NOTHING);
  if (reads === "contract") return ofProduct(shapes, indices, pick);
  if (!Array.isArray(reads) || args.length !== 1) return undefined;
  const rank = shapes[0]?.length ?? 0;
  const axes = new Set((reads as readonly number[]).map((a) => a + rank));
  const reduced = shape.length < rank;
  const key = (index: readonly number[]): string => index.filter((_, axis) => !axes.has(axis)).join();
  const groups = new Map<string, ReadonlySet<number>[]>();
  const upTo: ReadonlySet<number>[] = [];
  indicesOf(shapes[0] ?? []).forEach((index, i) => {
    const group = groups.get(key(index)) ?? [];
    group.push(args[0]?.[i] ?? NOTHING);
    groups.set(key(index), group);
    // in C order, so that a group holds the places up to this one by now
    if (entry?.running) upTo.push(union(group));
  });
  if (entry?.running) return upTo;
  const joined = new Map([...groups].map(([k, sets]) => [k, union(sets)]));
  return indices.map((index) => joined.get(reduced ? index.join() : key(index)) ?? NOTHING);
}

/** An entry of an argument. */
export interface Source {
  readonly arg: number;
  readonly entry: number;
}

/** Of a place that no entry of an argument stands at: it holds 0. */
export const NOWHERE: Source = { arg: 0, entry: -1 };

/** The entries of its arguments that one entry of a function's value is made of, where these are single ones: its own place of each, or one that is moved. */
export function sourcesOf(e: BuiltinExpr, entry: number): readonly Source[] | undefined {
  const shapes = e.args.map(sizesOf);
  const index = indexAt(sizesOf(e), entry);
  const reads = builtins.get(e.fn)?.reads;
  if (reads === "place") return shapes.map((shape, arg) => ({ arg, entry: broadcastAt(shape, index) }));
  if (reads !== "one") return undefined;
  if (e.fn === "reshape" || e.fn === "flatten") return [{ arg: 0, entry }];
  return ofMove<Source>(e, shapes, [index], (arg, own) => ({ arg, entry: at(shapes[arg] ?? [], own) }), NOWHERE);
}

/** Pairs of entries up to which a layer is taken apart. */
const MOST_PAIRS = 16_384;

const layersRead = new WeakMap<Expr, Entries>();

/** Entries of its input that each entry of a layer's value may read; undefined of all of them, for all that is known. */
export function layerSources(e: LayerExpr): Entries | undefined {
  const [input, ...others] = e.args;
  const layer = layers.get(e.instance.layer);
  if (!input || others.length > 0 || !layer?.degrees || layer.masked) return undefined;
  const before = layersRead.get(e);
  if (before) return before;
  const [from, shape] = [sizesOf(input), sizesOf(e)];
  const size = sizeOf(from);
  if (size * sizeOf(shape) > MOST_PAIRS) return undefined;
  const read = Array.from({ length: sizeOf(shape) }, () => new Set<number>());
  for (let j = 0; j < size; j++) {
    const alone = gridOf(from, new Int32Array(size).fill(NONE).fill(0, j, j + 1));
    const reached = entries(layer.degrees(alone, { instance: e.instance, shape, rule: undefined }));
    reached.forEach((degree, i) => degree !== NONE && read[i]?.add(j));
  }
  layersRead.set(e, read);
  return read;
}

/** The entries that a running sum adds up for one of its own. */
export function runningSources(e: BuiltinExpr, entry: number): readonly Source[] {
  const shape = sizesOf(e);
  const index = indexAt(shape, entry);
  const axis = (e.options["axis"] as number) + shape.length;
  return Array.from({ length: (index[axis] ?? 0) + 1 }, (_, place) => ({
    arg: 0,
    entry: at(
      shape,
      index.map((i, a) => (a === axis ? place : i)),
    ),
  }));
}

/** The entries that a reduction over axes reads for one of its own; undefined of any other function. */
export function reducedSources(e: BuiltinExpr, entry: number): readonly Source[] | undefined {
  const reads = builtins.get(e.fn)?.reads;
  const [shape] = e.args.map(sizesOf);
  if (typeof reads !== "function" || e.args.length !== 1 || !shape) return undefined;
  const axes = reads(e.options).map((a) => a + shape.length);
  const index = indexAt(sizesOf(e), entry);
  if (index.length !== shape.length - axes.length) return undefined;
  const kept = shape.map((n, axis) => (axes.includes(axis) ? n : 1));
  return indicesOf(kept).map((own) => {
    let next = 0;
    return {
      arg: 0,
      entry: at(
        shape,
        own.map((i, axis) => (axes.includes(axis) ? i : (index[next++] ?? 0))),
      ),
    };
  });
}

/** The pairs of entries that one entry of a matrix product is a sum over; undefined of stacks of matrices. */
export function contractedSources(e: BuiltinExpr, entry: number): readonly (readonly [Source, Source])[] | undefined {
  const [left = [], right = []] = e.args.map(sizesOf);
  if (left.length > 2 || right.length > 2) return undefined;
  return contracted<Source>([left, right], indexAt(sizesOf(e), entry), (arg, index) => ({
    arg,
    entry: at(arg === 0 ? left : right, index),
  }));
}

type Pick<T = ReadonlySet<number>> = (position: number, index: readonly number[]) => T;

function ofMove<T>(
  e: BuiltinExpr,
  shapes: readonly (readonly number[])[],
  indices: readonly (readonly number[])[],
  pick: Pick<T>,
  nowhere: T,
): readonly T[] | undefined {
  const rank = shapes[0]?.length ?? 0;
  const { options } = e;
  switch (e.fn) {
    case "index": {
      const axis = (options["axis"] as number) + rank;
      const position = options["position"] as number;
      return indices.map((index) => pick(0, [...index.slice(0, axis), position, ...index.slice(axis)]));
    }
    case "slice": {
      const axis = (options["axis"] as number) + rank;
      const start = options["start"] as number;
      return indices.map((index) =>
        pick(
          0,
          index.map((i, a) => (a === axis ? i + start : i)),
        ),
      );
    }
    case "concat": {
      // a scalar among vectors is a vector of one
      const vectors = shapes.map((shape) => (shape.length === 0 ? [1] : shape));
      const axis = (options["axis"] as number) + (vectors[0]?.length ?? 1);
      return indices.map((index) => {
        let offset = index[axis] ?? 0;
        let position = 0;
        while (offset >= (vectors[position]?.[axis] ?? Infinity)) offset -= vectors[position++]?.[axis] ?? 0;
        return pick(
          position,
          index.map((i, a) => (a === axis ? offset : i)),
        );
      });
    }
    case "reverse": {
      const axis = (options["axis"] as number) + rank;
      const last = (shapes[0]?.[axis] ?? 1) - 1;
      return indices.map((index) =>
        pick(
          0,
          index.map((i, a) => (a === axis ? last - i : i)),
        ),
      );
    }
    case "pad": {
      const low = options["low"] as readonly number[];
      return indices.map((index) => {
        const own = index.map((i, axis) => i - (low[axis] ?? 0));
        return own.every((i, axis) => i >= 0 && i < (shapes[0]?.[axis] ?? 1)) ? pick(0, own) : nowhere;
      });
    }
    case "transpose": {
      const order = (options["order"] as readonly number[]).map((a) => a + rank);
      return indices.map((index) =>
        pick(
          0,
          order.map((_, axis) => index[order.indexOf(axis)] ?? 0),
        ),
      );
    }
    case "stack":
      return indices.map(([position = 0, ...index]) => pick(position, index));
    case "reshape":
    case "flatten": {
      const from = indicesOf(shapes[0] ?? []);
      return indices.map((_, i) => pick(0, from[i] ?? []));
    }
    default:
      return undefined;
  }
}

/** A matrix product: a vector on the left is a row, on the right a column. */
function ofProduct(shapes: readonly (readonly number[])[], indices: readonly (readonly number[])[], pick: Pick): Entries | undefined {
  if (shapes.some((shape) => shape.length > 2)) return undefined;
  return indices.map((index) => union(contracted(shapes, index, pick).flat()));
}

function contracted<T>(shapes: readonly (readonly number[])[], index: readonly number[], pick: Pick<T>): readonly (readonly [T, T])[] {
  const [left = [], right = []] = shapes;
  const row = left.length === 2 ? [index[0] ?? 0] : [];
  const column = right.length === 2 ? [index[left.length === 2 ? 1 : 0] ?? 0] : [];
  return Array.from({ length: left.at(-1) ?? 1 }, (_, k) => [pick(0, [...row, k]), pick(1, [k, ...column])]);
}
