/** Draws that have a mean, by the table of distributions and what their parameters are when compiled. */
import { distributions } from "../distributions.js";
import type { DistCall } from "../types.js";
import { constantOf } from "./units.js";

/**
 * Whether draws have a mean: of a mixture, where those of what it mixes do. Parameters that are no numbers when compiled are taken to be such that
 * there is one.
 */
export function hasMean({ dist, params, of }: Pick<DistCall, "dist" | "params" | "of">): boolean {
  const entry = distributions.get(dist);
  const least = entry?.meanAbove;
  const value = least && params[least.parameter];
  const found = value && constantOf(value);
  if (least !== undefined && found !== undefined && found <= least.bound) return false;
  return entry?.hasMean === true && (of === undefined || hasMean(of));
}
