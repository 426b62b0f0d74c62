/**
 * Draws of Gamma(concentration, 1) with the gradient of the implicit function (Figurnov, Mohamed & Mnih 2018, eq. 5): dz/da = -∂F(z; a)/∂a / p(z; a).
 *
 * With z = d (1 + c e)^3, d = a - 1/3 and c = 1 / sqrt(9 d) (Marsaglia & Tsang 2000), e has nearly the density of a standard Normal for every a >= 1, so
 * that little of dz/da is left to the distribution function of e: de/da = -∂R(e; a)/∂a / r(e; a), the integral of ∂ log r/∂a over the tail on e's
 * side of 0, by Gauss-Legendre quadrature. A concentration below 1 draws z(a + 1) u^(1/a), whose second factor is a function of a by itself.
 */
import {
  add,
  constant,
  currentMode,
  digamma,
  div,
  exp,
  expandDims,
  less,
  lift,
  log,
  max,
  min,
  mul,
  neg,
  select,
  sqrt,
  stopGradient,
  sub,
  sum,
  type DrawShape,
  type Key,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { gammaParts } from "./gamma-sampler.js";

/** Nodes of the quadrature: errors of 1e-4 of the gradient, see test/numeric/implicit.test.ts. */
const NODES = 20;
/** How far into the tail the integral goes, in deviations. */
const REACH = 7;

/** log of a Gamma(concentration, 1) draw, with its gradient in the concentration. */
export function logGammaDraw(key: Key, concentration: TensorLike, shape: DrawShape): Tensor {
  const a = lift(concentration);
  const { boosted, logDraw, boost } = gammaParts(key, a, shape);
  const drawn = stopGradient(select(boosted, add(logDraw, boost), logDraw));
  if (currentMode() !== "train") return drawn;
  const fixed = stopGradient(a);
  const slope = slopeOfLog(stopGradient(logDraw), select(boosted, add(fixed, 1), fixed));
  const whole = select(boosted, sub(slope, div(stopGradient(boost), fixed)), slope);
  return add(drawn, mul(stopGradient(whole), sub(a, stopGradient(a))));
}

/** d log z / da at log z, a >= 1. */
function slopeOfLog(logZ: Tensor, a: Tensor): Tensor {
  const d = sub(a, 1 / 3);
  const c = div(1, sqrt(mul(9, d)));
  const q = exp(div(sub(logZ, log(d)), 3));
  const e = div(sub(q, 1), c);
  const below = less(e, 0);
  // from e outwards: down to where q is 0, or up
  const length = min(select(below, sub(e, neg(div(1, c))), REACH), REACH);
  const { nodes, weights } = quadrature(NODES, e.shape.length);
  const t = add(expandDims(e, 0), mul(nodes, expandDims(select(below, neg(length), length), 0)));
  const first = (x: Tensor): Tensor => (x.shape.length === 0 ? x : expandDims(x, 0));
  const qt = max(add(1, mul(first(c), t)), 1e-12);
  const logR = logDensity(qt, first(d));
  const ratio = exp(sub(logR, expandDims(logDensity(q, d), 0)));
  const integral = mul(length, sum(mul(weights, mul(ratio, scoreOf(qt, first(a), first(d)))), [0]));
  const de = select(below, neg(integral), integral);
  // log z = log d + 3 log(1 + c e), with dc/da = -c / (2 d)
  return add(div(1, d), mul(3, div(sub(mul(c, de), div(sub(q, 1), mul(2, d))), q)));
}

/** log r up to a constant: 3 d log q - d q^3. */
function logDensity(q: Tensor, d: Tensor): Tensor {
  return sub(mul(mul(3, d), log(q)), mul(d, mul(q, mul(q, q))));
}

/** ∂ log r / ∂a at q = 1 + c t. */
function scoreOf(q: Tensor, a: Tensor, d: Tensor): Tensor {
  const fixed = sub(add(log(d), div(sub(a, 0.5), d)), digamma(a));
  const square = mul(q, q);
  const moved = mul(1.5, mul(sub(q, 1), sub(square, div(1, q))));
  return add(add(fixed, sub(mul(3, log(q)), mul(q, square))), moved);
}

/** Gauss-Legendre on [0, 1] along a first axis before `rank` others. */
function quadrature(n: number, rank: number): { readonly nodes: Tensor; readonly weights: Tensor } {
  const nodes: number[] = [];
  const weights: number[] = [];
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 1;
    for (let round = 0; round < 50; round++) {
      let [before, value] = [1, x];
      for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
      slope = (n * (x * value - before)) / (x * x - 1);
      x -= value / slope;
    }
    nodes.push((x + 1) / 2);
    weights.push(1 / ((1 - x * x) * slope * slope));
  }
  const shape = [n, ...Array.from({ length: rank }, () => 1)];
  return { nodes: constant(nodes, shape), weights: constant(weights, shape) };
}
