/**
 * One or more cases for every primitive: operands as plain numbers and the operation on them. The table is total, so a new primitive
 * needs a case; what is not differentiable says so. Used for gradients against differences and for engines against the reference.
 */
import { solveInOrder } from "../../src/runtime/graph/fixed-point.js";
import * as g from "../../src/runtime/graph/index.js";
import { emit } from "../../src/runtime/graph/trace.js";
import type { Prim } from "../../src/runtime/graph/types.js";
import { hostStream } from "../../src/runtime/graph/random.js";

export interface Operand {
  readonly shape: readonly number[];
  readonly dtype?: g.DType;
  readonly data: readonly number[];
}

export interface Case {
  readonly name: string;
  readonly operands: Readonly<Record<string, Operand>>;
  readonly fn: (x: Readonly<Record<string, g.Tensor>>) => g.Tensor;
  /** operands to differentiate in; all f32 ones by default, [] where nothing is differentiable */
  readonly wrt?: readonly string[];
  /** the second derivative is not tested (it is zero or undefined by definition) */
  readonly first?: boolean;
}

let seed = 0;
/** Numbers in [low, high], off the lattice, the same in every run. */
export function numbers(shape: readonly number[], low = -2, high = 2): Operand {
  const stream = hostStream(++seed, "cases");
  return { shape, data: Array.from({ length: g.sizeOf(shape) }, () => low + (high - low) * stream.uniform()) };
}
/** Distinct numbers at least 0.1 apart, shuffled: for max and its like, whose derivative jumps at ties. */
function distinct(shape: readonly number[]): Operand {
  const n = g.sizeOf(shape);
  return { shape, data: Array.from(g.permutation(n, ++seed, "distinct"), (i) => (i - n / 2) * 0.1 + 0.03) };
}
export const integers = (shape: readonly number[], data: readonly number[], dtype: g.DType = "i32"): Operand => ({ shape, data, dtype });

const unary = (name: string, fn: (x: g.Tensor) => g.Tensor, low = -2, high = 2, more: Partial<Case> = {}): Case[] => [
  { name: `${name} [3, 5]`, operands: { x: numbers([3, 5], low, high) }, fn: ({ x }) => fn(x!), ...more },
  { name: `${name} []`, operands: { x: numbers([], low, high) }, fn: ({ x }) => fn(x!), ...more },
];

const binary = (
  name: string,
  fn: (a: g.Tensor, b: g.Tensor) => g.Tensor,
  a: [number, number] = [-2, 2],
  b: [number, number] = [-2, 2],
  more: Partial<Case> = {},
): Case[] => [
  { name: `${name} equal`, operands: { a: numbers([2, 7], ...a), b: numbers([2, 7], ...b) }, fn: ({ a, b }) => fn(a!, b!), ...more },
  { name: `${name} scalar left`, operands: { a: numbers([], ...a), b: numbers([7], ...b) }, fn: ({ a, b }) => fn(a!, b!), ...more },
  { name: `${name} scalar right`, operands: { a: numbers([1, 3], ...a), b: numbers([], ...b) }, fn: ({ a, b }) => fn(a!, b!), ...more },
  {
    name: `${name} broadcast both`,
    operands: { a: numbers([3, 1], ...a), b: numbers([2, 1, 5], ...b) },
    fn: ({ a, b }) => fn(a!, b!),
    ...more,
  },
];

const none = { wrt: [] };
/** Every third entry of x is zero: the hidden layer does not change there. */
export const nadeOperands = (n: number, d: number, h: number, o: number): Case["operands"] => ({
  x: numbers([n, d]),
  w: numbers([d, h], -1, 1),
  c: numbers([h]),
  v: numbers([d, o, h], -1, 1),
});
export const nadeOf: Case["fn"] = ({ x, w, c, v }) => {
  const on = g.constant(
    Array.from({ length: x!.shape[1]! }, (_, i) => (i % 3 === 1 ? 0 : 1)),
    [x!.shape[1]!],
  );
  return g.nadeOutputs(g.mul(x!, on), w!, c!, v!);
};
export const nadeGradOf: Case["fn"] = (all) => {
  const y = nadeOf(all);
  const weights = g.sin(g.reshape(g.iota(g.sizeOf(y.shape), "f32"), y.shape));
  const d = g.grad(g.sum(g.mul(y, weights)), [all["x"]!, all["w"]!, all["c"]!, all["v"]!]);
  return g.concat(
    d.map((part) => g.reshape(part, [-1])),
    0,
  );
};
/** x = c + tanh(x W) c, W of the entries that come before in the order. */
export function inOrder(c: g.Tensor, w: g.Tensor, places: readonly number[]): g.Tensor {
  const n = places.length;
  const mask = g.constant(
    Array.from({ length: n * n }, (_, i) => (places[Math.floor(i / n)]! < places[i % n]! ? 1 : 0)),
    [n, n],
  );
  return solveInOrder(c.shape, places, (x) => g.add(c, g.mul(c, g.tanh(g.matmul(x, g.mul(w, mask))))));
}
/** Of each entry the sine of the one before it. */
const before = (x: g.Tensor): g.Tensor => g.pad(g.sin(g.sliceAxis(x, -1, 0, x.shape.at(-1)! - 1)), [0, 1], [0, 0]);
const spd = (n: number, x: g.Tensor): g.Tensor => g.add(g.matmul(x, x, { transposeB: true }), g.mul(g.eye(n), 1.5));
const lower = (n: number, x: g.Tensor): g.Tensor => g.add(g.lowerTriangle(x, -1), g.mul(g.eye(n), g.add(g.exp(x), 1)));
const conv2 = { x: numbers([2, 7, 5, 4]), w: numbers([3, 2, 2, 6]) };
const conv2Options: g.ConvOptions = { stride: [2, 1], padding: [[1, 2], 1], dilation: [1, 2], groups: 2 };

export const cases: { readonly [P in Prim]: readonly Case[] } = {
  input: [{ name: "input", operands: { x: numbers([3]) }, fn: ({ x }) => x! }],
  state: [{ name: "state", operands: {}, fn: () => g.constant(0), ...none }],
  constant: [{ name: "constant", operands: { x: numbers([2, 3]) }, fn: ({ x }) => g.mul(x!, g.constant([1, 2, 3, 4, 5, 6], [2, 3])) }],
  iota: [
    { name: "iota", operands: { x: numbers([4]) }, fn: ({ x }) => g.mul(x!, g.iota(4, "f32")) },
    { name: "iota along", operands: {}, fn: () => emit("iota", [], { axis: 1 }, { shape: [2, 3, 2], dtype: "i32" }), ...none },
  ],
  random: [
    {
      name: "uniform",
      operands: { x: numbers([5, 3]) },
      fn: ({ x }) => g.mul(x!, g.randomUniform(g.rootKey().at("u"), [g.rowsOf(x!), 3])),
    },
    {
      name: "normal",
      operands: { x: numbers([2, 5, 3]) },
      fn: ({ x }) => g.mul(x!, g.randomNormal(g.rootKey().at("n"), [2, g.rowsOf(x!, 1), 3])),
    },
    { name: "bits", operands: {}, fn: () => g.randomBits(g.rootKey().at("b").fold(3), [7]), ...none },
  ],
  randomCounts: [
    {
      name: "counts",
      operands: { x: numbers([5, 3]) },
      fn: ({ x }) => g.mul(x!, g.randomCounts(g.rootKey().at("n"), g.constant([1, 2, 1]), 4, [g.rowsOf(x!), 3])),
    },
  ],

  neg: unary("neg", g.neg),
  abs: unary("abs", g.abs, -2, 2, { first: true }),
  sign: unary("sign", g.sign),
  floor: unary("floor", g.floor, 0.1, 0.9),
  exp: unary("exp", g.exp),
  log: unary("log", g.log, 0.2, 3),
  log1p: unary("log1p", g.log1p, -0.7, 3),
  expm1: unary("expm1", g.expm1),
  sqrt: unary("sqrt", g.sqrt, 0.2, 3),
  sin: unary("sin", g.sin, -6, 6),
  cos: unary("cos", g.cos, -6, 6),
  tanh: unary("tanh", g.tanh),
  sigmoid: unary("sigmoid", g.sigmoid, -4, 4),
  softplus: unary("softplus", g.softplus, -4, 4),
  erf: unary("erf", g.erf),
  lgamma: [...unary("lgamma", g.lgamma, 0.3, 12), ...unary("lgamma < 0", g.lgamma, -1.8, -1.2)],
  polygamma: [
    ...unary("digamma", g.digamma, 0.4, 9),
    ...unary("trigamma", (x) => g.polygamma(1, x), 0.4, 9),
    ...unary("tetragamma", (x) => g.polygamma(2, x), 0.5, 9),
  ],
  add: binary("add", g.add),
  sub: binary("sub", g.sub),
  mul: binary("mul", g.mul),
  div: binary("div", g.div, [-2, 2], [0.5, 2]),
  pow: [
    ...binary("pow", g.pow, [0.3, 2], [-2, 2]),
    {
      name: "pow of negatives",
      operands: { x: { shape: [4], data: [-1.5, -0.4, 0.7, 1.2] } },
      fn: ({ x }) => g.add(g.pow(x!, 2), g.pow(x!, 3)),
    },
    { name: "pow at 0", operands: { x: { shape: [2], data: [0, 2] } }, fn: ({ x }) => g.add(g.pow(x!, 2), g.pow(x!, 0)), first: true },
  ],
  max: binary("max", g.maximum, undefined, undefined, { first: true }),
  min: binary("min", g.minimum, undefined, undefined, { first: true }),
  lt: binary("lt", (a, b) => g.cast(g.less(a, b), "f32"), undefined, undefined, none),
  le: binary("le", (a, b) => g.cast(g.lessEqual(a, b), "f32"), undefined, undefined, none),
  eq: [
    {
      name: "eq i32",
      operands: { a: integers([4], [1, 2, 3, 4]), b: integers([4], [1, 0, 3, -4]) },
      fn: ({ a, b }) => g.cast(g.equal(a!, b!), "f32"),
      ...none,
    },
    {
      name: "eq bool",
      operands: { a: integers([2], [1, 0], "bool"), b: integers([], [0], "bool") },
      fn: ({ a, b }) => g.equal(a!, b!),
      ...none,
    },
  ],
  and: [
    {
      name: "and",
      operands: { a: integers([4], [0, 0, 1, 1], "bool"), b: integers([4], [0, 1, 0, 1], "bool") },
      fn: ({ a, b }) => g.and(a!, b!),
      ...none,
    },
  ],
  or: [
    {
      name: "or",
      operands: { a: integers([4], [0, 0, 1, 1], "bool"), b: integers([4], [0, 1, 0, 1], "bool") },
      fn: ({ a, b }) => g.or(a!, b!),
      ...none,
    },
  ],
  not: [{ name: "not", operands: { a: integers([2], [0, 1], "bool") }, fn: ({ a }) => g.not(a!), ...none }],
  select: [
    {
      name: "select",
      operands: { c: integers([5], [1, 0, 0, 1, 1], "bool"), a: numbers([5]), b: numbers([5]) },
      fn: ({ c, a, b }) => g.mul(g.select(c!, a!, b!), g.sin(a!)),
    },
    {
      name: "select scalars",
      operands: { c: integers([], [1], "bool"), a: numbers([]), b: numbers([3]) },
      fn: ({ c, a, b }) => g.select(c!, g.exp(a!), b!),
    },
    {
      name: "select by one",
      operands: { c: integers([2, 3], [1, 0, 0, 1, 1, 0], "bool"), a: numbers([]), b: numbers([]) },
      fn: ({ c, a, b }) => g.select(c!, g.exp(a!), g.mul(b!, b!)),
    },
  ],
  cast: [
    {
      name: "cast to i32",
      operands: { x: { shape: [4], data: [-1.5, 0.5, 2.9, -0.2] } },
      fn: ({ x }) => g.cast(g.cast(x!, "i32"), "f32"),
      ...none,
    },
    { name: "cast u32", operands: { x: integers([2], [7, 2 ** 20], "u32") }, fn: ({ x }) => g.cast(x!, "f32"), ...none },
    { name: "cast to bool", operands: { x: { shape: [3], data: [0, -0.5, 1] } }, fn: ({ x }) => g.cast(x!, "bool"), ...none },
  ],
  stopGradient: [{ name: "stopGradient", operands: { x: numbers([3]) }, fn: ({ x }) => g.stopGradient(g.exp(x!)), ...none }],

  reshape: [{ name: "reshape", operands: { x: numbers([2, 3, 5]) }, fn: ({ x }) => g.exp(g.reshape(x!, [5, 6])) }],
  transpose: [
    { name: "transpose", operands: { x: numbers([2, 3, 5]) }, fn: ({ x }) => g.sin(g.transpose(x!, [2, 0, 1])) },
    { name: "transpose matrix", operands: { x: numbers([3, 5]) }, fn: ({ x }) => g.sin(g.transpose(x!)) },
  ],
  broadcast: [
    { name: "broadcast", operands: { x: numbers([3, 1]) }, fn: ({ x }) => g.sin(g.broadcastTo(x!, [2, 3, 5])) },
    { name: "broadcast scalar", operands: { x: numbers([]) }, fn: ({ x }) => g.sin(g.broadcastTo(x!, [4])) },
    { name: "broadcast inner", operands: { x: numbers([2, 1, 3]) }, fn: ({ x }) => g.sin(g.broadcastTo(x!, [2, 7, 3])) },
  ],
  slice: [
    { name: "slice", operands: { x: numbers([5, 7]) }, fn: ({ x }) => g.exp(g.slice(x!, [1, 2], [4, 7])) },
    { name: "slice strided", operands: { x: numbers([5, 8]) }, fn: ({ x }) => g.exp(g.slice(x!, [0, 1], [5, 8], [2, 3])) },
  ],
  pad: [
    { name: "pad", operands: { x: numbers([3, 2]) }, fn: ({ x }) => g.exp(g.pad(x!, [1, 0], [2, 1])) },
    { name: "pad inside", operands: { x: numbers([3, 2]) }, fn: ({ x }) => g.exp(g.pad(x!, [1, 0], [0, 1], [2, 1])) },
  ],
  concat: [
    {
      name: "concat",
      operands: { a: numbers([2, 3]), b: numbers([2, 1]), c: numbers([2, 4]) },
      fn: ({ a, b, c }) => g.exp(g.concat([a!, b!, c!], 1)),
    },
  ],
  reverse: [{ name: "reverse", operands: { x: numbers([2, 3, 4]) }, fn: ({ x }) => g.mul(g.reverse(x!, [0, 2]), g.exp(x!)) }],
  gather: [
    { name: "gather rows", operands: { x: numbers([5, 3]), i: integers([4], [4, 0, 0, 2]) }, fn: ({ x, i }) => g.exp(g.take(x!, i!, 0)) },
    {
      name: "gather a table",
      operands: { x: numbers([2, 5, 3]), i: integers([2, 2], [4, 1, 1, 2]) },
      fn: ({ x, i }) => g.exp(g.take(x!, i!, 1)),
    },
    { name: "gather one", operands: { x: numbers([5, 3]), i: integers([], [2]) }, fn: ({ x, i }) => g.exp(g.take(x!, i!, -1)) },
  ],
  scatterAdd: [
    {
      name: "scatterAdd",
      operands: { x: numbers([4, 3]), i: integers([4], [4, 0, 0, 2]) },
      fn: ({ x, i }) => g.exp(g.scatterAdd(x!, i!, 0, 5)),
    },
    {
      name: "scatterAdd inner",
      operands: { x: numbers([2, 2, 2, 3]), i: integers([2, 2], [4, 1, 1, 2]) },
      fn: ({ x, i }) => g.exp(g.scatterAdd(x!, i!, 1, 5)),
    },
  ],
  dynamicSlice: [
    { name: "dynamicSlice", operands: { x: numbers([2, 7]), i: integers([], [3]) }, fn: ({ x, i }) => g.exp(g.dynamicSlice(x!, i!, 1, 2)) },
  ],
  dynamicUpdateSlice: [
    {
      name: "dynamicUpdateSlice",
      operands: { x: numbers([5, 3]), u: numbers([2, 3]), i: integers([], [2]) },
      fn: ({ x, u, i }) => g.exp(g.dynamicUpdateSlice(x!, u!, i!, 0)),
    },
  ],

  reduceSum: [
    { name: "sum all", operands: { x: numbers([3, 5]) }, fn: ({ x }) => g.exp(g.mul(g.sum(x!), 0.1)) },
    { name: "sum outer", operands: { x: numbers([3, 5, 2]) }, fn: ({ x }) => g.exp(g.sum(x!, 0)) },
    { name: "sum around", operands: { x: numbers([3, 5, 2]) }, fn: ({ x }) => g.exp(g.sum(x!, [0, 2])) },
    { name: "sum middle", operands: { x: numbers([3, 5, 2]) }, fn: ({ x }) => g.exp(g.mul(g.sum(x!, 1), 0.3)) },
  ],
  reduceMax: [
    { name: "max last", operands: { x: distinct([3, 7]) }, fn: ({ x }) => g.exp(g.reduceMax(x!, -1)), first: true },
    { name: "max around", operands: { x: distinct([3, 4, 2]) }, fn: ({ x }) => g.exp(g.reduceMax(x!, [0, 2])), first: true },
  ],
  argMax: [{ name: "argMax", operands: { x: distinct([3, 7, 2]) }, fn: ({ x }) => g.argMax(x!, 1), ...none }],
  cumsum: [
    { name: "cumsum", operands: { x: numbers([2, 5, 3]) }, fn: ({ x }) => g.sin(g.cumsum(x!, 1)) },
    { name: "cumsum reverse", operands: { x: numbers([5]) }, fn: ({ x }) => g.sin(g.cumsum(x!, 0, true)) },
  ],

  nade: [
    { name: "nade", operands: nadeOperands(3, 5, 6, 1), fn: nadeOf, first: true },
    { name: "nade two outputs", operands: nadeOperands(2, 4, 3, 2), fn: nadeOf, first: true },
    { name: "nade one entry", operands: nadeOperands(2, 1, 4, 1), fn: nadeOf, first: true },
  ],
  // a second derivative is refused: autoregressive-layers.test.ts
  nadeGrad: [
    {
      name: "nadeGrad of literals",
      operands: {},
      fn: () => {
        const of = Object.entries(nadeOperands(3, 5, 6, 2)).map(([name, { data, shape }]) => [name, g.constant([...data], shape)]);
        return nadeGradOf(Object.fromEntries(of) as Record<string, g.Tensor>);
      },
      ...none,
    },
  ],

  fixedPoint: [
    {
      name: "fixedPoint in the order of entries",
      operands: { c: numbers([2, 3]), w: numbers([3, 3], -1, 1) },
      fn: ({ c, w }) => inOrder(c!, w!, [0, 1, 2]),
    },
    {
      name: "fixedPoint in another order, with leading axes of its own",
      operands: { c: numbers([2, 1, 4]), w: numbers([4, 4], -1, 1), d: numbers([3, 4]) },
      fn: ({ c, w, d }) => inOrder(g.add(c!, d!), w!, [2, 0, 3, 1]),
    },
    { name: "fixedPoint of nothing", operands: { c: numbers([2, 1]) }, fn: ({ c }) => solveInOrder([2, 1], [0], () => g.exp(c!)) },
    {
      name: "fixedPoint within a fixed point",
      operands: { c: numbers([2, 3]), w: numbers([3, 3], -1, 1) },
      fn: ({ c, w }) => solveInOrder([2, 3], [0, 1, 2], (x) => before(inOrder(g.add(c!, before(x)), w!, [0, 1, 2]))),
    },
    {
      name: "fixedPoint of a fixed point",
      operands: { c: numbers([2, 3]), w: numbers([3, 3], -1, 1) },
      fn: ({ c, w }) => g.mul(c!, inOrder(g.exp(inOrder(c!, w!, [2, 1, 0])), w!, [0, 1, 2])),
    },
  ],

  matmul: [
    ...[false, true].flatMap((ta) =>
      [false, true].flatMap((tb): Case[] => [
        {
          name: `matmul ${ta ? "T" : "N"}${tb ? "T" : "N"}`,
          operands: { a: numbers(ta ? [5, 3] : [3, 5]), b: numbers(tb ? [7, 5] : [5, 7]) },
          fn: ({ a, b }) => g.matmul(a!, b!, { transposeA: ta, transposeB: tb }),
        },
        {
          name: `matmul batch ${ta ? "T" : "N"}${tb ? "T" : "N"}`,
          operands: { a: numbers(ta ? [2, 2, 4, 3] : [2, 2, 3, 4]), b: numbers(tb ? [2, 2, 1, 4] : [2, 2, 4, 1]) },
          fn: ({ a, b }) => g.matmul(a!, b!, { transposeA: ta, transposeB: tb }),
        },
        {
          name: `matmul shared ${ta ? "T" : "N"}${tb ? "T" : "N"}`,
          operands: { a: numbers(ta ? [2, 4, 3] : [2, 3, 4]), b: numbers(tb ? [2, 4] : [4, 2]) },
          fn: ({ a, b }) => g.matmul(a!, b!, { transposeA: ta, transposeB: tb }),
        },
      ]),
    ),
    {
      name: "matmul vectors",
      operands: { a: numbers([4]), b: numbers([4, 3]), c: numbers([3]) },
      fn: ({ a, b, c }) => g.matmul(g.matmul(a!, b!), c!),
    },
    { name: "matmul left shared", operands: { a: numbers([3, 4]), b: numbers([2, 4, 2]) }, fn: ({ a, b }) => g.matmul(a!, b!) },
  ],
  conv: [
    { name: "conv 2", operands: conv2, fn: ({ x, w }) => g.conv(x!, w!, conv2Options) },
    {
      name: "conv 1",
      operands: { x: numbers([2, 7, 3]), w: numbers([3, 3, 2]) },
      fn: ({ x, w }) => g.conv(x!, w!, { stride: 2, padding: "same" }),
    },
    {
      name: "conv of single positions",
      operands: { x: numbers([2, 3, 2, 3]), w: numbers([1, 1, 3, 4]) },
      fn: ({ x, w }) => g.conv(x!, w!),
    },
  ],
  convInputGrad: [
    {
      name: "convTranspose 2",
      operands: { x: numbers([2, 3, 2, 4]), w: numbers([3, 2, 2, 4]) },
      fn: ({ x, w }) => g.convTranspose(x!, w!, { stride: [2, 1], groups: 2, padding: [1, [0, 1]] }),
    },
    {
      name: "convTranspose 1",
      operands: { x: numbers([1, 3, 2]), w: numbers([4, 3, 2]) },
      fn: ({ x, w }) => g.convTranspose(x!, w!, { stride: 2, padding: "same" }),
    },
  ],
  convFilterGrad: [
    {
      name: "convFilterGrad",
      operands: { x: numbers([2, 5, 4, 4]), dy: numbers([2, 3, 4, 2]) },
      fn: ({ x, dy }) =>
        emit("convFilterGrad", [x!, dy!], {
          stride: [2, 1],
          padding: [
            [1, 1],
            [1, 1],
          ],
          dilation: [1, 1],
          groups: 2,
          filterShape: [3, 3, 2, 2],
        }),
    },
  ],
  cholesky: [
    { name: "cholesky", operands: { x: numbers([4, 4]) }, fn: ({ x }) => g.cholesky(spd(4, x!)) },
    { name: "cholesky batch", operands: { x: numbers([2, 3, 3]) }, fn: ({ x }) => g.cholesky(spd(3, x!)) },
  ],
  triangularSolve: [false, true].flatMap((transpose): Case[] => [
    {
      name: `triangularSolve ${transpose ? "T" : "N"}`,
      operands: { x: numbers([4, 4]), b: numbers([4, 2]) },
      fn: ({ x, b }) => g.triangularSolve(lower(4, x!), b!, { transpose }),
    },
    {
      name: `triangularSolve batch ${transpose ? "T" : "N"}`,
      operands: { x: numbers([2, 3, 3]), b: numbers([2, 3, 1]) },
      fn: ({ x, b }) => g.triangularSolve(lower(3, x!), b!, { transpose }),
    },
  ]),
};
