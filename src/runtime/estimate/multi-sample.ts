/** Estimators for the log of a mean over k samples, an importance-weighted bound. */
import {
  add,
  div,
  equal,
  expandDims,
  eye,
  logMeanExp,
  logSumExp,
  mul,
  reshape,
  select,
  softmax,
  square,
  stopGradient,
  sub,
  sum,
  transpose,
  vjp,
  zeros,
  type Tensor,
} from "../graph/index.js";
import { only } from "./surrogate.js";

/**
 * log 1/k Σ exp(logW) with the gradient of VIMCO (Mnih & Rezende 2016, eqs. 9 to 12): each sample's learning signal is what the bound gains by it
 * over the geometric mean of the others' weights in its place. `logW` and `logQ` [k, ..., B] with k >= 2 -> [..., B]. Where what is drawn after the
 * samples stands before them, [n, k, ..., B], `axis` is that of k, and `logQ` broadcasts to `logW` -> [n, ..., B].
 */
export function vimco(logW: Tensor, logQ: Tensor, axis = 0): Tensor {
  if (axis > 0) {
    const front = [axis, ...logW.shape.keys()].filter((a, i) => i === 0 || a !== axis);
    return vimco(transpose(logW, front), transpose(add(logQ, zeros(logW.shape)), front));
  }
  const [k = 2] = logW.shape;
  const bound = logMeanExp(logW, [0]);
  const w = stopGradient(logW);
  const geometric = div(sub(expandDims(sum(w, [0]), 0), w), k - 1);
  // [j, i, ..., B]: sample j's own weight is replaced
  const own = reshape(equal(eye(k), 1), [k, k, ...w.shape.slice(1).map(() => 1)]);
  const replaced = select(own, expandDims(geometric, 1), expandDims(w, 0));
  const without = sub(logSumExp(replaced, [1]), Math.log(k));
  const signal = sub(expandDims(stopGradient(bound), 0), without);
  return add(bound, sum(mul(stopGradient(signal), only(logQ)), [0]));
}

/** One latent of a doubly reparameterised bound. */
export interface Reparameterised {
  /** As drawn, a function of the parameters. */
  readonly drawn: Tensor;
  /** The same numbers without a gradient, which the weights were computed from. */
  readonly fixed: Tensor;
}

/**
 * log 1/k Σ exp(logW) with the doubly reparameterised gradient (Tucker et al. 2019, eq. 8): through the samples it is weighed with the squared
 * normalised weights. `logW` [k, ..., B] is computed from `fixed`, with the parameters of log q(z | x) held fixed. -> [..., B]
 */
export function doublyReparameterised(logW: Tensor, latents: readonly Reparameterised[]): Tensor {
  const weight = stopGradient(square(softmax(logW, 0)));
  const slopes = vjp(
    [logW],
    [weight],
    latents.map((l) => l.fixed),
  );
  const bound = logMeanExp(logW, [0]);
  return latents.reduce((total, { drawn }, i) => {
    const slope = slopes[i];
    if (!slope) return total;
    const each = mul(stopGradient(slope), only(drawn));
    const event = Array.from({ length: drawn.shape.length - logW.shape.length }, (_, a) => a + logW.shape.length);
    return add(total, sum(event.length > 0 ? sum(each, event) : each, [0]));
  }, bound);
}
