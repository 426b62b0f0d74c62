/** Energies of many kinds, compiled: log-probability of the data and its gradient against sums over all states (Gaussian integrals in each) in plain numbers. */
import { describe, expect, it } from "vitest";
import { grad, sum, type Tensor } from "../../src/runtime/index.js";
import { logIntegral, logSum } from "../support/gaussian-integral.js";
import { loadModel, runModel } from "../support/model.js";

type Values = Readonly<Record<string, readonly number[]>>;

interface Case {
  readonly text: string;
  /** Name of the compiled log-density, and its arguments. */
  readonly fn: string;
  readonly args: readonly string[];
  readonly params: Readonly<Record<string, number>>;
  readonly rows: readonly Values[];
  /** States of what is hidden given a row, and of all that the energy defines. */
  readonly hidden: (row: Values) => readonly Values[];
  readonly all: (row: Values) => readonly Values[];
  /** Real variables that are integrated, with their sizes; in the row when it is data. */
  readonly hiddenReal?: readonly [string, number];
  readonly allReal?: readonly [string, number];
  readonly energy: (w: Values, x: Values) => number;
  readonly category?: readonly string[];
  /** Of data that are no vector. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
}

/** All assignments of variables with so many entries of so many values. */
function states(spec: Readonly<Record<string, readonly [entries: number, values: number]>>): Values[] {
  return Object.entries(spec).reduce<Values[]>(
    (found, [name, [entries, values]]) =>
      found.flatMap((x) =>
        Array.from({ length: values ** entries }, (_, n) => ({
          ...x,
          [name]: Array.from({ length: entries }, (_e, j) => Math.floor(n / values ** j) % values),
        })),
      ),
    [{}],
  );
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((t, x, i) => t + x * b[i]!, 0);
/** a W b of W [a, b]. */
const through = (a: readonly number[], W: readonly number[], b: readonly number[]): number =>
  a.reduce((t, x, i) => t + b.reduce((s, y, j) => s + x * W[i * b.length + j]! * y, 0), 0);

const cases: Readonly<Record<string, Case>> = {
  "a Potts chain with open ends": {
    text: `data c : category[3][4]
      param J : real[3, 3], h : real[3]
      density p(c) { s = onehot(c)  energy -sum((s[1..3] @ J) * s[2..4]) - sum(s @ h) }`,
    fn: "logPC",
    args: ["c"],
    params: { J: 9, h: 3 },
    rows: [{ c: [0, 2, 1, 1] }, { c: [2, 2, 0, 1] }],
    hidden: () => [{}],
    all: () => states({ c: [4, 3] }),
    energy: (w, { c = [] }) => -c.reduce((t, k, i) => t + w["h"]![k]! + (i > 0 ? w["J"]![3 * c[i - 1]! + k]! : 0), 0),
    category: ["c"],
  },
  "a factor graph of third order": {
    text: `data v : binary[4]
      param T : real[2], b : real[4]
      density p(v) { energy -T[1] * v[1] * v[2] * v[3] - T[2] * v[2] * (1 - v[3]) * v[4] - b @ v }`,
    fn: "logPV",
    args: ["v"],
    params: { T: 2, b: 4 },
    rows: [{ v: [1, 1, 1, 0] }, { v: [0, 1, 0, 1] }],
    hidden: () => [{}],
    all: () => states({ v: [4, 2] }),
    energy: (w, { v = [] }) => -w["T"]![0]! * v[0]! * v[1]! * v[2]! - w["T"]![1]! * v[1]! * (1 - v[2]!) * v[3]! - dot(w["b"]!, v),
  },
  "a Gaussian-Bernoulli machine with learned deviations": {
    text: `data v : real[2]
      latent h : binary[3]
      param W : real[2, 3], s : real[2], a : real[3], m : real[2]
      density p(v, h) { energy sum((v - m)^2 / exp(2 * s)) / 2 - (v / exp(s)) @ W @ h - a @ h }`,
    fn: "logPV",
    args: ["v"],
    params: { W: 6, s: 2, a: 3, m: 2 },
    rows: [{ v: [0.4, -1.1] }, { v: [1.3, 0.2] }],
    hidden: () => states({ h: [3, 2] }),
    all: () => states({ h: [3, 2] }),
    allReal: ["v", 2],
    energy: (w, { v = [], h = [] }) =>
      v.reduce((t, x, i) => t + ((x - w["m"]![i]!) / Math.exp(w["s"]![i]!)) ** 2 / 2, 0) -
      through(
        v.map((x, i) => x / Math.exp(w["s"]![i]!)),
        w["W"]!,
        h,
      ) -
      dot(w["a"]!, h),
  },
  "a deep machine with a label beside its top": {
    text: `data v : binary[3], y : category[2]
      latent h1 : binary[2], h2 : binary[2]
      param W : real[3, 2], V : real[2, 2], U : real[2, 2], b : real[2]
      density p(v, h1, h2, y) { energy -(v @ W @ h1) - h1 @ V @ h2 - U[y] @ h2 - b[y] }`,
    fn: "logPVY",
    args: ["v", "y"],
    params: { W: 6, V: 4, U: 4, b: 2 },
    rows: [
      { v: [1, 0, 1], y: [1] },
      { v: [0, 1, 1], y: [0] },
    ],
    hidden: () => states({ h1: [2, 2], h2: [2, 2] }),
    all: () => states({ v: [3, 2], y: [1, 2], h1: [2, 2], h2: [2, 2] }),
    energy: (w, { v = [], h1 = [], h2 = [], y = [] }) =>
      -through(v, w["W"]!, h1) - through(h1, w["V"]!, h2) - dot(w["U"]!.slice(2 * y[0]!, 2 * y[0]! + 2), h2) - w["b"]![y[0]!]!,
    category: ["y"],
  },
  "the same, the label given the pixels": {
    text: `data v : binary[3], y : category[2]
      latent h : binary[3]
      param W : real[3, 3], U : real[2, 3], b : real[2]
      density p(v, y, h) { energy -(v @ W @ h) - U[y] @ h - b[y] }`,
    fn: "logPY",
    args: ["v", "y"],
    params: { W: 9, U: 6, b: 2 },
    rows: [
      { v: [1, 0, 1], y: [1] },
      { v: [0, 1, 1], y: [0] },
    ],
    hidden: () => states({ h: [3, 2] }),
    all: ({ v }) => states({ y: [1, 2], h: [3, 2] }).map((s) => ({ ...s, v: v! })),
    energy: (w, { v = [], h = [], y = [] }) => -through(v, w["W"]!, h) - dot(w["U"]!.slice(3 * y[0]!, 3 * y[0]! + 3), h) - w["b"]![y[0]!]!,
    category: ["y"],
  },
  "a conditional machine whose weights a gate turns on": {
    text: `data v : binary[2], u : real[2]
      latent h : binary[2]
      param W : real[2, 2], A : real[2, 2], c : real
      density p(v, h | u) { energy -sigmoid(c * sum(u)) * (v @ W @ h) - (u @ A) @ h - (u @ A) @ v }`,
    fn: "logPV",
    args: ["v", "u"],
    params: { W: 4, A: 4, c: 1 },
    rows: [
      { v: [1, 0], u: [0.3, -1.2] },
      { v: [1, 1], u: [1.5, 0.4] },
    ],
    hidden: () => states({ h: [2, 2] }),
    all: () => states({ h: [2, 2], v: [2, 2] }),
    energy: (w, { v = [], h = [], u = [] }) =>
      -(1 / (1 + Math.exp(-w["c"]![0]! * (u[0]! + u[1]!)))) * through(v, w["W"]!, h) - through(u, w["A"]!, h) - through(u, w["A"]!, v),
  },
  "one-of-a-block units, pooled": {
    text: `data v : binary[4, 4]
      latent h : binary[4, 4] at_most_one(2, 2)
      latent t : binary[2]
      param W : real[1, 1], c : real, M : real[4, 2]
      density p(v, h, t) { energy -sum(v * h) * W[1, 1] - c * sum(h) - reshape(pool(h), 4) @ M @ t }`,
    fn: "logPV",
    args: ["v"],
    params: { W: 1, c: 1, M: 8 },
    shapes: { v: [4, 4] },
    rows: [{ v: [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0] }],
    hidden: () =>
      states({ block: [4, 5], t: [2, 2] }).map(({ block = [], t = [] }) => {
        const h = new Array<number>(16).fill(0);
        block.forEach((on, b) => {
          if (on > 0) h[(2 * Math.floor(b / 2) + Math.floor((on - 1) / 2)) * 4 + 2 * (b % 2) + ((on - 1) % 2)] = 1;
        });
        return { h, t, pooled: block.map((on) => +(on > 0)) };
      }),
    all: () => [],
    energy: (w, { v = [], h = [], t = [], pooled = [] }) =>
      -dot(v, h) * w["W"]![0]! - w["c"]![0]! * h.reduce((a, b) => a + b, 0) - through(pooled, w["M"]!, t),
  },
  "a mixture of machines: a hidden label that picks the weights": {
    text: `data v : binary[3]
      latent k : category[3], h : binary[2]
      param W : real[3, 3, 2], b : real[3, 3]
      density p(v, k, h) { energy -(v @ W[k] @ h) - b[k] @ v }`,
    fn: "logPV",
    args: ["v"],
    params: { W: 18, b: 9 },
    rows: [{ v: [1, 0, 1] }, { v: [0, 1, 1] }],
    hidden: () => states({ k: [1, 3], h: [2, 2] }),
    all: () => states({ v: [3, 2], k: [1, 3], h: [2, 2] }),
    energy: (w, { v = [], k = [], h = [] }) =>
      -through(v, w["W"]!.slice(6 * k[0]!, 6 * k[0]! + 6), h) - dot(w["b"]!.slice(3 * k[0]!, 3 * k[0]! + 3), v),
  },
  "Gaussian hidden units over binary ones": {
    text: `data v : binary[3]
      latent z : real[2]
      param W : real[3, 2], L : real[2, 2], b : real[3]
      density p(v, z) { energy sum(z^2) / 2 + sum((z @ L)^2) / 2 - v @ W @ z - b @ v }`,
    fn: "logPV",
    args: ["v"],
    params: { W: 6, L: 4, b: 3 },
    rows: [{ v: [1, 0, 1] }, { v: [0, 1, 1] }],
    hidden: () => [{}],
    hiddenReal: ["z", 2],
    all: () => states({ v: [3, 2] }),
    allReal: ["z", 2],
    energy: (w, { v = [], z = [] }) => {
      const Lz = [0, 1].map((j) => z[0]! * w["L"]![j]! + z[1]! * w["L"]![2 + j]!);
      return dot(z, z) / 2 + dot(Lz, Lz) / 2 - through(v, w["W"]!, z) - dot(w["b"]!, v);
    },
  },
  "lateral connections in both layers": {
    text: `data v : binary[3]
      latent h : binary[3]
      param W : real[3, 3], L : real[3, 3], J : real[3, 3], b : real[3]
      density p(v, h) { energy -(v @ W @ h) - v @ L @ v / 2 - h @ J @ h / 2 - b @ h }`,
    fn: "logPV",
    args: ["v"],
    params: { W: 9, L: 9, J: 9, b: 3 },
    rows: [{ v: [1, 0, 1] }, { v: [1, 1, 1] }],
    hidden: () => states({ h: [3, 2] }),
    all: () => states({ v: [3, 2], h: [3, 2] }),
    energy: (w, { v = [], h = [] }) => -through(v, w["W"]!, h) - through(v, w["L"]!, v) / 2 - through(h, w["J"]!, h) / 2 - dot(w["b"]!, h),
  },
  "a convolution under a net of the hidden sums": {
    text: `data v : binary[2, 3]
      latent h : binary[2]
      param K : real[1, 2, 1, 2], c : real[2]
      density p(v, h) { f = conv(reshape(v, 2, 3, 1), K)  energy -sum(mean(f, axis = [1, 2]) * h) - c @ h - 0.3 * sum(v[1, 1..3]) * sum(v[2, 1..3]) }`,
    fn: "logPV",
    args: ["v"],
    params: { K: 4, c: 2 },
    shapes: { v: [2, 3] },
    rows: [{ v: [1, 0, 1, 1, 1, 0] }],
    hidden: () => states({ h: [2, 2] }),
    all: () => states({ v: [6, 2], h: [2, 2] }),
    energy: (w, { v = [], h = [] }) => {
      let e = -dot(w["c"]!, h) - 0.3 * (v[0]! + v[1]! + v[2]!) * (v[3]! + v[4]! + v[5]!);
      for (let k = 0; k < 2; k++)
        for (let i = 0; i < 2; i++)
          for (let j = 0; j < 2; j++) e -= (h[k]! * (v[3 * i + j]! * w["K"]![k]! + v[3 * i + j + 1]! * w["K"]![2 + k]!)) / 4;
      return e;
    },
  },
};

describe.each(Object.entries(cases))("%s", (name, c) => {
  const entries = name === "one-of-a-block units, pooled" ? undefined : c.all;
  const weights = Object.fromEntries(
    Object.entries(c.params).map(([p, n], q) => [p, Array.from({ length: n }, (_, i) => 0.8 * Math.sin(2.3 * i + 1.7 * q + 0.6))]),
  );
  const weigh = (w: Values, list: readonly Values[], row: Values, real: readonly [string, number] | undefined): number =>
    logSum(
      list.map((s) => (real ? logIntegral(real[1], (z) => c.energy(w, { ...row, ...s, [real[0]]: z })) : -c.energy(w, { ...row, ...s }))),
    );
  const logZ = (w: Values, row: Values): number => {
    if (entries) return weigh(w, entries(row), row, c.allReal);
    // 2^16 pictures: given the hidden units they are independent
    return logSum(
      c
        .hidden(row)
        .map(
          (s) =>
            -c.energy(w, { ...row, ...s, v: new Array<number>(16).fill(0) }) +
            s["h"]!.reduce((t, h) => t + Math.log(1 + Math.exp(h * w["W"]![0]!)), 0),
        ),
    );
  };
  const logP = (w: Values, row: Values): number => weigh(w, c.hidden(row), row, c.hiddenReal) - logZ(w, row);

  it("log-probability and gradient", () => {
    const given = c.fn === "logPY" ? " | v" : c.text.includes("| u)") ? " | u" : "";
    const head = c.fn.slice(4).toLowerCase().split("").join(", ");
    const loaded = loadModel(`model M { ${c.text}\n train { maximize log p(${head}${given}) } }`);
    const got = runModel(
      loaded,
      ({ f, w, x }) => {
        const value = f(c.fn)(w, ...c.args.map((a) => x[a]));
        const names = Object.keys(c.params);
        const gradients = grad(
          sum(value),
          names.map((p) => (w as Record<string, Tensor>)[p]!),
        );
        return { value, ...Object.fromEntries(names.map((p, i) => [p, gradients[i]!])) };
      },
      {
        data: Object.fromEntries(
          c.args.map((a) => {
            const isLabel = c.category?.includes(a) === true;
            const size = c.rows[0]![a]!.length;
            const event = c.shapes?.[a] ?? (isLabel && size === 1 ? [] : [size]);
            return [
              a,
              { shape: [c.rows.length, ...event], data: c.rows.flatMap((r) => [...r[a]!]), ...(isLabel && { dtype: "i32" as const }) },
            ];
          }),
        ),
        state: weights,
      },
    );
    c.rows.forEach((row, r) => expect(got["value"]![r], `row ${r}`).toBeCloseTo(logP(weights, row), 7));
    for (const [p, list] of Object.entries(weights))
      list.forEach((_, i) => {
        const at = (by: number): number =>
          c.rows.reduce((t, row) => t + logP({ ...weights, [p]: list.map((x, j) => (i === j ? x + by : x)) }, row), 0);
        expect(got[p]![i], `${p}[${i}]`).toBeCloseTo((at(1e-4) - at(-1e-4)) / 2e-4, 5);
      });
  });
});
