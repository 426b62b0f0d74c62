/** Fixed bijections of each entry: onto (0, 1), onto the positive numbers, and back. */
import { GmcError } from "../graph/errors.js";
import { add, exp, log, log1p, logSigmoid, mul, neg, sigmoid, softplus, sub } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { sumLast } from "../graph/last-axes.js";
import { log1mexp } from "../prob/numeric.js";
import { closed, invert, leadOf } from "./bijector.js";
import type { Bijector, EventOptions, Image } from "./bijector.js";

/** A value and the log of each entry's derivative. */
type Elementwise = (t: Tensor) => { readonly value: Tensor; readonly logDerivative: Tensor };

function elementwise(what: string, { event }: EventOptions, forward: Elementwise, inverse: Elementwise): Bijector {
  const run =
    (map: Elementwise) =>
    (t: Tensor): Image => {
      leadOf(what, t, event);
      const { value, logDerivative } = map(t);
      return { value, logDet: sumLast(logDerivative, event.length) };
    };
  return { forward: run(forward), inverse: run(inverse), directions: closed };
}

/** x = exp(z): onto the positive numbers. */
export function expFlow(options: EventOptions): Bijector {
  return elementwise(
    "exp",
    options,
    (z) => ({ value: exp(z), logDerivative: z }),
    (x) => {
      const z = log(x);
      return { value: z, logDerivative: neg(z) };
    },
  );
}

/** x = log(1 + exp(z)): onto the positive numbers. */
export function softplusFlow(options: EventOptions): Bijector {
  return elementwise(
    "softplus",
    options,
    (z) => ({ value: softplus(z), logDerivative: logSigmoid(z) }),
    (x) => {
      // log(exp(x) - 1) = x + log(1 - exp(-x)), and its derivative is 1 / (1 - exp(-x))
      const rest = log1mexp(x);
      return { value: add(x, rest), logDerivative: neg(rest) };
    },
  );
}

export interface SquashOptions extends EventOptions {
  /**
   * Keeps data away from 0 and 1, where the logit is infinite: the logit is taken of alpha + (1 - 2 alpha) x (Dinh et al. 2017, section 4.1: 0.05;
   * Papamakarios et al. 2017: 1e-6). Values of x then reach alpha / (1 - 2 alpha) beyond [0, 1]. Default 0.
   */
  readonly alpha?: number;
}

/** x = (sigmoid(z) - alpha) / (1 - 2 alpha): onto (0, 1). */
export function sigmoidFlow({ alpha = 0, ...options }: SquashOptions): Bijector {
  if (!(alpha >= 0 && alpha < 0.5)) throw new GmcError("GM4021", `sigmoid: alpha lies between 0 and 0.5, found ${alpha}`);
  const width = 1 - 2 * alpha;
  return elementwise(
    "sigmoid",
    options,
    (z) => ({
      value: mul(1 / width, sub(sigmoid(z), alpha)),
      logDerivative: sub(add(logSigmoid(z), logSigmoid(neg(z))), Math.log(width)),
    }),
    (x) => {
      const s = add(alpha, mul(width, x));
      const [on, off] = [log(s), log1p(neg(s))];
      return { value: sub(on, off), logDerivative: sub(Math.log(width), add(on, off)) };
    },
  );
}

/** x = log(s / (1 - s)), s = alpha + (1 - 2 alpha) z: from (0, 1) onto the reals. */
export function logitFlow(options: SquashOptions): Bijector {
  return invert(sigmoidFlow(options));
}
