/**
 * How a value depends on a variable that is drawn unit by unit. A unit is one entry along the variable's first event axis: an entry of a vector, a
 * step of a sequence, a row of an image.
 *
 * - fixed: not at all (weights, conditions, noise drawn once).
 * - units: an axis of the value runs along the units, and its part at a unit follows from parts of its operands at that unit and ones near it.
 * - sum: a sum over all units, so a running one: what follows the current unit is arbitrary by assumption, and left out.
 * - varying: in any other way. It is computed anew, from all that it reads.
 */
import type { NodeOf, Prim, Shape } from "../types.js";
import type { Tensor } from "../trace.js";

/** `axis` holds `block` entries for each unit, those of unit j at j block .. (j + 1) block - 1. */
export interface Units {
  readonly kind: "units";
  readonly axis: number;
  readonly block: number;
}

export type Kind = Units | { readonly kind: "fixed" } | { readonly kind: "sum" } | { readonly kind: "varying" };

export interface Operand {
  readonly shape: Shape;
  readonly kind: Kind;
}

/** What a rule emits with: parts of operands at offsets from the current unit. Operand i of the node whose rule it is. */
export interface Parts {
  /** Operand i at the offset; one without an axis of units is cut along `along` where it has that axis in full, whole where it is of rank 0. */
  part(i: number, offset: number, along: Units): Tensor;
  /** As `part`, with zeros where the offset leads before the first or past the last unit of the operand. */
  padded(i: number, offset: number): Tensor;
  /** Operand i as it is now, in full. */
  whole(i: number): Tensor;
  /** A function of operand i, which is fixed: computed once. */
  once(i: number, name: string, fn: (operand: Tensor) => Tensor): Tensor;
  /** Where the operand's unit at `offset` is before entry `stop`: bool []. */
  before(offset: number, stop: number): Tensor;
}

/** A rule for nodes whose result has units. */
export interface UnitRule<P extends Prim> {
  /** Where the units of the result are, given those of the operands; "sum" for a running sum; undefined where the rule does not hold. */
  readonly follow: (node: NodeOf<P>, operands: readonly Operand[]) => Units | "sum" | undefined;
  /** Offsets at which it reads operand i for its own part at offset 0; [0] unless told. */
  readonly reads?: (node: NodeOf<P>, i: number, operands: readonly Operand[]) => readonly number[];
  /** Only moves entries: computed wherever it is asked for, kept nowhere. */
  readonly moves?: true;
  readonly emit: (node: NodeOf<P>, parts: Parts, operands: readonly Operand[], own: Units, offset: number) => Tensor;
}
