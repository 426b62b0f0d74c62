/**
 * Up to which unit of the variable the parts of a node read. A running sum is right at a unit if and only if it holds all parts that are known there
 * and the others do not matter; so the two bounds below say whether there is one, and which part is new at a unit.
 */
import type { Node, NodeOf, Prim } from "../types.js";
import { elementwise } from "../passes/elementwise-prims.js";
import { ruleOf } from "./rules.js";
import type { Operand, Units } from "./unit.js";

/** By part: a unit of the variable, -1 for none. */
export interface Reach {
  /** Every entry of the part reads this unit, or one after it. */
  readonly least: readonly number[];
  /** No entry reads one after this; Infinity where that is not known. */
  readonly most: readonly number[];
}

/** A fixed value that may hold zeros by its making, so that what it multiplies may not be read. */
export function mayMask(node: Node, operands: readonly boolean[]): boolean {
  if (node.prim === "constant") return node.params.values.length > 1 || node.params.values[0] === 0;
  return node.prim === "iota" || node.prim === "pad" || node.dtype === "bool" || operands.some(Boolean);
}

export interface ReachOperand extends Operand {
  readonly reach: Reach | undefined;
  /** Fixed, and may hold zeros by its making. */
  readonly masks: boolean;
}

/** Of the variable itself. */
export function ownReach(units: number): Reach {
  const own = Array.from({ length: units }, (_, k) => k);
  return { least: own, most: own };
}

export function reachOf(node: Node, own: Units, operands: readonly ReachOperand[]): Reach {
  const rule = ruleOf(node)!;
  const parts = Array.from({ length: node.shape[own.axis]! / own.block }, (_, k) => k);
  // what part k takes of an operand: by offset, -1 outside of it
  const taken = (k: number, bound: keyof Reach): readonly number[] =>
    operands.flatMap((operand, i) => {
      if (operand.kind.kind === "fixed") return [-1];
      const { reach } = operand;
      if (reach === undefined) return [bound === "most" ? Infinity : -1];
      const offsets = rule.reads?.(node as NodeOf<Prim>, i, operands) ?? [0];
      return offsets.map((offset) => reach[bound][k + offset] ?? -1);
    });
  const most = parts.map((k) => Math.max(...taken(k, "most")));
  const which = entriesRead(node, own, operands);
  const least = parts.map((k) => (which === "none" ? -1 : Math[which === "all" ? "max" : "min"](...taken(k, "least"))));
  const runs = node.prim === "cumsum" && node.params.axis === own.axis;
  return runs ? { least: runningMax(least), most: runningMax(most) } : { least, most };
}

function runningMax(values: readonly number[]): readonly number[] {
  let top = -1;
  return values.map((value) => (top = Math.max(top, value)));
}

/** Whether each entry of a part reads entries of all that the part takes, of one of its operands, or perhaps none. */
function entriesRead(node: Node, own: Units, operands: readonly ReachOperand[]): "all" | "one" | "none" {
  const masked = operands.some(({ masks }) => masks);
  if (node.prim === "select") return operands[0]!.masks ? "none" : "all";
  if (elementwise.has(node.prim)) return masked && !KEEPS.has(node.prim) ? "none" : "all";
  switch (node.prim) {
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
    case "reverse":
    case "reduceSum":
    case "reduceMax":
    case "argMax":
    case "cumsum":
      return "all";
    case "gather":
    case "matmul":
      return masked ? "none" : "all";
    case "pad": {
      const { low, high, inside } = node.params;
      const within = node.shape.some((_, axis) => axis !== own.axis && (low[axis] !== 0 || high[axis] !== 0 || inside[axis] !== 0));
      return within ? "none" : "all";
    }
    case "concat":
      return node.params.axis === own.axis ? "all" : "one";
    case "conv":
      // along other axes of space some places may see zeros alone
      return masked || node.shape.length > 3 ? "none" : "all";
    default:
      return "none";
  }
}

/** Their result reads an operand whatever the other one is. */
const KEEPS: ReadonlySet<Prim> = new Set<Prim>(["add", "sub", "max", "min", "eq", "lt", "le"]);

export interface Order {
  readonly units: number;
  readonly several: boolean;
  readonly natural: boolean;
}

/**
 * The part that a running sum takes at unit 0, relative to it: at each unit one more. Undefined where there is no such sum: where parts that are known at a
 * unit come in another order, or several at a time. While a unit of several positions is drawn, the part that reads it counts too, as far as it is known.
 */
export function sumOffset({ least, most }: Reach, { units, several, natural }: Order): number | undefined {
  if (!natural) return least.every((reads, k) => reads === k && most[k] === k) ? -1 : undefined;
  const ahead = several ? 0 : 1;
  const offset = Math.min(0, ...most.map((reads, k) => (reads < 0 ? 0 : k - reads - ahead)));
  if (offset === -Infinity) return undefined;
  // the last unit at which a part is left out: none of its entries may be known there
  const unknown = least.every((reads, k) => {
    const last = Math.min(k - offset - 1, units - 1);
    return last < 0 || reads > last - ahead;
  });
  return unknown ? offset : undefined;
}

/** Whether what a node computes at a unit is the same at later ones. */
export const isSettled = ({ most }: Reach): boolean => most.every((reads) => reads < Infinity);
