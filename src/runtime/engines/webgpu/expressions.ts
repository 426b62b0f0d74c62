/**
 * What each elementwise primitive is in WGSL: one total table from operands' texts to a text. Operands are names or literals, so that a text may
 * be used twice. `use` says which helper the text calls.
 */
import { InternalError } from "../../graph/errors.js";
import type { DType, NodeOf, Prim } from "../../graph/types.js";

export type Elementwise =
  | "neg" | "abs" | "sign" | "floor" | "exp" | "log" | "log1p" | "expm1" | "sqrt" | "sin" | "cos" | "tanh" | "sigmoid" | "softplus" | "erf"
  | "lgamma" | "polygamma" | "add" | "sub" | "mul" | "div" | "pow" | "max" | "min" | "lt" | "le" | "eq" | "and" | "or" | "not" | "select"
  | "cast" | "stopGradient"; // prettier-ignore

export interface Operand {
  readonly text: string;
  readonly dtype: DType;
  /** the number, where it is one that is known */
  readonly literal: number | undefined;
}

export interface ExpressionContext {
  use(helper: string): string;
}

interface Rule<P extends Elementwise> {
  /** about how many instructions */
  readonly cost: number;
  readonly write: (context: ExpressionContext, operands: readonly Operand[], params: NodeOf<P>["params"]) => string;
}

const prefix =
  (text: string) =>
  (_c: ExpressionContext, [x]: readonly Operand[]): string =>
    `${text}(${x!.text})`;
const calls =
  (name: string) =>
  (c: ExpressionContext, operands: readonly Operand[]): string =>
    `${c.use(name)}(${operands.map((o) => o.text).join(", ")})`;
const infix =
  (operator: string) =>
  (_c: ExpressionContext, [a, b]: readonly Operand[]): string =>
    `${a!.text} ${operator} ${b!.text}`;

const never = (x: Operand): boolean => x.dtype !== "f32" || (x.literal !== undefined && !Number.isNaN(x.literal));

/** A comparison, which is false where an operand is NaN. */
const compare =
  (operator: string) =>
  (c: ExpressionContext, [a, b]: readonly Operand[]): string => {
    const tests = [a!, ...(a!.text === b!.text ? [] : [b!])].filter((x) => !never(x)).map((x) => ` && !${c.use("is_nan")}(${x.text})`);
    if (tests.length === 0) return `${a!.text} ${operator} ${b!.text}`;
    return `(${a!.text} ${operator} ${b!.text})${tests.join("")}`;
  };

/** The larger or smaller; NaN if either is. */
const extreme =
  (name: "max" | "min") =>
  (c: ExpressionContext, [a, b]: readonly Operand[]): string => {
    if (a!.dtype !== "f32") return `${name}(${a!.text}, ${b!.text})`;
    const tested = [a!, b!].filter((x) => !never(x));
    if (tested.length === 2) return `${c.use(`${name}_f`)}(${a!.text}, ${b!.text})`;
    const plain = `${name}(${a!.text}, ${b!.text})`;
    return tested.length === 0 ? plain : `select(${plain}, ${tested[0]!.text}, ${c.use("is_nan")}(${tested[0]!.text}))`;
  };

function castText(c: ExpressionContext, x: Operand, to: DType): string {
  if (x.dtype === to) return x.text;
  if (to === "bool") return x.dtype === "f32" ? `(${x.text} != 0.0 || ${c.use("is_nan")}(${x.text}))` : `${x.text} != ${x.dtype}(0)`;
  if (x.dtype === "bool") return `select(${to}(0), ${to}(1), ${x.text})`;
  if (to === "f32") return `f32(${x.text})`;
  if (x.dtype === "f32") return `${c.use(to === "i32" ? "f_to_i" : "f_to_u")}(${x.text})`;
  // between i32 and u32 values stay within what both hold, as casts of numbers do
  return to === "u32" ? `u32(max(${x.text}, 0))` : `i32(min(${x.text}, 0x7fffffffu))`;
}

export const expressions: { readonly [P in Elementwise]: Rule<P> } = {
  neg: { cost: 1, write: prefix("-") },
  abs: { cost: 1, write: prefix("abs") },
  sign: { cost: 2, write: (c, [x]) => (x!.dtype === "f32" ? `${c.use("sign_f")}(${x!.text})` : `sign(${x!.text})`) },
  floor: { cost: 1, write: prefix("floor") },
  exp: { cost: 6, write: prefix("exp") },
  log: { cost: 6, write: prefix("log") },
  log1p: { cost: 10, write: calls("log1p_f") },
  expm1: { cost: 10, write: calls("expm1_f") },
  sqrt: { cost: 4, write: prefix("sqrt") },
  sin: { cost: 16, write: (c, [x]) => `${c.use("sincos_f")}(${x!.text}, 0)` },
  cos: { cost: 16, write: (c, [x]) => `${c.use("sincos_f")}(${x!.text}, 1)` },
  tanh: { cost: 14, write: calls("tanh_f") },
  sigmoid: { cost: 10, write: calls("sigmoid_f") },
  softplus: { cost: 18, write: calls("softplus_f") },
  erf: { cost: 24, write: calls("erf_f") },
  lgamma: { cost: 60, write: calls("lgamma_f") },
  polygamma: {
    cost: 80,
    write: (c, [x], { order }) => (order === 0 ? `${c.use("digamma_f")}(${x!.text})` : `${c.use("polygamma_f")}(${order}, ${x!.text})`),
  },
  add: { cost: 1, write: infix("+") },
  sub: { cost: 1, write: infix("-") },
  mul: { cost: 1, write: infix("*") },
  div: {
    cost: 4,
    write: (c, [a, b]) =>
      a!.dtype === "f32" ? `${a!.text} / ${b!.text}` : `${c.use(a!.dtype === "i32" ? "idiv" : "udiv")}(${a!.text}, ${b!.text})`,
  },
  pow: { cost: 20, write: calls("pow_f") },
  max: { cost: 2, write: extreme("max") },
  min: { cost: 2, write: extreme("min") },
  lt: { cost: 2, write: compare("<") },
  le: { cost: 2, write: compare("<=") },
  eq: { cost: 2, write: compare("==") },
  and: { cost: 1, write: infix("&") },
  or: { cost: 1, write: infix("|") },
  not: { cost: 1, write: prefix("!") },
  select: { cost: 1, write: (_c, [c, a, b]) => `select(${b!.text}, ${a!.text}, ${c!.text})` },
  cast: { cost: 1, write: (c, [x], { to }) => castText(c, x!, to) },
  stopGradient: { cost: 0, write: (_c, [x]) => x!.text },
};

export const isElementwise = (prim: Prim): prim is Elementwise => Object.hasOwn(expressions, prim);

/** A number of a dtype as a WGSL text. */
export function literal(context: ExpressionContext, value: number, dtype: DType): string {
  switch (dtype) {
    case "bool":
      return value === 0 ? "false" : "true";
    case "i32":
      return value < 0 ? `i32(${value})` : `${value}i`;
    case "u32":
      return `${value}u`;
    case "f32":
      return floatLiteral(context, Math.fround(value));
  }
}

function floatLiteral(context: ExpressionContext, x: number): string {
  if (Number.isNaN(x)) return `${context.use("nan")}()`;
  if (x === Infinity) return `${context.use("inf")}()`;
  if (x === -Infinity) return `(-${context.use("inf")}())`;
  if (Object.is(x, -0)) return "bitcast<f32>(0x80000000u)";
  const text = String(x);
  if (!/^-?[0-9.]+(e[+-]?[0-9]+)?$/u.test(text)) throw new InternalError(`${text} is no WGSL number`);
  const full = /[.e]/u.test(text) ? text : `${text}.0`;
  return x < 0 ? `(${full})` : full;
}
