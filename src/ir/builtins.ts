/**
 * Functions and operators of expressions. One entry each: what it takes, the type of its result, what it does to intervals, and the
 * runtime function that computes it. The only place that knows which functions exist.
 *
 * Axes are counted from 1 in a `.gm` file; in the IR they count from the end (-1 is the last), since the runtime puts sample and batch axes first.
 */
import { across, along, joined, meet, reshaped, running, transposed, withLeading, withTrailing } from "./autoregressive/grid.js";
import { report } from "../base/report.js";
import {
  alongOthers,
  blockRange,
  blockType,
  concatType,
  convTransposeType,
  convType,
  elementwise,
  gluType,
  imageShape,
  matmulRange,
  matmulSimplex,
  matmulType,
  onehotType,
  padType,
  powRange,
  reshapeType,
  squareType,
  stackType,
  takeType,
  transposeType,
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
  convolution,
  filled,
  pooling,
  together,
  each,
  inFirst,
  overImage,
  first,
  none,
} from "./builtin-forms.js";
import type { Builtin } from "./builtin-types.js";
import { batchFunctions } from "./builtins-batch.js";
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
  isPositive,
  maximum,
  monotone,
  multiplied,
  negated,
  openUnit,
  reciprocal,
  upTo,
} from "./range.js";
import { dim, showShape, tensor, timesDim } from "./shapes.js";
import {
  byPlace,
  classed,
  contracting,
  joining,
  lookingUp,
  mixing,
  padding,
  reducing,
  regardless,
  reordering,
  reshaping,
  taking,
} from "./symmetry/axes.js";

/** Each of n positions reads the one `by` further on. */
const shifted = (n: number, by: number): readonly (readonly number[])[] => Array.from({ length: n }, (_, i) => [i + by]);

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

const table: readonly Builtin[] = [
  // ---- operators
  binary("add", "a + b", ([a = anything, b = anything]) => added(a, b), { symbol: "+", linear: together }),
  binary("sub", "a - b", ([a = anything, b = anything]) => added(a, negated(b)), { symbol: "-", linear: together }),
  binary("mul", "a * b, entry by entry", ([a = anything, b = anything]) => multiplied(a, b), { symbol: "*", linear: each }),
  binary("div", "a / b, entry by entry", ([a = anything, b = anything]) => multiplied(a, reciprocal(b)), { symbol: "/", linear: inFirst }),
  binary("pow", "a ^ b", powRange, { symbol: "^", power: "exponent" }),
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
  unary("abs", "|x|", () => fromZero, { growth: 1, pieces: true, slope: () => between(-1, 1, false) }),
  unary("sign", "-1, 0 or 1", () => between(-1, 1, false), { pieces: true }),
  unary("floor", "greatest whole number below", ([r = anything]) => ({ ...r, low: Math.floor(r.low), lowOpen: false }), {
    growth: 1,
    pieces: true,
  }),
  unary("exp", "e^x", ([r = anything]) => exponential(r), { slope: exponential }),
  unary("log", "natural logarithm", ([r = anything]) => (r.low >= 0 ? monotone(Math.log)([r]) : anything), { slope: reciprocal }),
  unary("log1p", "log(1 + x)", ([r = anything]) => (r.low >= -1 ? monotone(Math.log1p)([r]) : anything), {
    slope: (x) => reciprocal(added(x, between(1, 1, false))),
  }),
  unary("expm1", "e^x - 1", monotone(Math.expm1), { slope: exponential }),
  unary("sqrt", "square root", ([r = anything]) => (r.low >= 0 ? monotone(Math.sqrt)([r]) : fromZero), {
    growth: 0.5,
    slope: (x) => (x.low >= 0 ? abovezero : anything),
  }),
  unary("square", "x^2", ([r = anything]) => (isPositive(r) || (r.high <= 0 && r.highOpen) ? abovezero : fromZero), {
    power: 2,
    slope: (x) => multiplied(between(2, 2, false), x),
  }),
  unary("reciprocal", "1 / x", ([r = anything]) => reciprocal(r), {
    slope: (x) => (isPositive(x) || isPositive(negated(x)) ? negated(abovezero) : anything),
  }),
  unary("sin", "sine", () => between(-1, 1, false), { slope: () => between(-1, 1, false) }),
  unary("cos", "cosine", () => between(-1, 1, false), { slope: () => between(-1, 1, false) }),
  unary("erf", "error function", () => between(-1, 1, true), { slope: () => upTo(2 / Math.sqrt(Math.PI)) }),
  unary("lgamma", "log of the gamma function"),
  unary("digamma", "derivative of lgamma"),
  unary("tanh", "hyperbolic tangent", monotone(Math.tanh), { slope: () => upTo(1) }),
  unary("sigmoid", "1 / (1 + e^-x)", ([r = anything]) => monotone((x) => 1 / (1 + Math.exp(-x)))([r]), { slope: () => upTo(0.25) }),
  unary("log_sigmoid", "log(sigmoid(x)), without overflow", () => ({ low: -Infinity, high: 0, lowOpen: true, highOpen: true }), {
    growth: 1,
    slope: () => upTo(1),
  }),
  unary("softplus", "log(1 + e^x)", () => abovezero, { growth: 1, slope: () => upTo(1) }),
  unary("relu", "max(x, 0)", ([r = anything]) => maximum(r, between(0, 0, false)), {
    growth: 1,
    pieces: true,
    slope: () => closedUnit,
  }),
  unary("leaky_relu", "x where positive, slope * x elsewhere", undefined, {
    growth: 1,
    pieces: true,
    slope: (_, { slope }) => between(Math.min(1, Number(slope)), Math.max(1, Number(slope)), false),
    options: [{ name: "slope", kind: "number", fallback: 0.01 }],
    type: withOptions,
  }),
  unary("elu", "x where positive, alpha (e^x - 1) elsewhere", undefined, {
    growth: 1,
    pieces: true,
    slope: (_, { alpha }) => (Number(alpha) > 0 ? upTo(Math.max(1, Number(alpha))) : anything),
    options: [{ name: "alpha", kind: "number", fallback: 1 }],
    type: withOptions,
  }),
  unary("selu", "self-normalising elu (Klambauer et al. 2017)", undefined, { growth: 1, slope: () => upTo(1.76) }),
  unary("gelu", "x times the normal distribution function (Hendrycks & Gimpel 2016)", undefined, {
    growth: 1,
    slope: () => between(-0.2, 1.2, false),
  }),
  unary("silu", "x * sigmoid(x)", undefined, { growth: 1, slope: () => between(-0.2, 1.2, false) }),
  unary("mish", "x * tanh(softplus(x)) (Misra 2019)", undefined, { growth: 1, slope: () => between(-0.2, 1.2, false) }),
  unary("softsign", "x / (1 + |x|)", () => between(-1, 1, true), { slope: () => upTo(1) }),
  unary("hard_tanh", "x limited to -1..1", () => between(-1, 1, false), { pieces: true, slope: () => closedUnit }),
  unary("stop", "the value, with no gradient through it", first, { runtime: "stopGradient", moves: true, simplex: kept }),
  unary("clip", "limits x to low..high", (_, { low, high }) => between(Number(low), Number(high), false), {
    options: [
      { name: "low", kind: "number", required: true },
      { name: "high", kind: "number", required: true },
    ],
    type: withOptions,
    pieces: true,
    slope: () => closedUnit,
  }),
  binary("maximum", "the greater, entry by entry", ([a = anything, b = anything]) => maximum(a, b), {
    growth: 1,
    pieces: true,
  }),
  binary("minimum", "the lesser, entry by entry", ([a = anything, b = anything]) => negated(maximum(negated(a), negated(b))), {
    growth: 1,
    pieces: true,
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
  reduction(
    "sum",
    "sum of all entries, or along axes",
    ([r = anything]) => (isPositive(r) ? abovezero : isNonNegative(r) ? fromZero : isPositive(negated(r)) ? negated(abovezero) : anything),
    { linear: "all" },
  ),
  reduction("mean", "mean of all entries, or along axes", first, {
    linear: "all",
    simplex: ([x], { axes }) => x?.simplex === true && !(axes as readonly number[]).includes(-1),
  }),
  reduction("variance", "mean squared distance to the mean, of all entries or along axes", () => fromZero, { power: 2 }),
  reduction("max", "greatest entry, or along axes", first, { growth: 1, pieces: true, runtime: "reduceMax" }),
  reduction("min", "least entry, or along axes", first, { growth: 1, pieces: true, runtime: "reduceMin" }),
  reduction("logsumexp", "log of the sum of exponentials, without overflow", undefined, { growth: 1, runtime: "logSumExp" }),
  reduction("logmeanexp", "log of the mean of exponentials, without overflow", first, { growth: 1, runtime: "logMeanExp" }),
  reduction("norm", "2-norm, of all entries or along axes", () => fromZero, { growth: 1 }),
  // ---- along one axis
  alongAxis("softmax", "e^x over its sum along an axis (the last)", () => openUnit, {
    permutes: regardless,
    simplex: (_, { axis }) => axis === -1,
  }),
  alongAxis("log_softmax", "log(softmax(x)), without overflow", () => ({ low: -Infinity, high: 0, lowOpen: true, highOpen: true }), {
    growth: 1,
    permutes: regardless,
  }),
  alongAxis("cumsum", "running sum along an axis (the last)", undefined, {
    linear: "all",
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
    permutes: mixing(({ axis }) => [axis as number]),
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
    linear: "all",
    reads: "one",
    degrees: ([x = none], { shape }) => reshaped(x, shape),
    permutes: reshaping,
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
    linear: "all",
    reads: "one",
    degrees: ([x = none], { shape }) => reshaped(x, shape),
    permutes: reshaping,
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
    linear: "all",
    reads: "one",
    degrees: ([x = none], { options: { order } }) => transposed(x, order as readonly number[]),
    permutes: reordering,
    range: first,
    simplex: ([x], { order }) => x?.simplex === true && (order as readonly number[]).at(-1) === -1,
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
    linear: "all",
    reads: "one",
    degrees: (args, { options: { axis } }) =>
      joined(
        args.map((x) => (x.shape.length === 0 ? reshaped(x, [1]) : x)),
        axis as number,
      ),
    permutes: joining(false),
    range: hull,
    simplex: alongOthers,
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
    linear: "all",
    reads: "one",
    degrees: (args, { shape }) => joined(args.map(withLeading), -shape.length),
    permutes: joining(true),
    range: hull,
    simplex: alongOthers,
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
    linear: "all",
    reads: "one",
    degrees: ([x = none], { options: { low }, shape }) =>
      shape.reduce((grid, size, axis) => along(grid, axis - shape.length, shifted(size, -((low as readonly number[])[axis] ?? 0))), x),
    permutes: padding,
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
    linear: "all",
    reads: "one",
    degrees: ([x = none], { options: { axis, position } }) =>
      across(along(x, axis as number, [[position as number]]), [axis as number], false),
    permutes: taking,
    range: first,
    simplex: alongOthers,
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
    linear: "all",
    reads: "one",
    degrees: ([x = none], { options: { axis, start, stop } }) =>
      along(x, axis as number, shifted((stop as number) - (start as number), start as number)),
    permutes: taking,
    range: first,
    simplex: alongOthers,
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
    linear: inFirst,
    labels: 1,
    degrees: ([table = none, labels = none], { shape }) =>
      meet(shape, [withTrailing(labels, table.shape.slice(1)), across(table, [-table.shape.length], false)]),
    permutes: lookingUp,
    range: first,
    simplex: ([table]) => table?.simplex === true && table.shape.length > 1,
    type: takeType,
  },
  {
    fn: "onehot",
    runtime: "oneHot",
    doc: "a category's label as a vector of zeros and one 1",
    args: ["label"],
    options: [{ name: "classes", kind: "size" }],
    takes: ["int"],
    labels: 0,
    degrees: ([label = none], { shape }) => withTrailing(label, shape.slice(-1)),
    permutes: classed,
    range: () => closedUnit,
    simplex: () => true,
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
    fn: "cholesky_factor",
    runtime: "choleskyFactor",
    doc: "the entries below the diagonal, softplus of those on it, zeros above: any matrix as a factor L of a covariance L L^T",
    args: ["x"],
    options: [],
    takes: numeric,
    reads: "place",
    permutes: byPlace,
    type: (call) => squareType(call),
  },
  {
    fn: "tril",
    runtime: "lowerTriangle",
    doc: "the matrix with zeros above its diagonal",
    args: ["x"],
    options: [],
    takes: numeric,
    linear: "all",
    reads: "place",
    permutes: byPlace,
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
    simplex: () => true,
    type: ({ dims }) => {
      const n = dims.get("size")?.[0] ?? dim(1);
      return { type: tensor([n, n]), options: { size: n.size } };
    },
  },
  // ---- images: [height, width, channels]
  convolution(
    "conv",
    "convolution of an image with a kernel [height, width, channels, filters], linear in each: conv(x, W). As a layer, it has a kernel of its own",
    convType,
  ),
  convolution(
    "conv_transpose",
    "the transpose of `conv` with the same kernel, from filters back to channels: conv_transpose(h, W)",
    convTransposeType,
  ),
  pooling("max_pool", "greatest entry of each window", first, { growth: 1 }),
  pooling("avg_pool", "mean of each window", first, { linear: "all" }),
  {
    fn: "pool",
    runtime: "blockSum",
    doc: "sum over each block of the leading axes: pool(h, 2, 2); of units declared `at_most_one(2, 2)` the blocks are known, and pool(h) is 1 where one of a block is on",
    args: ["x"],
    options: [{ name: "blocks", kind: "sizes" }],
    restOption: "blocks",
    takes: numeric,
    linear: "all",
    reads: ({ blocks, rank }) => (blocks as readonly number[]).map((_, i) => i - (rank as number)),
    range: blockRange,
    type: blockType,
  },
  {
    fn: "global_avg_pool",
    runtime: "globalAvgPool",
    doc: "mean over height and width",
    args: ["x"],
    options: [],
    takes: numeric,
    linear: "all",
    reads: () => overImage,
    permutes: reducing(() => overImage),
    range: first,
    type: (call) => {
      const shape = imageShape(call);
      return shape && { type: tensor([shape[2]]) };
    },
  },
  {
    fn: "reflect_pad",
    runtime: "reflectPad",
    doc: "an image with `size` pixels more on each side of its height and width, mirrored at its border: reflect_pad(x, 1)",
    args: ["x"],
    options: [{ name: "size", kind: "size", required: true }],
    takes: numeric,
    moves: true,
    linear: "all",
    reads: "one",
    range: first,
    type: (call) => {
      const shape = imageShape(call);
      const size = call.options.get("size") as number;
      if (!shape) return undefined;
      const [h, w, c] = shape;
      if (Math.min(h.size, w.size) <= size) {
        report(call.cx.diagnostics, "GM2030", call.span, {
          what: "`reflect_pad`",
          expected: `more than ${size} pixels to mirror`,
          found: showShape([h, w]),
        });
        return undefined;
      }
      return { type: tensor([dim(h.size + 2 * size), dim(w.size + 2 * size), c]), options: { size } };
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
    linear: "all",
    reads: () => overImage,
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
  ...batchFunctions,
];

export const builtins: ReadonlyMap<string, Builtin> = new Map(table.map((entry) => [entry.fn, entry]));

/** Names that a `.gm` file may call. */
export const functionNames: readonly string[] = table.filter((entry) => entry.symbol === undefined).map((entry) => entry.fn);
