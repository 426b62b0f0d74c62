/** Maximum a posteriori: latents that maximise a log-density; expectation maximisation. */
export { ascend, ascendable, ascentStages, ascentState } from "./ascent.js";
export type { Ascent, AscentMethod, AscentVariable } from "./ascent-model.js";
export { mSteps, type Averaging, type Fitted, type FittedLaw, type MStep } from "./em.js";
export type { Proximal, Proximals } from "./proximal.js";
