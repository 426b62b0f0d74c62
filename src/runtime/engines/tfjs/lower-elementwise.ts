/** Elementwise primitives. Arithmetic of integers is the host's: backends differ in what they do past 2^24 and past 2^31. */
import type { NodeOf, Prim } from "../../graph/types.js";
import type { Device, Kernel } from "./device.js";
import { only, type Placed, type Rule } from "./lowering.js";
import type { TfTensor } from "./module.js";

const unary = (kernel: Kernel): Rule<Prim> => composed((d, x) => d.unary(kernel, x));

const composed = (make: (d: Device, x: TfTensor) => TfTensor): Rule<Prim> => ({
  lower: (d, _node, [x]) => make(d, x!.tensor()),
  stretches: true,
});

const binary = (kernel: Kernel, takes?: Rule<Prim>["takes"]): Rule<Prim> => ({
  lower: (d, _node, [a, b]) => d.binary(kernel, a!.tensor(), b!.tensor()),
  stretches: true,
  ...(takes === undefined ? {} : { takes }),
});

const compare = (kernel: Kernel): Rule<Prim> =>
  binary(kernel, ([a, b], result) => a === b && result === "bool" && (a === "f32" || a === "i32" || (a === "bool" && kernel === "Equal")));

/** NaN if either is: `kernel` gives its first operand where one is NaN, so a NaN of the second is put back. */
const extreme = (kernel: "Maximum" | "Minimum"): Rule<Prim> => ({
  lower: (d, node, [a, b]) => {
    const [x, y] = [a!.tensor(), b!.tensor()];
    const top = d.binary(kernel, x, y);
    // a number that stands in the graph (relu, a clip) is none
    if (d.exact(kernel) || (b!.shape.length === 0 && !Number.isNaN(b!.numbers()[0]))) return top;
    const whole = d.stretched(y, top.shape);
    return d.run("Select", { condition: d.binary("Equal", whole, whole), t: top, e: whole });
  },
  stretches: true,
});

/** log(1 + x) = x log(u) / (u - 1) with u = 1 + x rounded, whose errors cancel (Kahan); x itself where u is 1, log u where u is past 1e30. */
function log1p(d: Device, x: TfTensor): TfTensor {
  if (d.exact("Log1p")) return d.unary("Log1p", x);
  const one = d.number(1);
  const u = d.binary("Add", x, one);
  const over = d.binary("Sub", u, one);
  const tiny = d.binary("Equal", over, d.number(0));
  const log = d.unary("Log", u);
  const ratio = d.binary("RealDiv", log, d.run("Select", { condition: tiny, t: d.stretched(one, x.shape), e: over }));
  const large = d.binary("Less", d.number(1e30), x);
  const far = d.run("Select", { condition: large, t: log, e: d.binary("Multiply", ratio, x) });
  return d.run("Select", { condition: tiny, t: x, e: far });
}

/** log(1 + e^x) = max(x, 0) + log1p(e^-|x|). */
function softplus(d: Device, x: TfTensor): TfTensor {
  return d.binary("Add", d.unary("Relu", x), log1p(d, d.unary("Exp", d.unary("Neg", d.unary("Abs", x)))));
}

/** A condition that is one number needs no kernel: the host looks and picks. */
const select: Rule<"select"> = {
  lower: (d, node, [condition, a, b]) => {
    if (condition!.shape.length === 0) return d.unary("Identity", (condition!.numbers()[0] !== 0 ? a! : b!).tensor());
    if (node.dtype === "bool") return chosen(d, condition!.tensor(), a!.tensor(), b!.tensor());
    const whole = (x: TfTensor): TfTensor => d.stretched(x, node.shape);
    return d.run("Select", { condition: whole(condition!.tensor()), t: whole(a!.tensor()), e: whole(b!.tensor()) });
  },
  takes: only("f32", "i32", "bool"),
  stretches: true,
};

/** Of conditions: Select of the wasm backend moves four bytes for each of them, past the end of its memory. */
function chosen(d: Device, condition: TfTensor, a: TfTensor, b: TfTensor): TfTensor {
  const yes = d.binary("LogicalAnd", condition, a);
  return d.binary("LogicalOr", yes, d.binary("LogicalAnd", d.unary("LogicalNot", condition), b));
}

/** (0 < x) - (x < 0) */
function sign(d: Device, x: TfTensor): TfTensor {
  if (d.exact("Sign")) return d.unary("Sign", x);
  const zero = d.number(0);
  const number = (condition: TfTensor): TfTensor => d.run("Cast", { x: condition }, { dtype: "float32" });
  return d.binary("Sub", number(d.binary("Less", zero, x)), number(d.binary("Less", x, zero)));
}

/** To a condition by comparison with 0, which is not what every backend's Cast does. Floats become integers on the host, where they saturate. */
const cast: Rule<"cast"> = {
  lower: (d, node, [x]) => {
    const to = node.params.to;
    if (x!.dtype === to) return d.unary("Identity", x!.tensor());
    if (to === "bool") return d.binary("NotEqual", d.run("Cast", { x: x!.tensor() }, { dtype: "float32" }), d.number(0));
    return d.run("Cast", { x: x!.tensor() }, { dtype: to === "f32" ? "float32" : "int32" });
  },
  takes: ([from], to) => from !== "u32" && to !== "u32" && !(from === "f32" && to === "i32"),
  stretches: true,
};

const logical = (kernel: Kernel): Rule<Prim> => binary(kernel, only("bool"));

/** Small whole exponents do without Pow. */
const power: Rule<"pow"> = {
  lower: (d, _node, [a, b]) => {
    const x = a!.tensor();
    const exponent = b!.shape.length === 0 ? b!.numbers()[0] : undefined;
    if (exponent === 1) return d.unary("Identity", x);
    if (exponent === 2) return d.binary("Multiply", x, x);
    if (exponent === 3) return d.binary("Multiply", d.binary("Multiply", x, x), x);
    return d.binary("Pow", x, b!.tensor());
  },
  stretches: true,
};

export const elementwise = {
  neg: unary("Neg"),
  abs: unary("Abs"),
  sign: composed(sign),
  floor: unary("Floor"),
  exp: unary("Exp"),
  log: unary("Log"),
  log1p: composed(log1p),
  expm1: unary("Expm1"),
  sqrt: unary("Sqrt"),
  sin: unary("Sin"),
  cos: unary("Cos"),
  tanh: unary("Tanh"),
  sigmoid: unary("Sigmoid"),
  softplus: composed(softplus),
  erf: unary("Erf"),
  // their series need float64
  lgamma: "host",
  polygamma: "host",
  add: binary("Add"),
  sub: binary("Sub"),
  mul: binary("Multiply"),
  div: binary("RealDiv"),
  pow: power,
  max: extreme("Maximum"),
  min: extreme("Minimum"),
  lt: compare("Less"),
  le: compare("LessEqual"),
  eq: compare("Equal"),
  and: logical("LogicalAnd"),
  or: logical("LogicalOr"),
  not: composedOfConditions("LogicalNot"),
  select,
  cast,
} satisfies { readonly [P in Prim]?: Placed<P> };

function composedOfConditions(kernel: Kernel): Rule<NodeOf<"not">["prim"]> {
  return { lower: (d, _node, [x]) => d.unary(kernel, x!.tensor()), takes: only("bool"), stretches: true };
}
