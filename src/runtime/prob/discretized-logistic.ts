/**
 * A logistic density integrated over bins of equal width, the two outer bins taking the tails
 * (Kingma et al. 2016, "Improved variational inference with inverse autoregressive flow", appendix; Salimans et al. 2017, eq. 2).
 * Values, loc and scale are in the units of the values: for bytes 0..255, bins [x - 1/2, x + 1/2].
 */
import {
  add,
  constant,
  div,
  expandDims,
  floor,
  greaterEqual,
  lessEqual,
  lift,
  max,
  min,
  mul,
  neg,
  select,
  sigmoid,
  softplus,
  square,
  stopGradient,
  sub,
  sum,
} from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { positiveScalar, realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import type { LogisticParams } from "./logistic.js";
import { locScale, standardLogistic } from "./noise.js";
import { log1mexp } from "./numeric.js";

/** The values low, low + step, …, low + (bins - 1) step. */
export interface Grid {
  readonly low: number;
  readonly step: number;
  readonly bins: number;
}

/** Discretised logistic on a grid; `discretizedLogistic` is the one for bytes. */
export function discretizedLogisticOn(grid: Grid) {
  const { low, step, bins } = grid;
  const high = low + (bins - 1) * step;
  /** P(I >= k) for k = 1 .. bins - 1, on a new last axis. */
  const survival = ({ loc, scale }: LogisticParams): Tensor => {
    const edges = constant(Array.from({ length: bins - 1 }, (_, k) => low + (k + 0.5) * step));
    return sigmoid(div(sub(expandDims(lift(loc), -1), edges), expandDims(lift(scale), -1)));
  };
  return {
    name: "DiscretizedLogistic",
    support: "byte",
    eventRank: 0,
    parameters: [{ loc: realScalar, scale: positiveScalar }],
    reparameterised: false,
    /**
     * With a, b the standardised upper and lower edge: sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(-(a - b))), whose log
     * has no cancellation; a - b = step / scale. Tails: log sigmoid(a) for the lowest bin, log sigmoid(-b) for the highest.
     */
    logProb: (x, { loc, scale }) => {
      const upper = div(sub(add(x, step / 2), loc), scale);
      const lower = div(sub(sub(x, step / 2), loc), scale);
      const left = neg(softplus(neg(upper)));
      const right = neg(softplus(lower));
      const inside = add(add(left, right), log1mexp(div(step, scale)));
      return select(lessEqual(x, low + step / 4), left, select(greaterEqual(x, high - step / 4), right, inside));
    },
    /** Exact: the bin that a logistic draw falls into. */
    sample: (key, { loc, scale }, shape) => {
      const y = locScale(loc, scale, standardLogistic(key, shape));
      const index = floor(add(div(sub(y, low), step), 0.5));
      return stopGradient(add(low, mul(step, min(max(index, 0), bins - 1))));
    },
    /** low + step sum_{k >= 1} P(I >= k) for the bin's index I: exact. Takes `bins` times the memory of the parameters, as `variance` does. */
    mean: (params) => add(low, mul(step, sum(survival(params), -1))),
    /** E[I^2] = sum_{k >= 1} (2 k - 1) P(I >= k). */
    variance: (params) => {
      const tail = survival(params);
      const weights = constant(Array.from({ length: bins - 1 }, (_, k) => 2 * k + 1));
      return mul(step * step, sub(sum(mul(tail, weights), -1), square(sum(tail, -1))));
    },
    cdf: (x, { loc, scale }) => select(greaterEqual(x, high), 1, sigmoid(div(sub(add(x, step / 2), loc), scale))),
  } satisfies Distribution<LogisticParams>;
}

/** On bytes 0..255. */
export const discretizedLogistic = discretizedLogisticOn({ low: 0, step: 1, bins: 256 });
