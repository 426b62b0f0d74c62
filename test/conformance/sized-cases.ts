/**
 * Cases for engines: every primitive at 1, 7, 127 and 129 (below, across and above what kernels block by) and at realistic sizes, with the
 * extremes of its domain. The table is total.
 */
import * as g from "../../src/runtime/graph/index.js";
import { emit } from "../../src/runtime/graph/trace.js";
import type { Prim } from "../../src/runtime/graph/types.js";
import { inOrder, integers, nadeGradOf, nadeOf, nadeOperands, numbers, type Case, type Operand } from "../numeric/vjp-cases.js";

export const SIZES: readonly number[] = [1, 7, 127, 129];

const each = (make: (n: number) => readonly Case[]): Case[] => SIZES.flatMap(make);
const only = (name: string, data: readonly number[], fn: (x: g.Tensor) => g.Tensor): Case => ({
  name: `${name} at its ends`,
  operands: { x: { shape: [data.length], data } },
  fn: ({ x }) => fn(x!),
});

const unary = (name: string, fn: (x: g.Tensor) => g.Tensor, ends: readonly number[], low = -3, high = 3): Case[] => [
  ...each((n) => [{ name: `${name} [${n}, 5]`, operands: { x: numbers([n, 5], low, high) }, fn: ({ x }) => fn(x!) }]),
  only(name, ends, fn),
];

const binary = (
  name: string,
  fn: (a: g.Tensor, b: g.Tensor) => g.Tensor,
  a: [number, number] = [-3, 3],
  b: [number, number] = a,
): Case[] => [
  ...each((n) => [
    { name: `${name} [${n}, 3]`, operands: { a: numbers([n, 3], ...a), b: numbers([n, 3], ...b) }, fn: ({ a, b }) => fn(a!, b!) },
    { name: `${name} row [${n}]`, operands: { a: numbers([7, n], ...a), b: numbers([n], ...b) }, fn: ({ a, b }) => fn(a!, b!) },
    { name: `${name} scalar, [${n}]`, operands: { a: numbers([], ...a), b: numbers([n], ...b) }, fn: ({ a, b }) => fn(a!, b!) },
  ]),
  { name: `${name} by sample`, operands: { a: numbers([5, 1, 9], ...a), b: numbers([7, 9], ...b) }, fn: ({ a, b }) => fn(a!, b!) },
];

const int = (shape: readonly number[], low: number, high: number, dtype: g.DType = "i32"): Operand => {
  const drawn = numbers(shape, low, high);
  return integers(shape, drawn.data.map(Math.floor), dtype);
};
const ints = (name: string, fn: (a: g.Tensor, b: g.Tensor) => g.Tensor): Case[] => [
  { name: `${name} i32`, operands: { a: int([9, 7], -1e6, 1e6), b: int([9, 7], 1, 1e6) }, fn: ({ a, b }) => fn(a!, b!) },
  { name: `${name} u32`, operands: { a: int([127], 0, 2 ** 32, "u32"), b: int([127], 1, 2 ** 32, "u32") }, fn: ({ a, b }) => fn(a!, b!) },
];
const flags = (n: number): Operand => integers([n, 3], numbers([n, 3], 0, 2).data.map(Math.floor), "bool");

const matmuls: Case[] = [
  ...SIZES.flatMap((m) =>
    SIZES.flatMap((n) =>
      [false, true].flatMap((ta) =>
        [false, true].map((tb): Case => {
          const k = m === 127 ? 784 : 129;
          return {
            name: `${m} x ${k} x ${n}, ${ta ? "T" : "N"}${tb ? "T" : "N"}`,
            operands: { a: numbers(ta ? [k, m] : [m, k], -1, 1), b: numbers(tb ? [n, k] : [k, n], -1, 1) },
            fn: ({ a, b }) => g.matmul(a!, b!, { transposeA: ta, transposeB: tb }),
          };
        }),
      ),
    ),
  ),
  {
    name: "filter gradient of a layer: 784 x 128 x 400",
    operands: { a: numbers([128, 784], -1, 1), b: numbers([128, 400], -1, 1) },
    fn: ({ a, b }) => g.matmul(a!, b!, { transposeA: true }),
  },
  {
    name: "a long sum: 3 x 4097 x 2",
    operands: { a: numbers([3, 4097], -1, 1), b: numbers([4097, 2], -1, 1) },
    fn: ({ a, b }) => g.matmul(a!, b!),
  },
  ...[false, true].flatMap((ta) =>
    [false, true].flatMap((tb): Case[] => [
      {
        name: `batch ${ta}${tb}`,
        operands: { a: numbers(ta ? [5, 7, 9] : [5, 9, 7]), b: numbers(tb ? [5, 3, 7] : [5, 7, 3]) },
        fn: ({ a, b }) => g.matmul(a!, b!, { transposeA: ta, transposeB: tb }),
      },
      {
        name: `batch of batches ${ta}${tb}`,
        operands: { a: numbers(ta ? [2, 3, 7, 9] : [2, 3, 9, 7]), b: numbers(tb ? [2, 3, 1, 7] : [2, 3, 7, 1]) },
        fn: ({ a, b }) => g.matmul(a!, b!, { transposeA: ta, transposeB: tb }),
      },
      {
        name: `shared right ${ta}${tb}`,
        operands: { a: numbers(ta ? [5, 7, 9] : [5, 9, 7]), b: numbers(tb ? [3, 7] : [7, 3]) },
        fn: ({ a, b }) => g.matmul(a!, b!, { transposeA: ta, transposeB: tb }),
      },
    ]),
  ),
];

const convs: { readonly name: string; readonly x: number[]; readonly w: number[]; readonly options: g.ConvOptions }[] = [
  { name: "mnist 5x5", x: [4, 28, 28, 1], w: [5, 5, 1, 8], options: { padding: "same" } },
  { name: "3x3 stride 2", x: [3, 14, 14, 8], w: [3, 3, 8, 16], options: { padding: "same", stride: 2 } },
  {
    name: "4x4 stride 2, uneven",
    x: [2, 9, 7, 3],
    w: [4, 4, 3, 5],
    options: {
      padding: [
        [1, 2],
        [0, 1],
      ],
      stride: 2,
    },
  },
  { name: "1x1", x: [7, 5, 5, 12], w: [1, 1, 12, 7], options: {} },
  { name: "depthwise", x: [2, 9, 9, 6], w: [3, 3, 1, 6], options: { padding: 1, groups: 6 } },
  { name: "two groups, dilated", x: [2, 11, 9, 4], w: [3, 2, 2, 6], options: { dilation: 2, groups: 2 } },
  { name: "5x5 stride 2 of many channels", x: [3, 14, 14, 32], w: [5, 5, 32, 16], options: { padding: "same", stride: 2 } },
  { name: "stride 2 and 3 of many channels, rows left over", x: [2, 9, 11, 9], w: [4, 3, 9, 8], options: { padding: [[1, 0], [0, 2]], stride: [2, 3] } }, // prettier-ignore
  { name: "stride past the window of many channels", x: [2, 10, 7, 8], w: [2, 1, 8, 8], options: { stride: 3 } },
  { name: "more padding than the window reaches, stride 2", x: [1, 6, 5, 8], w: [2, 3, 8, 8], options: { padding: 4, stride: 2 } },
  { name: "one axis, stride 4 of many channels", x: [2, 65, 8], w: [9, 8, 10], options: { padding: "same", stride: 4 } },
  { name: "stride past the window", x: [1, 9, 9, 2], w: [2, 2, 2, 3], options: { stride: 3 } },
  { name: "one axis, causal", x: [3, 127, 4], w: [2, 4, 5], options: { padding: [[4, 0]], dilation: 4 } },
  { name: "one axis, stride 2", x: [2, 129, 3], w: [7, 3, 2], options: { padding: "same", stride: 2 } },
];
const convCases = (which: "y" | "dx" | "dw"): Case[] =>
  convs.map(({ name, x, w, options }) => ({
    name: `${name} ${which}`,
    operands: { x: numbers(x, -1, 1), w: numbers(w, -1, 1) },
    fn: ({ x, w }) => {
      const y = g.conv(x!, w!, options);
      if (which === "y") return y;
      const f = g.sum(g.mul(y, g.sin(y)));
      return g.grad(f, [which === "dx" ? x! : w!])[0]!;
    },
  }));

const spd = (n: number, batch: number[] = []): Case["operands"] => ({
  x: numbers([...batch, n, n], -1, 1),
  b: numbers([...batch, n, 3], -1, 1),
});
const definite = (x: g.Tensor): g.Tensor =>
  g.add(g.matmul(x, x, { transposeB: true }), g.mul(g.eye(x.shape[x.shape.length - 1]!), x.shape[x.shape.length - 1]!));

const moves = (
  name: string,
  fn: (x: g.Tensor) => g.Tensor,
  shapes: readonly number[][] = [
    [1, 7, 5],
    [127, 3, 2],
    [2, 3, 129],
  ],
): Case[] => shapes.map((shape) => ({ name: `${name} [${shape.join(", ")}]`, operands: { x: numbers(shape) }, fn: ({ x }) => fn(x!) }));

/** More examples than go through the entries together, hidden units that do not fill vectors. */
const nadeCases = (fn: Case["fn"]): Case[] =>
  [
    [1, 1, 1, 1],
    [3, 9, 5, 2],
    [17, 31, 50, 1],
    [9, 20, 64, 3],
  ].map(([n, d, h, o]): Case => ({ name: `[${n}, ${d}], ${h} hidden, ${o}`, operands: nadeOperands(n!, d!, h!, o!), fn }));

export const sizedCases: { readonly [P in Prim]: readonly Case[] } = {
  input: each((n) => [
    { name: `f32 [${n}]`, operands: { x: numbers([n]) }, fn: ({ x }) => x! },
    { name: `u32 [${n}]`, operands: { x: int([n], 0, 2 ** 32, "u32") }, fn: ({ x }) => x! },
    { name: `bool [${n}, 3]`, operands: { x: flags(n) }, fn: ({ x }) => x! },
  ]),
  state: [],
  constant: each((n) => [
    { name: `all values [${n}, 3]`, operands: {}, fn: () => g.constant(numbers([n, 3]).data, [n, 3]) },
    { name: `filled [${n}]`, operands: {}, fn: () => g.constant(0.1, [n]) },
    { name: `u32 [${n}]`, operands: {}, fn: () => g.constant(int([n], 0, 2 ** 32, "u32").data, [n], "u32") },
    {
      name: `bool [${n}]`,
      operands: {},
      fn: () =>
        g.constant(
          numbers([n]).data.map((v) => v > 0),
          [n],
          "bool",
        ),
    },
  ]).concat([only("infinite", [1], (x) => g.mul(x, g.constant([Infinity, -Infinity, NaN, -0, 1e-40, 3e38])))]),
  iota: each((n) => [
    { name: `i32 [${n}]`, operands: {}, fn: () => g.iota(n) },
    { name: `f32 [${n}]`, operands: {}, fn: () => g.iota(n, "f32") },
    { name: `along the first of [${n}, 3]`, operands: {}, fn: () => emit("iota", [], { axis: 0 }, { shape: [n, 3], dtype: "i32" }) },
    { name: `along the middle of [2, ${n}, 3]`, operands: {}, fn: () => emit("iota", [], { axis: 1 }, { shape: [2, n, 3], dtype: "u32" }) },
  ]),
  random: [],
  randomCounts: [],

  neg: [...unary("neg", g.neg, [0, 1e30, -1e-30, Infinity]), { name: "i32", operands: { x: int([9], -50, 50) }, fn: ({ x }) => g.neg(x!) }],
  abs: [...unary("abs", g.abs, [0, -0, -1e30, -Infinity]), { name: "i32", operands: { x: int([9], -50, 50) }, fn: ({ x }) => g.abs(x!) }],
  sign: [...unary("sign", g.sign, [0, 5, -1e-30, 1e30]), { name: "i32", operands: { x: int([9], -50, 50) }, fn: ({ x }) => g.sign(x!) }],
  floor: unary("floor", g.floor, [-0.5, -1, 0.999, 1e7, -1e-10]),
  exp: unary("exp", g.exp, [-200, -80, -1e-7, 0, 80, 200, -Infinity, Infinity]),
  log: unary("log", g.log, [0, 1e-30, 1, 1 + 1e-6, 1e30, Infinity], 0.01, 5),
  log1p: unary("log1p", g.log1p, [0, 1e-7, -1e-7, -0.99, 1e20], -0.9, 5),
  expm1: unary("expm1", g.expm1, [0, 1e-7, -1e-7, -50, 50]),
  sqrt: unary("sqrt", g.sqrt, [0, 1e-30, 1, 1e30, Infinity], 0, 5),
  sin: unary("sin", g.sin, [0, 1e-6, Math.PI, -30, 100]),
  cos: unary("cos", g.cos, [0, 1e-6, Math.PI / 3, -30, 100]),
  tanh: unary("tanh", g.tanh, [0, 1e-6, -1e-6, 20, -20, 90, -90]),
  sigmoid: unary("sigmoid", g.sigmoid, [0, 20, -20, -80, 100, -200]),
  softplus: [
    ...unary("softplus", g.softplus, [0, 20, -20, -80, 100, 1e4, -1e4]),
    // over e^x, so that small values count by their own size
    only("softplus over e^x", [-0.1, -2, -4.9, -5, -5.1, -9, -12, -15, -18, -30, -70], (x) => g.mul(g.softplus(x), g.exp(g.neg(x)))),
  ],
  erf: unary("erf", g.erf, [0, 1e-5, -1e-5, 3, -3, 6, -6]),
  lgamma: unary("lgamma", g.lgamma, [1e-3, 0.5, 1, 2, 3, 10, 100, 1e4], 0.05, 30),
  polygamma: [
    ...unary("digamma", g.digamma, [1e-3, 0.5, 1, 2, 10, 100, 1e4], 0.05, 30),
    ...unary("trigamma", (x) => g.polygamma(1, x), [1e-2, 0.5, 1, 10, 100], 0.1, 30),
    ...unary("tetragamma", (x) => g.polygamma(2, x), [0.1, 1, 10], 0.2, 30),
  ],
  add: [...binary("add", g.add), ...ints("add", g.add)],
  sub: [...binary("sub", g.sub), ...ints("sub", g.sub)],
  mul: [...binary("mul", g.mul), ...ints("mul", g.mul)],
  div: [...binary("div", g.div, [-3, 3], [0.2, 3]), ...ints("div", g.div), only("1 / x", [0, 1e-30, Infinity], (x) => g.div(1, x))],
  pow: [
    ...binary("pow", g.pow, [0.05, 3], [-3, 3]),
    only("x^2", [-3, 0, 2], (x) => g.pow(x, 2)),
    only("x^3", [-3, 0, 2], (x) => g.pow(x, 3)),
    only("x^0", [-3, 0, 2], (x) => g.pow(x, 0)),
    only("0^b", [0.5, 1, 2], (x) => g.pow(0, x)),
  ],
  max: [...binary("max", g.maximum), ...ints("max", g.maximum)],
  min: [...binary("min", g.minimum), ...ints("min", g.minimum)],
  lt: [
    ...binary("lt", g.less),
    ...ints("lt", g.less),
    only("finite?", [NaN, Infinity, -Infinity, 3e38, 0], (x) => g.less(g.abs(x), Infinity)),
  ],
  le: [...binary("le", g.lessEqual), ...ints("le", g.lessEqual), only("of itself", [NaN, Infinity, 1], (x) => g.lessEqual(x, x))],
  eq: [
    ...ints("eq", g.equal),
    ...each((n) => [
      {
        name: `eq f32 [${n}]`,
        operands: { a: { shape: [n], data: Array.from({ length: n }, (_, i) => i % 3) }, b: numbers([n], 1, 1) },
        fn: ({ a, b }) => g.equal(a!, b!),
      },
    ]),
    { name: "eq bool", operands: { a: flags(7), b: flags(7) }, fn: ({ a, b }) => g.equal(a!, b!) },
    only("NaN", [NaN, 1], (x) => g.equal(x, x)),
  ],
  and: each((n) => [{ name: `and [${n}, 3]`, operands: { a: flags(n), b: flags(n) }, fn: ({ a, b }) => g.and(a!, b!) }]),
  or: each((n) => [{ name: `or [${n}, 3]`, operands: { a: flags(n), b: flags(n) }, fn: ({ a, b }) => g.or(a!, b!) }]),
  not: each((n) => [{ name: `not [${n}, 3]`, operands: { a: flags(n) }, fn: ({ a }) => g.not(a!) }]),
  select: [
    ...each((n): Case[] => [
      {
        name: `select [${n}, 3]`,
        operands: { c: flags(n), a: numbers([n, 3]), b: numbers([n, 3]) },
        fn: ({ c, a, b }) => g.select(c!, a!, b!),
      },
      { name: `select scalars [${n}, 3]`, operands: { c: flags(n), a: numbers([]) }, fn: ({ c, a }) => g.select(c!, a!, 0) },
      {
        name: `select u32 [${n}, 3]`,
        operands: { c: flags(n), a: int([n, 3], 0, 2 ** 32, "u32"), b: int([3], 0, 9, "u32") },
        fn: ({ c, a, b }) => g.select(c!, a!, b!),
      },
      {
        name: `select by one [${n}]`,
        operands: { c: integers([], [1], "bool"), a: numbers([n]), b: numbers([n]) },
        fn: ({ c, a, b }) => g.select(c!, a!, b!),
      },
    ]),
    only("not of the other branch", [NaN, 1, Infinity], (x) => g.select(g.less(g.abs(x), Infinity), x, 0)),
    { name: "select bool", operands: { c: flags(3), a: flags(3), b: flags(3) }, fn: ({ c, a, b }) => g.select(c!, a!, b!) },
  ],
  cast: [
    ...(["i32", "u32", "bool"] as const).map((to): Case => ({
      name: `f32 to ${to}`,
      operands: { x: { shape: [6], data: to === "u32" ? [0, 0.5, 1.9, 7, 1e5, 3e9] : [0, 0.5, -1.9, 7, -1e5, 16777216] } },
      fn: ({ x }) => g.cast(x!, to),
    })),
    ...(["f32", "u32", "bool"] as const).map((to): Case => ({
      name: `i32 to ${to}`,
      operands: { x: int([127], 0, 1000) },
      fn: ({ x }) => g.cast(x!, to),
    })),
    ...(["f32", "i32", "bool"] as const).map((to): Case => ({
      name: `u32 to ${to}`,
      operands: { x: int([127], 0, 1000, "u32") },
      fn: ({ x }) => g.cast(x!, to),
    })),
    ...(["f32", "i32", "u32"] as const).map((to): Case => ({
      name: `bool to ${to}`,
      operands: { x: flags(129) },
      fn: ({ x }) => g.cast(x!, to),
    })),
  ],
  stopGradient: each((n) => [{ name: `[${n}]`, operands: { x: numbers([n]) }, fn: ({ x }) => g.stopGradient(x!) }]),

  reshape: [
    ...moves("flat", (x) => g.reshape(x, [-1])),
    ...moves("thin", (x) => g.reshape(x, [1, x.shape[0]! * x.shape[1]!, 1, x.shape[2]!])),
    { name: "to a scalar", operands: { x: numbers([1, 1]) }, fn: ({ x }) => g.reshape(x!, []) },
  ],
  transpose: [
    ...moves("210", (x) => g.transpose(x, [2, 1, 0])),
    ...moves("102", (x) => g.transpose(x, [1, 0, 2])),
    ...moves("120", (x) => g.transpose(x, [1, 2, 0])),
    { name: "bool", operands: { x: flags(7) }, fn: ({ x }) => g.transpose(x!) },
  ],
  broadcast: each((n) => [
    { name: `scalar to [${n}, 3]`, operands: { x: numbers([]) }, fn: ({ x }) => g.broadcastTo(x!, [n, 3]) },
    { name: `row to [3, ${n}]`, operands: { x: numbers([n]) }, fn: ({ x }) => g.broadcastTo(x!, [3, n]) },
    { name: `column to [${n}, 3]`, operands: { x: numbers([n, 1]) }, fn: ({ x }) => g.broadcastTo(x!, [n, 3]) },
    {
      name: `middle to [2, 3, 4, ${n}]`,
      operands: { x: integers([3, 1, n], numbers([3 * n], 0, 50).data.map(Math.floor)) },
      fn: ({ x }) => g.broadcastTo(x!, [2, 3, 4, n]),
    },
  ]),
  slice: [
    ...moves("one row", (x) => g.slice(x, [x.shape[0]! - 1])),
    ...moves("inner", (x) => g.slice(x, [0, 1, 1], [x.shape[0]!, 3, 2])),
    ...moves("strided", (x) => g.slice(x, [0, 0, 0], [...x.shape], [2, 3, 1])),
  ],
  pad: [
    ...moves("around", (x) => g.pad(x, [1, 0, 2], [0, 3, 1])),
    ...moves("inside", (x) => g.pad(x, [0, 0, 1], [0, 1, 0], [0, 2, 1])),
    { name: "u32", operands: { x: int([7], 0, 9, "u32") }, fn: ({ x }) => g.pad(x!, [1], [2]) },
  ],
  concat: [
    ...each((n) => [
      {
        name: `rows [${n}]`,
        operands: { a: numbers([n, 3]), b: numbers([2, 3]), c: numbers([1, 3]) },
        fn: ({ a, b, c }) => g.concat([a!, b!, c!], 0),
      },
    ]),
    ...each((n) => [
      { name: `columns [${n}]`, operands: { a: numbers([3, n]), b: numbers([3, 2]) }, fn: ({ a, b }) => g.concat([a!, b!], 1) },
    ]),
  ],
  reverse: [
    ...moves("first", (x) => g.reverse(x, 0)),
    ...moves("ends", (x) => g.reverse(x, [0, 2])),
    ...moves("last", (x) => g.reverse(x, -1)),
  ],
  gather: [
    ...each((n) => [
      { name: `table of ${n}`, operands: { x: numbers([n, 9]), i: int([13], 0, n) }, fn: ({ x, i }) => g.take(x!, i!, 0) },
      { name: `along the last, ${n} of them`, operands: { x: numbers([3, 5]), i: int([n], 0, 5) }, fn: ({ x, i }) => g.take(x!, i!, 1) },
      { name: `a matrix of indices, ${n}`, operands: { x: numbers([2, 7, 3]), i: int([n, 2], 0, 7) }, fn: ({ x, i }) => g.take(x!, i!, 1) },
      { name: `one of ${n}`, operands: { x: numbers([n, 4]), i: int([], 0, n) }, fn: ({ x, i }) => g.take(x!, i!, 0) },
    ]),
    ...each((n) => [
      {
        name: `what is computed, of ${n}`,
        operands: { x: numbers([n, 4]), y: numbers([6, n]) },
        fn: ({ x, y }) => g.take(x!, g.argMax(y!, 1), 0),
      },
    ]),
  ],
  scatterAdd: [
    ...each((n) => [
      { name: `into ${n}`, operands: { x: numbers([13, 9]), i: int([13], 0, n) }, fn: ({ x, i }) => g.scatterAdd(x!, i!, 0, n) },
      {
        name: `along the last, ${n} of them`,
        operands: { x: numbers([3, n]), i: int([n], 0, 5) },
        fn: ({ x, i }) => g.scatterAdd(x!, i!, 1, 5),
      },
      {
        name: `a matrix of indices, ${n}`,
        operands: { x: numbers([2, n, 2, 3]), i: int([n, 2], 0, 7) },
        fn: ({ x, i }) => g.scatterAdd(x!, i!, 1, 7),
      },
    ]),
    ...each((n) => [
      {
        name: `where it is computed, into ${n}`,
        operands: { x: numbers([6, 4]), y: numbers([6, n]) },
        fn: ({ x, y }) => g.scatterAdd(x!, g.argMax(y!, 1), 0, n),
      },
    ]),
  ],
  dynamicSlice: each((n) => [
    { name: `of ${n}`, operands: { x: numbers([n, 3]), i: int([], 0, n) }, fn: ({ x, i }) => g.dynamicSlice(x!, i!, 0, 1) },
    {
      name: `past the end of ${n}`,
      operands: { x: numbers([2, n]), i: integers([], [500]) },
      fn: ({ x, i }) => g.dynamicSlice(x!, i!, 1, Math.min(n, 3)),
    },
    {
      name: `before the start of ${n}`,
      operands: { x: numbers([2, n]), i: integers([], [-5]) },
      fn: ({ x, i }) => g.dynamicSlice(x!, i!, 1, Math.min(n, 3)),
    },
  ]),
  dynamicUpdateSlice: each((n) => [
    {
      name: `of ${n}`,
      operands: { x: numbers([n, 3]), u: numbers([1, 3]), i: int([], 0, n) },
      fn: ({ x, u, i }) => g.dynamicUpdateSlice(x!, u!, i!, 0),
    },
    {
      name: `past the end of ${n}`,
      operands: { x: numbers([2, n]), u: numbers([2, Math.min(n, 3)]), i: integers([], [500]) },
      fn: ({ x, u, i }) => g.dynamicUpdateSlice(x!, u!, i!, 1),
    },
  ]),

  reduceSum: each((n) => [
    { name: `all of [${n}, 7]`, operands: { x: numbers([n, 7]) }, fn: ({ x }) => g.sum(x!) },
    { name: `last of [7, ${n}]`, operands: { x: numbers([7, n]) }, fn: ({ x }) => g.sum(x!, 1) },
    { name: `first of [${n}, 129]`, operands: { x: numbers([n, 129]) }, fn: ({ x }) => g.sum(x!, 0) },
    { name: `around [3, ${n}, 5]`, operands: { x: numbers([3, n, 5]) }, fn: ({ x }) => g.sum(x!, [0, 2]) },
    { name: `middle of [3, ${n}, 5]`, operands: { x: numbers([3, n, 5]) }, fn: ({ x }) => g.sum(x!, 1) },
    { name: `i32 [${n}, 3]`, operands: { x: int([n, 3], -99, 99) }, fn: ({ x }) => g.sum(x!, 0) },
  ]).concat([
    // of one sign and no power of 2, so that what each addition rounds away adds up
    { name: "all of [129, 5000]", operands: { x: numbers([129, 5000], 0.6, 0.8) }, fn: ({ x }) => g.sum(x!) },
    { name: "645,000 equal ones", operands: { x: numbers([645_000], 0.6931, 0.6931) }, fn: ({ x }) => g.sum(x!) },
    { name: "last of [3, 70001]", operands: { x: numbers([3, 70_001], 0.6, 0.8) }, fn: ({ x }) => g.sum(x!, 1) },
    { name: "first of [70001, 3]", operands: { x: numbers([70_001, 3], 0.6, 0.8) }, fn: ({ x }) => g.sum(x!, 0) },
    { name: "around [131, 2, 1009]", operands: { x: numbers([131, 2, 1009], 0.6, 0.8) }, fn: ({ x }) => g.sum(x!, [0, 2]) },
  ]),
  reduceMax: each((n) => [
    { name: `all of [${n}, 7]`, operands: { x: numbers([n, 7], -9, -1) }, fn: ({ x }) => g.reduceMax(x!) },
    { name: `last of [7, ${n}]`, operands: { x: numbers([7, n]) }, fn: ({ x }) => g.reduceMax(x!, 1) },
    { name: `first of [${n}, 129]`, operands: { x: numbers([n, 129]) }, fn: ({ x }) => g.reduceMax(x!, 0) },
    { name: `around [3, ${n}, 5]`, operands: { x: numbers([3, n, 5]) }, fn: ({ x }) => g.reduceMax(x!, [0, 2]) },
    { name: `i32 [${n}, 3]`, operands: { x: int([n, 3], -99, -1) }, fn: ({ x }) => g.reduceMax(x!, 0) },
  ]).concat([only("infinite", [-Infinity, -Infinity], (x) => g.reduceMax(x))]),
  argMax: each((n) => [
    { name: `last of [7, ${n}]`, operands: { x: numbers([7, n]) }, fn: ({ x }) => g.argMax(x!, 1) },
    { name: `first of [${n}, 5]`, operands: { x: numbers([n, 5]) }, fn: ({ x }) => g.argMax(x!, 0) },
    {
      name: `the first of equals among ${n}`,
      operands: {
        x: integers(
          [2, n],
          Array.from({ length: 2 * n }, (_, i) => i % 3),
        ),
      },
      fn: ({ x }) => g.argMax(g.cast(x!, "f32"), 1),
    },
  ]),
  cumsum: each((n) => [
    { name: `last of [7, ${n}]`, operands: { x: numbers([7, n]) }, fn: ({ x }) => g.cumsum(x!, 1) },
    { name: `first of [${n}, 3], from the end`, operands: { x: numbers([n, 3]) }, fn: ({ x }) => g.cumsum(x!, 0, true) },
    { name: `i32 [${n}]`, operands: { x: int([n], -9, 9) }, fn: ({ x }) => g.cumsum(x!, 0) },
  ]),

  fixedPoint: [
    ...[1, 2, 65].map((n): Case => ({
      name: `${n} entries`,
      operands: { c: numbers([3, n]), w: numbers([n, n], -0.3, 0.3) },
      fn: ({ c, w }) => inOrder(c!, w!, [...Array(n).keys()]),
    })),
    {
      name: "130 entries, from the last",
      operands: { c: numbers([2, 3, 130]), w: numbers([130, 130], -0.3, 0.3) },
      fn: ({ c, w }) => inOrder(c!, w!, [...Array(130).keys()].reverse()),
    },
  ],
  nade: nadeCases(nadeOf),
  nadeGrad: nadeCases(nadeGradOf),
  matmul: matmuls,
  conv: convCases("y"),
  convInputGrad: [
    ...convCases("dx"),
    {
      name: "convTranspose 4x4 stride 2",
      operands: { x: numbers([3, 7, 7, 6], -1, 1), w: numbers([4, 4, 5, 6], -1, 1) },
      fn: ({ x, w }) => g.convTranspose(x!, w!, { stride: 2, padding: "same" }),
    },
  ],
  convFilterGrad: convCases("dw"),
  cholesky: [1, 2, 7, 33].flatMap((n): Case[] => [
    { name: `${n} x ${n}`, operands: { x: spd(n)["x"]! }, fn: ({ x }) => g.cholesky(definite(x!)) },
    { name: `5 of ${n} x ${n}`, operands: { x: spd(n, [5])["x"]! }, fn: ({ x }) => g.cholesky(definite(x!)) },
  ]),
  triangularSolve: [1, 2, 7, 33].flatMap((n) =>
    [false, true].map((transpose): Case => ({
      name: `${n} ${transpose ? "T" : "N"}`,
      operands: spd(n, [3]),
      fn: ({ x, b }) => g.triangularSolve(g.cholesky(definite(x!)), b!, { transpose }),
    })),
  ),
};
