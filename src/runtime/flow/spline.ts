/**
 * The monotone rational-quadratic spline of Durkan et al. 2019 (eq. 4 to 8, appendix A.1), entry by entry: on [-bound, bound] between `bins + 1`
 * knots, with slope 1 at the ends, and the identity outside (linear tails).
 */
import { GmcError } from "../graph/errors.js";
import {
  abs,
  add,
  and,
  cast,
  concat,
  constant,
  div,
  expandDims,
  lessEqual,
  log,
  matmul,
  max,
  mul,
  neg,
  ones,
  select,
  softmax,
  softplus,
  split,
  sqrt,
  square,
  sub,
  sum,
  sliceAxis,
  zeros,
} from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { isChanged } from "./masks.js";

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
  if (!(bound > 0 && bound < Infinity)) throw new GmcError("GM4021", `splineCoupling: bound is a positive number, found ${bound}`);
  return 3 * bins - 1;
}

/** Row k holds 1 in the columns after k: a product with it gives, for each bin, the sum of those before. */
function sumsBefore(bins: number): Tensor {
  return constant(
    Array.from({ length: bins * bins }, (_, i) => (Math.floor(i / bins) < i % bins ? 1 : 0)),
    [bins, bins],
  );
}

interface Bins {
  readonly left: Tensor;
  readonly size: Tensor;
}

/** Positions and extents [..., n, bins] of raw ones, on [-bound, bound]. */
function binsOf(raw: Tensor, bins: number, bound: number): Bins {
  const size = mul(2 * bound, add(MIN_BIN, mul(1 - MIN_BIN * bins, softmax(raw, -1))));
  return { size, left: sub(matmul(size, sumsBefore(bins)), bound) };
}

/**
 * Entries u [..., n] through splines of raw parameters [..., n, 3 bins - 1], and the log of each one's derivative. The spline itself is the map
 * from x to z, so the direction of density estimation needs no root; `forward` is its inverse (eq. 6 to 8).
 */
export function rationalQuadratic(
  u: Tensor,
  raw: Tensor,
  direction: "forward" | "inverse",
  { bins = 8, bound = 3 }: SplineOptions,
  changed: Tensor | undefined,
): { readonly value: Tensor; readonly logDerivative: Tensor } {
  const [rawWidths, rawHeights, rawSlopes] = split(raw, [bins, bins, bins - 1], -1);
  const [x, y] = [binsOf(rawWidths!, bins, bound), binsOf(rawHeights!, bins, bound)];
  const end = ones([...raw.shape.slice(0, -1), 1]);
  const inner = add(softplus(add(rawSlopes!, SLOPE_AT_ZERO)), MIN_SLOPE);
  const slopes = bins === 1 ? concat([end, end], -1) : concat([end, inner, end], -1);

  // Outside of the bound, and where nothing is to change, the spline is asked at 0, where all is finite.
  const within = lessEqual(abs(u), bound);
  const inside = changed === undefined ? within : and(within, isChanged(changed));
  const at = select(inside, u, 0);

  // One bin per entry as a one-hot sum: a gather by index has no cheap gradient.
  const knots = (direction === "inverse" ? x : y).left;
  const reached = cast(lessEqual(sliceAxis(knots, -1, 1, bins), expandDims(at, -1)), "f32");
  const side = [...reached.shape.slice(0, -1), 1];
  const hit = bins === 1 ? ones(side) : sub(concat([ones(side), reached], -1), concat([reached, zeros(side)], -1));
  const pick = (values: Tensor): Tensor => sum(mul(hit, values), -1);
  const [x0, w, y0, h] = [pick(x.left), pick(x.size), pick(y.left), pick(y.size)];
  const d0 = pick(sliceAxis(slopes, -1, 0, bins));
  const d1 = pick(sliceAxis(slopes, -1, 1, bins + 1));

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
    value: select(inside, moved, u),
    logDerivative: select(inside, direction === "inverse" ? logSlope : neg(logSlope), 0),
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
