/** What the analysis of an energy finds: plain data, for derivation, code generation and `gmc explain`. */
import type { Span } from "../../base/source.js";
import type { Expr, Variable } from "../types.js";
import type { Cause, Dependence, Reach } from "./dependence.js";

export type { Cause, Degree, Dependence } from "./dependence.js";

/** The conditional of a variable's units given everything else. */
export type UnitLaw =
  | { readonly kind: "bernoulli" }
  /** In each block of the leading axes at most one unit is 1. */
  | { readonly kind: "oneOfBlock"; readonly block: readonly number[] }
  | { readonly kind: "categorical"; readonly classes: number }
  /** Units independent; precision and mean from the gradient at two points. */
  | { readonly kind: "normal" }
  /** The Hessian is not diagonal; given the other variables it is constant. */
  | { readonly kind: "jointNormal" }
  /** Counts given their total. */
  | { readonly kind: "multinomial" }
  /** Units of a discrete variable interact: they can be drawn one after another only. */
  | { readonly kind: "coupled"; readonly term: EnergyTerm; readonly cause: Cause }
  /** Of higher degree: a real variable without a Normal conditional, a category that enters other than by a table. */
  | { readonly kind: "nonlinear"; readonly term: EnergyTerm; readonly cause: Cause };

/** What can draw a variable given the rest. */
export type Sampler = "gibbs" | "single_site" | "langevin" | "hmc";

export interface EnergyTerm {
  /** The energy is the sum of `scale * expr` over its terms. */
  readonly scale: number;
  readonly expr: Expr;
  readonly span: Span;
  /** Degree and coupling by variable. */
  readonly reach: Reach;
}

export interface Edge {
  readonly a: string;
  readonly b: string;
  readonly terms: readonly EnergyTerm[];
}

/**
 * Positive definiteness of the joint Hessian of all real variables given the others: proven; to be checked as the run goes; or no such Hessian, since together they are of a degree above 2: `grows` where the energy is proven to
 * grow in all directions, else `unbounded`. `none`: there are no real variables.
 */
export type Definiteness = "none" | "proven" | "checked" | "grows" | "unbounded";

export interface EnergyAnalysis {
  readonly density: string;
  readonly span: Span;
  /** Defined by the energy, in the order of the header. */
  readonly variables: readonly string[];
  readonly variable: ReadonlyMap<string, Variable>;
  /** Conditions and earlier variables that the energy reads. */
  readonly reads: readonly string[];
  /** One per `energy` statement, rewritten so that every unit of a binary variable that meets no other of its kind enters affinely. */
  readonly energies: readonly Expr[];
  readonly rewritten: boolean;
  readonly terms: readonly EnergyTerm[];
  /** Of the whole energy. */
  readonly dependence: ReadonlyMap<string, Dependence>;
  readonly laws: ReadonlyMap<string, UnitLaw>;
  readonly edges: readonly Edge[];
  /** Real variables of which each unit meets one unit of a binary variable, the one in its own place, by that variable: slabs of spikes. */
  readonly slabs: ReadonlyMap<string, readonly string[]>;
  /** Blocks of variables that do not interact, in the order in which a Gibbs sweep draws them. */
  readonly sweep: readonly (readonly string[])[];
  /** Variables each of whose units enters affinely, the others held (a category: its one-hot vector): what mean field needs. Not units that interact under `at_most_one`. */
  readonly multiAffine: ReadonlySet<string>;
  /**
   * Binary variables of degree two whose own squares stand in the energy, with the other variables that the terms of the squares read. As 0 and 1 are
   * their own squares, the energy is multilinear in such a variable and in all that those terms do not read.
   */
  readonly squared: ReadonlyMap<string, ReadonlySet<string>>;
  readonly definite: Definiteness;
}
