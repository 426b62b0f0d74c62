/**
 * Spike-and-slab RBMs (Courville, Bergstra & Bengio 2011): spikes summed out unit by unit, each with its slab, against the sum over all spikes of Gaussian
 * integrals in plain numbers.
 */
import { describe, expect, it } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { evaluate, grad, sum, type Tensor } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { clean } from "../ir/energy-support.js";
import { summableTogether } from "../../src/ir/energy/index.js";
import { logIntegral, logSum } from "../support/gaussian-integral.js";
import { loadModel, runModel } from "../support/model.js";

const [D, H] = [2, 3];
const wave = (n: number, phase: number): number[] => Array.from({ length: n }, (_, i) => Math.fround(0.7 * Math.sin(3 * i + phase)));
type Weights = Readonly<Record<string, readonly number[]>>;
const weights: Weights = { W: wave(D * H, 1), F: wave(D * H, 2), b: wave(H, 3), m: wave(H, 4) };

/** The energy in loops. */
function energy(w: Weights, v: readonly number[], s: readonly number[], h: readonly number[]): number {
  const at = (name: string, i: number): number => w[name]![i] ?? NaN;
  let e = 0;
  v.forEach((vi) => (e += vi ** 2 / 2));
  for (let j = 0; j < H; j++) {
    const [sj, hj] = [s[j]!, h[j]!];
    e += ((1 + 2 * hj) * sj ** 2) / 2 - 1.5 * at("m", j) * sj * hj - at("b", j) * hj + 0.25 * sj;
    v.forEach((vi, i) => (e += -vi * at("W", i * H + j) * sj * hj + (vi ** 2 * at("F", i * H + j) ** 2 * hj) / 2));
  }
  return e;
}

const text = (units: number, by = ""): string => `
model M(D = ${D}, H = ${units}) {
  data v : real[D]
  latent s : real[H], h : binary[H]
  param W : real[D, H], F : real[D, H], b : real[H], m : real[H]
  density p(v, s, h) {
    energy sum(v^2) / 2 + sum((1 + 2 * h) * s^2) / 2 - v @ W @ (s * h)
    energy sum(v^2 @ F^2 * h) / 2 - 1.5 * sum(m * s * h) - b @ h + sum(s) / 4
  }
  train { maximize log p(v) ${by} }
}`;

describe("spikes and their slabs", () => {
  it("sum out unit by unit: the exact log p(v), and its gradients", () => {
    const loaded = loadModel(text(H));
    const spikes = Array.from({ length: 2 ** H }, (_, n) => Array.from({ length: H }, (_, j) => (n >> j) & 1));
    const logP = (w: Weights, v: readonly number[]): number =>
      logSum(spikes.map((h) => logIntegral(H, (s) => energy(w, v, s, h)))) -
      logSum(spikes.map((h) => logIntegral(D + H, (x) => energy(w, x.slice(0, D), x.slice(D), h))));
    const rows = [
      [0.3, -1.2],
      [0.9, 0.4],
    ];
    const got = runModel(
      loaded,
      ({ f, w, x }) => {
        const logPV = f("logPV")(w, x["v"]);
        const leaves = w as Record<string, Tensor>;
        const [W, F, b, m] = grad(sum(logPV), [leaves["W"]!, leaves["F"]!, leaves["b"]!, leaves["m"]!]);
        return { logPV, W: W!, F: F!, b: b!, m: m! };
      },
      { data: { v: { shape: [2, D], data: rows.flat() } }, state: weights },
    );
    rows.forEach((v, r) => expect(got["logPV"]![r]).toBeCloseTo(logP(weights, v), 8));
    for (const name of ["W", "F", "b", "m"])
      weights[name]!.forEach((_, i) => {
        const moved = (by: number): number =>
          rows.reduce((t, v) => t + logP({ ...weights, [name]: weights[name]!.map((x, j) => (i === j ? x + by : x)) }, v), 0);
        expect(got[name]![i], `${name}[${i}]`).toBeCloseTo((moved(1e-4) - moved(-1e-4)) / 2e-4, 5);
      });
  });

  it("have a score: score matching of the free energy of v", () => {
    const free = (w: Weights, v: readonly number[]): number =>
      logSum(
        Array.from({ length: 2 ** H }, (_, n) =>
          logIntegral(H, (s) =>
            energy(
              w,
              v,
              s,
              Array.from({ length: H }, (_h, j) => (n >> j) & 1),
            ),
          ),
        ),
      );
    const matched = (w: Weights, v: readonly number[]): number => {
      const e = 1e-3;
      return v.reduce((t, _, i) => {
        const at = (by: number): number =>
          free(
            w,
            v.map((x, j) => (i === j ? x + by : x)),
          );
        const slope = (8 * (at(e) - at(-e)) - (at(2 * e) - at(-2 * e))) / (12 * e);
        return t - slope ** 2 / 2 - (at(e) - 2 * at(0) + at(-e)) / e ** 2;
      }, 0);
    };
    const rows = [
      [0.3, -1.2],
      [0.9, 0.4],
    ];
    const got = runModel(
      loadModel(text(H, "by score_matching")),
      ({ f, w, x, key }) => {
        const value = f("logPV")(w, x["v"], key);
        const leaves = w as Record<string, Tensor>;
        const [W, b] = grad(sum(value), [leaves["W"]!, leaves["b"]!]);
        return { value, W: W!, b: b! };
      },
      { data: { v: { shape: [2, D], data: rows.flat() } }, state: weights },
    );
    rows.forEach((v, r) => expect(got["value"]![r]).toBeCloseTo(matched(weights, v), 4));
    for (const name of ["W", "b"])
      weights[name]!.forEach((_, i) => {
        const moved = (by: number): number =>
          rows.reduce((t, v) => t + matched({ ...weights, [name]: weights[name]!.map((x, j) => (i === j ? x + by : x)) }, v), 0);
        expect(got[name]![i], `${name}[${i}]`).toBeCloseTo((moved(1e-2) - moved(-1e-2)) / 2e-2, 3);
      });
  });

  it.each(["score_matching", "denoising_score_matching(sigma = 0.3)", "nce(ratio = 2)"])("needs no sum over states by %s either", (by) => {
    expect(loadModel(text(200, `by ${by}`)).ts).toMatch(/paired: \{ h: \["s"\] \}/u);
  });

  it("have a log Z that annealing finds, and an exact one beside it", async () => {
    const { model } = loadModel(
      text(H, "by pcd(k = 1, chains = 10)").replace(
        /\}\s*$/u,
        " evaluate { logZ = ais(chains = 200, temperatures = 400)  nll = -log p(v) by ais(chains = 200, temperatures = 400) } }",
      ),
    );
    const session = await onnxEngine.open();
    const dataset = datasetOf(model, { train: { v: Float32Array.from([0.3, -1.2, 0.9, 0.4]) } });
    await writeAll(
      session,
      new Map([...initialWeights(model, 1, dataset)].map(([path, t]) => [path, { ...t, data: Float32Array.from(weights[path]!) }])),
    );
    const options = { session, model, dataset, averaged: new Set<string>(), terms: false, reconstruction: false };
    const exact = logSum(
      Array.from({ length: 2 ** H }, (_, n) =>
        logIntegral(D + H, (x) =>
          energy(
            weights,
            x.slice(0, D),
            x.slice(D),
            Array.from({ length: H }, (_h, j) => (n >> j) & 1),
          ),
        ),
      ),
    );
    for (const seed of [1, 2]) {
      const { metrics } = await evaluate({ ...options, seed });
      expect(Math.abs(metrics["logZ"]!.value - exact), `seed ${seed}`).toBeLessThan(0.1);
      expect(metrics["logZ"]!.partitions![0]!.effectiveSampleSize).toBeGreaterThan(50);
    }
    session.dispose();
  });

  it("needs no sum over states, however many there are", () => {
    expect(loadModel(text(200, "by pcd(k = 1, chains = 10)")).ts).toContain('{ sum: ["s"], paired: { h: ["s"] } }');
  });
});

describe("which spikes are summed unit by unit", () => {
  const paired = (energy: string): unknown => {
    const analysis = clean(`data v : real[D]   latent s : real[K], h : binary[K]
      param W : real[D, K], t : positive[K] = 1, A : real[K, K]
      density p(v, s, h) { energy norm(v)^2 + sum(t * s^2) / 2 + ${energy} }`);
    return summableTogether(analysis, ["s", "h"]).paired;
  };

  it.each(["sum((s - h)^2 * t)", "sum(s * h * t)", "sum(t * s^2 * h)", "sum(tanh(v @ W) * h) - (t * s) @ h"])("%s", (e) => {
    expect(paired(e)).toEqual({ h: ["s"] });
  });

  it.each(["s @ A @ h / 10", "sum((s - A @ h)^2)", "sum(s) * sum(h)", "s[1] * h[2]"])("%s: not, a slab meets other spikes", (e) => {
    expect(paired(e)).toBeUndefined();
  });
});
