/** M-steps in the objective IR: what expectation maximisation estimates, factor by factor. */
import type { Expr } from "./types.js";

import type { Factor, Quantity } from "./quantity.js";

/** M-steps of expectation maximisation; see derive/em.ts. */
export interface Maximisation {
  /** The objective as the E-step differentiates it: each conditional stands in it once. */
  readonly likelihood: Quantity;
  readonly steps: readonly MaximisationStep[];
  /** Set where steps take batches: what is averaged over them, one entry for each weight that is estimated. */
  readonly online?: {
    readonly decay: number;
    readonly smooth: number;
    /** Locations that count for less than this share of the average start again at rows of the batch; 0: none does. */
    readonly restart: number;
    readonly averages: readonly MaximisationAverage[];
  };
}

/** Sums and counts of a weight's entries, carried from step to step: [2, ...the weight]. */
export interface MaximisationAverage {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What an M-step estimates, factor by factor. */
export interface MaximisationStep {
  readonly factor: Factor;
  readonly fits: readonly FittedParameter[];
  /** Normal latents that are integrated out around it: it is averaged over their posterior. */
  readonly latents: readonly string[];
  /** Its location, where that is a linear map whose weights are estimated. */
  readonly map?: LinearMap;
}

/** A location as a sum of products of features with weights. */
export interface LinearMap {
  /** Weights that are found together: those that are picked by one index, and meet their features in products of vectors, or entry by entry. */
  readonly groups: readonly (readonly MapTerm[])[];
  /** Terms without a weight that is estimated. */
  readonly offset: readonly { readonly sign: 1 | -1; readonly value: Expr }[];
}

export interface MapTerm {
  /** Of the weight. */
  readonly path: string;
  /** Picks entries of it: `W`, `W[c]`. */
  readonly selection: Expr;
  /** The vector that multiplies it; of a term `entrywise`, what its entries are multiplied with; 1 where there is none. */
  readonly features: Expr | undefined;
  /** `a * z`. */
  readonly entrywise: boolean;
  /** `W @ z` in place of `z @ W`. */
  readonly transposed: boolean;
  readonly sign: 1 | -1;
}

/** The weights that a step of expectation maximisation sets. */
export function estimatedPaths({ steps }: Maximisation): readonly string[] {
  return steps.flatMap((s) => [...(s.map?.groups.flat().map((t) => t.path) ?? []), ...s.fits.map((f) => f.path)]);
}

export interface FittedParameter {
  /** Of the distribution, under the runtime's name: `loc`. */
  readonly parameter: string;
  /** Of the weight that is estimated. */
  readonly path: string;
  /** Picks entries of the weight: `mu[c]`. */
  readonly selection: Expr;
  /** What the distribution takes is this of the entries picked. */
  readonly link: "identity" | "exp";
  /** Its first axis is what an index picks, the rest of it is a row of what is drawn, or a vector of one: it may start again at such. */
  readonly ofRows: boolean;
}
