/** The analysis of energies, as derivation, code generation and `explain` use it. */
export { analyseEnergy, hasEnergy } from "./analyse.js";
export { hasBlockLaw, log2States, movedByGradient, readFirst, samplersOf, summable, summableTogether, type Summed } from "./graph.js";
export { kinkedTerm } from "./kinks.js";
export { pseudoLikelihoodOf, reconstructionOf, requireMonitor, type PseudoLikelihood, type Reconstruction } from "./monitors.js";
export {
  boundChoices,
  conditionedChoices,
  checkSites,
  isExact,
  layeredChoices,
  sampledChoice,
  mostLog2States,
  normaliserChoices,
  requireBlocks,
  requireExact,
  requireMultiAffine,
  statesText,
  type Normaliser,
} from "./require.js";
export type { Cause, Definiteness, Degree, Dependence, Edge, EnergyAnalysis, EnergyTerm, Sampler, UnitLaw } from "./types.js";
