/** Maximum a posteriori: latents that maximise a log-density. */
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
