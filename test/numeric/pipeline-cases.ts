/**
 * Small energy models as `.gm` text, and the same energies as plain arithmetic whose states are listed: log-likelihoods, and their gradients by
 * differences, without anything of the compiler or the runtime.
 */
import {
  bilinear,
  bits,
  bruteLogSum,
  dotN,
  grid,
  indices,
  spread,
  type Assignment,
  type Enumerable,
  type Numbers,
} from "./energy-cases.js";

export interface PipelineCase extends Enumerable {
  readonly title: string;
  /** The model; `maximize log p(…)` stands in its only statement, `BY` is for what follows. */
  readonly text: (by: string) => string;
  /** Numbers that f32 holds exactly. */
  readonly weights: Assignment;
  readonly visible: readonly string[];
  readonly hidden: readonly string[];
  /** Observed rows, with the conditions. */
  readonly rows: readonly Assignment[];
}

export const exactly = (xs: Numbers): number[] => xs.map(Math.fround);
const weights = (all: Assignment): Assignment => Object.fromEntries(Object.entries(all).map(([name, xs]) => [name, exactly(xs)]));

const model = (declarations: string, density: string, objective: string) => (by: string) => `model M {
  ${declarations}
  density ${density}
  train {
    maximize ${objective} ${by}
    optimizer = sgd(lr = 0.1), batch = 3, steps = 1
  }
}`;

const rbm: PipelineCase = {
  title: "RBM",
  text: model(
    "data v : binary[4] latent h : binary[3] param W : real[4, 3], a : real[3], b : real[4]",
    "p(v, h) { energy -(v @ W @ h) - a @ h - b @ v }",
    "log p(v)",
  ),
  weights: weights({ W: spread(12, 1.2, 1), a: spread(3, 0.7, 2), b: spread(4, 0.8, 3) }),
  energy: (w, { v, h }) => -bilinear(v!, w["W"]!, h!) - dotN(w["a"]!, h!) - dotN(w["b"]!, v!),
  atoms: { v: bits(4), h: bits(3) },
  visible: ["v"],
  hidden: ["h"],
  rows: [{ v: [1, 0, 1, 1] }, { v: [0, 0, 1, 0] }, { v: [1, 1, 0, 0] }],
};

const grbm: PipelineCase = {
  title: "Gaussian RBM with precisions",
  text: model(
    "data v : real[2] latent h : binary[3] param W : real[2, 3], a : real[3], b : real[2], r : real[2]",
    "p(v, h) { energy sum(exp(r) * (v - b) ^ 2) / 2 - v @ W @ h - a @ h }",
    "log p(v)",
  ),
  weights: weights({ W: spread(6, 0.8, 1), a: spread(3, 0.7, 2), b: spread(2, 0.8, 3), r: [0.3, -0.2] }),
  energy: (w, { v, h }) =>
    v!.reduce((s, x, i) => s + (Math.exp(w["r"]![i]!) * (x - w["b"]![i]!) ** 2) / 2, 0) - bilinear(v!, w["W"]!, h!) - dotN(w["a"]!, h!),
  atoms: { v: grid(2, 9, 0.45), h: bits(3) },
  visible: ["v"],
  hidden: ["h"],
  rows: [{ v: [0.5, -1.25] }, { v: [-0.75, 0.25] }, { v: [1.5, 2] }],
};

const dbm: PipelineCase = {
  title: "DBM of two hidden layers",
  text: model(
    "data v : binary[4] latent h1 : binary[4], h2 : binary[3] param W1 : real[4, 4], W2 : real[4, 3], b : real[4]",
    "p(v, h1, h2) { energy -(v @ W1 @ h1) - h1 @ W2 @ h2 - b @ v }",
    "log p(v)",
  ),
  weights: weights({ W1: spread(16, 1.1, 1), W2: spread(12, 0.9, 2), b: spread(4, 0.5, 3) }),
  energy: (w, { v, h1, h2 }) => -bilinear(v!, w["W1"]!, h1!) - bilinear(h1!, w["W2"]!, h2!) - dotN(w["b"]!, v!),
  atoms: { v: bits(4), h1: bits(4), h2: bits(3) },
  visible: ["v"],
  hidden: ["h1", "h2"],
  rows: [{ v: [1, 0, 1, 1] }, { v: [0, 0, 1, 0] }, { v: [1, 1, 0, 0] }],
};

const hot = (y: number, classes: number): number[] => Array.from({ length: classes }, (_, k) => (k === y ? 1 : 0));

const labels: PipelineCase = {
  title: "RBM with a label among the visible units",
  text: model(
    "data v : binary[4], y : category[3] latent h : binary[3] param W : real[4, 3], U : real[3, 3], c : real[3]",
    "p(v, y, h) { energy -(v @ W @ h) - U[y] @ h - c[y] }",
    "log p(v, y)",
  ),
  weights: weights({ W: spread(12, 1.2, 1), U: spread(9, 1.1, 2), c: spread(3, 0.6, 4) }),
  energy: (w, { v, y, h }) => -bilinear(v!, w["W"]!, h!) - bilinear(hot(y![0]!, 3), w["U"]!, h!) - w["c"]![y![0]!]!,
  atoms: { v: bits(4), y: indices(3, 1), h: bits(3) },
  visible: ["v", "y"],
  hidden: ["h"],
  rows: [
    { v: [1, 0, 1, 1], y: [2] },
    { v: [0, 0, 1, 0], y: [0] },
    { v: [1, 1, 0, 0], y: [2] },
  ],
};

const conditional: PipelineCase = {
  title: "RBM given a real condition",
  text: model(
    "data v : binary[4], y : real[2] latent h : binary[3] param W : real[4, 3], U : real[2, 3], b : real[4]",
    "p(v, h | y) { energy -(v @ W @ h) - y @ U @ h - b @ v }",
    "log p(v | y)",
  ),
  weights: weights({ W: spread(12, 1.2, 1), U: spread(6, 1.1, 2), b: spread(4, 0.6, 4) }),
  energy: (w, { v, y, h }) => -bilinear(v!, w["W"]!, h!) - bilinear(y!, w["U"]!, h!) - dotN(w["b"]!, v!),
  atoms: { v: bits(4), h: bits(3) },
  visible: ["v"],
  hidden: ["h"],
  rows: [
    { v: [1, 0, 1, 1], y: [0.5, -1] },
    { v: [0, 0, 1, 0], y: [2, 0.25] },
    { v: [1, 1, 0, 0], y: [-1.5, 1] },
  ],
};

const pooled: PipelineCase = {
  title: "RBM with at most one hidden unit of a block on",
  text: model(
    "data v : binary[4] latent h : binary[4] at_most_one(2) param W : real[4, 4], a : real[4], b : real[4]",
    "p(v, h) { energy -(v @ W @ h) - a @ h - b @ v }",
    "log p(v)",
  ),
  weights: weights({ W: spread(16, 1.2, 1), a: spread(4, 0.7, 2), b: spread(4, 0.8, 3) }),
  energy: rbm.energy,
  atoms: { v: bits(4), h: bits(4).filter(({ value }) => value[0]! + value[1]! <= 1 && value[2]! + value[3]! <= 1) },
  visible: ["v"],
  hidden: ["h"],
  rows: rbm.rows,
};

/** L and J as written are neither symmetric nor free of a diagonal: the energy is what it is. */
const boltzmann: PipelineCase = {
  title: "general Boltzmann machine",
  text: model(
    "data v : binary[4] latent h : binary[3] param W : real[4, 3], L : real[4, 4], J : real[3, 3], b : real[4]",
    "p(v, h) { energy -(v @ W @ h) - v @ L @ v / 2 - h @ J @ h / 2 - b @ v }",
    "log p(v)",
  ),
  weights: weights({ W: spread(12, 0.9, 1), L: spread(16, 0.8, 2), J: spread(9, 0.9, 5), b: spread(4, 0.8, 3) }),
  energy: (w, { v, h }) => -bilinear(v!, w["W"]!, h!) - bilinear(v!, w["L"]!, v!) / 2 - bilinear(h!, w["J"]!, h!) / 2 - dotN(w["b"]!, v!),
  atoms: { v: bits(4), h: bits(3) },
  visible: ["v"],
  hidden: ["h"],
  rows: rbm.rows,
};

/** L couples units of a block too, which are never on together. */
const rivals: PipelineCase = {
  title: "Boltzmann machine with at most one unit of a block on",
  text: model(
    "data v : binary[4] at_most_one(2) latent h : binary[4] at_most_one(2) param W : real[4, 4], L : real[4, 4], J : real[4, 4], b : real[4]",
    "p(v, h) { energy -(v @ W @ h) - v @ L @ v - h @ J @ h - b @ v }",
    "log p(v)",
  ),
  weights: weights({ W: spread(16, 0.9, 1), L: spread(16, 0.8, 2), J: spread(16, 0.9, 5), b: spread(4, 0.8, 3) }),
  energy: (w, { v, h }) => -bilinear(v!, w["W"]!, h!) - bilinear(v!, w["L"]!, v!) - bilinear(h!, w["J"]!, h!) - dotN(w["b"]!, v!),
  atoms: { v: pooled.atoms["h"]!, h: pooled.atoms["h"]! },
  visible: ["v"],
  hidden: ["h"],
  rows: [{ v: [1, 0, 0, 1] }, { v: [0, 0, 1, 0] }, { v: [0, 1, 0, 0] }],
};

export const pipelineCases: readonly PipelineCase[] = [rbm, grbm, dbm, labels, conditional, pooled, boltzmann, rivals];
export const pipelineCase = (title: string): PipelineCase => pipelineCases.find((c) => c.title === title)!;

/** log p(visible | conditions) of one row. */
export function logLikelihood(c: PipelineCase, w: Assignment, row: Assignment): number {
  const given = Object.fromEntries(Object.entries(row).filter(([name]) => !c.visible.includes(name)));
  return bruteLogSum(c, w, c.hidden, row) - bruteLogSum(c, w, [...c.visible, ...c.hidden], given);
}

export const meanOver = (rows: readonly Assignment[], f: (row: Assignment) => number): number =>
  rows.reduce((s, row) => s + f(row), 0) / rows.length;

/** Gradient of `f` in every weight by central differences. */
export function differences(w: Assignment, f: (w: Assignment) => number, step = 1e-4): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(w).map(([name, values]) => [
      name,
      values.map((_, i) => {
        const moved = (by: number): number => f({ ...w, [name]: values.map((x, j) => (i === j ? x + by : x)) });
        return (moved(step) - moved(-step)) / (2 * step);
      }),
    ]),
  );
}

/** Rows of a case as the data of a batch. */
export function dataOf(rows: readonly Assignment[]): Record<string, number[]> {
  return Object.fromEntries(Object.keys(rows[0] ?? {}).map((name) => [name, rows.flatMap((row) => [...row[name]!])]));
}
