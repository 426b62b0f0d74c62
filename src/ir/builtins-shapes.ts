/** Functions that make, cut, join and reorder tensors. */
import { across, along, joined, meet, reshaped, transposed, withLeading, withTrailing } from "./autoregressive/grid.js";
import {
  alongOthers,
  concatType,
  onehotType,
  padType,
  reshapeType,
  squareType,
  stackType,
  takeType,
  transposeType,
  without,
} from "./builtin-rules.js";
import { numeric, axisOption, filled, inFirst, first, none } from "./builtin-forms.js";
import type { Builtin } from "./builtin-types.js";
import { anything, between, closedUnit, hull } from "./range.js";
import { dim, tensor, timesDim } from "./shapes.js";
import { byPlace, classed, joining, lookingUp, padding, reordering, reshaping, taking } from "./symmetry/axes.js";

/** Each of n positions reads the one `by` further on. */
const shifted = (n: number, by: number): readonly (readonly number[])[] => Array.from({ length: n }, (_, i) => [i + by]);

export const shapeFunctions: readonly Builtin[] = [
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
    constant: ([i, j]) => (i === j ? 1 : 0),
    range: () => closedUnit,
    simplex: () => true,
    type: ({ dims }) => {
      const n = dims.get("size")?.[0] ?? dim(1);
      return { type: tensor([n, n]), options: { size: n.size } };
    },
  },
];
