/** Labels inside energies: one of several, a part of them, all of them, tables of rows and of matrices, embeddings. Everything against sums over all states. */
import { describe, expect, it } from "vitest";
import { conditional, freeEnergy, logPartition, type EnergyModel, type Tensor } from "../../src/runtime/index.js";
import { loadModel, runModel } from "../support/model.js";

const [H, K, L] = [2, 3, 3];
const spread = (n: number, phase: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.sin(3 * i + phase) + 0.3 * Math.cos(7 * i * phase));
const state = {
  U: spread(K * H, 1),
  c: spread(K, 2),
  M: spread(K * 2 * H, 3),
  T: spread(L * 2, 4),
  a: spread(H, 5),
  "p.embedding1.table": spread(K * 2, 6),
  "f.embedding1.table": spread(K * 2, 7),
};

type Energy = (y: readonly number[], h: readonly number[]) => number;
const U = (k: number, j: number): number => state.U[k * H + j]!;
const M = (k: number, i: number, j: number): number => state.M[(k * 2 + i) * H + j]!;
const overH = (f: (j: number) => number): number => Array.from({ length: H }, (_, j) => f(j)).reduce((s, x) => s + x, 0);

const cases: readonly (readonly [text: string, energy: Energy])[] = [
  ["U[y[2]] @ h - c[y[1]]", (y, h) => overH((j) => U(y[1]!, j) * h[j]!) - state.c[y[0]!]!],
  [
    "sum(U[y] @ h) - sum(c[y[2..3]])",
    (y, h) => y.reduce((s, k) => s + overH((j) => U(k, j) * h[j]!), 0) - state.c[y[1]!]! - state.c[y[2]!]!,
  ],
  ["sum(M[y[3]] @ h) - c[y[1]]", (y, h) => [0, 1].reduce((s, i) => s + overH((j) => M(y[2]!, i, j) * h[j]!), 0) - state.c[y[0]!]!],
  [
    "sum(M[y]) * sum(h)",
    (y, h) => y.reduce((s, k) => s + [0, 1].reduce((t, i) => t + overH((j) => M(k, i, j)), 0), 0) * overH((j) => h[j]!),
  ],
  [
    "sum((y |> embedding(2)) * T) - U[y[1]] @ h",
    (y, h) =>
      y.reduce((s, k, l) => s + [0, 1].reduce((t, i) => t + state["p.embedding1.table"][k * 2 + i]! * state.T[l * 2 + i]!, 0), 0) -
      overH((j) => U(y[0]!, j) * h[j]!),
  ],
  ["onehot(y[2]) @ U @ h", (y, h) => overH((j) => U(y[1]!, j) * h[j]!)],
  // names of labels and of what is made of them
  ["rows[2] @ h - sum(hot[1] * c)", (y, h) => overH((j) => U(y[1]!, j) * h[j]!) - state.c[y[0]!]!],
  ["U[second] @ h - sum(c[others])", (y, h) => overH((j) => U(y[1]!, j) * h[j]!) - state.c[y[1]!]! - state.c[y[2]!]!],
  // a net with weights of its own
  ["f(second) @ h", (y, h) => overH((j) => [0, 1].reduce((s, i) => s + state["f.embedding1.table"][y[1]! * 2 + i]! * U(i, j), 0) * h[j]!)],
  // a net without weights, of one label and of all: mapped over them
  [
    "sum(table(y) * T) - U[y[1]] @ h + table(y[2])[1]",
    (y, h) =>
      y.reduce((s, k, l) => s + [0, 1].reduce((t, i) => t + (k + i) * state.T[l * 2 + i]!, 0), 0) -
      overH((j) => U(y[0]!, j) * h[j]!) +
      y[1]!,
  ],
];

const states = (base: number, n: number): number[][] =>
  Array.from({ length: base ** n }, (_, s) => Array.from({ length: n }, (_, i) => Math.floor(s / base ** i) % base));

describe.each(cases)("energy %s", (text, energy) => {
  const loaded = loadModel(`
model Labels(H = ${H}, K = ${K}, L = ${L}) {
  data y : category[K][L]
  latent h : binary[H]
  param U : real[K, H], c : real[K], M : real[K, 2, H], T : real[L, 2], a : real[H]
  net table(label) = onehot(label, classes = K) @ stack(stack(0, 1), stack(1, 2), stack(2, 3))
  net f(label) { row = label |> embedding(2) return row @ U[1..2] }
  density p(y, h) {
    hot = onehot(y)
    rows = hot @ U
    second = y[2]
    others = y[2..3]
    energy ${text} - a @ h
  }
  train { maximize log p(y) }
}`);
  const rows = states(K, L);
  const full: Energy = (y, h) => energy(y, h) - overH((j) => state.a[j]! * h[j]!);

  it("has the free energy, log Z and conditionals that sums over all states give", () => {
    const h = [1, 0];
    const got = runModel(
      loaded,
      ({ f, w, x }) => {
        const energyModel: EnergyModel<never> = {
          name: "p",
          place: "labels",
          units: { y: { kind: "categorical", shape: [L], classes: K }, h: { kind: "bernoulli", shape: [H] } },
          sweep: [["h"], ["y"]],
          energy: (own, v) => f("energyP")(own, v["y"], v["h"]),
        };
        const y = x["y"] as Tensor;
        const given = conditional(energyModel, w, { y, h: x["h"] as Tensor }, "y");
        if (given.kind !== "categorical") throw new Error(given.kind);
        return {
          free: freeEnergy(energyModel, w, { y }, { sum: ["h"] }),
          logZ: logPartition(energyModel, w, {}, { sum: ["h"], enumerate: ["y"] }),
          logits: given.logits,
        };
      },
      {
        data: {
          y: { shape: [rows.length, L], data: rows.flat(), dtype: "i32" },
          h: { shape: [rows.length, H], data: rows.flatMap(() => h) },
        },
        state,
      },
    );
    const free = rows.map((y) => -Math.log(states(2, H).reduce((s, units) => s + Math.exp(-full(y, units)), 0)));
    free.forEach((want, r) => expect(got["free"]![r]).toBeCloseTo(want, 8));
    expect(got["logZ"]![0]).toBeCloseTo(Math.log(free.reduce((s, want) => s + Math.exp(-want), 0)), 8);
    // p(y_l = k | rest) up to a constant of l
    rows.forEach((y, r) => {
      for (let l = 0; l < L; l++) {
        const wanted = Array.from(
          { length: K },
          (_, k) =>
            -full(
              y.map((other, i) => (i === l ? k : other)),
              h,
            ),
        );
        const found = Array.from({ length: K }, (_, k) => got["logits"]![(r * L + l) * K + k]!);
        for (let k = 1; k < K; k++) expect(found[k]! - found[0]!).toBeCloseTo(wanted[k]! - wanted[0]!, 8);
      }
    });
  });
});
