/** Layers of real units that meet each other: exact log-densities against Gaussian integrals in plain numbers, the energy read at points alone. */
import { describe, expect, it } from "vitest";
import { grad, sum, type Tensor } from "../../src/runtime/index.js";
import { logIntegral, logSum } from "../support/gaussian-integral.js";
import { loadModel, runModel } from "../support/model.js";

const [D, H, G, B] = [2, 2, 3, 2];
const wave = (n: number, phase: number): number[] => Array.from({ length: n }, (_, i) => Math.fround(0.7 * Math.sin(3 * i + phase)));
const state: Record<string, readonly number[]> = {
  W: wave(D * H, 1),
  U: wave(G * H, 2),
  T: wave(D * G, 3),
  R: wave(B * H, 4),
  a: wave(D, 5),
};

const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((t, xi, i) => t + xi * (y[i] ?? 0), 0);
const squares = (x: readonly number[]): number => dot(x, x);
/** x @ M of rows of `columns`. */
const times = (x: readonly number[], m: readonly number[], columns: number): number[] =>
  Array.from({ length: columns }, (_, j) =>
    dot(
      x,
      x.map((_, i) => m[i * columns + j] ?? 0),
    ),
  );
const transposed = (m: readonly number[], columns: number): number[] =>
  Array.from({ length: m.length }, (_, k) => m[(k % (m.length / columns)) * columns + Math.floor(k / (m.length / columns))] ?? 0);

type Weights = Readonly<Record<string, readonly number[]>>;

function energy(w: Weights, v: readonly number[], h: readonly number[], g: readonly number[], b: readonly number[]): number {
  const hidden = h.map((x, i) => x - (times(v, w["W"]!, H)[i] ?? 0));
  const top = g.map((x, i) => x - (times(h, transposed(w["U"]!, H), G)[i] ?? 0) - (times(v, w["T"]!, G)[i] ?? 0));
  return squares(v) / 2 + squares(hidden) / 2 + squares(top) - dot(times(b, w["R"]!, H), h) - dot(w["a"]!, v);
}

const model = (more: string, discrete: boolean): string => `
model M(D = ${D}, H = ${H}, G = ${G}, B = ${B}) {
  data v : real[D]
  latent h : real[H], g : real[G]
  ${discrete ? "latent b : binary[B]" : ""}
  param W : real[D, H], U : real[G, H], T : real[D, G], R : real[B, H], a : real[D]
  density p(v, h, g${discrete ? ", b" : ""}) {
    energy sum(v^2) / 2 + sum((h - v @ W)^2) / 2 + sum((g - h @ transpose(U) - v @ T)^2) - a @ v
    ${more}
  }
  train { maximize log p(v) }
}`;

describe.each([
  ["real layers that meet", model("", false), [[0, 0]]],
  [
    "with binary units that move one of them, which are enumerated",
    model("energy -(b @ R @ h)", true),
    [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ],
  ],
])("%s", (_, text, states) => {
  const loaded = loadModel(text);
  const vs = [0.3, -1.2, 0.9, 0.4];
  const logP = (w: Weights, v: readonly number[]): number => {
    const free = states.map((b) => logIntegral(H + G, (x) => energy(w, v, x.slice(0, H), x.slice(H), b)));
    const all = states.map((b) => logIntegral(D + H + G, (x) => energy(w, x.slice(0, D), x.slice(D, D + H), x.slice(D + H), b)));
    return logSum(free) - logSum(all);
  };

  it("has the exact log p(v), and its gradient", () => {
    const got = runModel(
      loaded,
      ({ f, w, x }) => {
        const logPV = f("logPV")(w, x["v"]);
        const [dW] = grad(sum(logPV), [(w as Record<string, Tensor>)["W"]!]);
        return { logPV, dW: dW! };
      },
      { data: { v: { shape: [2, D], data: vs } }, state },
    );
    const rows = [vs.slice(0, 2), vs.slice(2)];
    rows.forEach((v, r) => expect(got["logPV"]![r]).toBeCloseTo(logP(state, v), 8));
    state["W"]!.forEach((_, i) => {
      const moved = (by: number): number =>
        rows.reduce((t, v) => t + logP({ ...state, W: state["W"]!.map((x, j) => (i === j ? x + by : x)) }, v), 0);
      expect(got["dW"]![i]).toBeCloseTo((moved(1e-4) - moved(-1e-4)) / 2e-4, 5);
    });
  });
});
