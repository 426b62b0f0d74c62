/** What a result means: the number and all that is needed to measure it again. */
import type { SplitName } from "../data/dataset.js";

/** What all results of one evaluation share. */
export interface Protocol {
  readonly model: string;
  /** sha256 of the `.gm` file. */
  readonly source: string;
  readonly dataset: string;
  readonly split: SplitName;
  /** Rows measured. */
  readonly rows: number;
  /** Source, split, binarisation, scaling, as the data set tells. */
  readonly data: readonly string[];
  readonly seed: number;
  readonly engine: string;
  /** Whether the moving average of the weights was measured. */
  readonly ema: boolean;
  /** Training steps done. */
  readonly step: number;
}

export interface Result {
  /** As written: `-IWAE(p, q, k = 200)`, with the k that was used. */
  readonly label: string;
  readonly value: number;
  /** Of the mean over rows; null where there is none. */
  readonly standardError: number | null;
  /** Empty for the terms of an objective, whose unit is the objective's own. */
  readonly unit: string;
  /** Samples for each row; null where the metric draws no family of samples. */
  readonly k: number | null;
  /** "upper bound", "exact", "estimate", …: what the number is to the quantity that its name promises. */
  readonly bound: string | null;
  /** Further facts: active units by latent. */
  readonly detail?: Readonly<Record<string, number>>;
}

export interface Evaluation {
  /** By the names of `evaluate { … }`. */
  readonly metrics: Readonly<Record<string, Result>>;
  /** The training objectives and their terms on this split, each with its standard error: reconstruction term, KL of each layer. */
  readonly terms: Readonly<Record<string, Result>>;
  /** Squared error of reconstructions by data variable, summed over the event, where the model reconstructs. */
  readonly reconstruction: Readonly<Record<string, Result>>;
  readonly protocol: Protocol;
  readonly seconds: number;
}

/** The label with its `k = n` replaced. */
export function labelWith(label: string, k: number | null): string {
  return k === null ? label : label.replace(/\bk\s*=\s*\d+/, `k = ${k}`);
}
