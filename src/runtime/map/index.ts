/** Maximum a posteriori: latents that maximise a log-density; expectation maximisation. */
export {
  ascend,
  ascendable,
  ascentStages,
  ascentState,
  type Ascent,
  type AscentMethod,
  type AscentVariable,
  type Proximal,
  type Proximals,
} from "./ascent.js";
export { mSteps, type Fitted, type FittedLaw, type MStep } from "./em.js";
