/**
 * Small energy models, each written twice: staged, and as plain arithmetic on numbers with every joint state (or quadrature node) listed.
 * The second knows nothing of the first.
 */
import {
  add,
  concat,
  conv,
  energyModel,
  hostStream,
  matmul,
  mul,
  neg,
  sliceAxis,
  square,
  sub,
  sum,
  transpose,
  type EnergyModel,
  type Shape,
  type Tensor,
  type Values,
} from "../../src/runtime/index.js";
import { expect } from "vitest";
import { compute, type Feed } from "../../src/runtime/engines/reference/evaluate.js";

export type Weights = Readonly<Record<string, Tensor>>;
export type Numbers = readonly number[];
/** A value of every variable: numbers in C order, categories as indices. */
export type Assignment = Readonly<Record<string, Numbers>>;

/** A state of one variable, and the log of its measure: 0 for a discrete one, log of the node's weight for a real one. */
export interface Atom {
  readonly value: Numbers;
  readonly logMeasure: number;
}

export interface Case {
  readonly title: string;
  readonly model: EnergyModel<Weights>;
  readonly weights: Readonly<Record<string, { readonly shape: Shape; readonly data: Numbers }>>;
  readonly energy: (w: Assignment, x: Assignment) => number;
  readonly atoms: Readonly<Record<string, readonly Atom[]>>;
  /** What a closed form sums, and what then is enumerated for log Z. */
  readonly sum: readonly string[];
  readonly rest: readonly string[];
  /** Ways to split all variables in two for log Z. */
  readonly splits: readonly (readonly [sum: readonly string[], enumerate: readonly string[]])[];
  readonly totals?: Readonly<Record<string, number>>;
}

/** Variables of which no conditional is given in closed form. */
export const lawless = (c: Case): string[] =>
  Object.keys(c.model.units).filter((name) => ["binary", "category", "real"].includes(c.model.units[name]!.kind));

/** Numbers without pattern, fixed. */
export const spread = (n: number, scale: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * (i + 1) * seed + seed * seed));

export const bits = (n: number): Atom[] =>
  Array.from({ length: 2 ** n }, (_, s) => ({ value: Array.from({ length: n }, (_, i) => (s >> i) & 1), logMeasure: 0 }));
export const indices = (classes: number, n: number): Atom[] =>
  Array.from({ length: classes ** n }, (_, s) => ({
    value: Array.from({ length: n }, (_, i) => Math.floor(s / classes ** i) % classes),
    logMeasure: 0,
  }));
/** Trapezoid on a grid that reaches far into the tails: for smooth integrands exact to rounding. */
export const grid = (dims: number, reach = 11, step = 0.22): Atom[] => {
  const count = 2 * Math.round(reach / step) + 1;
  return Array.from({ length: count ** dims }, (_, s) => ({
    value: Array.from({ length: dims }, (_, i) => ((Math.floor(s / count ** i) % count) - (count - 1) / 2) * step),
    logMeasure: dims * Math.log(step),
  }));
};
const logFactorial = (n: number): number => Array.from({ length: n }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0);
/** Counts of `total` in `n` places. */
export function compositions(n: number, total: number): Atom[] {
  const all: number[][] = [];
  const place = (left: number, head: number[]): void => {
    if (head.length === n - 1) all.push([...head, left]);
    else for (let k = 0; k <= left; k++) place(left - k, [...head, k]);
  };
  place(total, []);
  return all.map((value) => ({ value, logMeasure: logFactorial(total) - value.reduce((s, k) => s + logFactorial(k), 0) }));
}

export const dotN = (a: Numbers, b: Numbers): number => a.reduce((s, v, i) => s + v * b[i]!, 0);
/** a^T M b of M in C order */
export const bilinear = (a: Numbers, m: Numbers, b: Numbers): number =>
  a.reduce((s, ai, i) => s + ai * b.reduce((t, bj, j) => t + m[i * b.length + j]! * bj, 0), 0);

const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b), [-1]);
const product = (a: Tensor, m: Tensor, b: Tensor): Tensor => dot(matmul(a, m), b);
const total = (...terms: Tensor[]): Tensor => terms.reduce((s, t) => add(s, t));
const at = (x: Values, name: string): Tensor => x[name]!;
const tensor = (shape: Shape, scale: number, seed: number): { shape: Shape; data: number[] } => ({
  shape,
  data: spread(
    shape.reduce((a, b) => a * b, 1),
    scale,
    seed,
  ),
});
const model = (name: string, rest: Omit<EnergyModel<Weights>, "name" | "place">): EnergyModel<Weights> =>
  energyModel<Weights>({ name, place: `${name}.gm:1`, ...rest });

const rbm: Case = {
  title: "RBM",
  model: model("rbm", {
    units: { v: { kind: "bernoulli", shape: [4] }, h: { kind: "bernoulli", shape: [3] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) => neg(total(product(at(x, "v"), w["W"]!, at(x, "h")), dot(w["a"]!, at(x, "h")), dot(w["b"]!, at(x, "v")))),
  }),
  weights: { W: tensor([4, 3], 1.2, 1), a: tensor([3], 0.7, 2), b: tensor([4], 0.8, 3) },
  energy: (w, { v, h }) => -bilinear(v!, w["W"]!, h!) - dotN(w["a"]!, h!) - dotN(w["b"]!, v!),
  atoms: { v: bits(4), h: bits(3) },
  sum: ["h"],
  rest: ["v"],
  splits: [
    [["v"], ["h"]],
    [[], ["h", "v"]],
  ],
};

const dbm: Case = {
  title: "DBM with three hidden layers",
  model: model("dbm", {
    units: {
      v: { kind: "bernoulli", shape: [3] },
      h1: { kind: "bernoulli", shape: [3] },
      h2: { kind: "bernoulli", shape: [2] },
      h3: { kind: "bernoulli", shape: [2] },
    },
    sweep: [
      ["h1", "h3"],
      ["v", "h2"],
    ],
    energy: (w, x) =>
      neg(
        total(
          product(at(x, "v"), w["W1"]!, at(x, "h1")),
          product(at(x, "h1"), w["W2"]!, at(x, "h2")),
          product(at(x, "h2"), w["W3"]!, at(x, "h3")),
          dot(w["b"]!, at(x, "v")),
        ),
      ),
  }),
  weights: { W1: tensor([3, 3], 1.1, 1), W2: tensor([3, 2], 0.9, 2), W3: tensor([2, 2], 1.3, 4), b: tensor([3], 0.5, 3) },
  energy: (w, { v, h1, h2, h3 }) =>
    -bilinear(v!, w["W1"]!, h1!) - bilinear(h1!, w["W2"]!, h2!) - bilinear(h2!, w["W3"]!, h3!) - dotN(w["b"]!, v!),
  atoms: { v: bits(3), h1: bits(3), h2: bits(2), h3: bits(2) },
  sum: ["h1", "h3"],
  rest: ["v", "h2"],
  splits: [
    [
      ["v", "h2"],
      ["h1", "h3"],
    ],
  ],
};

const grbm: Case = {
  title: "Gaussian-Bernoulli RBM with its own deviations",
  model: model("grbm", {
    units: { v: { kind: "normal", shape: [2] }, h: { kind: "bernoulli", shape: [3] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) => {
      const z = mul(sub(at(x, "v"), w["b"]!), w["r"]!);
      return sub(mul(0.5, sum(square(z), [-1])), add(product(mul(at(x, "v"), w["r"]!), w["W"]!, at(x, "h")), dot(w["a"]!, at(x, "h"))));
    },
  }),
  weights: { W: tensor([2, 3], 0.8, 1), a: tensor([3], 0.7, 2), b: tensor([2], 0.8, 3), r: { shape: [2], data: [1.3, 0.8] } },
  energy: (w, { v, h }) => {
    const r = w["r"]!;
    const z = v!.map((vi, i) => (vi - w["b"]![i]!) * r[i]!);
    return (
      dotN(z, z) / 2 -
      bilinear(
        v!.map((vi, i) => vi * r[i]!),
        w["W"]!,
        h!,
      ) -
      dotN(w["a"]!, h!)
    );
  },
  atoms: { v: grid(2), h: bits(3) },
  sum: ["h"],
  rest: ["v"],
  splits: [[["v"], ["h"]]],
};

const softmaxes: Case = {
  title: "replicated softmax",
  model: model("topics", {
    units: { v: { kind: "multinomial", shape: [4] }, h: { kind: "bernoulli", shape: [3] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) =>
      neg(total(product(at(x, "v"), w["W"]!, at(x, "h")), dot(w["b"]!, at(x, "v")), mul(sum(at(x, "v"), [-1]), dot(w["a"]!, at(x, "h"))))),
  }),
  weights: { W: tensor([4, 3], 0.9, 1), a: tensor([3], 0.3, 2), b: tensor([4], 0.6, 3) },
  energy: (w, { v, h }) => -bilinear(v!, w["W"]!, h!) - dotN(w["b"]!, v!) - v!.reduce((s, k) => s + k, 0) * dotN(w["a"]!, h!),
  atoms: { v: compositions(4, 3), h: bits(3) },
  sum: ["h"],
  rest: ["v"],
  splits: [[["v"], ["h"]]],
  totals: { v: 3 },
};

const categories: Case = {
  title: "categories",
  model: model("labels", {
    units: {
      y: { kind: "categorical", shape: [], classes: 3 },
      c: { kind: "categorical", shape: [2], classes: 3 },
      h: { kind: "bernoulli", shape: [3] },
    },
    sweep: [["h"], ["y", "c"]],
    energy: (w, x) =>
      neg(
        total(
          product(at(x, "y"), w["U"]!, at(x, "h")),
          // Σ_i C[i, c_i, :] . h
          sum(mul(matmul(sum(mul(at(x, "c"), w["s"]!), [-2]), w["C"]!), at(x, "h")), [-1]),
          dot(w["a"]!, at(x, "h")),
          sum(mul(at(x, "y"), w["b"]!), [-1]),
        ),
      ),
  }),
  weights: {
    U: tensor([3, 3], 1.2, 1),
    C: tensor([3, 3], 0.9, 2),
    s: { shape: [2, 1], data: [1, -0.7] },
    a: tensor([3], 0.7, 3),
    b: tensor([3], 0.5, 4),
  },
  energy: (w, { y, c, h }) => {
    const hot = (k: number): number[] => [0, 1, 2].map((i) => (i === k ? 1 : 0));
    return (
      -bilinear(hot(y![0]!), w["U"]!, h!) -
      w["s"]!.reduce((s, si, i) => s + si * bilinear(hot(c![i]!), w["C"]!, h!), 0) -
      dotN(w["a"]!, h!) -
      w["b"]![y![0]!]!
    );
  },
  atoms: { y: indices(3, 1), c: indices(3, 2), h: bits(3) },
  sum: ["h"],
  rest: ["y", "c"],
  splits: [
    [["y", "c"], ["h"]],
    [["h"], ["c", "y"]],
  ],
};

/** v [3, 4, 1], filters [2, 1, 1, 1], so that h is [2, 4, 1]: two blocks of 2 x 2. */
const pooled: Case = {
  title: "convolutional RBM with one of a block",
  model: model("conv", {
    units: { v: { kind: "bernoulli", shape: [3, 4, 1] }, h: { kind: "oneOfBlock", shape: [2, 4, 1], block: [2, 2] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) =>
      neg(
        total(
          sum(mul(conv(at(x, "v"), w["W"]!), at(x, "h")), [-3, -2, -1]),
          mul(w["a"]!, sum(at(x, "h"), [-3, -2, -1])),
          mul(w["b"]!, sum(at(x, "v"), [-3, -2, -1])),
        ),
      ),
  }),
  weights: { W: { shape: [2, 1, 1, 1], data: [1.3, -0.9] }, a: { shape: [], data: [0.4] }, b: { shape: [], data: [-0.3] } },
  energy: (w, { v, h }) => {
    let e = 0;
    for (let i = 0; i < 2; i++)
      for (let j = 0; j < 4; j++) e -= h![i * 4 + j]! * (w["W"]![0]! * v![i * 4 + j]! + w["W"]![1]! * v![(i + 1) * 4 + j]! + w["a"]![0]!);
    return e - w["b"]![0]! * v!.reduce((s, x) => s + x, 0);
  },
  atoms: {
    v: bits(12),
    h: bits(8).filter(({ value }) => [0, 2].every((j) => value[j]! + value[j + 1]! + value[4 + j]! + value[5 + j]! <= 1)),
  },
  sum: ["h"],
  rest: ["v"],
  splits: [[["v"], ["h"]]],
};

const tied: Case = {
  title: "tied weights",
  model: model("tied", {
    units: { v: { kind: "bernoulli", shape: [3] }, h1: { kind: "bernoulli", shape: [3] }, h2: { kind: "bernoulli", shape: [3] } },
    sweep: [["h1"], ["v", "h2"]],
    energy: (w, x) =>
      neg(
        total(
          product(at(x, "v"), w["W"]!, at(x, "h1")),
          product(at(x, "h1"), transpose(w["W"]!), at(x, "h2")),
          dot(w["b"]!, at(x, "v")),
          dot(w["b"]!, at(x, "h2")),
        ),
      ),
  }),
  weights: { W: tensor([3, 3], 1.2, 1), b: tensor([3], 0.8, 3) },
  energy: (w, { v, h1, h2 }) => -bilinear(v!, w["W"]!, h1!) - bilinear(h2!, w["W"]!, h1!) - dotN(w["b"]!, v!) - dotN(w["b"]!, h2!),
  atoms: { v: bits(3), h1: bits(3), h2: bits(3) },
  sum: ["h1"],
  rest: ["v", "h2"],
  splits: [[["v", "h2"], ["h1"]]],
};

const realHidden: Case = {
  title: "RBM with real hidden units",
  model: model("factors", {
    units: { v: { kind: "bernoulli", shape: [4] }, h: { kind: "normal", shape: [2] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) =>
      sub(mul(0.5, sum(mul(square(at(x, "h")), w["p"]!), [-1])), add(product(at(x, "v"), w["W"]!, at(x, "h")), dot(w["b"]!, at(x, "v")))),
  }),
  weights: { W: tensor([4, 2], 0.7, 1), b: tensor([4], 0.8, 3), p: { shape: [2], data: [1.5, 0.8] } },
  energy: (w, { v, h }) => h!.reduce((s, x, i) => s + (w["p"]![i]! * x * x) / 2, 0) - bilinear(v!, w["W"]!, h!) - dotN(w["b"]!, v!),
  atoms: { v: bits(4), h: grid(2) },
  sum: ["h"],
  rest: ["v"],
  splits: [[["h"], ["v"]]],
};

/** The precision of v does not depend on h: one factor for all rows. */
const joint: Case = {
  title: "jointly Normal visible units",
  model: model("joint", {
    units: { v: { kind: "jointNormal", shape: [2] }, h: { kind: "bernoulli", shape: [3] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) => {
      const z = matmul(at(x, "v"), w["A"]!);
      return sub(mul(0.5, sum(square(z), [-1])), add(product(at(x, "v"), w["W"]!, at(x, "h")), dot(w["b"]!, at(x, "v"))));
    },
  }),
  weights: { A: { shape: [2, 2], data: [1.1, 0.4, -0.2, 0.9] }, W: tensor([2, 3], 0.7, 1), b: tensor([2], 0.8, 3) },
  energy: (w, { v, h }) => {
    const [a, b, c, d] = w["A"]! as [number, number, number, number];
    const [x, y] = v! as [number, number];
    return ((x * a + y * c) ** 2 + (x * b + y * d) ** 2) / 2 - bilinear(v!, w["W"]!, h!) - dotN(w["b"]!, v!);
  },
  atoms: { v: grid(2, 14), h: bits(3) },
  sum: ["h"],
  rest: ["v"],
  splits: [[["v"], ["h"]]],
};

/** The precision of v depends on h (covariance units): a factor for each row. */
const gated: Case = {
  title: "Normal visible units with gated precision",
  model: model("gated", {
    units: { v: { kind: "jointNormal", shape: [2] }, h: { kind: "bernoulli", shape: [2] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) =>
      add(
        mul(0.5, sum(square(at(x, "v")), [-1])),
        sub(mul(0.5, dot(square(matmul(at(x, "v"), w["C"]!)), at(x, "h"))), add(dot(w["a"]!, at(x, "h")), dot(w["b"]!, at(x, "v")))),
      ),
  }),
  weights: { C: { shape: [2, 2], data: [1.1, 0.4, -0.8, 0.9] }, a: tensor([2], 0.7, 2), b: tensor([2], 0.8, 3) },
  energy: (w, { v, h }) => {
    const [a, b, c, d] = w["C"]! as [number, number, number, number];
    const [x, y] = v! as [number, number];
    return (x * x + y * y + h![0]! * (x * a + y * c) ** 2 + h![1]! * (x * b + y * d) ** 2) / 2 - dotN(w["a"]!, h!) - dotN(w["b"]!, v!);
  },
  atoms: { v: grid(2), h: bits(2) },
  sum: ["h"],
  rest: ["v"],
  splits: [[["v"], ["h"]]],
};

/** Lateral connections among the visible units; with units on the diagonal, E is not affine in any of them as written. */
const lateral = (quadratic: boolean): Case => ({
  title: `Boltzmann machine with lateral connections${quadratic ? ", known to be quadratic" : ""}`,
  model: model("boltzmann", {
    units: { v: { kind: "binary", shape: [4], quadratic }, h: { kind: "bernoulli", shape: [2] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) =>
      neg(total(product(at(x, "v"), w["W"]!, at(x, "h")), mul(0.5, product(at(x, "v"), w["L"]!, at(x, "v"))), dot(w["b"]!, at(x, "v")))),
  }),
  weights: { W: tensor([4, 2], 1.1, 1), L: tensor([4, 4], 0.9, 2), b: tensor([4], 0.8, 3) },
  energy: (w, { v, h }) => -bilinear(v!, w["W"]!, h!) - bilinear(v!, w["L"]!, v!) / 2 - dotN(w["b"]!, v!),
  atoms: { v: bits(4), h: bits(2) },
  sum: ["h"],
  rest: ["v"],
  splits: [[["h"], ["v"]]],
});

/** Lateral connections within and between blocks of which at most one unit is on. */
const rivals: Case = {
  title: "lateral connections under one of a block",
  model: model("rivals", {
    units: { v: { kind: "binary", shape: [6], block: [2] }, h: { kind: "bernoulli", shape: [2] } },
    sweep: [["h"], ["v"]],
    energy: (w, x) =>
      neg(total(product(at(x, "v"), w["W"]!, at(x, "h")), product(at(x, "v"), w["L"]!, at(x, "v")), dot(w["b"]!, at(x, "v")))),
  }),
  weights: { W: tensor([6, 2], 1.1, 1), L: tensor([6, 6], 0.9, 2), b: tensor([6], 0.8, 3) },
  energy: (w, { v, h }) => -bilinear(v!, w["W"]!, h!) - bilinear(v!, w["L"]!, v!) - dotN(w["b"]!, v!),
  atoms: { v: bits(6).filter(({ value }) => [0, 2, 4].every((i) => value[i]! + value[i + 1]! <= 1)), h: bits(2) },
  sum: ["h"],
  rest: ["v"],
  splits: [[["h"], ["v"]]],
};

/** Categories in a ring, neighbours coupled by a table. */
const ring: Case = {
  title: "categories that interact",
  model: model("potts", {
    units: { c: { kind: "category", shape: [3], classes: 3 }, h: { kind: "bernoulli", shape: [2] } },
    sweep: [["h"], ["c"]],
    energy: (w, x) => {
      const c = at(x, "c");
      const next = concat([sliceAxis(c, -2, 1, 3), sliceAxis(c, -2, 0, 1)], -2);
      return neg(
        total(sum(mul(matmul(c, w["T"]!), next), [-2, -1]), dot(matmul(sum(c, [-2]), w["U"]!), at(x, "h")), dot(w["a"]!, at(x, "h"))),
      );
    },
  }),
  weights: { T: tensor([3, 3], 1.1, 1), U: tensor([3, 2], 0.9, 2), a: tensor([2], 0.8, 3) },
  energy: (w, { c, h }) =>
    -c!.reduce((s, k, i) => s + w["T"]![k * 3 + c![(i + 1) % 3]!]! + dotN(w["U"]!.slice(2 * k, 2 * k + 2), h!), 0) - dotN(w["a"]!, h!),
  atoms: { c: indices(3, 3), h: bits(2) },
  sum: ["h"],
  rest: ["c"],
  splits: [[["h"], ["c"]]],
};

export const cases: readonly Case[] = [
  rbm,
  dbm,
  grbm,
  softmaxes,
  categories,
  pooled,
  tied,
  realHidden,
  joint,
  gated,
  lateral(false),
  lateral(true),
  rivals,
  ring,
];
export const caseOf = (title: string): Case => cases.find((c) => c.title === title)!;

export const weightsOf = (c: Case): Assignment => Object.fromEntries(Object.entries(c.weights).map(([name, { data }]) => [name, data]));

export function logSum(xs: readonly number[]): number {
  const top = xs.reduce((a, b) => Math.max(a, b), -Infinity);
  return top === -Infinity ? top : top + Math.log(xs.reduce((s, x) => s + Math.exp(x - top), 0));
}

/** An energy as plain arithmetic, and the states of its variables. */
export type Enumerable = Pick<Case, "atoms" | "energy">;

/** Calls `visit` with every joint state of `names`, the others as `fixed`. */
export function eachState(
  c: Pick<Case, "atoms">,
  names: readonly string[],
  fixed: Assignment,
  visit: (x: Assignment, logMeasure: number) => void,
): void {
  const [name, ...others] = names;
  if (name === undefined) return visit(fixed, 0);
  for (const atom of c.atoms[name]!) eachState(c, others, { ...fixed, [name]: atom.value }, (x, m) => visit(x, m + atom.logMeasure));
}

/** log of the sum (integral) over `names` of measure * exp(-E). */
export function bruteLogSum(c: Enumerable, w: Assignment, names: readonly string[], fixed: Assignment = {}): number {
  const terms: number[] = [];
  eachState(c, names, fixed, (x, m) => void terms.push(m - c.energy(w, x)));
  return logSum(terms);
}

interface Weighted {
  readonly x: Assignment;
  readonly p: number;
}
const joints = new Map<string, readonly Weighted[]>();

/** Every joint state with its probability. */
export function jointOf(c: Case): readonly Weighted[] {
  const known = joints.get(c.title);
  if (known !== undefined) return known;
  const w = weightsOf(c);
  const names = Object.keys(c.model.units);
  const z = bruteLogSum(c, w, names);
  const all: Weighted[] = [];
  eachState(c, names, {}, (x, m) => void all.push({ x, p: Math.exp(m - c.energy(w, x) - z) }));
  joints.set(c.title, all);
  return all;
}

/** Exact draws: `count` rows by the distribution function of the joint states. */
export function exactDraws(c: Case, count: number, seed = 1): Assignment[] {
  const stream = hostStream(seed, "exact");
  const levels = Array.from({ length: count }, () => stream.uniform()).sort((a, b) => a - b);
  const rows: Assignment[] = [];
  let reached = 0;
  for (const { x, p } of jointOf(c)) {
    reached += p;
    while (rows.length < count && levels[rows.length]! < reached) rows.push(x);
  }
  while (rows.length < count) rows.push(rows[rows.length - 1]!);
  return rows;
}

/** Mean and variance of each number that `f` gives, under the model. */
export function moments(c: Case, f: (x: Assignment) => Numbers): { readonly mean: number; readonly variance: number }[] {
  const sums: [number, number][] = [];
  for (const { x, p } of jointOf(c)) {
    f(x).forEach((value, i) => {
      const s = (sums[i] ??= [0, 0]);
      s[0] += p * value;
      s[1] += p * value * value;
    });
  }
  return sums.map(([first, second]) => ({ mean: first, variance: second - first ** 2 }));
}

/** Rows of values by name. */
export function rowsFrom(c: Case, values: Readonly<Record<string, Numbers>>, count: number): Assignment[] {
  return Array.from({ length: count }, (_, r) =>
    Object.fromEntries(
      Object.keys(c.model.units).map((name) => {
        const list = values[name]!;
        return [name, list.slice((list.length / count) * r, (list.length / count) * (r + 1))];
      }),
    ),
  );
}

/** The numbers of a state, products of neighbours among them, and its energy. */
function features(c: Case): (x: Assignment) => Numbers {
  const w = weightsOf(c);
  const names = Object.keys(c.model.units);
  return (x) => {
    const all = names.flatMap((name) => [...x[name]!]);
    return [...all, ...all.slice(1).map((v, i) => v * all[i]!), c.energy(w, x)];
  };
}

/** Each feature's mean over independent rows lies within so many standard errors of the model's; the errors are the model's own. */
export function expectMoments(c: Case, rows: readonly Assignment[], errors = 4.5): void {
  const f = features(c);
  const values = rows.map(f);
  moments(c, f).forEach(({ mean, variance }, i) => {
    const got = values.reduce((s, row) => s + row[i]!, 0) / rows.length;
    const standardError = Math.sqrt(variance / rows.length);
    expect(Math.abs(got - mean), `feature ${i}: ${got} for ${mean} +- ${standardError}`).toBeLessThan(errors * standardError + 1e-9);
  });
}

const seenShape = (c: Case, name: string): Shape => c.model.units[name]!.shape;

export interface Rows {
  readonly shape: Shape;
  readonly data: Numbers;
  readonly dtype: "f32" | "i32";
}

/** Rows of an assignment as feeds [B, ...event]. */
export function feedsOf(c: Case, rows: readonly Assignment[], names: readonly string[]): Record<string, Rows> {
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        shape: [rows.length, ...seenShape(c, name)],
        data: rows.flatMap((row) => [...row[name]!]),
        dtype: "classes" in c.model.units[name]! ? ("i32" as const) : ("f32" as const),
      },
    ]),
  );
}

/** Stages `fn` of the weights and values and gives its numbers in float64. */
export function run(
  c: Case,
  fn: (w: Weights, x: Values) => Readonly<Record<string, Tensor>>,
  values: Record<string, Feed> = {},
  rng: readonly number[] = [1, 0, 0, 0],
): Record<string, number[]> {
  const names = Object.keys(c.weights);
  const out = compute(
    (inputs) => {
      const pick = (keep: (name: string) => boolean): Values =>
        Object.fromEntries(Object.entries(inputs).flatMap(([name, t]) => (keep(name) ? [[name.replace(/^[wx]:/u, ""), t]] : [])));
      return fn(
        pick((name) => name.startsWith("w:")),
        pick((name) => name.startsWith("x:")),
      );
    },
    {
      ...Object.fromEntries(names.map((name) => [`w:${name}`, c.weights[name]!])),
      ...Object.fromEntries(Object.entries(values).map(([name, feed]) => [`x:${name}`, feed])),
    },
    { rng },
  );
  return Object.fromEntries(Object.entries(out).map(([name, v]) => [name, Array.from(v.data)]));
}
