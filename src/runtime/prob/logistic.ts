/** Logistic(loc, scale): the distribution whose CDF is sigmoid((x - loc) / scale). */
import { add, lift, log, mul, neg, sigmoid, softplus, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar, realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { locScale, standardLogistic } from "./noise.js";
import { standardise } from "./numeric.js";

export interface LogisticParams {
  readonly loc: TensorLike;
  readonly scale: TensorLike;
}

export const logistic = {
  name: "Logistic",
  support: "real",
  eventRank: 0,
  parameters: [{ loc: realScalar, scale: positiveScalar }],
  reparameterised: true,
  /** -z - 2 softplus(-z) - log scale, z = (x - loc) / scale */
  logProb: (x, { loc, scale }) => {
    const z = standardise(x, loc, scale);
    return sub(neg(add(z, mul(2, softplus(neg(z))))), log(scale));
  },
  sample: (key, { loc, scale }, shape) => locScale(loc, scale, standardLogistic(key, shape)),
  mean: ({ loc }) => lift(loc),
  variance: ({ scale }) => mul(Math.PI ** 2 / 3, square(scale)),
  mode: ({ loc }) => lift(loc),
  entropy: ({ scale }) => add(log(scale), 2),
  cdf: (x, { loc, scale }) => sigmoid(standardise(x, loc, scale)),
} satisfies Distribution<LogisticParams>;
