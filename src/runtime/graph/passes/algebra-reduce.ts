/** Algebra on reductions: those that merge or do nothing, of stretched operands, with a factor common to all entries. */
import { broadcastTo, div, mul, neg } from "../ops/elementwise.js";
import { reduceMax, sum } from "../ops/reduce.js";
import { reshape } from "../ops/structure.js";
import { dropAxes } from "../shape.js";
import { producer, type Tensor } from "../trace.js";
import type { Prim, PrimParams } from "../types.js";
import { made, operand, under } from "../look.js";

export function simplifyReduction(prim: Prim, inputs: readonly Tensor[], params: PrimParams[Prim]): Tensor | undefined {
  if (prim !== "reduceSum" && prim !== "reduceMax") return undefined;
  const x = inputs[0]!;
  const { axes } = params as PrimParams["reduceSum"];
  if (axes.length === 0) return x;
  const reduce = prim === "reduceSum" ? sum : reduceMax;
  const whole = axes.length === x.shape.length;
  const thin = axes.filter((axis) => x.shape[axis] === 1);
  if (thin.length === axes.length) return reshape(x, dropAxes(x.shape, axes));
  if (thin.length > 0 && !whole) return reduce(reshape(x, dropAxes(x.shape, thin)), without(axes, thin));
  const inner = made(x, prim);
  if (inner !== undefined) return reduce(operand(inner, 0), mergedAxes(inner.params.axes, axes, operand(inner, 0).shape.length));
  const moved = whole ? (under(x, "reshape") ?? under(x, "transpose")) : undefined;
  if (moved !== undefined && moved.shape.length > 0) return reduce(moved);
  return ofBroadcast(prim, x, axes) ?? (prim === "reduceSum" && x.dtype === "f32" ? commonFactor(x, axes) : undefined);
}

/** Where `axes` lie once `thin`, some of them, are gone. */
function without(axes: readonly number[], thin: readonly number[]): number[] {
  return axes.filter((axis) => !thin.includes(axis)).map((axis) => axis - thin.filter((other) => other < axis).length);
}

/** Axes of the innermost operand that `first` and then `second` (counted after `first`) reduce. */
function mergedAxes(first: readonly number[], second: readonly number[], rank: number): number[] {
  const left = [...Array(rank).keys()].filter((axis) => !first.includes(axis));
  return [...first, ...second.map((axis) => left[axis]!)].sort((a, b) => a - b);
}

/** The sum of a stretched tensor is the sum of the tensor times the stretch. */
function ofBroadcast(prim: "reduceSum" | "reduceMax", x: Tensor, axes: readonly number[]): Tensor | undefined {
  const u = under(x, "broadcast");
  if (u === undefined) return undefined;
  const fresh = x.shape.length - u.shape.length;
  let factor = 1;
  const inside: number[] = [];
  for (const axis of axes) {
    if (axis >= fresh) inside.push(axis - fresh);
    if (axis < fresh || u.shape[axis - fresh] === 1) factor *= x.shape[axis]!;
  }
  const out = dropAxes(x.shape, axes);
  if (prim === "reduceMax") return factor === 0 ? undefined : broadcastTo(reduceMax(u, inside), out);
  const total = sum(u, inside);
  return broadcastTo(factor === 1 ? total : mul(total, factor), out);
}

function commonFactor(x: Tensor, axes: readonly number[]): Tensor | undefined {
  const node = producer(x);
  switch (node.prim) {
    case "neg":
      return neg(sum(operand(node, 0), axes));
    case "mul":
    case "div": {
      const [a, b] = [operand(node, 0), operand(node, 1)];
      if (b.shape.length === 0 && a.shape.length > 0) return node.prim === "mul" ? mul(sum(a, axes), b) : div(sum(a, axes), b);
      return node.prim === "mul" && a.shape.length === 0 && b.shape.length > 0 ? mul(sum(b, axes), a) : undefined;
    }
    default:
      return undefined;
  }
}
