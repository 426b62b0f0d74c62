/** Options of how values are read that belong to another option, which is not given. */
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
