/** Energy models: conditionals, samplers, free energies, estimators of likelihood and gradient, all read off the staged energy. */
export { energyModel, type EnergyModel, type EnergyPart, type Units, type Values } from "./energy-model.js";
export { conditional, drawUnits, meanUnits, type Conditional, type ConditionalOptions, type Totals } from "./conditional.js";
export { freeEnergy, freeEnergyOfMeans, logPartition, marginal, partitionChunk, type Summation } from "./free-energy.js";
export { countStates } from "./states.js";
export { gibbs, type GibbsOptions } from "./gibbs.js";
export { moveChains, type MoveOptions } from "./chains.js";
export { cd, logPartitionSurrogate, pcd, type ChainOptions } from "./contrastive.js";
export { meanField, meanFieldBound, type MeanFieldOptions } from "./mean-field.js";
