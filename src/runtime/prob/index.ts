/** Distributions, their divergences, relaxations and data helpers, under the names that generated code imports. */
export type { Distribution, Logits, ParameterInfo, Probs, Support } from "./distribution.js";
export { bernoulli, type BernoulliParams } from "./bernoulli.js";
export { beta, type BetaParams } from "./beta.js";
export { binomial, type BinomialParams } from "./binomial.js";
export { categorical, oneHotCategorical, type CategoricalParams } from "./categorical.js";
export { cauchy, type CauchyParams } from "./cauchy.js";
export { binarize, dequantize } from "./data.js";
export { delta, type DeltaParams } from "./delta.js";
export { dirichlet, type DirichletParams } from "./dirichlet.js";
export { discretizedLogistic, discretizedLogisticOn, type Grid } from "./discretized-logistic.js";
export * from "./divergences.js";
export { exponential, type ExponentialParams } from "./exponential.js";
export { gamma, type GammaParams } from "./gamma.js";
export { gaussianPosterior, type AffineNormal, type GaussianPosterior } from "./gaussian-posterior.js";
export { gumbel, type GumbelParams } from "./gumbel.js";
export { halfNormal, type HalfNormalParams } from "./half-normal.js";
export { laplace, type LaplaceParams } from "./laplace.js";
export { logNormal } from "./log-normal.js";
export { logistic, type LogisticParams } from "./logistic.js";
export { lowRankNormal, type LowRankNormalParams } from "./low-rank-normal.js";
export { discretizedLogisticMixture, eventMixture, logisticMixture, mixture, normalMixture, type MixtureParams } from "./mixture.js";
export { minusLogWord, multinomial, type MultinomialParams } from "./multinomial.js";
export { covarianceOf, multivariateNormal, type MultivariateNormalParams } from "./multivariate-normal.js";
export { negativeBinomial, type NegativeBinomialParams } from "./negative-binomial.js";
export { normal, type NormalParams } from "./normal.js";
export { poisson, type PoissonParams } from "./poisson.js";
export {
  concreteBernoulli,
  concreteCategorical,
  meanThroughBernoulli,
  meanThroughCategorical,
  straightThrough,
  straightThroughBernoulli,
  straightThroughCategorical,
} from "./relaxed.js";
export { fillMissing, presentOr, weighKnown, whereMissing } from "./missing.js";
export { posteriorMeans } from "./posterior-means.js";
export type { AtStates } from "./posterior-means.js";
export { allOneHot, allStates, drawStates, entryStates } from "./states.js";
export { studentT, type StudentTParams } from "./student-t.js";
export { uniform, type UniformParams } from "./uniform.js";
