/** Priors with a kink or an edge whose proximal operator has a closed form, and the ends of domains: what steps of an ascent are followed by. */
import { assertNever } from "../graph/errors.js";
import { abs, add, div, max, min, mul, neg, sub, type Tensor, type TensorLike } from "../graph/index.js";

/** A prior that is not smooth: its log-density is `weight` (1 unless told) times the one named. */
export type Proximal =
  /** -|z - loc| / scale: the proximal operator is the soft threshold. */
  | { readonly law: "laplace"; readonly loc: TensorLike; readonly scale: TensorLike; readonly weight?: TensorLike }
  /** -rate z on z >= 0: a shift, then the projection. */
  | { readonly law: "exponential"; readonly rate: TensorLike; readonly weight?: TensorLike }
  /** Constant on low..high: a projection. */
  | { readonly law: "uniform"; readonly low: TensorLike; readonly high: TensorLike; readonly weight?: TensorLike };

export type Proximals = Readonly<Record<string, Proximal>>;

/** Where a variable's domain ends: `nonnegative` 0.., `unit` 0..1, undefined nowhere. */
export type Bounds = "nonnegative" | "unit" | undefined;

/** Inside the domain, where a log-density is finite: at 0 without bounds. */
export function startValue(bounds: Bounds): number {
  return bounds === undefined ? 0 : bounds === "nonnegative" ? 0.1 : 0.5;
}

/** argmin of (z - v)^2 / 2 - step * weight * log-density(z). */
export function throughProximal(v: Tensor, law: Proximal | undefined, step: Tensor): Tensor {
  if (!law) return v;
  const weight = law.weight ?? 1;
  switch (law.law) {
    case "laplace": {
      const centred = sub(v, law.loc);
      const threshold = div(mul(step, weight), law.scale);
      // what is beyond the threshold, on either side
      return add(law.loc, sub(max(sub(centred, threshold), 0), max(sub(neg(centred), threshold), 0)));
    }
    case "exponential":
      return max(sub(v, mul(mul(step, weight), law.rate)), 0);
    case "uniform":
      return min(max(v, inward(law.low, 1)), inward(law.high, -1));
    default:
      return assertNever(law);
  }
}

/** An end of an interval as a state of f32 holds it without leaving the interval: the density has no value beyond. Up or down by `direction`. */
function inward(end: TensorLike, direction: 1 | -1): TensorLike {
  if (typeof end !== "number") return end;
  const nearest = Math.fround(end);
  if (direction * (nearest - end) >= 0) return nearest;
  return Math.fround(nearest + direction * Math.max(Math.abs(nearest) * 2 ** -23, 2 ** -149));
}

export function projected(v: Tensor, bounds: Bounds): Tensor {
  if (bounds === undefined) return v;
  const above = max(v, 0);
  return bounds === "unit" ? min(above, 1) : above;
}

/** The log-density of a prior inside its domain, [B, ...event]; up to a constant, which no gradient sees. */
export function proximalValue(z: Tensor, law: Proximal): Tensor {
  const weight = law.weight ?? 1;
  switch (law.law) {
    case "laplace":
      return neg(div(mul(weight, abs(sub(z, law.loc))), law.scale));
    case "exponential":
      return neg(mul(mul(weight, law.rate), z));
    case "uniform":
      return mul(0, z);
    default:
      return assertNever(law);
  }
}
