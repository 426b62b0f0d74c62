/** Numerical stability on a finished graph: the rules that staging applies too, for what other passes bring together. */
import { rewritePass, type Pass } from "./pass.js";
import { stabilise } from "./stability-rules.js";

export const stability: Pass = rewritePass("stability", () => stabilise);
