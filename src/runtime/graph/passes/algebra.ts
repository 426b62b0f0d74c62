/**
 * Algebra: neutral elements, signs drawn together, structure that cancels, broadcasts moved towards the outputs so that work is done on
 * the small operand. Nothing that holds for numbers but not for NaN and infinity is used (x * 0 stays), except that rounding may differ.
 */
import type { Peephole } from "../trace.js";
import { simplifyConvolution } from "./algebra-convolution.js";
import { simplifyElementwise, sinkBroadcasts } from "./algebra-elementwise.js";
import { simplifyReduction } from "./algebra-reduce.js";
import { simplifyStructure } from "./algebra-structure.js";
import { rewritePass, type Pass } from "./pass.js";

const simplify: Peephole = (prim, inputs, params) =>
  simplifyElementwise(prim, inputs, params) ??
  simplifyStructure(prim, inputs, params) ??
  simplifyReduction(prim, inputs, params) ??
  simplifyConvolution(prim, inputs, params) ??
  sinkBroadcasts(prim, inputs, params);

export const algebra: Pass = rewritePass("algebra", () => simplify);
