/** Names that generated code already uses at its top level: what the runtime gives, and what every file declares. */
import { remembered } from "../base/remembered.js";
import { builtins } from "../ir/builtins.js";
import { distributions } from "../ir/distributions.js";
import { bijections } from "../ir/flows.js";
import { latentEstimators } from "../ir/latent-estimators.js";
import { CLOSED_FORM_KL, closedFormKl } from "../ir/derive/kl.js";
import { layers } from "../ir/layers.js";
import type { ModelIr } from "../ir/types.js";
import { capital, chainsName, energyFunction, energyModelName, partitionName } from "./names.js";

/** Runtime names that lowering writes besides those of the tables. */
const LOWERING = [
  "adam adamax adamw allOneHot allStates atMostOne binary broadcastEvent byte cast category chain clip conditioned concatEvent constant constantSchedule cosine count defineModel entryStates eye",
  "expandDims exponentialSchedule gaussianPosterior init interior iwaeSchedule linear logMeanExp logSumExp mSteps mixture momentum mul neg ones optional origin ownFlow posteriorMeans",
  "padEvent param piecewise positive quantized real reduceMax reduceMin required reshape reshapeEvent rmsprop rowReconstructionError rowsOf sgd",
  "cd denoisingScoreMatching drawUnits energyModel freeEnergy gibbs gradientIn logPartition meanFieldBound meanUnits",
  "aisProgram chainStart chainsOf contrastWithBase freshChains gibbsChain logPartitionSurrogate meanField minusLogWord modelReplica moveChains noiseContrastive pseudoLogLikelihood reconstructionError scoreMatching sweepOnce",
  "holdFixed leaveOneOut scoreFunction scoreLearned scoreRunningMean stopGradient weightsUnder",
  "simplex sliceAxis squeeze stepDecay sub sum term transpose transposeEvent unit unitVector warmup withoutValue zeros",
].flatMap((line) => line.split(" "));

/** What the surrogates of latent estimators are built from. */
const ESTIMATORS = latentEstimators.flatMap(({ rule: { surrogate } }) =>
  surrogate.kind === "related"
    ? [...Object.values(surrogate.draw), ...Object.values(surrogate.fn)]
    : surrogate.kind === "bound"
      ? [surrogate.fn]
      : surrogate.kind === "replaced"
        ? Object.values(surrogate.draw)
        : [],
);

export const RUNTIME_NAMES: ReadonlySet<string> = new Set([
  ...LOWERING,
  ...ESTIMATORS,
  ...[...builtins.values()].map((b) => b.runtime),
  ...[...layers.values()].map((l) => l.runtime),
  ...[...bijections.values()].map((b) => b.runtime),
  ...[...distributions.values()].map((d) => d.runtime),
  ...CLOSED_FORM_KL.flatMap(([q, p]) => closedFormKl(q, p) ?? []),
]);

/** What is taken out of a step's context, under these names, where an objective is called. */
export const CONTEXT: ReadonlySet<string> = new Set("w data key k rows schedule carried partition".split(" "));

/** Parameters of generated functions: a function of the file under such a name could not be called where they are in scope. */
export const PARAMETERS: ReadonlySet<string> = new Set([
  ...CONTEXT,
  ..."B given at chains temperatures reverse masks context v x".split(" "),
]);

/** What a net or a flow may not be called as a function of the file. */
export function isTaken(model: ModelIr, name: string): boolean {
  return (
    topLevelNames(model).has(name) ||
    PARAMETERS.has(name) ||
    model.densities.some((d) => chainsName(d.name) === name || partitionName(d.name) === name)
  );
}

/** Top-level names of a model's file, which its nets, objectives and locals must leave alone. */
export const topLevelNames = remembered(
  (model: ModelIr): ReadonlySet<string> =>
    new Set([
      ...RUNTIME_NAMES,
      "weights",
      "model",
      "Weights",
      ...model.densities.flatMap((d) => [
        `log${capital(d.name)}`,
        `sample${capital(d.name)}`,
        `inverse${capital(d.name)}`,
        `posterior${capital(d.name)}`,
        `sampleBefore${capital(d.name)}`,
        `params${capital(d.name)}`,
        ...d.head.flatMap((v) => [`params${capital(d.name)}Of${capital(v)}`, `sampleBefore${capital(d.name)}Of${capital(v)}`]),
        energyFunction(d.name),
        energyModelName(d.name),
      ]),
    ]),
);
