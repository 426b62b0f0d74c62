/**
 * Functions and operators of expressions. One entry each: what it takes, the type of its result, what it does to intervals, and the
 * runtime function that computes it. With builtins-shapes.ts, builtins-images.ts and builtins-batch.ts the only place that knows which functions exist.
 *
 * Axes are counted from 1 in a `.gm` file; in the IR they count from the end (-1 is the last), since the runtime puts sample and batch axes first.
 */
import { erf, lgamma, polygamma, softplus } from "../math/special.js";
import { along, running } from "./autoregressive/grid.js";
import {
  elementwise,
  gluType,
  matmulRange,
  matmulSimplex,
  matmulType,
  powRange,
  whereType,
  withOptions,
  without,
} from "./builtin-rules.js";
import {
  numeric,
  unary,
  binary,
  comparison,
  axisOption,
  reduction,
  kept,
  alongAxis,
  together,
  each,
  inFirst,
  first,
  none,
} from "./builtin-forms.js";
import type { Builtin } from "./builtin-types.js";
import { batchFunctions } from "./builtins-batch.js";
import { imageFunctions } from "./builtins-images.js";
import { shapeFunctions } from "./builtins-shapes.js";
import {
  abovezero,
  added,
  anything,
  between,
  closedUnit,
  exponential,
  fromZero,
  hull,
  isNonNegative,
  isOnlyZero,
  isPositive,
  maximum,
  monotone,
  multiplied,
  negated,
  openUnit,
  reciprocal,
  upTo,
  type Range,
} from "./range.js";
import { tensor } from "./shapes.js";
import { contracting, mixing, regardless } from "./symmetry/axes.js";

export { isLinearIn } from "./builtin-types.js";
export type {
  Builtin,
  BuiltinCall,
  KnownArg,
  Linearity,
  OptionSpec,
  Options,
  OptionValue,
  Reads,
  Typed,
  TypedArg,
} from "./builtin-types.js";
export { windowed } from "./builtin-rules.js";

const eluOf = (x: number, alpha: number): number => (x > 0 ? x : alpha * Math.expm1(x));

/** Of a sum of so many that none is known but the sign of each. */
/** |x|, up to the end that lies farther from 0. */
function magnitude([r = anything]: readonly Range[]): Range {
  const high = Math.max(Math.abs(r.low), Math.abs(r.high));
  return Number.isFinite(high) ? { low: 0, high, lowOpen: false, highOpen: false } : fromZero;
}

/** 0 at 0, -1, -2, …, where log gamma and its derivative have no bound. */
const gammaPole = (x: number): number => Math.abs(x - Math.min(Math.round(x), 0));

const base = "what stands before `^`";

function total([r = anything]: readonly Range[]): Range {
  return isPositive(r) ? abovezero : isNonNegative(r) ? fromZero : isPositive(negated(r)) ? negated(abovezero) : anything;
}

const table: readonly Builtin[] = [
  // ---- operators
  binary("add", "a + b", ([a = anything, b = anything]) => added(a, b), { symbol: "+", linear: together }),
  binary("sub", "a - b", ([a = anything, b = anything]) => added(a, negated(b)), { symbol: "-", linear: together }),
  binary("mul", "a * b, entry by entry", ([a = anything, b = anything]) => multiplied(a, b), { symbol: "*", linear: each }),
  binary("div", "a / b, entry by entry", ([a = anything, b = anything]) => multiplied(a, reciprocal(b)), {
    pole: (_, b) => b,
    symbol: "/",
    linear: inFirst,
    outside: ([, b = anything]) => (isOnlyZero(b) ? { position: 1, what: "a divisor", expected: "another number than 0" } : undefined),
  }),
  binary("pow", "a ^ b", powRange, {
    at: (a, b) => a ** b,
    pole: (a, b) => (b > 0 ? 1 : a),
    symbol: "^",
    power: "exponent",
    outside: ([a = anything, b = anything]) =>
      isOnlyZero(a) && b.high < 0
        ? { position: 0, what: base, expected: "another number than 0, with an exponent below 0" }
        : isPositive(negated(a)) && b.low === b.high && !Number.isInteger(b.low)
          ? { position: 0, what: base, expected: "at least 0, with an exponent that is no whole number" }
          : undefined,
  }),
  unary("neg", "-x", ([r = anything]) => negated(r), { symbol: "-", linear: "all" }),
  {
    fn: "matmul",
    runtime: "matmul",
    doc: "matrix product; a vector on the left is a row, on the right a column, two vectors give a scalar",
    symbol: "@",
    args: ["a", "b"],
    options: [],
    takes: numeric,
    linear: each,
    reads: "contract",
    permutes: contracting,
    type: matmulType,
    range: matmulRange,
    simplex: matmulSimplex,
  },
  // ---- elementwise
  unary("abs", "|x|", magnitude, { at: Math.abs, growth: 1, pieces: true, piecewiseLinear: true, slope: () => between(-1, 1, false) }),
  unary("sign", "-1, 0 or 1", () => between(-1, 1, false), { at: Math.sign, pieces: true, noGradient: true }),
  unary("floor", "greatest whole number below", ([r = anything]) => ({ ...r, low: Math.floor(r.low), lowOpen: false }), {
    growth: 1,
    pieces: true,
    noGradient: true,
  }),
  unary("exp", "e^x", ([r = anything]) => exponential(r), { slope: exponential }),
  unary("log", "natural logarithm", ([r = anything]) => (r.low >= 0 ? monotone(Math.log)([r]) : anything), {
    pole: (x) => x,
    slope: reciprocal,
    outside: ([r = anything]) => (r.high <= 0 ? { position: 0, expected: "above 0" } : undefined),
  }),
  unary("log1p", "log(1 + x)", ([r = anything]) => (r.low >= -1 ? monotone(Math.log1p)([r]) : anything), {
    pole: (x) => 1 + x,
    slope: (x) => reciprocal(added(x, between(1, 1, false))),
    outside: ([r = anything]) => (r.high <= -1 ? { position: 0, expected: "above -1" } : undefined),
  }),
  unary("expm1", "e^x - 1", monotone(Math.expm1), { slope: exponential }),
  unary("sqrt", "square root", ([r = anything]) => (r.low >= 0 ? monotone(Math.sqrt)([r]) : fromZero), {
    growth: 0.5,
    outside: ([r = anything]) => (isPositive(negated(r)) ? { position: 0, expected: "at least 0" } : undefined),
    slope: (x) =>
      x.low > 0 && x.low === x.high
        ? between(0.5 / Math.sqrt(x.low), 0.5 / Math.sqrt(x.low), false)
        : x.low > 0
          ? upTo(0.5 / Math.sqrt(x.low))
          : x.low === 0
            ? abovezero
            : anything,
  }),
  unary("square", "x^2", ([r = anything]) => (isPositive(r) || (r.high <= 0 && r.highOpen) ? abovezero : fromZero), {
    at: (x) => x * x,
    power: 2,
    slope: (x) => multiplied(between(2, 2, false), x),
  }),
  unary("reciprocal", "1 / x", ([r = anything]) => reciprocal(r), {
    pole: (x) => x,
    outside: ([r = anything]) => (isOnlyZero(r) ? { position: 0, expected: "another number than 0" } : undefined),
    slope: (x) => (x.low > 0 ? negated(upTo(1 / x.low ** 2)) : isPositive(x) || isPositive(negated(x)) ? negated(abovezero) : anything),
  }),
  unary("sin", "sine", () => between(-1, 1, false), { at: Math.sin, slope: () => between(-1, 1, false) }),
  unary("cos", "cosine", () => between(-1, 1, false), { at: Math.cos, slope: () => between(-1, 1, false) }),
  unary("erf", "error function", () => between(-1, 1, true), { at: erf, slope: () => upTo(2 / Math.sqrt(Math.PI)) }),
  unary("lgamma", "log of the gamma function", undefined, { at: lgamma, pole: gammaPole }),
  unary("digamma", "derivative of lgamma", undefined, { at: (x) => polygamma(0, x), pole: gammaPole }),
  unary("tanh", "hyperbolic tangent", monotone(Math.tanh), { slope: () => upTo(1) }),
  unary("sigmoid", "1 / (1 + e^-x)", ([r = anything]) => monotone((x) => 1 / (1 + Math.exp(-x)))([r]), { slope: () => upTo(0.25) }),
  unary("log_sigmoid", "log(sigmoid(x)), without overflow", () => ({ low: -Infinity, high: 0, lowOpen: true, highOpen: true }), {
    at: (x) => -softplus(-x),
    growth: 1,
    slope: () => upTo(1),
  }),
  unary("softplus", "log(1 + e^x)", () => abovezero, { at: softplus, growth: 1, slope: () => upTo(1) }),
  unary("relu", "max(x, 0)", ([r = anything]) => maximum(r, between(0, 0, false)), {
    growth: 1,
    pieces: true,
    piecewiseLinear: true,
    slope: () => closedUnit,
  }),
  unary("leaky_relu", "x where positive, slope * x elsewhere", undefined, {
    at: (x, _, { slope }) => (x > 0 ? x : Number(slope) * x),
    growth: 1,
    pieces: true,
    piecewiseLinear: true,
    slope: (_, { slope }) => between(Math.min(1, Number(slope)), Math.max(1, Number(slope)), false),
    options: [{ name: "slope", kind: "number", fallback: 0.01 }],
    type: withOptions,
  }),
  unary(
    "elu",
    "x where positive, alpha (e^x - 1) elsewhere",
    (r, { alpha }) => (Number(alpha) > 0 ? monotone((x) => eluOf(x, Number(alpha)))(r) : anything),
    {
      growth: 1,
      pieces: true,
      slope: (_, { alpha }) => (Number(alpha) > 0 ? upTo(Math.max(1, Number(alpha))) : anything),
      options: [{ name: "alpha", kind: "number", fallback: 1 }],
      type: withOptions,
    },
  ),
  unary(
    "selu",
    "self-normalising elu (Klambauer et al. 2017)",
    monotone((x) => 1.0507009873554805 * eluOf(x, 1.6732632423543772)),
    {
      growth: 1,
      slope: () => upTo(1.76),
    },
  ),
  unary("gelu", "x times the normal distribution function (Hendrycks & Gimpel 2016)", undefined, {
    at: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
    growth: 1,
    slope: () => between(-0.2, 1.2, false),
  }),
  unary("silu", "x * sigmoid(x)", undefined, { at: (x) => x / (1 + Math.exp(-x)), growth: 1, slope: () => between(-0.2, 1.2, false) }),
  unary("mish", "x * tanh(softplus(x)) (Misra 2019)", undefined, {
    at: (x) => x * Math.tanh(softplus(x)),
    growth: 1,
    slope: () => between(-0.2, 1.2, false),
  }),
  unary("softsign", "x / (1 + |x|)", () => between(-1, 1, true), { at: (x) => x / (1 + Math.abs(x)), slope: () => upTo(1) }),
  unary("hard_tanh", "x limited to -1..1", () => between(-1, 1, false), {
    at: (x) => Math.min(Math.max(x, -1), 1),
    pieces: true,
    piecewiseLinear: true,
    slope: () => closedUnit,
  }),
  unary("stop", "the value, with no gradient through it", first, {
    runtime: "stopGradient",
    moves: true,
    noGradient: true,
    simplex: kept,
  }),
  unary("clip", "limits x to low..high", (_, { low, high }) => between(Number(low), Number(high), false), {
    at: (x, _, { low, high }) => Math.min(Math.max(x, Number(low)), Number(high)),
    options: [
      { name: "low", kind: "number", required: true },
      { name: "high", kind: "number", required: true },
    ],
    type: withOptions,
    pieces: true,
    piecewiseLinear: true,
    slope: () => closedUnit,
  }),
  binary("maximum", "the greater, entry by entry", ([a = anything, b = anything]) => maximum(a, b), {
    growth: 1,
    pieces: true,
    piecewiseLinear: true,
  }),
  binary("minimum", "the lesser, entry by entry", ([a = anything, b = anything]) => negated(maximum(negated(a), negated(b))), {
    growth: 1,
    pieces: true,
    piecewiseLinear: true,
  }),
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
    linear: [[1, 2]],
    growth: 1,
    pieces: true,
    reads: "place",
    type: whereType,
    range: ([, a = anything, b = anything]) => hull([a, b]),
  },
  // ---- reductions over axes of the event
  reduction("sum", "sum of all entries, or along axes", total, { linear: "all" }),
  reduction("mean", "mean of all entries, or along axes", first, {
    averages: true,
    linear: "all",
    simplex: ([x], { axes }) => x?.simplex === true && !(axes as readonly number[]).includes(-1),
  }),
  reduction("variance", "mean squared distance to the mean, of all entries or along axes", () => fromZero, {
    shiftInvariant: true,
    power: 2,
    jet: (values) => {
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      return {
        value: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length,
        slopes: values.map((v) => (2 * (v - mean)) / values.length),
      };
    },
  }),
  reduction("max", "greatest entry, or along axes", first, {
    averages: true,
    growth: 1,
    pieces: true,
    piecewiseLinear: true,
    runtime: "reduceMax",
  }),
  reduction("min", "least entry, or along axes", first, {
    averages: true,
    growth: 1,
    pieces: true,
    piecewiseLinear: true,
    runtime: "reduceMin",
  }),
  reduction("logsumexp", "log of the sum of exponentials, without overflow", undefined, {
    averages: true,
    growth: 1,
    runtime: "logSumExp",
  }),
  reduction("logmeanexp", "log of the mean of exponentials, without overflow", first, { averages: true, growth: 1, runtime: "logMeanExp" }),
  reduction("norm", "2-norm, of all entries or along axes", () => fromZero, {
    growth: 1,
    jet: (values) => {
      const value = Math.hypot(...values);
      return { value, slopes: values.map((v) => v / value) };
    },
  }),
  // ---- along one axis
  alongAxis("softmax", "e^x over its sum along an axis (the last)", () => openUnit, {
    shiftInvariant: true,
    permutes: regardless,
    simplex: (_, { axis }) => axis === -1,
  }),
  alongAxis("log_softmax", "log(softmax(x)), without overflow", () => ({ low: -Infinity, high: 0, lowOpen: true, highOpen: true }), {
    shiftInvariant: true,
    growth: 1,
    permutes: regardless,
  }),
  alongAxis("cumsum", "running sum along an axis (the last)", total, {
    linear: "all",
    running: true,
    degrees: ([x = none], { options: { axis } }) => running(x, axis as number),
  }),
  alongAxis("reverse", "entries in reverse order along an axis (the last)", first, {
    moves: true,
    linear: "all",
    reads: "one",
    degrees: ([x = none], { options: { axis } }) =>
      along(
        x,
        axis as number,
        Array.from({ length: x.shape.at(axis as number) ?? 1 }, (_, i, n = x.shape.at(axis as number) ?? 1) => [n - 1 - i]),
      ),
    simplex: kept,
  }),
  alongAxis("glu", "first half times sigmoid of the second, along an axis (Dauphin et al. 2017)", undefined, { growth: 1, type: gluType }),
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
    noGradient: true,
    permutes: mixing(({ axis }) => [axis as number]),
    classes: ([x], { axis }) => x?.shape.at(axis as number)?.size,
    type: ({ args, options }) => {
      const axis = options.get("axis") as number;
      return { type: tensor(without(args[0]?.type.shape ?? [], [axis]), "int"), options: { axis } };
    },
  },
  ...shapeFunctions,
  ...imageFunctions,
  ...batchFunctions,
];

export const builtins: ReadonlyMap<string, Builtin> = new Map(table.map((entry) => [entry.fn, entry]));

/** Names that a `.gm` file may call. */
export const functionNames: readonly string[] = table.filter((entry) => entry.symbol === undefined).map((entry) => entry.fn);
