/**
 * Degrees: of each entry of a value, the greatest rank among the entries of a variable that it may read, in the order in which they are
 * drawn, from 0; -1 where it reads none.
 *
 * One number is enough. What an entry reads is a union of what others read, and the greatest rank of a union is the greatest of the greatest:
 * so an entry reads entries of a rank below r alone if and only if its degree is below r, however long the way through the layers was.
 *
 * A grid stores an axis along which all degrees are alike once, so that 120 channels of an image cost what one does.
 */
export interface Grid {
  readonly shape: readonly number[];
  /** The extents of `data`: those of `shape`, or 1 where a degree stands for the whole axis. */
  readonly stored: readonly number[];
  readonly data: Int32Array;
}

/** Of what reads nothing of the variable. */
export const NONE = -1;

export function uniform(shape: readonly number[], degree: number = NONE): Grid {
  return { shape, stored: shape.map(() => 1), data: Int32Array.of(degree) };
}

const product = (sizes: readonly number[]): number => sizes.reduce((n, s) => n * s, 1);

/** Degrees entry by entry, in the order of the value's entries. */
export function gridOf(shape: readonly number[], data: Int32Array): Grid {
  return { shape, stored: shape, data };
}

/** Steps through `data` along each axis; 0 where one degree stands for the axis. */
function stridesOf(stored: readonly number[]): readonly number[] {
  let step = 1;
  const strides = stored.map(() => 0);
  for (let axis = stored.length - 1; axis >= 0; axis--) {
    const size = stored[axis] ?? 1;
    if (size > 1) strides[axis] = step;
    step *= size;
  }
  return strides;
}

/** Visits all positions of extents in order, with the offset into each of the arrays that these strides step through. */
function walk(extents: readonly number[], strides: readonly (readonly number[])[], visit: (offsets: readonly number[]) => void): void {
  const rank = extents.length;
  const index = extents.map(() => 0);
  const offsets = strides.map(() => 0);
  const total = product(extents);
  for (let n = 0; n < total; n++) {
    visit(offsets);
    for (let axis = rank - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      strides.forEach((s, i) => (offsets[i] = (offsets[i] ?? 0) + (s[axis] ?? 0)));
      if ((index[axis] ?? 0) < (extents[axis] ?? 1)) break;
      strides.forEach((s, i) => (offsets[i] = (offsets[i] ?? 0) - (s[axis] ?? 0) * (extents[axis] ?? 1)));
      index[axis] = 0;
    }
  }
}

/** All degrees, in the order of the value's entries. */
export function entries({ shape, stored, data }: Grid): Int32Array {
  if (stored.every((s, i) => s === shape[i])) return data;
  const out = new Int32Array(product(shape));
  let n = 0;
  walk(shape, [stridesOf(stored)], ([at = 0]) => {
    out[n++] = data[at] ?? NONE;
  });
  return out;
}

export function greatest({ data }: Grid): number {
  let found = NONE;
  for (const degree of data) if (degree > found) found = degree;
  return found;
}

export function least({ data }: Grid): number {
  let found = data[0] ?? NONE;
  for (const degree of data) if (degree < found) found = degree;
  return found;
}

export function readsNothing(grid: Grid): boolean {
  return greatest(grid) === NONE;
}

/** The greatest degree at each place, of grids that repeat to one shape (aligned at their last axes). */
export function meet(shape: readonly number[], grids: readonly Grid[]): Grid {
  const rank = shape.length;
  const aligned = grids
    .filter((g) => !readsNothing(g))
    .map((g) => {
      const lead = rank - g.shape.length;
      return { data: g.data, stored: shape.map((_, axis) => (axis < lead ? 1 : (g.stored[axis - lead] ?? 1))) };
    });
  const stored = shape.map((_, axis) => Math.max(1, ...aligned.map((g) => g.stored[axis] ?? 1)));
  const data = new Int32Array(product(stored)).fill(NONE);
  for (const g of aligned) {
    let n = 0;
    walk(stored, [stridesOf(g.stored)], ([at = 0]) => {
      data[n] = Math.max(data[n] ?? NONE, g.data[at] ?? NONE);
      n++;
    });
  }
  return { shape, stored, data };
}

/** Axes are counted from the end; each entry reads all along them. `keep` leaves them in place. */
export function across(grid: Grid, axes: readonly number[], keep: boolean): Grid {
  const rank = grid.shape.length;
  const gone = (axis: number): boolean => axes.includes(axis - rank);
  const stored = grid.stored.map((s, axis) => (gone(axis) ? 1 : s));
  const data = new Int32Array(product(stored)).fill(NONE);
  walk(grid.stored, [stridesOf(grid.stored), stridesOf(stored)], ([from = 0, to = 0]) => {
    data[to] = Math.max(data[to] ?? NONE, grid.data[from] ?? NONE);
  });
  const left = <T>(list: readonly T[]): readonly T[] => (keep ? list : list.filter((_, axis) => !gone(axis)));
  return { shape: left(grid.shape), stored: left(stored), data };
}

/** Another shape of as many entries; also one in which the last axes are others along which all degrees are alike. */
export function reshaped(grid: Grid, shape: readonly number[]): Grid {
  return grid.data.length === 1 ? { ...grid, shape, stored: shape.map(() => 1) } : gridOf(shape, entries(grid));
}

/** The axes of the result, by where they come from (counted from the end). */
export function transposed(grid: Grid, order: readonly number[]): Grid {
  const rank = grid.shape.length;
  const from = order.map((axis) => axis + rank);
  const pick = (list: readonly number[]): readonly number[] => from.map((axis) => list[axis] ?? 0);
  const stored = pick(grid.stored);
  const data = new Int32Array(grid.data.length);
  let n = 0;
  walk(stored, [pick(stridesOf(grid.stored))], ([at = 0]) => {
    data[n++] = grid.data[at] ?? NONE;
  });
  return { shape: pick(grid.shape), stored, data };
}

/** Along one axis (from the end): each position of the result reads the positions listed; those outside of the axis are zeros. */
export function along(grid: Grid, axis: number, reads: readonly (readonly number[])[]): Grid {
  const at = grid.shape.length + axis;
  const size = grid.shape[at] ?? 1;
  const put = (list: readonly number[], value: number): readonly number[] => list.map((s, i) => (i === at ? value : s));
  const step = stridesOf(grid.stored)[at] ?? 0;
  const stored = put(grid.stored, reads.length);
  const data = new Int32Array(product(stored)).fill(NONE);
  const outer = put(grid.stored, 1);
  const [from, to] = [stridesOf(grid.stored), stridesOf(stored)];
  walk(outer, [from, to], ([source = 0, target = 0]) => {
    reads.forEach((positions, i) => {
      const n = target + i * (to[at] ?? 0);
      for (const p of positions) if (p >= 0 && p < size) data[n] = Math.max(data[n] ?? NONE, grid.data[source + p * step] ?? NONE);
    });
  });
  return { shape: put(grid.shape, reads.length), stored, data };
}

export function joined(grids: readonly Grid[], axis: number): Grid {
  const [first] = grids;
  if (!first) return uniform([]);
  const at = first.shape.length + axis;
  const total = grids.reduce((n, g) => n + (g.shape[at] ?? 1), 0);
  const shape = first.shape.map((s, i) => (i === at ? total : s));
  let start = 0;
  const parts = grids.map((g) => {
    const own = Array.from({ length: total }, (_, i) => [i - start]);
    start += g.shape[at] ?? 1;
    return along(g, axis, own);
  });
  return meet(shape, parts);
}

/** Along one axis (from the end): each position reads those up to it. */
export function running(grid: Grid, axis: number): Grid {
  const at = grid.shape.length + axis;
  const full =
    grid.stored[at] === grid.shape[at]
      ? grid
      : along(
          grid,
          axis,
          Array.from({ length: grid.shape[at] ?? 1 }, (_, i) => [i]),
        );
  const data = Int32Array.from(full.data);
  const step = product(full.stored.slice(at + 1));
  const size = full.stored[at] ?? 1;
  for (let n = 0; n < data.length; n++) if (Math.floor(n / step) % size > 0) data[n] = Math.max(data[n] ?? NONE, data[n - step] ?? NONE);
  return { ...full, data };
}

/** A new axis before all others, along which all degrees are alike. */
export function withLeading(grid: Grid): Grid {
  return { shape: [1, ...grid.shape], stored: [1, ...grid.stored], data: grid.data };
}

/** With new last axes along which all degrees are alike. */
export function withTrailing(grid: Grid, sizes: readonly number[]): Grid {
  return { shape: [...grid.shape, ...sizes], stored: [...grid.stored, ...sizes.map(() => 1)], data: grid.data };
}

/** The last axis replaced by one of another size, along which all degrees are alike. */
export function withLast(grid: Grid, size: number): Grid {
  const kept = across(grid, [-1], true);
  return { ...kept, shape: [...grid.shape.slice(0, -1), size] };
}
