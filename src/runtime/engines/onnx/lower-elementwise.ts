/**
 * ONNX forms of the elementwise primitives. Operands are stretched by ONNX itself, so values stay as small as they are (see builder.ts).
 * Formulas are chosen by accuracy first, then by what they cost in onnxruntime on a CPU, in microseconds per 100,000 elements:
 * 15 to 25 for arithmetic, Exp, Relu, Abs, Sqrt, comparisons, Sigmoid and Tanh; 60 for Cast from bool; 120 for Where; 140 for Sign;
 * 160 for Log; 300 for Sin; 380 for Pow; 900 for Softplus.
 */
import { broadcastShapes } from "../../graph/shape.js";
import type { DType, NodeOf, Prim } from "../../graph/types.js";
import { int, type ModelBuilder, type Value } from "./builder.js";
import { elementType, type ElementType } from "./proto.js";
import type { Lowering } from "./lowering.js";
import { lgamma, polygamma } from "./lower-special.js";

/** Combines operands under the shape that they stretch to. */
function over(operands: readonly Value[], name: string): Value {
  return {
    name,
    shape: broadcastShapes(
      "ONNX operands",
      operands.map((operand) => operand.shape),
    ),
  };
}

/** One ONNX operator. */
const plain =
  (op: string): Lowering<Prim> =>
  (c, _node, operands) =>
    over(
      operands,
      c.b.op(
        op,
        operands.map((operand) => operand.name),
      ),
    );

/** A composition over one f32 operand. */
const composed =
  (make: (b: ModelBuilder, x: string) => string): Lowering<Prim> =>
  (c, _node, [x]) => ({ name: make(c.b, x!.name), shape: x!.shape });

const castTo = (b: ModelBuilder, x: string, to: ElementType): string => b.op("Cast", [x], { to: int(elementType[to]) });

/** ONNX Runtime has no arithmetic on u32: it is done on another type, from which the low 32 bits come back. */
const unsigned =
  (via: "i32" | "i64", lowering: Lowering<Prim>): Lowering<Prim> =>
  (c, node, operands) => {
    const types = node.inputs.map((id) => c.node(id).dtype);
    if (!types.includes("u32")) return lowering(c, node, operands);
    const cast = operands.map((x, i) => (types[i] === "u32" ? { name: castTo(c.b, x.name, via), shape: x.shape } : x));
    const y = lowering(c, node, cast);
    return node.dtype === "u32" ? { name: castTo(c.b, y.name, "u32"), shape: y.shape } : y;
  };

/** log(1 + x) = x log(u) / (u - 1) with u = 1 + x rounded, whose errors cancel (Kahan); x itself where u is 1. */
function log1p(b: ModelBuilder, x: string): string {
  const one = b.f32([1]);
  const u = b.op("Add", [one, x]);
  const d = b.op("Sub", [u, one]);
  const tiny = b.op("Equal", [d, b.f32([0])]);
  const ratio = b.op("Div", [b.op("Log", [u]), b.op("Where", [tiny, one, d])]);
  // infinite u would give Infinity * NaN; there log u is right as it stands
  const product = b.op("Mul", [ratio, x]);
  const large = b.op("Less", [b.f32([1e30]), x]);
  return b.op("Where", [tiny, x, b.op("Where", [large, b.op("Log", [u]), product])]);
}

/** exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2), without cancellation, near 0; the plain difference elsewhere. */
function expm1(b: ModelBuilder, x: string): string {
  const half = b.f32([0.5]);
  const one = b.f32([1]);
  const t = b.op("Tanh", [b.op("Mul", [half, x])]);
  const near = b.op("Div", [b.op("Add", [t, t]), b.op("Sub", [one, t])]);
  const far = b.op("Sub", [b.op("Exp", [x]), one]);
  return b.op("Where", [b.op("Less", [b.op("Abs", [x]), half]), near, far]);
}

/**
 * log(1 + e^x) = max(x, 0) - log(sigmoid(|x|)), whose error is half the last digit of 1: small values, of x below -5, are their series in e^x,
 * e - e^2/2 + e^3/3, within e^3/4 of the value.
 */
function softplus(b: ModelBuilder, x: string): string {
  const large = b.op("Sub", [b.op("Relu", [x]), b.op("Log", [b.op("Sigmoid", [b.op("Abs", [x])])])]);
  // e^-5 above, so that the series overflows nowhere
  const e = b.op("Exp", [b.op("Min", [x, b.f32([-5])])]);
  const inner = b.op("Sub", [b.f32([0.5]), b.op("Mul", [e, b.f32([1 / 3])])]);
  const small = b.op("Mul", [e, b.op("Sub", [b.f32([1]), b.op("Mul", [e, inner])])]);
  return b.op("Where", [b.op("Less", [x, b.f32([-5])]), small, large]);
}

/** 1 / (1 + e^-x). onnxruntime's own, at a third of the cost, is off by 1e-7 whatever it is: twice the value at -17. See `roughSigmoid`. */
function sigmoid(b: ModelBuilder, x: string): string {
  return b.op("Reciprocal", [b.op("Add", [b.op("Exp", [b.op("Neg", [x])]), b.f32([1])])]);
}

/** Integers divide towards zero, and x / 0 is 0; onnxruntime would stop the process. A quotient of 32-bit integers is exact in f64 once truncated. */
const divide: Lowering<"div"> = (c, node, [x, y]) => {
  if (node.dtype === "f32") return over([x!, y!], c.b.op("Div", [x!.name, y!.name]));
  const zero = c.b.literal(node.dtype, [0], []);
  const q = castTo(c.b, c.b.op("Div", [castTo(c.b, x!.name, "f64"), castTo(c.b, y!.name, "f64")]), "i64");
  const none = castTo(c.b, c.b.op("Equal", [y!.name, zero]), "i64");
  const some = c.b.op("Sub", [c.b.i64([1], []), none]);
  return over([x!, y!], castTo(c.b, c.b.op("Mul", [q, some]), node.dtype));
};

/** Whole and half exponents that are constants do without Pow. */
const power: Lowering<"pow"> = (c, node, [x, y]) => {
  const exponent = c.scalar(node.inputs[1]!);
  const base = x!.name;
  const made = (name: string): Value => ({ name, shape: x!.shape });
  switch (exponent) {
    case 1:
      return x!;
    case 2:
      return made(c.b.op("Mul", [base, base]));
    case 3:
      return made(c.b.op("Mul", [c.b.op("Mul", [base, base]), base]));
    case 4: {
      const square = c.b.op("Mul", [base, base]);
      return made(c.b.op("Mul", [square, square]));
    }
    case 0.5:
      return made(c.b.op("Sqrt", [base]));
    case -0.5:
      return made(c.b.op("Reciprocal", [c.b.op("Sqrt", [base])]));
    case -1:
      return made(c.b.op("Reciprocal", [base]));
    case -2:
      return made(c.b.op("Reciprocal", [c.b.op("Mul", [base, base])]));
    default:
      return over([x!, y!], c.b.op("Pow", [base, y!.name]));
  }
};

const choose: Lowering<"select"> = (c, node, [condition, x, y]) => {
  const operands = [condition!, x!, y!];
  const names = operands.map((operand) => operand.name);
  switch (node.dtype) {
    case "f32":
    case "i32":
      return over(operands, c.b.op("Where", names));
    case "u32": {
      const [p, q] = [castTo(c.b, names[1]!, "i64"), castTo(c.b, names[2]!, "i64")];
      return over(operands, castTo(c.b, c.b.op("Where", [names[0]!, p, q]), "u32"));
    }
    case "bool": {
      const yes = c.b.op("And", [names[0]!, names[1]!]);
      return over(operands, c.b.op("Or", [yes, c.b.op("And", [c.b.op("Not", [names[0]!]), names[2]!])]));
    }
  }
};

/**
 * Floats become integers towards zero, saturating, NaN as 0: brought into range in f64, which holds all of both. (onnxruntime's own Min and Max
 * of i64 compare the low 32 bits only.)
 */
const convert: Lowering<"cast"> = (c, node, [x]) => {
  const from = c.node(node.inputs[0]!).dtype;
  const to = node.params.to;
  const made = (name: string): Value => ({ name, shape: x!.shape });
  if (from === to) return x!;
  if (from !== "f32" || to === "bool") return made(saturated(c.b, x!.name, from, to));
  const [low, high] = to === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  const number = castTo(c.b, c.b.op("Where", [c.b.op("Equal", [x!.name, x!.name]), x!.name, c.b.f32([0])]), "f64");
  const inside = c.b.op("Min", [c.b.op("Max", [number, c.b.f64(low)]), c.b.f64(high)]);
  return made(castTo(c.b, castTo(c.b, inside, "i64"), to));
};

function saturated(b: ModelBuilder, x: string, from: DType, to: DType): string {
  if (from === "i32" && to === "u32") return castTo(b, b.op("Max", [x, b.literal("i32", [0], [])]), to);
  if (from === "u32" && to === "i32") return castTo(b, b.op("Min", [x, b.literal("u32", [2 ** 31 - 1], [])]), to);
  return castTo(b, x, to);
}

/** Equal on conditions, which ONNX Runtime compares as they are. */
const equal: Lowering<"eq"> = (c, node, operands) => unsigned("i64", plain("Equal"))(c, node, operands);

export const elementwise = {
  neg: unsigned("i32", plain("Neg")),
  abs: plain("Abs"),
  sign: plain("Sign"),
  floor: plain("Floor"),
  exp: plain("Exp"),
  log: plain("Log"),
  log1p: composed(log1p),
  expm1: composed(expm1),
  sqrt: plain("Sqrt"),
  sin: plain("Sin"),
  cos: plain("Cos"),
  tanh: plain("Tanh"),
  sigmoid: composed(sigmoid),
  softplus: composed(softplus),
  erf: plain("Erf"),
  lgamma: composed(lgamma),
  polygamma: (c, node: NodeOf<"polygamma">, [x]: readonly Value[]) => ({
    name: polygamma(c.b, node.params.order, x!.name),
    shape: x!.shape,
  }),
  add: unsigned("i32", plain("Add")),
  sub: unsigned("i32", plain("Sub")),
  mul: unsigned("i32", plain("Mul")),
  div: divide,
  pow: power,
  max: plain("Max"),
  min: plain("Min"),
  lt: unsigned("i64", plain("Less")),
  le: unsigned("i64", plain("LessOrEqual")),
  eq: equal,
  and: plain("And"),
  or: plain("Or"),
  not: plain("Not"),
  select: choose,
  cast: convert,
  stopGradient: (_c: unknown, _node: unknown, [x]: readonly Value[]) => x!,
} satisfies { readonly [P in Prim]?: Lowering<P> };
