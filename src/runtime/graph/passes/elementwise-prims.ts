/** The primitives that compute each entry of the result from the operands' entries at the same place. */
import type { Prim } from "../types.js";

export const elementwise: ReadonlySet<Prim> = new Set<Prim>([
  "neg", "abs", "sign", "floor", "exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tanh", "sigmoid", "softplus", "erf", "lgamma", "polygamma",
  "add", "sub", "mul", "div", "pow", "max", "min", "lt", "le", "eq", "and", "or", "not", "select", "cast", "stopGradient",
]); // prettier-ignore
