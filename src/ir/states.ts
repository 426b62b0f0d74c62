/** Finite domains: how many values a variable can take. */
import type { Dim, Domain } from "./types.js";

/** Number of states of a finite variable, with the text of the sum over them; undefined for an infinite or huge one. */
export function finiteStates(domain: Domain): Dim | undefined {
  const entries = domain.shape.reduce((n, d) => n * d.size, 1);
  const base = domain.name === "binary" ? 2 : domain.name === "category" && domain.classes ? domain.classes.size : undefined;
  if (base === undefined) return undefined;
  const size = base ** entries;
  if (!Number.isSafeInteger(size)) return undefined;
  const text = domain.name === "category" && entries === 1 && domain.classes ? domain.classes.text : String(size);
  return { size, text };
}
