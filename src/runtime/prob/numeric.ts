/** Small stable functions that densities share. All elementwise, broadcasting, any shape; gradients are finite wherever values are. */
import {
  add,
  and,
  cast,
  constant,
  div,
  equal,
  exp,
  expandDims,
  expm1,
  less,
  lgamma,
  lift,
  log,
  log1p,
  max,
  mul,
  neg,
  not,
  select,
  sub,
  sum,
  take,
} from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { operand } from "../graph/look.js";
import { producer } from "../graph/trace.js";

export const LOG_2 = Math.LN2;
export const LOG_PI = Math.log(Math.PI);
/** log sqrt(2 pi) */
export const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);
export const EULER_GAMMA = 0.5772156649015329;

/** A logarithm that staging wrote as -softplus(…), which is finite wherever its argument is: 0 times it is 0. */
function rewritten(log: Tensor): Tensor | undefined {
  const node = producer(log);
  return node.prim === "neg" && producer(operand(node, 0)).prim === "softplus" ? log : undefined;
}

/** x log y, with 0 log 0 = 0. */
export function xlogy(x: TensorLike, y: TensorLike): Tensor {
  const stable = rewritten(log(y));
  return stable ? mul(x, stable) : mul(x, log(select(and(equal(x, 0), equal(y, 0)), 1, y)));
}

/** x log(1 + y), with 0 log(1 - 1) = 0. */
export function xlog1py(x: TensorLike, y: TensorLike): Tensor {
  const stable = rewritten(log1p(y));
  return stable ? mul(x, stable) : mul(x, log1p(select(and(equal(x, 0), equal(y, -1)), 0, y)));
}

/** log(1 - exp(-x)) for x > 0 (Maechler 2012: two branches around log 2). */
export function log1mexp(x: TensorLike): Tensor {
  const small = less(x, LOG_2);
  // Each branch sees only arguments where it and its gradient are finite.
  const low = log(neg(expm1(neg(select(small, x, LOG_2)))));
  const high = log1p(neg(exp(neg(select(small, LOG_2, x)))));
  return select(small, low, high);
}

/** log B(a, b) */
export function logBeta(a: TensorLike, b: TensorLike): Tensor {
  return sub(add(lgamma(a), lgamma(b)), lgamma(add(a, b)));
}

/** log of the binomial coefficient, for real arguments. */
export function logChoose(n: TensorLike, k: TensorLike): Tensor {
  return sub(lgamma(add(n, 1)), add(lgamma(add(k, 1)), lgamma(add(sub(n, k), 1))));
}

const FACTORIALS = 256;
const logFactorials: readonly number[] = Array.from({ length: FACTORIALS }, () => 0).reduce<number[]>(
  (logs, _, n) => [...logs, n === 0 ? 0 : logs[n - 1]! + Math.log(n)],
  [],
);

/**
 * log n! of whole numbers n >= 0, without gradient: looked up below 256, by Stirling's series from there on (error below 1e-10). Words of
 * documents are millions, and lgamma costs a hundred times as much.
 */
export function logFactorial(n: TensorLike): Tensor {
  const given = lift(n);
  const small = less(given, FACTORIALS);
  const known = take(constant(logFactorials, [FACTORIALS]), cast(max(select(small, given, 0), 0), "i32"), 0);
  const large = max(given, FACTORIALS);
  const series = add(sub(mul(add(large, 0.5), log(large)), large), add(HALF_LOG_2PI, div(1 / 12, large)));
  return select(small, known, series);
}

/** Whether all are 1 or more: log-probabilities of such counts go by `stirlingError` and `deviance`. */
export function fromOneOn(...counts: readonly TensorLike[]): Tensor {
  return counts.map((n) => not(less(n, 1))).reduce(and);
}

/** log n! - log(sqrt(2 pi n) n^n e^-n) for n >= 1: as it stands below 16, by Stirling's series from there on (error below 1e-11). */
function stirlingError(n: TensorLike): Tensor {
  const isFew = less(n, 16);
  const few = select(isFew, n, 1);
  const many = select(isFew, 16, n);
  const square = mul(many, many);
  const asItStands = sub(lgamma(add(few, 1)), add(sub(mul(add(few, 0.5), log(few)), few), HALF_LOG_2PI));
  return select(isFew, asItStands, div(sub(1 / 12, div(sub(1 / 360, div(1 / 1260, square)), square)), many));
}

/**
 * x log(x / mean) + mean - x, how far a count is from what is expected, without the cancellation of its large terms (Loader 2000, "Fast and
 * Accurate Computation of Binomial Probabilities", eq. 3): in float32 a log-probability of millions keeps its last digits. For x, mean > 0.
 */
export function deviance(x: TensorLike, mean: TensorLike): Tensor {
  const off = div(sub(x, mean), mean);
  return mul(mean, sub(mul(add(1, off), log1p(off)), off));
}

/** log of mean^x exp(-mean) / x! for real x >= 1 and mean > 0, its terms large and cancelling: Loader 2000, eq. 4. */
export function logPoissonTerm(x: TensorLike, mean: TensorLike): Tensor {
  return neg(add(add(deviance(x, mean), stirlingError(x)), add(mul(0.5, log(x)), HALF_LOG_2PI)));
}

/**
 * log of n! / (x! y!) p^x (1 - p)^y for real x, y >= 1 and n = x + y, given n p and n (1 - p): Loader 2000, eq. 5.
 */
export function logBinomialTerm(x: TensorLike, y: TensorLike, expectedX: TensorLike, expectedY: TensorLike): Tensor {
  const n = add(x, y);
  const apart = add(deviance(x, expectedX), deviance(y, expectedY));
  const errors = sub(stirlingError(n), add(stirlingError(x), stirlingError(y)));
  return add(sub(errors, apart), sub(mul(0.5, log(div(div(n, x), y))), HALF_LOG_2PI));
}

/**
 * log Gamma(x + 1/2) - log Gamma(x) - log(x) / 2 for x > 0: as it stands below 16, by its series in 1 / x from there on (error below 1e-13; Tricomi &
 * Erdelyi 1951, "The asymptotic expansion of a ratio of gamma functions").
 */
export function logGammaHalfStep(x: TensorLike): Tensor {
  const isFew = less(x, 16);
  const few = select(isFew, x, 1);
  const r = div(1, select(isFew, 16, x));
  const square = mul(r, r);
  const asItStands = sub(sub(lgamma(add(few, 0.5)), lgamma(few)), mul(0.5, log(few)));
  const series = mul(r, sub(mul(square, sub(1 / 192, mul(square, sub(1 / 640, mul(square, 17 / 14336))))), 1 / 8));
  return select(isFew, asItStands, series);
}

/** `value` where the condition holds, -Infinity elsewhere; the gradient there is zero. */
export function logWhere(condition: Tensor, value: TensorLike): Tensor {
  return select(condition, value, -Infinity);
}

/** (x - loc) / scale */
export function standardise(x: TensorLike, loc: TensorLike, scale: TensorLike): Tensor {
  return div(sub(x, loc), scale);
}

/** Sum over the last axis, which is kept with extent 1. */
export function lastSum(x: Tensor): Tensor {
  return expandDims(sum(x, -1), -1);
}
