/**
 * Planar and radial flows (Rezende & Mohamed 2015, section 4.1, appendix A), with the constraint that makes them bijections built in. An event
 * of any shape counts as one vector of D entries. Weights may carry leading axes, as where a net of the data gives them.
 */
import { add, div, greater, log, max, mul, neg, reshape, select, sizeOf, softplus, sqrt, square, sub, sum, tanh } from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { init } from "../nn/init.js";
import { layerSpec, leaf } from "../nn/spec.js";
import type { LayerSpec } from "../nn/spec.js";
import { closed, leadOf, noDirection, perExample } from "./bijector.js";
import type { Bijector, EventOptions } from "./bijector.js";

/** softplus(0 + LOG_E_MINUS_1) = 1 */
const LOG_E_MINUS_1 = Math.log(Math.E - 1);
/** Least determinant factor; the papers allow 0, whose log is no number. */
const MARGIN = 1e-6;

/** Softplus moved so that 0 gives 1, and never below MARGIN: the m of appendix A.1 plus 1, with m(0) = 0 so that u = 0 is the identity. */
function positiveFactor(raw: Tensor): Tensor {
  return add(mul(1 - MARGIN, softplus(add(raw, LOG_E_MINUS_1))), MARGIN);
}

const flat = (t: Tensor, event: Shape): Tensor => reshape(t, [...t.shape.slice(0, t.shape.length - event.length), sizeOf(event)]);
const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b), -1);
/** A number per example, to stand beside the entries of its vector. */
const column = (t: Tensor): Tensor => reshape(t, [...t.shape, 1]);

// ---- planar -------------------------------------------------------------------------------------

/** u and w [...event], b []; leading axes before them where a net gives them. */
export interface Planar {
  readonly u: Tensor;
  readonly w: Tensor;
  readonly b: Tensor;
}

/**
 * x = z + u' tanh(w z + b), with u' = u + (m(w u) - w u) w / |w|^2 (appendix A.1), m(a) = softplus(a + log(e - 1)) - 1 >= -1: the paper's m moved
 * so that m(0) = 0. det = 1 + (1 - tanh^2) m(w u), written without cancellation. There is no closed form from x to z.
 */
export function planar(weights: Planar, { event }: EventOptions): Bijector {
  return {
    forward: (value) => {
      const lead = leadOf("planar", value, event);
      const [u, w, z] = [flat(weights.u, event), flat(weights.w, event), flat(value, event)];
      const along = dot(w, u);
      const factor = positiveFactor(along);
      // where w is 0, so is the correction
      const correction = div(sub(sub(factor, 1), along), max(dot(w, w), 1e-20));
      const constrained = add(u, mul(column(correction), w));
      const h = tanh(add(dot(z, w), weights.b));
      const squared = square(h);
      // 1 + (1 - h^2) (factor - 1)
      const det = add(squared, mul(factor, sub(1, squared)));
      return { value: reshape(add(z, mul(column(h), constrained)), value.shape), logDet: perExample(log(det), lead) };
    },
    inverse: noDirection("planar", "inverse", "invert it, where densities of x are needed and samples are not"),
    directions: { forward: "closed", inverse: "none" },
  };
}
planar.spec = (event: Shape): LayerSpec<Planar> =>
  layerSpec("planar", { u: leaf(event, init.normal(0, 0.1)), w: leaf(event, init.normal(0, 0.1)), b: leaf([], init.zeros) });

// ---- radial -------------------------------------------------------------------------------------

/** centre [...event], alpha [] and beta [], both unconstrained. */
export interface Radial {
  readonly centre: Tensor;
  readonly alpha: Tensor;
  readonly beta: Tensor;
}

/**
 * x = z + b (z - c) / (a + r), r = |z - c|, with a = softplus(alpha) > 0 and b = a (softplus(beta + log(e - 1)) - 1) >= -a (appendix A.2, scaled so
 * that beta = 0 is the identity). Backwards r is the positive root of r^2 + (a + b - R) r - a R = 0, R = |x - c|: closed, too.
 * det = ((r + a s) / (r + a))^(D - 1) (r^2 + 2 a r + a^2 s) / (r + a)^2, s = 1 + b / a.
 */
export function radial(weights: Radial, { event }: EventOptions): Bijector {
  const size = sizeOf(event);
  const a = add(softplus(weights.alpha), MARGIN);
  const s = positiveFactor(weights.beta);
  const logDet = (r: Tensor): Tensor => {
    const reach = add(r, a);
    const stretch = log(div(add(r, mul(a, s)), reach));
    const last = sub(log(add(add(square(r), mul(mul(2, a), r)), mul(square(a), s))), mul(2, log(reach)));
    return add(mul(size - 1, stretch), last);
  };
  /** Distance whose gradient at the centre is finite. */
  const distance = (d: Tensor): Tensor => sqrt(add(dot(d, d), 1e-30));
  return {
    forward: (value) => {
      const lead = leadOf("radial", value, event);
      const d = sub(flat(value, event), flat(weights.centre, event));
      const r = distance(d);
      const factor = div(add(r, mul(a, s)), add(r, a));
      return {
        value: reshape(add(flat(weights.centre, event), mul(column(factor), d)), value.shape),
        logDet: perExample(logDet(r), lead),
      };
    },
    inverse: (value) => {
      const lead = leadOf("radial", value, event);
      const d = sub(flat(value, event), flat(weights.centre, event));
      const far = distance(d);
      // r^2 + p r - a R = 0 with p = a s - R: the positive root, in the form that does not cancel for either sign of p
      const p = sub(mul(a, s), far);
      const product = mul(a, far);
      const spread = sqrt(add(square(p), mul(4, product)));
      const towards = greater(p, 0);
      const r = select(towards, div(mul(2, product), add(spread, select(towards, p, 1))), mul(0.5, sub(spread, p)));
      const factor = div(add(r, a), add(r, mul(a, s)));
      return {
        value: reshape(add(flat(weights.centre, event), mul(column(factor), d)), value.shape),
        logDet: perExample(neg(logDet(r)), lead),
      };
    },
    directions: closed,
  };
}
radial.spec = (event: Shape): LayerSpec<Radial> =>
  layerSpec("radial", {
    centre: leaf(event, init.normal(0, 1)),
    alpha: leaf([], init.normal(0, 0.1)),
    beta: leaf([], init.normal(0, 0.1)),
  });
