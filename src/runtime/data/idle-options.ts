/** Options of how values are read that would change nothing: they belong to another option, which is not given, or to variables of other domains. */
import type { DomainName } from "../model.js";
import type { FieldOptions } from "./dataset.js";

const owned = [
  ["threshold", "binarize", "threshold"],
  ["binarizeSeed", "binarize", "fixed"],
  ["ridge", "scale", "whiten"],
] as const;

export interface IdleOption {
  readonly name: (typeof owned)[number][0];
  readonly value: number;
  readonly owner: (typeof owned)[number][1];
  /** What the owner must be. */
  readonly wanted: string;
}

/** The first that would change nothing. */
export function idleOption(options: FieldOptions): IdleOption | undefined {
  for (const [name, owner, wanted] of owned) {
    const { [name]: value, [owner]: found } = options;
    if (value !== undefined && found !== wanted) return { name, value, owner, wanted };
  }
  return undefined;
}

/** Domains whose values are scaled so; of whitening the values say themselves. */
const scaled: Readonly<Record<"standardize" | "minmax" | "max", readonly DomainName[]>> = {
  standardize: ["real"],
  minmax: ["real", "unit", "binary"],
  max: ["real", "unit", "binary", "positive"],
};

export interface IdleScaling {
  readonly name: "scale" | "maximum";
  readonly value: string | number;
  /** What it would act on. */
  readonly takes: readonly DomainName[];
}

/** The first scaling that acts on none of the domains. */
export function idleScaling({ scale, maximum }: FieldOptions, domains: readonly DomainName[]): IdleScaling | undefined {
  const acts = (takes: readonly DomainName[]): boolean => domains.some((domain) => takes.includes(domain));
  if ((scale === "standardize" || scale === "minmax") && !acts(scaled[scale])) return { name: "scale", value: scale, takes: scaled[scale] };
  return maximum !== undefined && !acts(scaled.max) ? { name: "maximum", value: maximum, takes: scaled.max } : undefined;
}
