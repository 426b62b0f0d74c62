/** Finite domains: how many values a variable can take. */
import type { Dim, Domain } from "./types.js";

/** Number of states of a finite variable, with the text of the sum over them; undefined for an infinite one. */
export function finiteStates(domain: Domain): Dim | undefined {
  const entries = domain.shape.reduce((n, d) => n * d.size, 1);
  const base = domain.name === "binary" ? 2 : domain.name === "category" && domain.classes ? domain.classes.size : undefined;
  if (base === undefined) return undefined;
  const size = base ** entries;
  const text = domain.name === "category" && entries === 1 && domain.classes ? domain.classes.text : String(size);
  return { size, text };
}

/** `16`, `2^40`, `10^300`: large counts as a power. */
export function stateCount(size: number): string {
  if (size < 1e6) return String(size);
  if (!Number.isFinite(size)) return "more than 2^1023";
  const power = Math.log2(size);
  return Number.isInteger(power) ? `2^${power}` : `about 10^${Math.floor(Math.log10(size))}`;
}
