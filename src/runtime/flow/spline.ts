/**
 * The monotone rational-quadratic spline of Durkan et al. 2019 (eq. 4 to 8, appendix A.1), entry by entry: on [-bound, bound] between `bins + 1`
 * knots, with slope 1 at the ends, and the identity outside (linear tails).
 */
import { GmcError } from "../graph/errors.js";
import {
  abs,
  add,
  and,
  broadcastTo,
  cast,
  concat,
  constant,
  div,
  lessEqual,
  log,
  matmul,
  max,
  mul,
  neg,
  ones,
  reshape,
  select,
  softmax,
  sizeOf,
  softplus,
  split,
  sqrt,
  square,
  sub,
  sum,
  transpose,
  sliceAxis,
  zeros,
} from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { broadcastShapes } from "../graph/shape.js";
import { isChanged } from "./masks.js";

/** Of places in [-bound, bound] float32 keeps bound / 2^24: beyond this a round trip is off by more than 1e-4. */
const MOST_BOUND = 1000;

export interface SplineOptions {
  /** Default 8. */
  readonly bins?: number;
  /** The spline acts on [-bound, bound]. Default 3. */
  readonly bound?: number;
}

/** Least width and height of a bin, as a share of the whole, and least slope at a knot: those of the paper's code. */
const MIN_BIN = 1e-3;
const MIN_SLOPE = 1e-3;
/** softplus(0 + SLOPE_AT_ZERO) + MIN_SLOPE = 1 */
const SLOPE_AT_ZERO = Math.log(Math.expm1(1 - MIN_SLOPE));

/** Parameters of one entry. GM4021 where the options describe no spline. */
export function splineParameters({ bins = 8, bound = 3 }: SplineOptions): number {
  if (!Number.isInteger(bins) || bins < 1 || bins * MIN_BIN >= 1) {
    throw new GmcError("GM4021", `splineCoupling: bins is a whole number from 1 to ${Math.ceil(1 / MIN_BIN) - 1}, found ${bins}`);
  }
  if (!(bound > 0 && bound <= MOST_BOUND))
    throw new GmcError("GM4021", `splineCoupling: bound is a number above 0 and at most ${MOST_BOUND}, found ${bound}`);
  return 3 * bins - 1;
}

/** Row k holds 1 in the columns before k: its product with bins is, for each bin, the sum of those before. */
function sumsBefore(bins: number): Tensor {
  return constant(
    Array.from({ length: bins * bins }, (_, i) => (i % bins < Math.floor(i / bins) ? 1 : 0)),
    [bins, bins],
  );
}

interface Bins {
  readonly left: Tensor;
  readonly size: Tensor;
}

/** Positions and extents of bins on [-bound, bound], of raw extents; [bins, N] all. */
function binsOf(raw: Tensor, bins: number, bound: number): Bins {
  const size = mul(2 * bound, add(MIN_BIN, mul(1 - MIN_BIN * bins, softmax(raw, 0))));
  return { size, left: sub(matmul(sumsBefore(bins), size), bound) };
}

/**
 * Entries u [..., n] through splines of raw parameters [..., n, 3 bins - 1], and the log of each one's derivative. The spline itself is the map
 * from x to z, so the direction of density estimation needs no root; `forward` is its inverse (eq. 6 to 8).
 *
 * All is computed with the N entries of the whole batch along the last axis and bins along the first: with bins last, every operation would work
 * on runs of eight numbers.
 */
export function rationalQuadratic(
  u: Tensor,
  raw: Tensor,
  direction: "forward" | "inverse",
  { bins = 8, bound = 3 }: SplineOptions,
  changed: Tensor | undefined,
): { readonly value: Tensor; readonly logDerivative: Tensor } {
  const stretched = broadcastTo(u, broadcastShapes("splineCoupling", [u.shape, raw.shape.slice(0, -1)]));
  const entries = sizeOf(stretched.shape);
  const flat = reshape(stretched, [entries]);
  const parameters = transpose(reshape(broadcastTo(raw, [...stretched.shape, raw.shape.at(-1)!]), [entries, -1]));
  const [rawWidths, rawHeights, rawSlopes] = split(parameters, [bins, bins, bins - 1], 0);
  const [x, y] = [binsOf(rawWidths!, bins, bound), binsOf(rawHeights!, bins, bound)];
  const end = ones([1, entries]);
  const slopes = bins === 1 ? concat([end, end], 0) : concat([end, add(softplus(add(rawSlopes!, SLOPE_AT_ZERO)), MIN_SLOPE), end], 0);

  // Outside of the bound, and where nothing is to change, the spline is asked at 0, where all is finite.
  const within = lessEqual(abs(flat), bound);
  const inside = changed === undefined ? within : and(within, reshape(isChanged(broadcastTo(changed, stretched.shape)), [entries]));
  const at = select(inside, flat, 0);

  // One bin per entry as a sum over one-hots: a gather by index has no cheap gradient.
  const knots = (direction === "inverse" ? x : y).left;
  const reached = cast(lessEqual(sliceAxis(knots, 0, 1, bins), at), "f32");
  const hit = bins === 1 ? ones([1, entries]) : sub(concat([ones([1, entries]), reached], 0), concat([reached, zeros([1, entries])], 0));
  const pick = (values: Tensor): Tensor => sum(mul(hit, values), 0);
  const [x0, w, y0, h] = [pick(x.left), pick(x.size), pick(y.left), pick(y.size)];
  const d0 = pick(sliceAxis(slopes, 0, 0, bins));
  const d1 = pick(sliceAxis(slopes, 0, 1, bins + 1));

  const s = div(h, w);
  const bend = sub(add(d0, d1), mul(2, s));
  const xi = direction === "inverse" ? div(sub(at, x0), w) : root(sub(at, y0), h, s, d0, bend);
  const between = mul(xi, sub(1, xi));
  const denominator = add(s, mul(bend, between));
  const moved =
    direction === "inverse" ? add(y0, div(mul(h, add(mul(s, square(xi)), mul(d0, between))), denominator)) : add(x0, mul(w, xi));
  const slope = add(add(mul(d1, square(xi)), mul(mul(2, s), between)), mul(d0, square(sub(1, xi))));
  const logSlope = add(mul(2, sub(log(s), log(denominator))), log(slope));
  return {
    value: reshape(select(inside, moved, flat), stretched.shape),
    logDerivative: reshape(select(inside, direction === "inverse" ? logSlope : neg(logSlope), 0), stretched.shape),
  };
}

/** The root of eq. 29 in the form that does not cancel; the discriminant is positive but for rounding. */
function root(t: Tensor, h: Tensor, s: Tensor, d0: Tensor, bend: Tensor): Tensor {
  const a = add(mul(h, sub(s, d0)), mul(t, bend));
  const b = sub(mul(h, d0), mul(t, bend));
  const c = neg(mul(s, t));
  const discriminant = max(sub(square(b), mul(4, mul(a, c))), 1e-24);
  return div(mul(2, c), neg(add(b, sqrt(discriminant))));
}
