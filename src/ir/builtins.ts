/**
 * Functions and operators of expressions. One entry each: what it takes, the type of its result, what it does to intervals, and the
 * runtime function that computes it. The only place that knows which functions exist.
 *
 * Axes are counted from 1 in a `.gm` file; in the IR they count from the end (-1 is the last), since the runtime puts sample and batch axes first.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type { Context } from "./env.js";
import {
  abovezero,
  added,
  anything,
  between,
  closedUnit,
  fromZero,
  hull,
  isNonNegative,
  isPositive,
  maximum,
  monotone,
  multiplied,
  negated,
  openUnit,
  type Range,
  reciprocal,
} from "./range.js";
import { broadcastShapes, dim, elementCount, plusDim, sameShape, showShape, tensor, timesDim } from "./shapes.js";
import type { Dim, Element, Expr, TensorType } from "./types.js";

export type OptionValue = number | boolean | string | readonly number[];
export type Options = Readonly<Record<string, OptionValue>>;

/** A static argument of a function or layer, as `checkOption` reads it. */
export interface OptionSpec {
  readonly name: string;
  readonly kind: "number" | "integer" | "size" | "boolean" | "axis" | "axes" | "sizes" | "choice" | "pair";
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly required?: boolean;
  readonly named?: boolean;
  /** Name in the runtime where it differs. */
  readonly runtime?: string;
  readonly fallback?: OptionValue;
}

export interface BuiltinCall {
  readonly cx: Context;
  readonly name: string;
  readonly span: Span;
  readonly args: readonly TypedArg[];
  /** Options given or with a fallback, under their `.gm` names; sizes keep their texts in `dims`. */
  readonly options: ReadonlyMap<string, OptionValue>;
  readonly dims: ReadonlyMap<string, readonly Dim[]>;
}

export interface TypedArg {
  readonly expr: Expr;
  readonly type: TensorType;
  readonly span: Span;
  /** K where it is a category's label. */
  readonly classes: Dim | undefined;
}

export interface Typed {
  readonly type: TensorType;
  readonly options?: Options;
}

export interface Builtin {
  /** Name in `.gm` and in the IR. */
  readonly fn: string;
  /** Name of the runtime's function. */
  readonly runtime: string;
  readonly doc: string;
  readonly args: readonly string[];
  /** Takes any number of further arguments. */
  readonly rest?: boolean;
  readonly options: readonly OptionSpec[];
  /** The option that takes all further positional arguments: `reshape(x, 7, 7, 64)`. */
  readonly restOption?: string;
  /** Elements that its arguments may have. */
  readonly takes: readonly Element[];
  /** Operators have no name of their own in a `.gm` file. */
  readonly symbol?: string;
  readonly type: (call: BuiltinCall) => Typed | undefined;
  readonly range?: (args: readonly Range[]) => Range;
  /** Only rearranges or repeats entries of its first argument. */
  readonly moves?: boolean;
}

const numeric: readonly Element[] = ["real"];

function unary(fn: string, doc: string, range?: (args: readonly Range[]) => Range, more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: more.runtime ?? camel(fn),
    doc,
    args: ["x"],
    options: [],
    takes: numeric,
    type: ({ args }) => ({ type: tensor(args[0]?.type.shape ?? []) }),
    ...(range ? { range } : {}),
    ...more,
  };
}

function binary(fn: string, doc: string, range?: (args: readonly Range[]) => Range, more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: more.runtime ?? camel(fn),
    doc,
    args: ["a", "b"],
    options: [],
    takes: numeric,
    type: (call) => elementwise(call, "real"),
    ...(range ? { range } : {}),
    ...more,
  };
}

function comparison(fn: string, doc: string): Builtin {
  return binary(fn, doc, undefined, { takes: ["real", "int"], type: (call) => elementwise(call, "bool") });
}

const axesOption: OptionSpec = { name: "axis", kind: "axes" };
const axisOption: OptionSpec = { name: "axis", kind: "axis", fallback: -1 };

function reduction(fn: string, doc: string, range?: (args: readonly Range[]) => Range, more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: camel(fn),
    doc,
    args: ["x"],
    options: [axesOption],
    takes: numeric,
    type: ({ args, options }) => {
      const shape = args[0]?.type.shape ?? [];
      const axes = (options.get("axis") as readonly number[] | undefined) ?? shape.map((_, i) => i - shape.length);
      return { type: tensor(without(shape, axes)), options: { axes } };
    },
    ...(range ? { range } : {}),
    ...more,
  };
}

const first = ([r = anything]: readonly Range[]): Range => r;

const table: readonly Builtin[] = [
  // ---- operators
  binary("add", "a + b", ([a = anything, b = anything]) => added(a, b), { symbol: "+" }),
  binary("sub", "a - b", ([a = anything, b = anything]) => added(a, negated(b)), { symbol: "-" }),
  binary("mul", "a * b, entry by entry", ([a = anything, b = anything]) => multiplied(a, b), { symbol: "*" }),
  binary("div", "a / b, entry by entry", ([a = anything, b = anything]) => multiplied(a, reciprocal(b)), { symbol: "/" }),
  binary("pow", "a ^ b", powRange, { symbol: "^" }),
  unary("neg", "-x", ([r = anything]) => negated(r), { symbol: "-" }),
  {
    fn: "matmul",
    runtime: "matmul",
    doc: "matrix product; a vector on the left is a row, on the right a column, two vectors give a scalar",
    symbol: "@",
    args: ["a", "b"],
    options: [],
    takes: numeric,
    type: matmulType,
    range: ([a = anything, b = anything]) => (isNonNegative(a) && isNonNegative(b) ? fromZero : anything),
  },
  // ---- elementwise
  unary("abs", "|x|", () => fromZero),
  unary("sign", "-1, 0 or 1", () => between(-1, 1, false)),
  unary("floor", "greatest whole number below", ([r = anything]) => ({ ...r, low: Math.floor(r.low), lowOpen: false })),
  unary("exp", "e^x", ([r = anything]) => ({ low: Math.exp(r.low), high: Math.exp(r.high), lowOpen: r.lowOpen, highOpen: r.highOpen })),
  unary("log", "natural logarithm", ([r = anything]) => (r.low >= 0 ? monotone(Math.log)([r]) : anything)),
  unary("log1p", "log(1 + x)", ([r = anything]) => (r.low >= -1 ? monotone(Math.log1p)([r]) : anything)),
  unary("expm1", "e^x - 1", monotone(Math.expm1)),
  unary("sqrt", "square root", ([r = anything]) => (r.low >= 0 ? monotone(Math.sqrt)([r]) : fromZero)),
  unary("square", "x^2", ([r = anything]) => (isPositive(r) || (r.high <= 0 && r.highOpen) ? abovezero : fromZero)),
  unary("reciprocal", "1 / x", ([r = anything]) => reciprocal(r)),
  unary("sin", "sine", () => between(-1, 1, false)),
  unary("cos", "cosine", () => between(-1, 1, false)),
  unary("erf", "error function", () => between(-1, 1, true)),
  unary("lgamma", "log of the gamma function"),
  unary("digamma", "derivative of lgamma"),
  unary("tanh", "hyperbolic tangent", monotone(Math.tanh)),
  unary("sigmoid", "1 / (1 + e^-x)", () => openUnit),
  unary("log_sigmoid", "log(sigmoid(x)), without overflow", () => ({ low: -Infinity, high: 0, lowOpen: true, highOpen: true })),
  unary("softplus", "log(1 + e^x)", () => abovezero),
  unary("relu", "max(x, 0)", ([r = anything]) => maximum(r, between(0, 0, false))),
  unary("leaky_relu", "x where positive, slope * x elsewhere", undefined, {
    options: [{ name: "slope", kind: "number", fallback: 0.01 }],
    type: withOptions,
  }),
  unary("elu", "x where positive, alpha (e^x - 1) elsewhere", undefined, {
    options: [{ name: "alpha", kind: "number", fallback: 1 }],
    type: withOptions,
  }),
  unary("selu", "self-normalising elu (Klambauer et al. 2017)"),
  unary("gelu", "x times the normal distribution function (Hendrycks & Gimpel 2016)"),
  unary("silu", "x * sigmoid(x)"),
  unary("mish", "x * tanh(softplus(x)) (Misra 2019)"),
  unary("softsign", "x / (1 + |x|)", () => between(-1, 1, true)),
  unary("hard_tanh", "x limited to -1..1", () => between(-1, 1, false)),
  unary("stop", "the value, with no gradient through it", first, { runtime: "stopGradient", moves: true }),
  unary("clip", "limits x to low..high", undefined, {
    options: [
      { name: "low", kind: "number", required: true },
      { name: "high", kind: "number", required: true },
    ],
    type: withOptions,
  }),
  binary("maximum", "the greater, entry by entry", ([a = anything, b = anything]) => maximum(a, b)),
  binary("minimum", "the lesser, entry by entry", ([a = anything, b = anything]) => negated(maximum(negated(a), negated(b)))),
  comparison("less", "a < b"),
  comparison("less_equal", "a <= b"),
  comparison("greater", "a > b"),
  comparison("greater_equal", "a >= b"),
  comparison("equal", "a = b"),
  binary("and", "both", undefined, { takes: ["bool"], type: (call) => elementwise(call, "bool") }),
  binary("or", "either", undefined, { takes: ["bool"], type: (call) => elementwise(call, "bool") }),
  unary("not", "the opposite", undefined, { takes: ["bool"], type: ({ args }) => ({ type: tensor(args[0]?.type.shape ?? [], "bool") }) }),
  {
    fn: "where",
    runtime: "select",
    doc: "a where the condition holds, b elsewhere",
    args: ["condition", "a", "b"],
    options: [],
    takes: ["real", "bool"],
    type: whereType,
    range: ([, a = anything, b = anything]) => hull([a, b]),
  },
  // ---- reductions over axes of the event
  reduction("sum", "sum of all entries, or along axes", ([r = anything]) =>
    isPositive(r) ? abovezero : isNonNegative(r) ? fromZero : isPositive(negated(r)) ? negated(abovezero) : anything,
  ),
  reduction("mean", "mean of all entries, or along axes", first),
  reduction("variance", "mean squared distance to the mean, of all entries or along axes", () => fromZero),
  reduction("max", "greatest entry, or along axes", first, { runtime: "reduceMax" }),
  reduction("min", "least entry, or along axes", first, { runtime: "reduceMin" }),
  reduction("logsumexp", "log of the sum of exponentials, without overflow", undefined, { runtime: "logSumExp" }),
  reduction("logmeanexp", "log of the mean of exponentials, without overflow", first, { runtime: "logMeanExp" }),
  reduction("norm", "2-norm, of all entries or along axes", () => fromZero),
  // ---- along one axis
  alongAxis("softmax", "e^x over its sum along an axis (the last)", () => openUnit),
  alongAxis("log_softmax", "log(softmax(x)), without overflow", () => ({ low: -Infinity, high: 0, lowOpen: true, highOpen: true })),
  alongAxis("cumsum", "running sum along an axis (the last)"),
  alongAxis("reverse", "entries in reverse order along an axis (the last)", first, { moves: true }),
  alongAxis("glu", "first half times sigmoid of the second, along an axis (Dauphin et al. 2017)", undefined, { type: gluType }),
  alongAxis(
    "gated_tanh",
    "tanh of the first half times sigmoid of the second, along an axis (van den Oord et al. 2016)",
    () => between(-1, 1, true),
    {
      type: gluType,
    },
  ),
  {
    fn: "argmax",
    runtime: "argMax",
    doc: "place of the greatest entry along an axis (the last), from 0",
    args: ["x"],
    options: [axisOption],
    takes: numeric,
    type: ({ args, options }) => {
      const axis = options.get("axis") as number;
      return { type: tensor(without(args[0]?.type.shape ?? [], [axis]), "int"), options: { axis } };
    },
  },
  // ---- shape
  filled("zeros", "a tensor of zeros: zeros(K)", 0),
  filled("ones", "a tensor of ones: ones(K)", 1),
  {
    fn: "reshape",
    runtime: "reshape",
    doc: "the same entries in another shape: reshape(x, 7, 7, 64)",
    args: ["x"],
    options: [{ name: "shape", kind: "sizes", required: true }],
    restOption: "shape",
    takes: ["real", "int", "bool"],
    moves: true,
    range: first,
    type: reshapeType,
  },
  {
    fn: "flatten",
    runtime: "reshape",
    doc: "all entries in one axis",
    args: ["x"],
    options: [],
    takes: ["real", "int", "bool"],
    moves: true,
    range: first,
    type: ({ args }) => {
      const type = args[0]?.type ?? tensor([]);
      const all = type.shape.reduce(timesDim, dim(1));
      return { type: tensor([all], type.element), options: { shape: [all.size] } };
    },
  },
  {
    fn: "transpose",
    runtime: "transpose",
    doc: "swaps the last two axes, or puts the axes into the order given: transpose(x, 3, 1, 2)",
    args: ["x"],
    options: [{ name: "order", kind: "sizes" }],
    restOption: "order",
    takes: ["real", "int", "bool"],
    moves: true,
    range: first,
    type: transposeType,
  },
  {
    fn: "concat",
    runtime: "concat",
    doc: "joins along an axis (the last)",
    args: ["a"],
    rest: true,
    options: [{ ...axisOption, named: true }],
    takes: numeric,
    range: hull,
    type: concatType,
  },
  {
    fn: "stack",
    runtime: "stack",
    doc: "joins values of one shape along a new first axis",
    args: ["a"],
    rest: true,
    options: [],
    takes: numeric,
    range: hull,
    type: stackType,
  },
  {
    fn: "pad",
    runtime: "pad",
    doc: "zeros before and after each axis: pad(x, low = [1, 1, 0], high = [1, 1, 0])",
    args: ["x"],
    options: [
      { name: "low", kind: "pair", required: true },
      { name: "high", kind: "pair", required: true },
    ],
    takes: numeric,
    range: ([r = anything]) => hull([r, between(0, 0, false)]),
    type: padType,
  },
  {
    fn: "index",
    runtime: "index",
    doc: "one position along an axis; written x[i]",
    args: ["x"],
    options: [
      { name: "axis", kind: "axis", required: true },
      { name: "position", kind: "integer", required: true },
    ],
    symbol: "[]",
    takes: ["real", "int", "bool"],
    moves: true,
    range: first,
    type: ({ args, options }) => {
      const type = args[0]?.type ?? tensor([]);
      const axis = options.get("axis") as number;
      return { type: tensor(without(type.shape, [axis]), type.element), options: { axis, position: options.get("position") as number } };
    },
  },
  {
    fn: "slice",
    runtime: "sliceAxis",
    doc: "positions start..stop along an axis; written x[i..j]",
    args: ["x"],
    options: [
      { name: "axis", kind: "axis", required: true },
      { name: "start", kind: "integer", required: true },
      { name: "stop", kind: "integer", required: true },
    ],
    symbol: "[]",
    takes: ["real", "int", "bool"],
    moves: true,
    range: first,
    type: ({ args, options }) => {
      const type = args[0]?.type ?? tensor([]);
      const axis = options.get("axis") as number;
      const [start, stop] = [options.get("start") as number, options.get("stop") as number];
      const at = type.shape.length + axis;
      return {
        type: tensor(
          type.shape.map((d, i) => (i === at ? dim(stop - start) : d)),
          type.element,
        ),
        options: { axis, start, stop },
      };
    },
  },
  {
    fn: "take",
    runtime: "take",
    doc: "rows of a table by label; written mu[c]",
    args: ["table", "labels"],
    options: [],
    symbol: "[]",
    takes: ["real", "int"],
    range: first,
    type: takeType,
  },
  {
    fn: "onehot",
    runtime: "oneHot",
    doc: "a category's label as a vector of zeros and one 1",
    args: ["label"],
    options: [{ name: "classes", kind: "size" }],
    takes: ["int"],
    range: () => closedUnit,
    type: onehotType,
  },
  {
    fn: "cholesky",
    runtime: "cholesky",
    doc: "lower triangular L with L L^T = x",
    args: ["x"],
    options: [],
    takes: numeric,
    type: (call) => squareType(call),
  },
  {
    fn: "tril",
    runtime: "lowerTriangle",
    doc: "the matrix with zeros above its diagonal",
    args: ["x"],
    options: [],
    takes: numeric,
    type: (call) => squareType(call),
  },
  {
    fn: "eye",
    runtime: "eye",
    doc: "the identity matrix: eye(D)",
    args: [],
    options: [{ name: "size", kind: "size", required: true }],
    takes: numeric,
    range: () => closedUnit,
    type: ({ dims }) => {
      const n = dims.get("size")?.[0] ?? dim(1);
      return { type: tensor([n, n]), options: { size: n.size } };
    },
  },
  // ---- images: [height, width, channels]
  pooling("max_pool", "greatest entry of each window", first),
  pooling("avg_pool", "mean of each window", first),
  {
    fn: "global_avg_pool",
    runtime: "globalAvgPool",
    doc: "mean over height and width",
    args: ["x"],
    options: [],
    takes: numeric,
    range: first,
    type: (call) => {
      const shape = imageShape(call);
      return shape && { type: tensor([shape[2]]) };
    },
  },
  {
    fn: "upsample",
    runtime: "upsample",
    doc: 'repeats each pixel `factor` times in height and width, or interpolates (method = "bilinear")',
    args: ["x"],
    options: [
      { name: "factor", kind: "size", required: true },
      { name: "method", kind: "choice", choices: ["nearest", "bilinear"], named: true, fallback: "nearest" },
    ],
    takes: numeric,
    range: first,
    type: (call) => {
      const shape = imageShape(call);
      const factor = call.dims.get("factor")?.[0];
      if (!shape || !factor) return undefined;
      const [h, w, c] = shape;
      return {
        type: tensor([timesDim(h, factor), timesDim(w, factor), c]),
        options: { factor: factor.size, method: call.options.get("method") as string },
      };
    },
  },
];

export const builtins: ReadonlyMap<string, Builtin> = new Map(table.map((entry) => [entry.fn, entry]));

/** Names that a `.gm` file may call. */
export const functionNames: readonly string[] = table.filter((entry) => entry.symbol === undefined).map((entry) => entry.fn);

// ---- typing rules ---------------------------------------------------------------------------------

function camel(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function without(shape: readonly Dim[], axes: readonly number[]): readonly Dim[] {
  return shape.filter((_, i) => !axes.includes(i - shape.length));
}

/** Two operands of one shape, or of shapes that repeat to one. */
function elementwise(call: BuiltinCall, element: Element): Typed | undefined {
  const [a, b] = call.args;
  if (!a || !b) return undefined;
  const shape = broadcastShapes(a.type.shape, b.type.shape);
  if (shape) return { type: tensor(shape, element) };
  return mismatch(call, a, b, `\`${builtins.get(call.name)?.symbol ?? call.name}\` needs operands of one shape`);
}

function mismatch(call: BuiltinCall, a: TypedArg, b: TypedArg, what: string, help: readonly string[] = []): undefined {
  report(
    call.cx.diagnostics,
    "GM2003",
    call.span,
    { what, expected: showShape(a.type.shape), found: showShape(b.type.shape) },
    {
      labels: [
        { span: a.span, text: showShape(a.type.shape) },
        { span: b.span, text: showShape(b.type.shape) },
      ],
      help,
    },
  );
  return undefined;
}

function matmulType(call: BuiltinCall): Typed | undefined {
  const [a, b] = call.args;
  if (!a || !b) return undefined;
  const [left, right] = [a.type.shape, b.type.shape];
  if (left.length === 0 || right.length === 0) {
    const scalar = left.length === 0 ? a : b;
    report(
      call.cx.diagnostics,
      "GM2030",
      scalar.span,
      { what: "`@`", expected: "a vector or a matrix", found: "a scalar" },
      { help: ["use `*` to scale by a number"] },
    );
    return undefined;
  }
  const inner = left[left.length - 1];
  const outer = right.length === 1 ? right[0] : right[right.length - 2];
  if (!inner || !outer || inner.size !== outer.size) {
    const turned = [left, right].some((s) => s.length === 2) && [...left, ...right].filter((d) => d.size === inner?.size).length > 1;
    const help = turned ? ["`transpose(W)` swaps the axes of a matrix"] : [];
    return mismatch(call, a, b, "`@` sums over the last axis on the left and the first of a matrix on the right, which must agree", help);
  }
  const leading = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  if (!leading) return mismatch(call, a, b, "`@` needs the same leading axes");
  const rows = left.length >= 2 ? left.slice(-2, -1) : [];
  const columns = right.length >= 2 ? right.slice(-1) : [];
  return { type: tensor([...leading, ...rows, ...columns]) };
}

function powRange([base = anything, exponent = anything]: readonly Range[]): Range {
  const even = exponent.low === exponent.high && exponent.low % 2 === 0;
  if (isPositive(base)) return abovezero;
  return even || isNonNegative(base) ? fromZero : anything;
}

function withOptions({ args, options }: BuiltinCall): Typed {
  return { type: tensor(args[0]?.type.shape ?? []), options: Object.fromEntries(options) };
}

function whereType(call: BuiltinCall): Typed | undefined {
  const [condition, a, b] = call.args;
  if (!condition || !a || !b) return undefined;
  if (condition.type.element !== "bool") {
    report(
      call.cx.diagnostics,
      "GM2028",
      condition.span,
      { expected: "a condition", found: "a number" },
      { help: ["compare it: `greater(x, 0)`"] },
    );
    return undefined;
  }
  const both = broadcastShapes(a.type.shape, b.type.shape);
  if (!both) return mismatch(call, a, b, "`where` needs both choices in one shape");
  const shape = broadcastShapes(condition.type.shape, both);
  return shape ? { type: tensor(shape) } : mismatch(call, condition, a, "`where` needs its condition in the shape of the choices");
}

function filled(fn: string, doc: string, value: number): Builtin {
  return {
    fn,
    runtime: fn,
    doc,
    args: [],
    options: [{ name: "shape", kind: "sizes", required: true }],
    restOption: "shape",
    takes: numeric,
    range: () => between(value, value, false),
    type: ({ dims }) => {
      const shape = dims.get("shape") ?? [];
      return { type: tensor(shape), options: { shape: shape.map((d) => d.size) } };
    },
  };
}

function alongAxis(fn: string, doc: string, range?: (args: readonly Range[]) => Range, more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: camel(fn),
    doc,
    args: ["x"],
    options: [axisOption],
    takes: numeric,
    type: ({ args, options }) => ({ type: tensor(args[0]?.type.shape ?? []), options: { axis: options.get("axis") as number } }),
    ...(range ? { range } : {}),
    ...more,
  };
}

function gluType(call: BuiltinCall): Typed | undefined {
  const shape = call.args[0]?.type.shape ?? [];
  const axis = call.options.get("axis") as number;
  const at = shape.length + axis;
  const size = shape[at];
  if (!size || size.size % 2 !== 0) {
    report(call.cx.diagnostics, "GM2030", call.span, { what: "`glu`", expected: "an even size along its axis", found: showShape(shape) });
    return undefined;
  }
  return { type: tensor(shape.map((d, i) => (i === at ? dim(d.size / 2) : d))), options: { axis } };
}

function reshapeType(call: BuiltinCall): Typed | undefined {
  const x = call.args[0];
  const shape = call.dims.get("shape");
  if (!x || !shape) return undefined;
  const [before, after] = [elementCount(x.type.shape), elementCount(shape)];
  if (before !== after) {
    report(call.cx.diagnostics, "GM2044", call.span, {
      from: showShape(x.type.shape),
      fromCount: before,
      to: showShape(shape),
      toCount: after,
    });
    return undefined;
  }
  return { type: tensor(shape, x.type.element), options: { shape: shape.map((d) => d.size) } };
}

function transposeType(call: BuiltinCall): Typed | undefined {
  const x = call.args[0];
  if (!x) return undefined;
  const rank = x.type.shape.length;
  const order = call.dims.get("order")?.map((d) => d.size);
  if (order === undefined && rank < 2) {
    report(call.cx.diagnostics, "GM2030", x.span, { what: "`transpose`", expected: "a matrix", found: showShape(x.type.shape) });
    return undefined;
  }
  const axes = order
    ? order.map((a) => a - 1)
    : [...x.type.shape.keys()].map((i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));
  if (axes.length !== rank || new Set(axes).size !== rank || axes.some((a) => a < 0 || a >= rank)) {
    report(
      call.cx.diagnostics,
      "GM2047",
      call.span,
      { what: "`transpose`", axis: (order ?? []).join(", "), shape: showShape(x.type.shape) },
      {
        help: [`name each of the axes 1..${rank} once`],
      },
    );
    return undefined;
  }
  const shape = axes.flatMap((a) => x.type.shape[a] ?? []);
  return { type: tensor(shape, x.type.element), options: { order: axes.map((a) => a - rank) } };
}

function concatType(call: BuiltinCall): Typed | undefined {
  const axis = call.options.get("axis") as number;
  const [a, ...others] = call.args;
  if (!a) return undefined;
  const vectors = call.args.map((arg) => (arg.type.shape.length === 0 ? [dim(1)] : arg.type.shape));
  const [shape = [], ...more] = vectors;
  const at = shape.length + axis;
  for (const [i, other] of more.entries()) {
    const clean = other.length === shape.length && other.every((d, j) => j === at || d.size === shape[j]?.size);
    const arg = others[i];
    if (!clean && arg) return mismatch(call, a, arg, "`concat` needs the same sizes on all axes but the one it joins");
  }
  const joined = more.reduce((total, s) => plusDim(total, s[at] ?? dim(0)), shape[at] ?? dim(0));
  return { type: tensor(shape.map((d, i) => (i === at ? joined : d))), options: { axis } };
}

function stackType(call: BuiltinCall): Typed | undefined {
  const [a, ...others] = call.args;
  if (!a) return undefined;
  const odd = others.find((b) => !sameShape(a.type.shape, b.type.shape));
  if (odd) return mismatch(call, a, odd, "`stack` needs values of one shape");
  return { type: tensor([dim(call.args.length), ...a.type.shape]) };
}

function padType(call: BuiltinCall): Typed | undefined {
  const x = call.args[0];
  const [low, high] = [call.options.get("low") as readonly number[], call.options.get("high") as readonly number[]];
  if (!x) return undefined;
  const rank = x.type.shape.length;
  if (low.length !== rank || high.length !== rank) {
    report(call.cx.diagnostics, "GM2030", call.span, {
      what: "`pad`",
      expected: `${rank} numbers before and after`,
      found: `${low.length} and ${high.length}`,
    });
    return undefined;
  }
  return { type: tensor(x.type.shape.map((d, i) => dim(d.size + (low[i] ?? 0) + (high[i] ?? 0)))), options: { low, high } };
}

function takeType(call: BuiltinCall): Typed | undefined {
  const [table, labels] = call.args;
  const rows = table?.type.shape[0];
  if (!table || !labels) return undefined;
  if (!rows) {
    report(call.cx.diagnostics, "GM2039", call.span, { what: "a scalar", expected: "no index", found: "one" });
    return undefined;
  }
  if (labels.classes && labels.classes.size !== rows.size) {
    report(
      call.cx.diagnostics,
      "GM2040",
      call.span,
      { rows: showShape([rows]), classes: showShape([labels.classes]) },
      {
        labels: [
          { span: table.span, text: `${showShape(table.type.shape)}: ${rows.size} rows` },
          { span: labels.span, text: `${labels.classes.size} classes` },
        ],
      },
    );
    return undefined;
  }
  return { type: tensor([...labels.type.shape, ...table.type.shape.slice(1)], table.type.element) };
}

function onehotType(call: BuiltinCall): Typed | undefined {
  const label = call.args[0];
  if (!label) return undefined;
  const classes = call.dims.get("classes")?.[0] ?? label.classes;
  if (!classes) {
    report(
      call.cx.diagnostics,
      "GM2024",
      call.span,
      { what: "`onehot`", missing: "`classes`" },
      { help: ["say how many there are: `onehot(c, 10)`"] },
    );
    return undefined;
  }
  return { type: tensor([...label.type.shape, classes]), options: { classes: classes.size } };
}

function squareType(call: BuiltinCall): Typed | undefined {
  const x = call.args[0];
  const shape = x?.type.shape ?? [];
  if (shape.length >= 2 && sameShape(shape.slice(-1), shape.slice(-2, -1))) return { type: tensor(shape) };
  report(call.cx.diagnostics, "GM2030", x?.span ?? call.span, {
    what: `\`${call.name}\``,
    expected: "a square matrix",
    found: showShape(shape),
  });
  return undefined;
}

function pooling(fn: string, doc: string, range: (args: readonly Range[]) => Range): Builtin {
  return {
    fn,
    runtime: camel(fn),
    doc: `${doc}: ${fn}(x, 2), stride = size unless given`,
    args: ["x"],
    options: [
      { name: "size", kind: "size", required: true },
      { name: "stride", kind: "size", named: true },
      { name: "padding", kind: "choice", choices: ["valid", "same"], named: true, fallback: "valid" },
    ],
    takes: numeric,
    range,
    type: (call) => {
      const shape = imageShape(call);
      const size = call.options.get("size") as number;
      const stride = (call.options.get("stride") as number | undefined) ?? size;
      const padding = call.options.get("padding") as string;
      if (!shape) return undefined;
      const [h, w, c] = shape;
      const out = [h, w].map((d) => windowed(d, size, stride, padding));
      const [oh, ow] = out;
      if (!oh || !ow) {
        report(call.cx.diagnostics, "GM2030", call.span, {
          what: `\`${fn}\``,
          expected: `at least ${size} pixels`,
          found: showShape([h, w]),
        });
        return undefined;
      }
      return { type: tensor([oh, ow, c]), options: { size, stride, padding } };
    },
  };
}

/** Number of windows along an axis; undefined where not one fits. */
export function windowed(size: Dim, window: number, stride: number, padding: string | number, dilation = 1): Dim | undefined {
  const reach = (window - 1) * dilation + 1;
  if (padding === "same") return stride === 1 ? size : dim(Math.ceil(size.size / stride));
  const out = Math.floor((size.size + 2 * (typeof padding === "number" ? padding : 0) - reach) / stride) + 1;
  return out < 1 ? undefined : out === size.size ? size : dim(out);
}

function imageShape(call: BuiltinCall): readonly [Dim, Dim, Dim] | undefined {
  const x = call.args[0];
  const [h, w, c, ...more] = x?.type.shape ?? [];
  if (h && w && c && more.length === 0) return [h, w, c];
  report(call.cx.diagnostics, "GM2030", x?.span ?? call.span, {
    what: `\`${call.name}\``,
    expected: "an image [height, width, channels]",
    found: showShape(x?.type.shape ?? []),
  });
  return undefined;
}
