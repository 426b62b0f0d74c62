/** Energy models: conditionals, samplers, free energies, estimators of likelihood and gradient, all read off the staged energy. */
export { energyModel, type EnergyModel, type EnergyPart, type Units, type Values } from "./energy-model.js";
export { conditional, drawUnits, meanUnits, type Conditional, type ConditionalOptions, type Totals } from "./conditional.js";
export { freeEnergy, logPartition, marginal, partitionChunk, type Summation } from "./free-energy.js";
export { countStates } from "./states.js";
export { gibbs, type GibbsOptions } from "./gibbs.js";
export { chainsOf, freshChains, moveChains, sweepOnce, type GradientMoves, type MoveOptions } from "./chains.js";
export { contrastWithBase, type ContrastOptions } from "./contrast-with-base.js";
export { cd, logPartitionSurrogate, pcd, withoutValue, type ChainOptions } from "./contrastive.js";
export { meanField, meanFieldBound, type MeanFieldOptions } from "./mean-field.js";
export {
  aisEstimate,
  aisNumbers,
  aisStart,
  aisStep,
  reverseAisEstimate,
  temperatures,
  temperaturesAt,
  type AisChains,
  type AisEstimate,
  type AisOptions,
} from "./ais.js";
export { annealed, baseRates, baseStatistics, type BaseStatistics } from "./annealed.js";
export {
  aisProgram,
  exactProgram,
  type AisProgramOptions,
  type ExactProgramOptions,
  type PartitionInputs,
  type PartitionSteps,
} from "./partition-programs.js";
export { modelReplica, temper, temperedPcd, type TemperOptions } from "./temper.js";
export { singleSite, type SingleSiteOptions } from "./single-site.js";
export { hmc, langevin, type HmcOptions, type LangevinOptions } from "./langevin.js";
export { denoisingScoreMatching, scoreMatching, type ScoreMatchingOptions, type ScoreOptions } from "./score-matching.js";
export { noiseContrastive, type NoiseContrast } from "./noise-contrastive.js";
export { pseudoLogLikelihood, reconstructionError, type PseudoLikelihoodOptions, type ReconstructionOptions } from "./monitors.js";
