/** Algebra on elementwise primitives. */
import { abs, add, broadcastTo, div, mul, neg, reciprocal, select, sqrt, sub } from "../ops/elementwise.js";
import { concat, pad, reshape } from "../ops/structure.js";
import { broadcastShapes, sameShape, sizeOf } from "../shape.js";
import { emit, producer, scalar, type Tensor } from "../trace.js";
import type { Prim, PrimParams, Shape } from "../types.js";
import { elementwise } from "./elementwise-prims.js";
import { constantValue, made, operand, under } from "../look.js";

export function simplifyElementwise(prim: Prim, inputs: readonly Tensor[], params: PrimParams[Prim]): Tensor | undefined {
  if (!elementwise.has(prim)) return undefined;
  const [a, b, c] = inputs;
  const shape = broadcastShapes(
    prim,
    inputs.map((t) => t.shape),
  );
  const result = rule(prim, params, a!, b, c);
  return result === undefined ? undefined : broadcastTo(result, shape);
}

function rule(prim: Prim, params: PrimParams[Prim], a: Tensor, b: Tensor | undefined, c: Tensor | undefined): Tensor | undefined {
  switch (prim) {
    case "neg":
      return negRule(a);
    case "abs": {
      const inner = under(a, "neg");
      return inner === undefined ? made(a, "abs") && a : abs(inner);
    }
    case "floor":
      return made(a, "floor") && a;
    case "add":
      return addRule(a, b!) ?? addRule(b!, a) ?? sharedFactor("add", a, b!) ?? addPads(a, b!);
    case "sub":
      return subRule(a, b!) ?? sharedFactor("sub", a, b!);
    case "mul":
      return mulRule(a, b!) ?? mulRule(b!, a);
    case "div":
      return divRule(a, b!);
    case "pow":
      return powRule(a, constantValue(b));
    case "max":
    case "min":
      return a.id === b!.id ? a : undefined;
    case "and":
    case "or":
      return logicRule(prim, a, b!) ?? logicRule(prim, b!, a);
    case "not":
      return under(a, "not");
    case "select":
      return selectRule(a, b!, c!);
    case "cast": {
      const { to } = params as PrimParams["cast"];
      if (a.dtype === to) return a;
      const inner = under(a, "cast");
      return inner?.dtype === "bool" && to === "bool" ? inner : undefined;
    }
    default:
      return undefined;
  }
}

function negRule(a: Tensor): Tensor | undefined {
  const node = producer(a);
  if (node.prim === "neg") return operand(node, 0);
  if (node.prim === "sub") return sub(operand(node, 1), operand(node, 0));
  const factor = node.prim === "mul" ? constantFactor(a) : undefined;
  return factor === undefined ? undefined : mul(factor.rest, -factor.value);
}

/** c x + c y = c (x + y), as gradients of a scaled objective come out; x + x = 2 x. */
function sharedFactor(prim: "add" | "sub", a: Tensor, b: Tensor): Tensor | undefined {
  if (a.dtype !== "f32") return undefined;
  if (prim === "add" && a.id === b.id) return mul(a, 2);
  const [p, q] = [constantFactor(a), constantFactor(b)];
  if (p === undefined || q === undefined || Math.abs(p.value) !== Math.abs(q.value) || !tame(p.value)) return undefined;
  const same = (p.value === q.value) === (prim === "add");
  return mul(same ? add(p.rest, q.rest) : sub(p.rest, q.rest), p.value);
}

/** c and x of c * x. */
function constantFactor(t: Tensor): { value: number; rest: Tensor } | undefined {
  return constantAnd(t, "mul");
}

function constantAnd(t: Tensor, prim: "mul" | "add"): { value: number; rest: Tensor } | undefined {
  const node = made(t, prim);
  if (node === undefined) return undefined;
  const [a, b] = [operand(node, 0), operand(node, 1)];
  const [left, right] = [constantValue(a), constantValue(b)];
  // A constant that gives the result its shape stays where it is.
  if (right !== undefined && sameShape(a.shape, t.shape)) return { value: right, rest: a };
  return left !== undefined && sameShape(b.shape, t.shape) ? { value: left, rest: b } : undefined;
}

/** Tried both ways round. */
function addRule(a: Tensor, b: Tensor): Tensor | undefined {
  const value = constantValue(b);
  if (value === 0) return a;
  const inner = under(b, "neg");
  if (inner !== undefined) return sub(a, inner);
  const sum = value === undefined || a.dtype !== "f32" ? undefined : constantAnd(a, "add");
  return sum === undefined || !Number.isFinite(sum.value + value!) ? undefined : add(sum.rest, sum.value + value!);
}

function subRule(a: Tensor, b: Tensor): Tensor | undefined {
  if (constantValue(b) === 0) return a;
  if (constantValue(a) === 0 && a.dtype !== "u32") return neg(b);
  const inner = under(b, "neg");
  return inner === undefined ? undefined : add(a, inner);
}

/** Tried both ways round. */
function mulRule(a: Tensor, b: Tensor): Tensor | undefined {
  const value = constantValue(b);
  if (value === 1) return a;
  if (value === -1 && a.dtype === "f32") return neg(a);
  const inner = under(a, "neg");
  if (inner !== undefined && a.dtype === "f32") return value === undefined ? neg(mul(inner, b)) : mul(inner, -value);
  if (a.dtype !== "f32") return undefined;
  const product = value === undefined ? undefined : constantFactor(a);
  if (product !== undefined && tame(product.value * value!)) return mul(product.rest, product.value * value!);
  const quotient = made(b, "div");
  if (quotient === undefined) return undefined;
  const numerator = constantValue(operand(quotient, 0));
  if (numerator === 1) return div(a, operand(quotient, 1));
  const factor = constantValue(a);
  return numerator !== undefined && factor !== undefined && tame(numerator * factor)
    ? div(numerator * factor, operand(quotient, 1))
    : undefined;
}

/** Far from overflow and underflow of f32. */
const tame = (x: number): boolean => Math.abs(x) > 1e-30 && Math.abs(x) < 1e30;

function divRule(a: Tensor, b: Tensor): Tensor | undefined {
  const value = constantValue(b);
  if (value === 1) return a;
  if (a.dtype !== "f32") return undefined;
  if (value !== undefined && tame(value)) return mul(a, 1 / value);
  const [na, nb] = [under(a, "neg"), under(b, "neg")];
  if (na !== undefined || nb !== undefined) {
    const quotient = div(na ?? a, nb ?? b);
    return na !== undefined && nb !== undefined ? quotient : neg(quotient);
  }
  return undefined;
}

function powRule(a: Tensor, exponent: number | undefined): Tensor | undefined {
  switch (exponent) {
    case 0:
      return scalar(1);
    case 1:
      return a;
    case 2:
      return mul(a, a);
    case 3:
      return mul(mul(a, a), a);
    case 4: {
      const square = mul(a, a);
      return mul(square, square);
    }
    case 0.5:
      return sqrt(a);
    case -0.5:
      return reciprocal(sqrt(a));
    case -1:
      return reciprocal(a);
    case -2:
      return reciprocal(mul(a, a));
    default:
      return undefined;
  }
}

function logicRule(prim: "and" | "or", a: Tensor, b: Tensor): Tensor | undefined {
  if (a.id === b.id) return a;
  const value = constantValue(b);
  if (value === undefined) return undefined;
  return (value !== 0) === (prim === "and") ? a : b;
}

function selectRule(c: Tensor, a: Tensor, b: Tensor): Tensor | undefined {
  const value = constantValue(c);
  if (value !== undefined) return value !== 0 ? a : b;
  if (a.id === b.id) return a;
  const inner = under(c, "not");
  return inner === undefined ? undefined : select(inner, b, a);
}

/** Neighbours padded apart and added are joined: what differentiating a split leaves. */
function addPads(a: Tensor, b: Tensor): Tensor | undefined {
  const [p, q] = [made(a, "pad"), made(b, "pad")];
  if (p === undefined || q === undefined || ![...p.params.inside, ...q.params.inside].every((n) => n === 0)) return undefined;
  const [x, y] = [operand(p, 0), operand(q, 0)];
  const axes = [...a.shape.keys()].filter((i) => p.params.low[i] !== q.params.low[i] || p.params.high[i] !== q.params.high[i]);
  const axis = axes[0];
  if (axes.length !== 1 || axis === undefined) return undefined;
  const [px, qy] = [p.params.low[axis]!, q.params.low[axis]!];
  const ordered = px + x.shape[axis]! === qy ? [p, q] : qy + y.shape[axis]! === px ? [q, p] : undefined;
  if (ordered === undefined) return undefined;
  const [first, second] = ordered;
  const joined = concat([operand(first!, 0), operand(second!, 0)], axis);
  const pick = (from: Shape, other: Shape): number[] => from.map((n, i) => (i === axis ? other[i]! : n));
  return pad(joined, first!.params.low, pick(first!.params.high, second!.params.high));
}

/**
 * f(broadcast(x), …) = broadcast(f(x, …)) where every operand is stretched from the same small shape; where one operand has the full
 * shape, stretched scalars and uniform constants become scalars again.
 */
export function sinkBroadcasts(prim: Prim, inputs: readonly Tensor[], params: PrimParams[Prim]): Tensor | undefined {
  if (!elementwise.has(prim) || inputs.every((t) => t.shape.length === 0)) return undefined;
  const small = inputs.map(unstretched);
  if (small.every((t, i) => t.id === inputs[i]!.id)) return undefined;
  const shape = inputs.find((t) => t.shape.length > 0)!.shape;
  const shapes = small.filter((t) => t.shape.length > 0).map((t) => t.shape);
  if (shapes.every((s) => sameShape(s, shapes[0]!))) return broadcastTo(emit(prim, small, params), shape);
  const operands = small.map((t, i) => (t.shape.length === 0 ? t : inputs[i]!));
  const full = operands.some((t) => t.shape.length > 0);
  return full && operands.some((t, i) => t.id !== inputs[i]!.id) ? emit(prim, operands, params) : undefined;
}

function unstretched(t: Tensor): Tensor {
  if (t.shape.length === 0) return t;
  const value = constantValue(t);
  if (value !== undefined) return scalar(value, t.dtype);
  const inner = under(t, "broadcast");
  if (inner === undefined) return t;
  return sizeOf(inner.shape) === 1 ? reshape(inner, []) : inner;
}
