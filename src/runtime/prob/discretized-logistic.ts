/**
 * A logistic density integrated over bins of equal width, the two outer bins taking the tails
 * (Kingma et al. 2016, "Improved variational inference with inverse autoregressive flow", appendix; Salimans et al. 2017, eq. 2).
 * Values, loc and scale are in the units of the values: for bytes 0..255, bins [x - 1/2, x + 1/2].
 */
import {
  add,
  cast,
  div,
  floor,
  greaterEqual,
  iota,
  lessEqual,
  lift,
  max,
  min,
  mul,
  neg,
  reshape,
  select,
  sigmoid,
  softplus,
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
export function discretizedLogisticOn(grid: Grid): Distribution<LogisticParams> {
  const { low, step, bins } = grid;
  const high = low + (bins - 1) * step;
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
    /** low + step sum_{k >= 1} P(X >= x_k), exact. Takes `bins` times the memory of the parameters. */
    mean: (params) => {
      const loc = lift(params.loc);
      const edges = add(low - step / 2, mul(step, add(cast(iota(bins - 1), "f32"), 1)));
      const survival = sigmoid(div(sub(trailing(loc), edges), trailing(lift(params.scale))));
      return add(low, mul(step, sum(survival, [-1])));
    },
    mode: ({ loc }) => add(low, mul(step, min(max(floor(add(div(sub(loc, low), step), 0.5)), 0), bins - 1))),
    cdf: (x, { loc, scale }) => select(greaterEqual(x, high), 1, sigmoid(div(sub(add(x, step / 2), loc), scale))),
  };
}

function trailing(x: Tensor): Tensor {
  return reshape(x, [...x.shape, 1]);
}

/** On bytes 0..255. */
export const discretizedLogistic: Distribution<LogisticParams> = discretizedLogisticOn({ low: 0, step: 1, bins: 256 });
