/** StudentT(df, loc, scale): loc + scale * N(0, 1) / sqrt(chi2(df) / df). */
import { add, div, exp, greater, lift, log, log1p, mul, randomNormal, select, square, sub } from "../graph/index.js";
import type { TensorLike } from "../graph/index.js";
import { positiveScalar, realScalar } from "./distribution.js";
import type { Distribution } from "./distribution.js";
import { logGammaDraw } from "./implicit-gamma.js";
import { locScale } from "./noise.js";
import { HALF_LOG_2PI, logGammaHalfStep, standardise } from "./numeric.js";

export interface StudentTParams {
  readonly df: TensorLike;
  readonly loc: TensorLike;
  readonly scale: TensorLike;
}

export const studentT = {
  name: "StudentT",
  support: "real",
  eventRank: 0,
  parameters: [{ df: positiveScalar, loc: realScalar, scale: positiveScalar }],
  reparameterised: true,
  /** log Gamma((v+1)/2) - log Gamma(v/2) - log(v pi)/2 - log scale - (v+1)/2 log(1 + z^2 / v), the first three as one that does not cancel */
  logProb: (x, { df, loc, scale }) => {
    const half = mul(0.5, add(df, 1));
    const z = standardise(x, loc, scale);
    const normaliser = sub(logGammaHalfStep(mul(0.5, df)), HALF_LOG_2PI);
    return sub(sub(normaliser, log(scale)), mul(half, log1p(div(square(z), df))));
  },
  /** The chi-square is twice a gamma draw, whose gradient in df is that of the implicit function. */
  sample: (key, { df, loc, scale }, shape) => {
    const logChi2OverDf = sub(logGammaDraw(key.at("chi2"), mul(0.5, df), shape), log(mul(0.5, df)));
    const t = mul(randomNormal(key.at("normal"), shape), exp(mul(-0.5, logChi2OverDf)));
    return locScale(loc, scale, t);
  },
  /** NaN for df <= 1 */
  mean: ({ df, loc }) => select(greater(df, 1), lift(loc), NaN),
  /** scale^2 v / (v - 2); infinite for 1 < df <= 2, NaN below */
  variance: ({ df, scale }) => {
    const finite = mul(square(scale), div(df, select(greater(df, 2), sub(df, 2), 1)));
    return select(greater(df, 2), finite, select(greater(df, 1), Infinity, NaN));
  },
  mode: ({ loc }) => lift(loc),
} satisfies Distribution<StudentTParams>;
