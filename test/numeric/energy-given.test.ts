/** Energies given variables that are drawn before them: one log Z for each of their values. Likelihoods, gradients and draws against enumeration. */
import { describe, expect, it } from "vitest";
import { referenceEngine, openSession } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { bilinear, bits, dotN, logSum, spread, type Assignment, type Numbers } from "./energy-cases.js";
import { dataOf, differences, exactly, meanOver } from "./pipeline-cases.js";

const states = (n: number): Numbers[] => bits(n).map((a) => a.value);
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** A label, then pixels and hidden units given it. */
const text = (objective: string, evaluation = ""): string => `model M {
  data v : binary[3], y : category[3]
  latent h : binary[2]
  param W : real[3, 2] init Normal(0, 1), S : real[3, 2] init Normal(0, 2), a : real[3] init Normal(0, 1)
  density p(y, v, h) {
    y ~ Categorical(logits = a)
    energy -(v @ W @ h) - S[y] @ h
  }
  train { maximize ${objective}
    optimizer = sgd(lr = 0.1), batch = 3, steps = 1 }
  ${evaluation}
}`;

const weights: Assignment = { W: exactly(spread(6, 1.2, 1)), S: exactly(spread(6, 2, 2)), a: exactly(spread(3, 1, 3)) };

/** log p(y, v) */
function joint(w: Assignment, y: number, v: Numbers): number {
  const logY = w["a"]![y]! - logSum(w["a"]!);
  const free = (x: Numbers): number => logSum(states(2).map((h) => bilinear(x, w["W"]!, h) + dotN(w["S"]!.slice(2 * y, 2 * y + 2), h)));
  return logY + free(v) - logSum(states(3).map(free));
}
const marginal = (w: Assignment, v: Numbers): number => logSum([0, 1, 2].map((y) => joint(w, y, v)));

const rows: readonly Assignment[] = [
  { v: [1, 0, 1], y: [2] },
  { v: [0, 0, 1], y: [0] },
  { v: [1, 1, 0], y: [2] },
];

describe("an energy given a label drawn before it", () => {
  it.each([
    ["log p(y, v)", (w: Assignment, r: Assignment) => joint(w, r["y"]![0]!, r["v"]!)],
    ["log p(v)", (w: Assignment, r: Assignment) => marginal(w, r["v"]!)],
    ["log p(y | v)", (w: Assignment, r: Assignment) => joint(w, r["y"]![0]!, r["v"]!) - marginal(w, r["v"]!)],
  ])("%s and its gradient", async (objective, exact) => {
    const { model } = loadModel(text(objective));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3 });
    expect(got.value.mean[0]).toBeCloseTo(
      meanOver(rows, (r) => exact(weights, r)),
      5,
    );
    for (const [name, values] of Object.entries(differences(weights, (w) => meanOver(rows, (r) => exact(w, r)))))
      values.forEach((e, i) => expect(Math.abs(got.gradients[name]!.mean[i]! - e), `${name}[${i}]`).toBeLessThan(1e-5));
  });

  it("is drawn after it, and measured without an estimate", async () => {
    const { model } = loadModel(text("log p(y, v) by cd(k = 1)", "evaluate { nll = -log p(y, v) cls = -log p(y | v) }"));
    const session = await referenceEngine.open();
    const dataset = datasetOf(model, {
      train: { v: Float32Array.from(rows.flatMap((r) => r["v"]!)), y: Int32Array.from(rows.flatMap((r) => r["y"]!)) },
    });
    const initial = initialWeights(model, 2, dataset);
    await writeAll(session, initial);
    const w: Assignment = Object.fromEntries(["W", "S", "a"].map((n) => [n, [...initial.get(n)!.data]]));
    const trained = openSession({ session, model, dataset, seed: 3, averaged: new Set(), step: 0 });
    const { metrics } = await trained.evaluate();
    expect(Object.keys(metrics)).not.toContain("logZ");
    expect(metrics["nll"]!.value).toBeCloseTo(-meanOver(rows, (r) => joint(w, r["y"]![0]!, r["v"]!)), 4);
    expect(metrics["cls"]!.value).toBeCloseTo(-meanOver(rows, (r) => joint(w, r["y"]![0]!, r["v"]!) - marginal(w, r["v"]!)), 4);
    const n = 3000;
    const { values } = await trained.sample(n, { sweeps: 30 });
    for (let y = 0; y < 3; y++)
      for (const v of states(3)) {
        const p = Math.exp(joint(w, y, v));
        let count = 0;
        for (let r = 0; r < n; r++) if (values["y"]!.data[r] === y && v.every((x, i) => values["v"]!.data[3 * r + i] === x)) count++;
        expect(Math.abs(count / n - p), `${y} ${v.join("")}`).toBeLessThan(4.5 * Math.sqrt((p * (1 - p)) / n) + 1e-4);
      }
    // a label that is held
    const held = await trained.sample(2000, { sweeps: 30, given: { y: { shape: [2000], data: new Int32Array(2000).fill(1) } } });
    expect(held.values["y"]!.data.every((c) => c === 1)).toBe(true);
    expect((await trained.reconstruct(2)).shown["v"]!.shape).toEqual([2, 3]);
    trained.close();
  });
});

describe("an energy given a latent drawn before it", () => {
  const model = (evaluation: string): string => `model M {
  data v : binary[3]
  latent h : binary[2]
  param W : real[3, 2], c : real[2]
  density p(v, h) {
    h ~ Bernoulli(logits = c)
    energy -(v @ W @ h)
  }
  train { maximize log p(v)
    optimizer = sgd(lr = 0.1), batch = 2, steps = 1 }
  ${evaluation}
}`;
  const w: Assignment = { W: exactly(spread(6, 1.2, 1)), c: exactly(spread(2, 1, 2)) };
  /** log p(v): the units of v are independent given h */
  const exact = (w: Assignment, v: Numbers): number =>
    logSum(
      states(2).map((h) => {
        const fields = [0, 1, 2].map((i) => dotN(w["W"]!.slice(2 * i, 2 * i + 2), h));
        const logH = h.reduce((s, x, j) => s + x * w["c"]![j]! - softplus(w["c"]![j]!), 0);
        return logH + fields.reduce((s, f, i) => s + f * v[i]! - softplus(f), 0);
      }),
    );

  it("is inferred where the data are reconstructed", async () => {
    const inference = "density q(h | v) { h ~ Bernoulli(logits = v |> dense(2)) }";
    const objective = "E[h ~ q(h | v)](log p(v, h) - log q(h | v))";
    const given = model("").replace("train {", `${inference}\n  train {`).replace("log p(v)", `${objective} by h: enumerate`);
    const loaded = loadModel(given).model;
    const session = await referenceEngine.open();
    const dataset = datasetOf(loaded, { train: { v: Float32Array.of(1, 0, 1, 0, 1, 1) } });
    await writeAll(session, initialWeights(loaded, 2, dataset));
    const trained = openSession({ session, model: loaded, dataset, seed: 3, averaged: new Set(), step: 0 });
    expect((await trained.reconstruct(2)).shown["v"]!.shape).toEqual([2, 3]);
    expect((await trained.sample(4, { sweeps: 2 })).values["h"]!.shape).toEqual([4, 2]);
    trained.close();
  });

  it("is summed with its log Z for each state", async () => {
    const data = [{ v: [1, 0, 1] }, { v: [0, 1, 0] }];
    const got = await gradientsOf(loadModel(model("")).model, { weights: w, data: dataOf(data), rows: 2 });
    const mean = (w: Assignment): number => meanOver(data, (r) => exact(w, r["v"]!));
    expect(got.value.mean[0]).toBeCloseTo(mean(w), 5);
    for (const [name, values] of Object.entries(differences(w, mean)))
      values.forEach((e, i) => expect(Math.abs(got.gradients[name]!.mean[i]! - e), `${name}[${i}]`).toBeLessThan(1e-5));
  });
});

describe("an energy with batch normalisation of its conditions", () => {
  it("has the likelihood of one energy for each row, its conditions normalised by the batch", async () => {
    const { model } = loadModel(`model M {
      data v : binary[3], y : real[2]
      latent h : binary[2]
      param W : real[3, 2]
      net f(y) = y |> batch_norm(eps = 0.125)
      density p(v, h | y) { energy -(v @ W @ h) - f(y) @ h }
      train { maximize log p(v | y)
        optimizer = sgd(lr = 0.1), batch = 3, steps = 1 }
    }`);
    const w: Assignment = { W: exactly(spread(6, 1.2, 1)) };
    const y = exactly(spread(6, 2, 3));
    const norm = { scale: [1, 1], shift: [0, 0], runningMean: [0, 0], runningVariance: [1, 1] };
    const weights = { ...w, ...Object.fromEntries(Object.entries(norm).map(([name, x]) => [`f.batch_norm1.${name}`, x])) };
    const field = (row: number): Numbers =>
      [0, 1].map((i) => {
        const column = [0, 1, 2].map((r) => y[2 * r + i]!);
        const mean = column.reduce((s, x) => s + x / 3, 0);
        return (column[row]! - mean) / Math.sqrt(column.reduce((s, x) => s + (x - mean) ** 2 / 3, 0) + 0.125);
      });
    const free = (v: Numbers, row: number): number => logSum(states(2).map((h) => bilinear(v, w["W"]!, h) + dotN(field(row), h)));
    const exact = (v: Numbers, row: number): number => free(v, row) - logSum(states(3).map((x) => free(x, row)));
    for (const v of states(3)) {
      const batch = [v, [0, 1, 0], [1, 0, 1]];
      const got = await gradientsOf(model, { weights, data: { v: batch.flat(), y }, rows: 3 });
      expect(got.value.mean[0]).toBeCloseTo(
        batch.reduce((s, x, row) => s + exact(x, row) / 3, 0),
        5,
      );
    }
  });
});
