/**
 * The objective IR: an objective after derivation. Log-densities are spelled out as factors, marginals and conditionals have their
 * exact form, every latent has an estimator with a reason. It is still mathematics; codegen turns it into tensor code, `explain` prints it.
 *
 * Scoping is lexical: `expect` and `enumerate` bind variables (and locals) in their bodies, inner bindings hide outer ones.
 */
import type { Span } from "../base/source.js";
import type { Dim, DistCall, Expr, Local, SettingValue, TensorType } from "./types.js";

/** One conditional of a density at given values of its variables: log p(variable | parents). */
export interface Factor {
  readonly kind: "factor";
  readonly density: string;
  readonly variable: string;
  readonly dist: DistCall;
  /** Values of the density's variables, in the objective's scope; those not listed stand under their own name. */
  readonly at: ReadonlyMap<string, Expr>;
  readonly span: Span;
}

/** scale * Π factors * quantity */
export interface Term {
  readonly scale: number;
  readonly factors: readonly Expr[];
  readonly quantity: Quantity;
}

export type Estimator = "reparam" | "enumerate" | "none";

/** One draw of an `E`. */
export type DrawStep =
  | {
      readonly kind: "factor";
      readonly factor: Factor;
      /** Set when the drawn variable is bound under another name (`xf ~ p(x)`). */
      readonly local: Local | undefined;
      readonly estimator: Estimator;
      readonly reason: string;
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
  | {
      readonly kind: "distribution";
      readonly local: Local;
      readonly dist: DistCall;
      readonly type: TensorType;
      readonly estimator: Estimator;
      readonly reason: string;
      readonly span: Span;
    };

/** The family of samples of `z[1..k]`. */
export interface Plate {
  readonly id: string;
  readonly count: Dim;
}

export type Quantity =
  | Factor
  /** No density in it: an ordinary expression of data, parameters, drawn values. */
  | { readonly kind: "value"; readonly expr: Expr }
  | { readonly kind: "sum"; readonly terms: readonly Term[]; readonly span: Span }
  /** A function of quantities; `expr` is the builtin call as elaborated, its arguments replaced by `args`. */
  | { readonly kind: "apply"; readonly expr: Extract<Expr, { kind: "builtin" }>; readonly args: readonly Quantity[] }
  /** KL(q, p) between two distributions of one variable, in closed form; `fn` is the runtime's function. */
  | { readonly kind: "kl"; readonly fn: string; readonly q: Factor; readonly p: Factor; readonly span: Span }
  | {
      readonly kind: "expect";
      readonly plate: Plate | undefined;
      readonly steps: readonly DrawStep[];
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
      readonly states: Dim;
      readonly weight: Factor | undefined;
      readonly body: Quantity;
      readonly reason: string;
      readonly span: Span;
    }
  /** log ∫ N(z; …) N(x; loc affine in z, scale free of z) dz, a low-rank Normal (Bishop 2006, eq. 2.115). */
  | { readonly kind: "gaussianMarginal"; readonly latent: Factor; readonly child: Factor; readonly span: Span }
  | {
      readonly kind: "reduce";
      readonly op: "sum" | "mean" | "max" | "min" | "logsumexp" | "logmeanexp";
      readonly index: string;
      readonly plate: string;
      readonly count: Dim;
      readonly body: Quantity;
      readonly span: Span;
    };

/** What was derived for one latent, for `explain`. */
export interface EstimatorNote {
  readonly variable: string;
  readonly density: string;
  readonly estimator: string;
  readonly reason: string;
}

export interface DerivedObjective {
  readonly quantity: Quantity;
  readonly notes: readonly EstimatorNote[];
  /** Weight paths (roots below densities and nets) that it depends on. */
  readonly weights: readonly string[];
  /** Data variables that it is a function of, in order of declaration. */
  readonly data: readonly string[];
  /** Schedules whose scalars it reads. */
  readonly schedules: readonly { readonly name: string; readonly schedule: SettingValue }[];
  /** It draws random numbers. */
  readonly random: boolean;
}
