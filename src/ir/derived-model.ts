/** The model after derivation: its IR, with every statement of `train` and `evaluate` derived. What codegen and `explain` work from. */
import type { DerivedObjective, LinearGaussian, Quantity } from "./quantity.js";
import type { DeriveContext } from "./derive/context.js";
import type { Preparation } from "./derive/preparation.js";
import type { Evaluation, Expr, ModelIr, ParamStart, Phase, Update } from "./types.js";

export interface DerivedUpdate {
  readonly update: Update;
  readonly derived: DerivedObjective;
  /** Weight paths that it moves. */
  readonly moves: readonly string[];
}

/** Where a watched metric should go. */
export type Goal = "rise" | "fall";

export interface DerivedPhase {
  readonly phase: Phase;
  readonly updates: readonly DerivedUpdate[];
  /** Of the metric that early stopping watches. */
  readonly goal?: Goal | undefined;
}

/** How values of several chunks of samples combine; see RowMetric in the runtime. */
export type Combine = "logMeanExp" | "negLogMeanExp" | "mean";

export interface DerivedEvaluation {
  readonly evaluation: Evaluation;
  /** The density that a named evaluator of energies is about. */
  readonly energy: string | undefined;
  /** Of an evaluator of codes that are given by an expression. */
  readonly codes?: DerivedObjective;
  /** For an objective: without its leading sign, so that it can share a function with a train statement. */
  readonly objective:
    | {
        readonly derived: DerivedObjective;
        readonly value: Expr;
        readonly sign: 1 | -1;
        readonly combine: Combine | undefined;
        /** What the value is times such a logarithm, above 0. */
        readonly combineScale: number;
        readonly bound: string | undefined;
        /** The sign that no row's value can have. */
        readonly impossible: "positive" | "negative" | undefined;
        readonly unit: string;
        /** Continuous data variables whose log-density it is, each times what. */
        readonly densities: ReadonlyMap<string, number>;
        /** Of them, what a flow does to the data first. */
        readonly preparation: ReadonlyMap<string, Preparation>;
      }
    | undefined;
}

/** A density by itself. */
export interface DerivedDensity {
  readonly name: string;
  /** The variables of its header that its log-density is of: those that flows make others of have none beside them. */
  readonly head: readonly string[];
  /** Its log-density; undefined where it has none. */
  readonly quantity: Quantity | undefined;
  /** Variables of its header that are functions of others of it, by the inverse of a flow. */
  readonly inverses: ReadonlyMap<string, Expr>;
}

/** Latents that are known where the data are, whatever draws them. */
export interface ExactInverse {
  readonly density: string;
  /** As functions of data and of one another, those nearest to the data first. */
  readonly values: ReadonlyMap<string, Expr>;
  /** All that data are drawn given is known: nothing else has to be inferred. */
  readonly infers: boolean;
  /** Latents with a few states that inverses are given, or that draw what they give: drawn first, from their posterior by enumeration, but those held. */
  readonly classes: readonly string[];
}

/** Latents given data and what flows make data of, jointly normal. */
export interface ExactPosterior {
  readonly density: string;
  readonly latents: readonly string[];
  /** Data variables that it reads, and what flows make data of. */
  readonly given: readonly string[];
  readonly factors: LinearGaussian;
}

/** Data given themselves, through latents that are summed out: see derive/posterior-means.ts. */
export interface PosteriorMeans {
  readonly density: string;
  readonly latents: readonly string[];
  /** Data variables that it reads. */
  readonly given: readonly string[];
  /** Those that have a mean. */
  readonly shown: readonly string[];
  /** log p of the data. */
  readonly quantity: Quantity;
}

/** Values that a parameter starts from; those that read another such parameter come after it. */
export interface DerivedStart {
  readonly start: ParamStart;
  readonly derived: DerivedObjective;
}

export interface DerivedModel {
  readonly context: DeriveContext;
  readonly model: ModelIr;
  /** By name. */
  readonly densities: ReadonlyMap<string, DerivedDensity>;
  readonly phases: readonly DerivedPhase[];
  readonly evaluations: readonly DerivedEvaluation[];
  readonly starts: readonly DerivedStart[];
  /** Density that samples are drawn from, density that infers latents from data. */
  readonly generative: string | undefined;
  readonly inference: string | undefined;
  /** Latents that follow from data by the inverse of a flow. */
  readonly inverse: ExactInverse | undefined;
  /** Inverses that need less than all of that, or variables that do not follow from data: each of one latent. */
  readonly inversesApart: readonly ExactInverse[];
  /** What infers latents exactly, where neither a density nor a flow does and it is normal. */
  readonly posterior: ExactPosterior | undefined;
  /** What the model makes of data where nothing infers latents, and these sum out exactly. */
  readonly posteriorMeans: PosteriorMeans | undefined;
  /** A density that would infer latents and has weights, none of which a statement moves. Another way is taken where there is an exact one. */
  readonly untrained?: string;
}
