/** Gradient estimators, under the names that generated code imports. */
export { auxiliaryLoss, auxiliaryLosses, holdFixed, only, scoreFunction, weightsUnder } from "./surrogate.js";
export { leaveOneOut, scoreLearned, scoreRunningMean, type Carried } from "./baseline.js";
export { doublyReparameterised, vimco, type Reparameterised } from "./multi-sample.js";
export { antitheticDraws, arm, disarm, flippedDraws, localExpectation } from "./binary.js";
export { localClassExpectation, replacedClassDraws } from "./one-hot.js";
export { rebar, rebarOneHot, relax, relaxedDraws, relaxedOneHotDraws, relaxOneHot, type ControlOptions } from "./relaxed-control.js";
