/**
 * The objective IR: an objective after derivation. Log-densities are spelled out as factors, marginals and conditionals have their
 * exact form, every latent has an estimator with a reason. It is still mathematics; codegen turns it into tensor code, `explain` prints it.
 *
 * Scoping is lexical: `expect` and `enumerate` bind variables (and locals) in their bodies, inner bindings hide outer ones.
 */
import type { Span } from "../base/source.js";
import type { ProximalLaw } from "./distributions.js";
import type { Options } from "./estimators.js";
import type { GradientPath } from "./latent-estimators.js";
import type { Maximisation } from "./maximisation.js";
import type { States } from "./states.js";
import type { Dim, DistCall, Expr, FlowCallExpr, GradExpr, Local, LogDensityExpr, SettingValue, TensorType } from "./types.js";

/** One conditional of a density at given values of its variables: log p(variable | parents). */
export interface Factor {
  readonly kind: "factor";
  readonly density: string;
  readonly variable: string;
  readonly dist: DistCall;
  /** Values of the density's variables, in the objective's scope; those not listed stand under their own name. */
  readonly at: ReadonlyMap<string, Expr>;
  /** Values that follow from others by flows, in the density's own names; see flow-change.ts. */
  readonly through?: ReadonlyMap<string, Expr>;
  /** Axes of its log-densities, counted from the end, that are not summed: entries of latents that are summed out one by one stand along them. */
  readonly apart?: readonly number[];
  readonly span: Span;
}

/** log |det| of the Jacobians of flows, at values of a density's variables: what a change of variables to or from `variable` costs. */
export interface LogDet {
  readonly kind: "logDet";
  readonly density: string;
  /** The variable that flows make of another. */
  readonly variable: string;
  /** Their log-determinants add up. */
  readonly calls: readonly FlowCallExpr[];
  readonly at: ReadonlyMap<string, Expr>;
  readonly through?: ReadonlyMap<string, Expr>;
  readonly span: Span;
}

/** Conditionals that are normal, each with a location that is affine in the latents: these are jointly normal given the rest. */
export interface LinearGaussian {
  /** What draws the latents, in the order of the body. */
  readonly latents: readonly Factor[];
  /** What is drawn from them and has a value. */
  readonly children: readonly Factor[];
}

/** scale * Π factors * quantity */
export interface Term {
  readonly scale: number;
  readonly factors: readonly Expr[];
  readonly quantity: Quantity;
}

/** What `by` says of a draw. */
export interface AskedUse {
  readonly options: Options;
  /** Options that are expressions or schedules. */
  readonly exprs: Readonly<Record<string, Expr>>;
}

/** What an `E` does to the value that it averages so that its gradient is right; of the table of latent estimators. */
export interface SurrogateUse extends AskedUse {
  readonly estimator: string;
  /** Draws that it treats: the names of what they bind. */
  readonly draws: readonly string[];
  /** Name of what the update carries for it. */
  readonly memory: string;
}

/** One draw of an `E`. */
export type DrawStep =
  | {
      readonly kind: "factor";
      readonly factor: Factor;
      /** Set when the drawn variable is bound under another name (`xf ~ p(x)`). */
      readonly local: Local | undefined;
      /** Of the table of latent estimators, or "none". */
      readonly estimator: string;
      readonly reason: string;
      /** Its variable may be missing in the data, and is drawn in rows where it is; in others it has its value. */
      readonly fills?: true;
      readonly asked?: AskedUse;
      readonly span: Span;
    }
  | {
      readonly kind: "bind";
      readonly variable: string;
      readonly density: string;
      readonly value: Expr;
      readonly at: ReadonlyMap<string, Expr>;
      readonly span: Span;
    }
  /** Variables of an energy, given its other ones: each from its conditional, or all by Gibbs sweeps. */
  | {
      readonly kind: "energy";
      readonly density: string;
      readonly variables: readonly { readonly variable: string; readonly local: Local | undefined }[];
      /** The energy's variables that are conditioned on. */
      readonly given: readonly string[];
      /** 0: exact, each from its conditional. */
      readonly sweeps: number;
      readonly at: ReadonlyMap<string, Expr>;
      readonly reason: string;
      readonly span: Span;
    }
  /** Latents from what is drawn of them: jointly normal, so exact. */
  | {
      readonly kind: "gaussian";
      readonly density: string;
      readonly variables: readonly { readonly variable: string; readonly local: Local | undefined }[];
      /** What they are drawn given, by name. */
      readonly given: readonly string[];
      readonly posterior: LinearGaussian;
      readonly span: Span;
    }
  /** A row of a stream: of the batch itself, or where draws of the same stream stand around it, of the batch moved on by `shift` rows. */
  | {
      readonly kind: "data";
      readonly variable: string;
      /** Set when the drawn variable is bound under another name. */
      readonly local: Local | undefined;
      readonly shift: number;
      /** Of a family of k draws: the batch moved on by `shift` and the next k - 1 numbers of rows. */
      readonly family: Dim | undefined;
      readonly span: Span;
    }
  | {
      readonly kind: "distribution";
      readonly local: Local;
      readonly dist: DistCall;
      readonly type: TensorType;
      readonly estimator: string;
      readonly reason: string;
      readonly span: Span;
    };

/** The family of samples of `z[1..k]`. */
export interface Plate {
  readonly id: string;
  readonly count: Dim;
  /** It is the estimator's, and no name is indexed by it. */
  readonly own?: true;
}

export type Quantity =
  | Factor
  | LogDet
  /** No density in it: an ordinary expression of data, parameters, drawn values. */
  | { readonly kind: "value"; readonly expr: Expr }
  | { readonly kind: "sum"; readonly terms: readonly Term[]; readonly span: Span }
  /** A function of quantities; `expr` is the builtin call as elaborated, its arguments replaced by `args`. */
  | { readonly kind: "apply"; readonly expr: Extract<Expr, { kind: "builtin" }>; readonly args: readonly Quantity[] }
  /** The gradient of an exact quantity in what `expr` names, of the shape of that; `expr` is the gradient as elaborated, its body replaced. */
  | { readonly kind: "grad"; readonly expr: GradExpr; readonly body: Quantity }
  /** KL(q, p) between two distributions of one variable, in closed form; `fn` is the runtime's function. */
  | { readonly kind: "kl"; readonly fn: string; readonly q: Factor; readonly p: Factor; readonly span: Span }
  | {
      readonly kind: "expect";
      readonly plate: Plate | undefined;
      readonly steps: readonly DrawStep[];
      /** The gradient through the draws is that of a surrogate of the body. */
      readonly surrogate?: SurrogateUse;
      readonly body: Quantity;
      readonly span: Span;
    }
  /**
   * Exact treatment of a finite latent: log Σ exp, max or min over its states, or Σ exp(log weight) body for an expectation.
   */
  | {
      readonly kind: "enumerate";
      readonly op: "logsumexp" | "max" | "min" | "expect";
      readonly variable: string;
      /** Set when the variable is bound under another name (`cf ~ q(c | x)`). */
      readonly local: Local | undefined;
      readonly states: States;
      /** The log weight of a state: a factor that draws it, or what `log p(c | x)` is where the states follow from what they cause. */
      readonly weight: Quantity | undefined;
      /** Of such a posterior weight, the density as it was asked for. */
      readonly posterior?: LogDensityExpr;
      /** The variable may be missing in the data: in rows where it is not, all weight is on its value. */
      readonly fills?: true;
      readonly body: Quantity;
      readonly reason: string;
      readonly span: Span;
    }
  | Elimination
  /** log ∫ Π N(z; …) Π N(x; loc affine in z, scale free of z) dz (Bishop 2006, eq. 2.115). */
  | ({ readonly kind: "gaussianMarginal"; readonly span: Span } & LinearGaussian)
  | ByRow
  /** log of the sum of exp(-E) over the hidden ones of an energy's variables; -E itself where none is hidden. */
  | {
      readonly kind: "unnormalised";
      readonly density: string;
      /** The energy's variables that have a value. */
      readonly given: readonly string[];
      readonly method: HiddenMethod;
      readonly at: ReadonlyMap<string, Expr>;
      /** Of counts that are summed out, counts that have their total. */
      readonly totals?: ReadonlyMap<string, Expr>;
      readonly span: Span;
    }
  /** log Z of an energy, given the conditions that it reads. */
  | {
      readonly kind: "logPartition";
      readonly density: string;
      readonly method: PartitionMethod;
      readonly at: ReadonlyMap<string, Expr>;
      readonly span: Span;
    }
  | Matching
  | Optimum
  | {
      readonly kind: "reduce";
      readonly op: "sum" | "mean" | "max" | "min" | "logsumexp" | "logmeanexp";
      readonly index: string;
      readonly plate: string;
      readonly count: Dim;
      readonly body: Quantity;
      readonly span: Span;
    };

/**
 * Finite latents summed (maximised) out one after another; or, of `expect`, values averaged over the distribution that the terms are the log of but for
 * a constant: the mean is carried along with each message (an expectation semiring; Li & Eisner 2009). So that no table is over all of them; see derive/elimination.ts. */
export interface Elimination {
  readonly kind: "eliminate";
  readonly op: "logsumexp" | "max" | "min" | "expect";
  /** In the order of elimination. */
  readonly steps: readonly EliminationStep[];
  /** Entries of the largest table, per row of the batch. */
  readonly largest: number;
  /** Of `expect`, the density as it was asked for. */
  readonly posterior?: LogDensityExpr;
  /** How the latents hang together by the terms that they share. */
  readonly shape: "chain" | "tree" | "graph";
  readonly span: Span;
}

export interface EliminationStep {
  readonly variable: string;
  readonly states: States;
  /** Terms that read the variable, and none that was eliminated before; those that read fewest first. */
  readonly terms: readonly Term[];
  /** Of `expect`, what is averaged: parts of it that read the variable, and none that was eliminated before. */
  readonly values?: readonly Term[];
  /** Latents of later steps that its message is a table over. */
  readonly neighbours: readonly string[];
  /** States of the variable and its neighbours together. */
  readonly table: number;
}

/** One quantity in rows of the data where a variable has a value, another where it is missing; 0 for the one that is left out. */
export interface ByRow {
  readonly kind: "byRow";
  readonly variable: string;
  readonly there: Quantity | undefined;
  readonly missing: Quantity | undefined;
  /** `log q(y | x)`: what both are, where it was written so. */
  readonly text: string | undefined;
  readonly span: Span;
}

/** The greatest (least) value of the body over continuous latents, at the latents that an inner loop finds; see derive/optimum.ts. */
export interface Optimum {
  readonly kind: "optimum";
  readonly op: "max" | "min";
  readonly variables: readonly string[];
  /** Of the table of estimators: `ista`. */
  readonly method: string;
  readonly options: Options;
  readonly body: Quantity;
  /** The body (its negative for `min`) without the terms that are treated apart: what gradients are taken of. */
  readonly smooth: Quantity;
  /** Terms with a proximal operator: a variable's prior, times a factor. */
  readonly proximal: readonly {
    readonly factor: Factor;
    readonly law: ProximalLaw;
    readonly scale: number;
    readonly factors: readonly Expr[];
  }[];
  /** The smooth part is quadratic in the latents, alike for every row. */
  readonly quadratic: boolean;
  readonly span: Span;
}

export interface ExactSum {
  readonly kind: "exact";
  readonly sum: readonly string[];
  readonly joint?: readonly string[];
  /** Binary variables with the real ones of `sum` that each of their units has to itself. */
  readonly paired?: Readonly<Record<string, readonly string[]>>;
  readonly enumerate: readonly string[];
}

/** How the hidden variables of an energy are treated given the others. */
export type HiddenMethod =
  /** Summed out exactly: `sum` in closed form (they do not meet), then real ones of `joint` one by one, `paired` unit by unit, `enumerate` state by state. */
  | ExactSum
  /** A factorised posterior by fixed-point updates; the quantity is then a lower bound. */
  | { readonly kind: "meanField"; readonly hidden: readonly string[]; readonly steps: number; readonly damping: number }
  /** A sample after that many Gibbs sweeps; its gradient is that of the marginal in expectation. */
  | { readonly kind: "gibbs"; readonly hidden: readonly string[]; readonly steps: number };

/** What log Z, or its gradient, comes from. */
export type PartitionMethod =
  | ExactSum
  /** Samples of the model by a Markov chain: only the gradient is right. `sum`: variables that are summed out at each sample. */
  | {
      readonly kind: "chain";
      /** Of the table of estimators: `pcd`. */
      readonly method: string;
      readonly options: Options;
      /**
       * `persistent`: kept from step to step; `rows`: one for each row, started at its data; `drawn`: one for each row, started at what the `E`
       * around it draws; `inline`: one for each sample of a family or state of a sum, unrolled in the objective.
       */
      readonly place: "persistent" | "rows" | "drawn" | "inline";
      readonly sum: readonly string[];
      /** Variables that the chain starts from. */
      readonly start: readonly string[];
    }
  /** Estimated once for the whole evaluation, and fed. */
  | { readonly kind: "estimated"; readonly options: Options };

/** Chains of an energy that an update carries. */
export interface ChainUse {
  readonly density: string;
  /** Of the table of estimators. */
  readonly method: string;
  readonly options: Options;
  /** How many; undefined: one for each row, started at its data. */
  readonly count: number | undefined;
  /** Variables that they hold. */
  readonly start: readonly string[];
  readonly sum: readonly string[];
  /** What gives each row's chain its start where the data do not: the draws around log Z, and log Z itself in place of the body. */
  readonly begin: Quantity | undefined;
}

/** Objectives that take the place of the likelihood of an energy. */
export interface Matching {
  readonly kind: "matching";
  readonly method: string;
  readonly options: Options;
  readonly density: string;
  /** What it is matched in: of scores one. */
  readonly variables: readonly string[];
  /** How the hidden variables are summed out. */
  readonly hidden: ExactSum;
  /** Z differs from row to row: with what is given, or with the total of counts. */
  readonly ranked: boolean;
  /** Noise of a density of the model; where absent, of independent units at the means of the batch. */
  readonly noise: NoiseDensity | undefined;
  readonly at: ReadonlyMap<string, Expr>;
  readonly span: Span;
}

export interface NoiseDensity {
  readonly density: string;
  /** Its log-density at the data. */
  readonly data: Quantity;
  /** A family of samples for each row, the body its log-density at these. */
  readonly drawn: Extract<Quantity, { readonly kind: "expect" }>;
}

/** What was derived for one latent, for `explain`. */
export interface EstimatorNote {
  readonly variable: string;
  readonly density: string;
  readonly estimator: string;
  readonly reason: string;
  /** Of a draw in a statement that trains: the path of the gradient through it, and the trained weights that its own parameters read. */
  readonly gradient?: {
    readonly path: GradientPath;
    readonly unbiased: boolean;
    readonly unsure?: string;
    readonly weights: readonly string[];
  };
}

export interface DerivedObjective {
  readonly quantity: Quantity;
  /** Set where the weights are moved by expectation maximisation. */
  readonly em?: Maximisation;
  readonly notes: readonly EstimatorNote[];
  /** Weight paths (roots below densities and nets) that it depends on. */
  readonly weights: readonly string[];
  /** Data variables that it is a function of, in order of declaration. */
  readonly data: readonly string[];
  /** Those of them that may be missing and must be there, of a list one at least: an evaluation leaves other rows out. */
  readonly complete: readonly (string | readonly string[])[];
  /** Schedules whose scalars it reads. */
  readonly schedules: readonly { readonly name: string; readonly schedule: SettingValue }[];
  /** It draws random numbers. */
  readonly random: boolean;
  /** A gradient is taken of it. */
  readonly training: boolean;
  /** Orders that its masked layers choose from: training takes one of them in each step, all else the mean of p over them. */
  readonly orders: number;
  /** Of training in one of several orders at a time: the same quantity as it is measured, p the mean over them. */
  readonly ensemble?: DerivedObjective;
  /** Densities whose persistent chains it advances, and how many there are. */
  readonly chains: readonly ChainUse[];
  /** What its estimators carry from step to step: how many numbers under each name. */
  readonly memories: readonly { readonly name: string; readonly size: number }[];
  /** Weights that only its estimators read: baselines and control variates, which learn beside what the statement moves. */
  readonly helpers: readonly string[];
  /** Densities whose log Z is fed to it. */
  readonly partitions: readonly { readonly density: string; readonly options: Options }[];
}
