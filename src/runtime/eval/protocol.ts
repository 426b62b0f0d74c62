/** What a result means: the number and all that is needed to measure it again. */
import type { GradientVariance } from "./gradient-variance.js";
import type { SplitName } from "../data/dataset.js";
import type { Dequantisation } from "../model.js";

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
  /** Of each variable whose log-density is measured: preprocessing, dequantisation, and where their Jacobians are counted. */
  readonly densities: readonly string[];
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
  /** Of the mean over rows and of the estimates of log Z behind it; null where there is none. */
  readonly standardError: number | null;
  /** Empty for the terms of an objective, whose unit is the objective's own. */
  readonly unit: string;
  /** Samples for each row; null where the metric draws no family of samples. */
  readonly k: number | null;
  /** "upper bound", "exact", "estimate", …: what the number is to the quantity that its name promises. */
  readonly bound: string | null;
  /** Where masked layers have several orders: p is the mean over so many, not one of them. */
  readonly orders?: number;
  /** Further facts: active units by latent; precision and recall beside a distance. */
  readonly detail?: Readonly<Record<string, number>>;
  /** Where a metric takes fewer rows than the protocol says: so many, those that `have` values, or evenly spaced among them. */
  readonly rows?: number;
  /** Where samples are compared with `rows` rows: what they were drawn given, and of how many other rows, both chosen by chance. */
  readonly conditions?: { readonly variables: readonly string[]; readonly rows: number };
  /** Variables that some rows of the split miss and that the metric needs, with how many rows have all of them. */
  readonly have?: { readonly variables: readonly string[]; readonly rows: number };
  /** Of a number for each word: how many of the rows that it could take have no words, and are left out. */
  readonly wordless?: { readonly rows: number; readonly of: number };
  /** Where a log-density is of values that were scaled, or of whole numbers. */
  readonly density?: DensityUnits;
  /** Rows whose probability comes out above 1, which none has: log Z is too low, by no less than the largest log-probability. */
  readonly impossible?: { readonly rows: number; readonly of: number; readonly most: number };
  /** Rows whose value is no finite number, and the first of them, counted from 1 within the split. */
  readonly unmeasured?: { readonly rows: number; readonly of: number; readonly first: number };
  /** Precision and recall are by balls to the so-manieth nearest: as written, or the last of so few rows. */
  readonly neighbours?: number;
  /** The classifier whose features and classes were compared. */
  readonly classifier?: ClassifierProtocol;
  /** The estimates of log Z that the number rests on; of a metric that is one, itself. */
  readonly partitions?: readonly PartitionProtocol[];
}

/** What judged samples, and how well it knows the data: a function of the data, the seed and the steps. */
export interface ClassifierProtocol {
  readonly net: string;
  readonly features: number;
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  /** Share of `rows` rows of `split`, evenly spaced, that it gives their label. */
  readonly accuracy: number;
  readonly split: SplitName;
  readonly rows: number;
}

/**
 * A density depends on the units of its variable. Bits are those of the values in the file, so what scaling changes is added; nats are of the values as
 * the model sees them, and the change is told. Dequantised values are whole numbers in the file and for the model, and their bits a code length.
 */
export interface DensityUnits {
  /** Of the values as `file` has them, or as the `model` sees them. */
  readonly of: "file" | "model";
  /** From the one to the other, in the unit of the result: added where it is of the file, to be added where it is of the model. */
  readonly scaling: number;
  /** Those that have a density, by name: how their values come from the file to the base density. */
  readonly variables: Readonly<Record<string, DensityVariable>>;
}

export interface DensityVariable {
  /** What was done to the values when they were read: `v/255`. */
  readonly preprocessing: string;
  /** log |d value / d value in the file| of a row, in nats: what `preprocessing` takes from a log-density of the values in the file. */
  readonly logJacobian: number;
  /**
   * Noise of the density under whole numbers. "none": they are points of a density, which may grow without bound there, and the number is no code length.
   * Absent where the values are no whole numbers.
   */
  readonly dequantisation?: Dequantisation | "none";
  /** Maps of each entry that the density begins with, their log-Jacobians counted in the number: `logit`. */
  readonly through?: readonly string[];
}

/** Chains, as weights count, below which one decides the number and a standard error means little. */
export const FEW = 2;

/** How a log Z was found, and how far the draws behind it may be trusted. */
export interface PartitionProtocol {
  /** Of the line in `evaluate { … }`. */
  readonly name: string;
  readonly method: "ais" | "exact";
  /** How discrete units were drawn at each temperature: those of a variable at once, or one after another where they meet; null where exact. */
  readonly sampler: "block" | "single_site" | null;
  /** Real variables without a conditional in closed form, which trajectories moved whose length was tuned by a run before; absent where there are none. */
  readonly moves?: { readonly kind: "hmc"; readonly variables: readonly string[] };
  readonly chains: number | null;
  readonly temperatures: number | null;
  /** Steps of the pilot run that spaced the temperatures; absent where they are even. */
  readonly pilot?: number;
  /** Distinct conditions that a log Z was found for; 1 where it depends on nothing. */
  readonly conditions: number;
  /**
   * (Σ w)² / Σ w² of the importance weights, the least over the conditions; null where exact. Near 1, one chain decides the estimate and its
   * standard error means little.
   */
  readonly effectiveSampleSize: number | null;
  /** Of several conditions: the median of the effective sample sizes, and how many are so few that one chain decides. */
  readonly sampleSizes?: { readonly median: number; readonly few: number };
  /** Standard deviation of the log weights, the largest over the conditions; null where exact. */
  readonly logWeightDeviation: number | null;
  /** What it adds to the standard error of the metric, as one of two independent parts; null where exact. */
  readonly standardError: number | null;
  /** The other bound, where a reverse run was asked for. */
  readonly reverse?: ReverseProtocol;
}

/**
 * log Z by annealing from the model to the base: a stochastic upper bound where the chains' starts are samples of the model, as the forward run is
 * a lower one (Grosse, Ghahramani & Adams 2015). Chains that only come near the model bound what they reach of it.
 */
export interface ReverseProtocol {
  readonly value: number;
  readonly standardError: number | null;
  /** Sweeps of the model between the rows of the data and the first temperature. */
  readonly sweeps: number;
  /** The least over the conditions. */
  readonly effectiveSampleSize: number;
  /** Upper less lower bound: how much is not known of log Z, as far as both runs found all of the model. */
  readonly gap: number;
}

export interface Evaluation {
  /** By the names of `evaluate { … }`. */
  readonly metrics: Readonly<Record<string, Result>>;
  /** The training objectives and their terms on this split, each with its standard error: reconstruction term, KL of each layer. */
  readonly terms: Readonly<Record<string, Result>>;
  /** Squared error of reconstructions by data variable, summed over the event, where the model reconstructs. */
  readonly reconstruction: Readonly<Record<string, Result>>;
  /** How much the gradients of the phase's statements vary with their noise, where that was asked for. */
  readonly gradients?: readonly GradientVariance[];
  /** What cannot be so, or is not to be trusted, each with what to do. */
  readonly warnings: readonly string[];
  readonly protocol: Protocol;
  readonly seconds: number;
}

/** The label with the numbers that were used: `k = 200`, `chains = 100`. */
export function labelWith(label: string, settings: Readonly<Record<string, number | null>>): string {
  return Object.entries(settings).reduce(
    (text, [name, value]) => (value === null ? text : text.replace(new RegExp(`\\b${name}\\s*=\\s*\\d+`), `${name} = ${value}`)),
    label,
  );
}
