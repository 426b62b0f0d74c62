/**
 * Clouds of points against clouds of points: distances between two sets of points in no order, and what a set of drawn clouds is to a set of real
 * ones (Achlioptas, Diamanti, Mitliagkas & Guibas 2018, section 2; Yang et al. 2019, section 5.1). On the host, in float64.
 */
import { InternalError } from "../graph/errors.js";
import { assignment } from "./assignment.js";
import { rowCount, rowOf, squaredDistances, type Points } from "./points.js";

export type CloudDistance = "chamfer" | "emd";

/** Points of a cloud, at most, whose earth mover's distance is taken: the assignment takes up to the third power of their number. */
export const MOST_POINTS = 2048;

/** Mean squared distance of a point to the nearest of the other cloud, there plus back (Achlioptas et al. 2018, eq. 2, by means in place of sums). */
export function chamferDistance(a: Points, b: Points): number {
  const [n, m] = [rowCount(a), rowCount(b)];
  const squared = squaredDistances(a, b);
  const nearest = new Float64Array(m).fill(Infinity);
  let there = 0;
  for (let i = 0; i < n; i++) {
    let least = Infinity;
    for (let j = 0; j < m; j++) {
      const d = squared[i * m + j]!;
      if (d < least) least = d;
      if (d < nearest[j]!) nearest[j] = d;
    }
    there += least;
  }
  return there / n + nearest.reduce((s, d) => s + d, 0) / m;
}

/**
 * Mean distance of a point to its partner under the one-to-one assignment for which that is least (Achlioptas et al. 2018, eq. 1, by the mean in place
 * of the sum), exactly. Both clouds have the same number of points.
 */
export function earthMoversDistance(a: Points, b: Points): number {
  const n = rowCount(a);
  if (rowCount(b) !== n) throw new InternalError(`an assignment of ${n} points to ${rowCount(b)}`);
  const cost = squaredDistances(a, b).map(Math.sqrt);
  return assignment(cost, n).reduce((s, j, i) => s + cost[i * n + j]!, 0) / n;
}

export interface CloudTest {
  /**
   * Share of all clouds, real and drawn, whose nearest other cloud is of its own kind: 1/2 where the two cannot be told apart, 1 where they can
   * (Lopez-Paz & Oquab 2017; Yang et al. 2019, eq. 8).
   */
  readonly accuracy: number;
  /** Share of real clouds that are the nearest real one to some drawn one (Achlioptas et al. 2018, section 2). */
  readonly coverage: number;
  /** Mean over real clouds of the distance to the nearest drawn one (same). */
  readonly matching: number;
}

/** Of sets of clouds by their distances: real to drawn [n, m], real to real [n, n], drawn to drawn [m, m]. */
function judgeClouds(cross: Float64Array, real: Float64Array, drawn: Float64Array, n: number, m: number): CloudTest {
  const covered = new Set<number>();
  const nearestDrawn = new Float64Array(n).fill(Infinity);
  const nearestReal = new Float64Array(m).fill(Infinity);
  for (let j = 0; j < m; j++) {
    let at = -1;
    for (let i = 0; i < n; i++) {
      const d = cross[i * m + j]!;
      if (d < nearestDrawn[i]!) nearestDrawn[i] = d;
      if (d < nearestReal[j]!) [nearestReal[j], at] = [d, i];
    }
    if (at >= 0) covered.add(at);
  }
  // of a cloud as near to the other kind as to its own, half counts
  const told = (own: Float64Array, count: number, other: Float64Array): number => {
    let total = 0;
    for (let i = 0; i < count; i++) {
      let least = Infinity;
      for (let j = 0; j < count; j++) if (j !== i) least = Math.min(least, own[i * count + j]!);
      total += least < other[i]! ? 1 : least === other[i]! ? 0.5 : 0;
    }
    return total;
  };
  return {
    accuracy: (told(real, n, nearestDrawn) + told(drawn, m, nearestReal)) / (n + m),
    coverage: covered.size / n,
    matching: nearestDrawn.reduce((s, d) => s + d, 0) / n,
  };
}

/** `cloud` numbers a cloud in points of `dimension`; `pause` is called between clouds, so that a long comparison may be stopped. */
export async function cloudTest(
  real: Points,
  drawn: Points,
  options: { readonly dimension: number; readonly distance: CloudDistance; readonly pause?: () => Promise<void> },
): Promise<CloudTest> {
  const measure = options.distance === "emd" ? earthMoversDistance : chamferDistance;
  const clouds = (all: Points): readonly Points[] => {
    const data = { width: all.width, data: Float64Array.from(all.data) };
    return Array.from({ length: rowCount(all) }, (_, i) => ({ width: options.dimension, data: rowOf(data, i) }));
  };
  const [a, b] = [clouds(real), clouds(drawn)];
  const between = async (some: readonly Points[], others: readonly Points[]): Promise<Float64Array> => {
    const out = new Float64Array(some.length * others.length);
    for (const [i, one] of some.entries()) {
      await options.pause?.();
      for (const [j, other] of others.entries()) {
        // both distances are symmetric
        if (some === others && j <= i) out[i * others.length + j] = j === i ? 0 : out[j * others.length + i]!;
        else out[i * others.length + j] = measure(one, other);
      }
    }
    return out;
  };
  return judgeClouds(await between(a, b), await between(a, a), await between(b, b), a.length, b.length);
}
