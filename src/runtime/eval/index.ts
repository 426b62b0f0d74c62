/** Evaluation: likelihood bounds, active units, reconstruction; samples, reconstructions, interpolations. */
export { evaluate, type EvaluateOptions, type EvaluationProgress } from "./evaluate.js";
export type { Evaluation, PartitionProtocol, Protocol, Result } from "./protocol.js";
export {
  openSession,
  type InterpolateOptions,
  type Reconstructions,
  type RowsByName,
  type SampleOptions,
  type Samples,
  type SessionOptions,
  type TrainedSession,
  type Translation,
} from "./session.js";
export type { ChainStart } from "./chain.js";
export { chainStart, gibbsChain, type GibbsChainOptions } from "./gibbs-chain.js";
export { mmdTest } from "./mmd.js";
export { countModes, gridCentres, ringCentres } from "./modes.js";
export { rowReconstructionError } from "./row-reconstruction.js";
