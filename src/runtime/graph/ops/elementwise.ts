/**
 * Elementwise operations. Operands broadcast by numpy's rule; a number is a constant in the other operand's dtype.
 * Results have the broadcast shape. Operands that do not fit are a GmcError (GM4901 shapes, GM4902 dtypes).
 */
import { broadcastShapes, sameShape, showShape, sizeOf } from "../shape.js";
import { shapeError } from "../shape.js";
import { emit, scalar, type Tensor, type TensorLike } from "../trace.js";
import type { DType, Empty, Prim, Shape } from "../types.js";

const none: Empty = {};

type Unary = { [P in Prim]: P }[
  | "neg"
  | "abs"
  | "sign"
  | "floor"
  | "exp"
  | "log"
  | "log1p"
  | "expm1"
  | "sqrt"
  | "sin"
  | "cos"
  | "tanh"
  | "sigmoid"
  | "softplus"
  | "erf"
  | "lgamma"];
type Binary = { [P in Prim]: P }["add" | "sub" | "mul" | "div" | "pow" | "max" | "min" | "lt" | "le" | "eq" | "and" | "or"];

/** A number as a scalar constant; a Tensor as it is. */
export function lift(x: TensorLike, dtype: DType = "f32"): Tensor {
  return typeof x === "number" ? scalar(x, dtype) : x;
}

/** Stretches `x` to `shape` by numpy's rule; `x` itself where it has that shape. */
export function broadcastTo(x: TensorLike, shape: Shape): Tensor {
  const t = lift(x);
  return sameShape(t.shape, shape) ? t : emit("broadcast", [t], { shape: [...shape] });
}

/** Brings operands to the form of the primitives: equal shapes, or rank 0. One-element operands become scalars instead of being stretched. */
function align(what: string, operands: readonly Tensor[]): Tensor[] {
  const shape = broadcastShapes(
    what,
    operands.map((t) => t.shape),
  );
  // The result takes its shape from an operand, so one must keep or be given the full shape.
  const full = operands.some((t) => sameShape(t.shape, shape));
  const widest = full ? -1 : operands.findIndex((t) => sizeOf(t.shape) > 1);
  return operands.map((t, i) => {
    if (t.shape.length === 0 || sameShape(t.shape, shape)) return t;
    if (sizeOf(t.shape) === 1 && (full || i !== Math.max(widest, 0))) return emit("reshape", [t], { shape: [] });
    return broadcastTo(t, shape);
  });
}

function unary(prim: Unary, x: TensorLike): Tensor {
  return emit(prim, [lift(x)], none);
}

function binary(prim: Binary, a: TensorLike, b: TensorLike): Tensor {
  const dtype = typeof a !== "number" ? a.dtype : typeof b !== "number" ? b.dtype : "f32";
  return emit(prim, align(prim, [lift(a, dtype), lift(b, dtype)]), none);
}

export const neg = (x: TensorLike): Tensor => unary("neg", x);
export const abs = (x: TensorLike): Tensor => unary("abs", x);
/** -1, 0 or 1; its gradient is zero */
export const sign = (x: TensorLike): Tensor => unary("sign", x);
/** gradient zero */
export const floor = (x: TensorLike): Tensor => unary("floor", x);
export const exp = (x: TensorLike): Tensor => unary("exp", x);
/** Natural logarithm. The forms log(sigmoid(x)), log(1 - sigmoid(x)), log(sum(exp(x))) and their like are staged in their stable form. */
export const log = (x: TensorLike): Tensor => unary("log", x);
/** log(1 + x) */
export const log1p = (x: TensorLike): Tensor => unary("log1p", x);
/** exp(x) - 1 */
export const expm1 = (x: TensorLike): Tensor => unary("expm1", x);
export const sqrt = (x: TensorLike): Tensor => unary("sqrt", x);
export const sin = (x: TensorLike): Tensor => unary("sin", x);
export const cos = (x: TensorLike): Tensor => unary("cos", x);
export const tanh = (x: TensorLike): Tensor => unary("tanh", x);
/** 1 / (1 + exp(-x)) */
export const sigmoid = (x: TensorLike): Tensor => unary("sigmoid", x);
/** log(1 + exp(x)), stable */
export const softplus = (x: TensorLike): Tensor => unary("softplus", x);
export const erf = (x: TensorLike): Tensor => unary("erf", x);
/** log |Γ(x)| */
export const lgamma = (x: TensorLike): Tensor => unary("lgamma", x);
/** ψ(x) = d log Γ(x) / dx */
export const digamma = (x: TensorLike): Tensor => polygamma(0, x);
/** The derivative of digamma of the given order. */
export const polygamma = (order: number, x: TensorLike): Tensor => emit("polygamma", [lift(x)], { order });

export const add = (a: TensorLike, b: TensorLike): Tensor => binary("add", a, b);
export const sub = (a: TensorLike, b: TensorLike): Tensor => binary("sub", a, b);
export const mul = (a: TensorLike, b: TensorLike): Tensor => binary("mul", a, b);
/** Integers divide towards zero. */
export const div = (a: TensorLike, b: TensorLike): Tensor => binary("div", a, b);
/** a^b; a negative base needs a whole exponent */
export const pow = (a: TensorLike, b: TensorLike): Tensor => binary("pow", a, b);
/** The larger of two, elementwise; at a tie the gradient goes to `b`. */
export const maximum = (a: TensorLike, b: TensorLike): Tensor => binary("max", a, b);
/** The smaller of two, elementwise; at a tie the gradient goes to `b`. */
export const minimum = (a: TensorLike, b: TensorLike): Tensor => binary("min", a, b);
export { maximum as max, minimum as min };

export const square = (x: TensorLike): Tensor => mul(x, x);
export const reciprocal = (x: TensorLike): Tensor => div(1, x);
/** log(sigmoid(x)), stable */
export const logSigmoid = (x: TensorLike): Tensor => neg(softplus(neg(x)));
/** max(x, 0); the gradient at 0 is 0 */
export const relu = (x: TensorLike): Tensor => maximum(x, 0);
/** x brought into [low, high]; the gradient is zero outside */
export const clip = (x: TensorLike, low: number, high: number): Tensor => minimum(maximum(x, low), high);

export const less = (a: TensorLike, b: TensorLike): Tensor => binary("lt", a, b);
export const lessEqual = (a: TensorLike, b: TensorLike): Tensor => binary("le", a, b);
export const greater = (a: TensorLike, b: TensorLike): Tensor => binary("lt", b, a);
export const greaterEqual = (a: TensorLike, b: TensorLike): Tensor => binary("le", b, a);
export const equal = (a: TensorLike, b: TensorLike): Tensor => binary("eq", a, b);
export const notEqual = (a: TensorLike, b: TensorLike): Tensor => not(equal(a, b));
export const and = (a: Tensor, b: Tensor): Tensor => binary("and", a, b);
export const or = (a: Tensor, b: Tensor): Tensor => binary("or", a, b);
export const not = (a: Tensor): Tensor => emit("not", [a], none);

/** `a` where the condition holds, else `b`. */
export function select(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  const dtype = typeof a !== "number" ? a.dtype : typeof b !== "number" ? b.dtype : "f32";
  return emit("select", align("select", [condition, lift(a, dtype), lift(b, dtype)]), none);
}

/** To another dtype: floats to integers towards zero (saturating; NaN gives 0), anything but 0 to true, true to 1. */
export function cast(x: TensorLike, to: DType): Tensor {
  const t = lift(x);
  return t.dtype === to ? t : emit("cast", [t], { to });
}

/** The value of `x`; gradients do not flow through it. */
export const stopGradient = (x: TensorLike): Tensor => emit("stopGradient", [lift(x)], none);

/** A literal tensor: a number fills `shape` (default: a scalar); a list holds all values in C order (default shape: one axis). */
export function constant(value: number | boolean | readonly (number | boolean)[], shape?: Shape, dtype?: DType): Tensor {
  const list = typeof value === "object" ? value : [value];
  const type = dtype ?? (typeof list[0] === "boolean" ? "bool" : "f32");
  const out = shape ?? (typeof value === "object" ? [list.length] : []);
  if (out.length === 0 && list.length === 1) return scalar(Number(list[0]), type);
  if (typeof value === "object" && list.length !== sizeOf(out))
    throw shapeError(`constant: ${list.length} values do not fill ${showShape(out)}`);
  return emit("constant", [], { values: list.map(Number) }, { shape: [...out], dtype: type });
}

export const zeros = (shape: Shape, dtype: DType = "f32"): Tensor => constant(0, shape, dtype);
export const ones = (shape: Shape, dtype: DType = "f32"): Tensor => constant(1, shape, dtype);
/** 0, 1, …, n - 1 */
export const iota = (n: number, dtype: DType = "i32"): Tensor => emit("iota", [], { axis: 0 }, { shape: [n], dtype });
