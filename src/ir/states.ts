/** Finite domains: how many values a variable can take. */
import { distributions } from "./distributions.js";
import type { Dim, Domain } from "./types.js";

/** Most states that a sum over a finite latent may have. */
export const MAX_STATES = 1024;

/** Most states of several finite latents that one table of an elimination may be over. */
export const MAX_TABLE = 16_384;

/** The values that an exact sum runs over. */
export interface States extends Dim {
  /** Vectors of zeros and one 1 along the last axis, as some distributions draw them, in place of every value of the domain. */
  readonly oneHot: boolean;
  /** Set where the sum runs over each entry by itself, `size` being that of one: the axes of the entries. */
  readonly entries?: readonly Dim[];
}

/** Number of states of a finite variable, with the text of the sum over them; undefined for an infinite one. `dist`: what it is drawn from. */
export function finiteStates(domain: Domain, dist?: string): States | undefined {
  const entries = (shape: readonly Dim[]): number => shape.reduce((n, d) => n * d.size, 1);
  const last = domain.shape.at(-1);
  if (last && dist !== undefined && distributions.get(dist)?.values === "unitVectors")
    return states(last, entries(domain.shape.slice(0, -1)), true);
  if (domain.name === "binary") return states({ size: 2, text: "2" }, entries(domain.shape), false);
  return domain.name === "category" && domain.classes ? states(domain.classes, entries(domain.shape), false) : undefined;
}

/** The states of one entry of a finite variable of several; undefined for others. `dist`: what it is drawn from. */
export function entryStates(domain: Domain, dist?: string): States | undefined {
  if (dist !== undefined && distributions.get(dist)?.values === "unitVectors") return undefined;
  const entries = domain.shape.filter((d) => d.size > 1);
  const each = entries.length === 0 ? undefined : finiteStates({ ...domain, shape: [] });
  return each && { ...each, entries };
}

function states(each: Dim, entries: number, oneHot: boolean): States {
  const size = each.size ** entries;
  return { size, text: entries === 1 ? each.text : String(size), oneHot };
}

/** `16`, `2^40`, `10^300`: large counts as a power. */
export function stateCount(size: number): string {
  if (size < 1e6) return String(size);
  if (!Number.isFinite(size)) return "more than 2^1023";
  const power = Math.log2(size);
  return Number.isInteger(power) ? `2^${power}` : `about 10^${Math.floor(Math.log10(size))}`;
}
