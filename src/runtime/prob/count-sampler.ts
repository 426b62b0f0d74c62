/**
 * Draws of counts with static shapes: Poisson and binomial.
 *
 * Small means (below 10) are inverted: X = #{k : v < P(X > k)} for one uniform v, with 48 survival probabilities summed from the tail;
 * P(X > 48) < 1e-16 there, and the uniform's grid adds at most 2^-24 to any probability.
 * Larger ones use Hörmann's transformed rejection (1993, "The transformed rejection method for generating Poisson random variables", PTRS;
 * "The generation of binomial random variates", BTRS) with a fixed number of 12 proposals: each is accepted with probability above 0.7, so all
 * fail with probability below 0.3^12 < 6e-7, and the result is then the mode. That number bounds the bias in total variation.
 * Both halves are computed, and each element takes its own.
 */
import {
  abs,
  add,
  and,
  broadcastTo,
  cast,
  cumsum,
  div,
  exp,
  expandDims,
  floor,
  greater,
  greaterEqual,
  iota,
  less,
  lessEqual,
  lgamma,
  log,
  log1p,
  max,
  min,
  mul,
  neg,
  not,
  or,
  reshape,
  resolveShape,
  select,
  sqrt,
  square,
  sub,
  sum,
} from "../graph/index.js";
import type { DrawShape, Key, Tensor, TensorLike } from "../graph/index.js";
import { firstAccepted } from "./gamma-sampler.js";
import { openUniform } from "./noise.js";
import { HALF_LOG_2PI, xlogy } from "./numeric.js";

const COUNT_PROPOSALS = 12;
/** Survival probabilities of the inversion. */
const TERMS = 48;
/** Means below this are inverted. */
const SWITCH = 10;

/** Whole numbers (f32) from Poisson(rate). */
export function drawPoisson(key: Key, rate: TensorLike, shape: DrawShape): Tensor {
  const target = broadcastTo(rate, resolveShape(shape).shape);
  const small = less(target, SWITCH);
  // Each half sees rates that it can bear.
  const low = invertPoisson(key.at("inversion"), select(small, target, 1), shape);
  const high = rejectPoisson(key, select(small, SWITCH, target), shape);
  return select(small, low, high);
}

function invertPoisson(key: Key, rate: Tensor, shape: DrawShape): Tensor {
  const k = counts(rate.shape.length);
  const logMass = sub(xlogy(k, expandDims(rate, 0)), add(expandDims(rate, 0), lgamma(add(k, 1))));
  return invert(key, logMass, shape);
}

/** 0, 1, …, TERMS on a leading axis of a tensor of the given rank. */
function counts(rank: number): Tensor {
  return reshape(cast(iota(TERMS + 1), "f32"), [TERMS + 1, ...new Array<number>(rank).fill(1)]);
}

/** logMass [TERMS + 1, ...]: how many of P(X > 0), …, P(X > TERMS - 1) exceed a uniform. */
function invert(key: Key, logMass: Tensor, shape: DrawShape): Tensor {
  const mass = exp(logMass);
  // Sum of the masses after k, small ones first: the tail keeps its digits.
  const survival = sub(cumsum(mass, 0, true), mass);
  return sum(cast(less(expandDims(openUniform(key, shape), 0), survival), "f32"), 0);
}

/** The hat's variables of PTRS and BTRS: U - 1/2, its distance to the end, and V. */
function proposals(key: Key, shape: DrawShape): { readonly u: Tensor; readonly us: Tensor; readonly v: Tensor } {
  const u = sub(openUniform(key.at("hat"), [COUNT_PROPOSALS, ...shape]), 0.5);
  return { u, us: sub(0.5, abs(u)), v: openUniform(key.at("accept"), [COUNT_PROPOSALS, ...shape]) };
}

function rejectPoisson(key: Key, rate: Tensor, shape: DrawShape): Tensor {
  const { u, us, v } = proposals(key, shape);
  const b = add(0.931, mul(2.53, sqrt(rate)));
  const a = add(-0.059, mul(0.02483, b));
  const inverseAlpha = add(1.1239, div(1.1328, sub(b, 3.4)));
  const vr = sub(0.9277, div(3.6224, sub(b, 2)));
  const k = floor(add(add(mul(add(div(mul(2, a), us), b), u), rate), 0.43));
  const quick = and(greaterEqual(us, 0.07), lessEqual(v, vr));
  const outside = or(less(k, 0), and(less(us, 0.013), greater(v, us)));
  const safe = max(k, 0);
  const level = sub(log(mul(v, inverseAlpha)), log(add(div(a, square(us)), b)));
  const accepted = and(not(outside), lessEqual(level, poissonLogMass(safe, rate)));
  return firstAccepted(or(quick, accepted), safe, floor(rate));
}

/** Whole numbers (f32) from Binomial(total, probs). */
export function drawBinomial(key: Key, total: TensorLike, probs: TensorLike, shape: DrawShape): Tensor {
  const plain = resolveShape(shape).shape;
  const n = broadcastTo(total, plain);
  const given = broadcastTo(probs, plain);
  const flipped = greater(given, 0.5);
  const p = select(flipped, sub(1, given), given);
  const small = less(mul(n, p), SWITCH);
  const low = invertBinomial(key.at("inversion"), n, select(small, p, 0), shape);
  const high = rejectBinomial(key, select(small, 4 * SWITCH, n), select(small, 0.5, p), shape);
  const drawn = select(small, low, high);
  return select(flipped, sub(n, drawn), drawn);
}

function invertBinomial(key: Key, n: Tensor, p: Tensor, shape: DrawShape): Tensor {
  const k = counts(n.shape.length);
  const wide = expandDims(n, 0);
  // log C(n, k) as a running sum of log((n - j + 1) / j): no difference of large log-gammas. Past n it is -Infinity.
  const steps = sub(log(max(add(sub(wide, k), 1), 0)), log(max(k, 1)));
  const logChoose = cumsum(select(less(k, 1), 0, steps), 0);
  const logMass = add(add(logChoose, xlogy(k, expandDims(p, 0))), mul(sub(wide, k), log1p(neg(expandDims(p, 0)))));
  return invert(key, select(lessEqual(k, wide), logMass, -Infinity), shape);
}

function rejectBinomial(key: Key, n: Tensor, p: Tensor, shape: DrawShape): Tensor {
  const { u, us, v } = proposals(key, shape);
  const deviation = sqrt(mul(mul(n, p), sub(1, p)));
  const b = add(1.15, mul(2.53, deviation));
  const a = add(add(-0.0873, mul(0.0248, b)), mul(0.01, p));
  const centre = add(mul(n, p), 0.5);
  const vr = sub(0.92, div(4.2, b));
  const alpha = mul(add(2.83, div(5.1, b)), deviation);
  const mode = floor(mul(add(n, 1), p));
  const k = floor(add(mul(add(div(mul(2, a), us), b), u), centre));
  const inside = and(greaterEqual(k, 0), lessEqual(k, n));
  const quick = and(and(greaterEqual(us, 0.07), lessEqual(v, vr)), inside);
  const safe = min(max(k, 0), n);
  const level = sub(log(mul(v, alpha)), log(add(div(a, square(us)), b)));
  const accepted = lessEqual(level, sub(binomialLogMass(safe, n, p), binomialLogMass(mode, n, p)));
  return firstAccepted(or(quick, and(inside, accepted)), safe, mode);
}

/**
 * log n! - [(n + 1/2) log n - n + log(2 pi) / 2], Stirling's correction, for n >= 0.
 * By the series from 16 on (error below 1e-12), by lgamma below.
 */
function stirling(n: Tensor): Tensor {
  const large = max(n, 16);
  const squared = square(large);
  const series = div(sub(1 / 12, div(sub(1 / 360, div(1 / 1260, squared)), squared)), large);
  const little = min(max(n, 1), 16);
  const direct = sub(lgamma(add(little, 1)), add(sub(mul(add(little, 0.5), log(little)), little), HALF_LOG_2PI));
  return select(greaterEqual(n, 16), series, direct);
}

/** x log(x / m) + m - x, the deviance (Loader 2000, "Fast and accurate computation of binomial probabilities"), for x >= 1. */
function deviance(x: Tensor, m: Tensor): Tensor {
  const t = div(sub(x, m), m);
  return mul(m, sub(mul(add(1, t), log1p(t)), t));
}

/** Loader's saddle-point form, without differences of large numbers. */
function poissonLogMass(k: Tensor, rate: Tensor): Tensor {
  const x = max(k, 1);
  const saddle = neg(add(add(stirling(x), deviance(x, rate)), add(mul(0.5, log(x)), HALF_LOG_2PI)));
  return select(less(k, 1), neg(rate), saddle);
}

function binomialLogMass(k: Tensor, n: Tensor, p: Tensor): Tensor {
  const q = sub(1, p);
  const x = min(max(k, 1), sub(n, 1));
  const rest = sub(n, x);
  const corrections = sub(stirling(n), add(stirling(x), stirling(rest)));
  const deviances = add(deviance(x, mul(n, p)), deviance(rest, mul(n, q)));
  const saddle = sub(add(sub(corrections, deviances), mul(0.5, sub(log(n), add(log(x), log(rest))))), HALF_LOG_2PI);
  return select(less(k, 1), mul(n, log1p(neg(p))), select(greater(k, sub(n, 1)), mul(n, log(p)), saddle));
}
