/**
 * Free bits of finite and of continuous latents (Kingma et al. 2016, eq. 15): the rate of a group is the exact KL as the mean over the batch, here listed
 * state by state or in closed form, held to a floor; gradients by central differences. Of a group below its floor nothing pulls q to p.
 */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, logSoftmax, spread, type Vectors } from "../support/numbers.js";

type Weights = Vectors<"W" | "U" | "V" | "R" | "b" | "g">;

const MODEL = (objective: string, by = ""): string => `
model M {
  data x : binary[2]
  latent h : binary[2], c : category[3]
  param W : real[2, 2], U : real[3, 2], V : real[2, 2], R : real[2, 3], b : real[3], g : real[2]
  density p(x, h, c) {
    c ~ Categorical(logits = b)
    h ~ Bernoulli(logits = g)
    x ~ Bernoulli(logits = h @ W + U[c])
  }
  density q(h, c | x) {
    h ~ Bernoulli(logits = x @ V)
    c ~ Categorical(logits = x @ R)
  }
  train { maximize ${objective}${by}
    optimizer = sgd(lr = 0.1), batch = 4, steps = 1 }
}`;
const at: Weights = {
  W: spread(4, 1.5, 3),
  U: spread(6, 1.2, 4),
  V: spread(4, 1.25, 5),
  R: spread(6, 1.5, 6),
  b: spread(3, 0.5, 7),
  g: [0.25, -0.5],
};
const rows = [
  [1, 0],
  [1, 1],
  [0, 1],
] as const;

const bits = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;
const bernoulli = (values: readonly number[], logits: readonly number[]): number =>
  values.reduce((sum, bit, i) => sum + bit * logits[i]! - Math.log1p(Math.exp(logits[i]!)), 0);
const times = (v: readonly number[], M: readonly number[], n: number): number[] =>
  Array.from({ length: n }, (_, j) => v.reduce((sum, vi, i) => sum + vi * M[i * n + j]!, 0));
const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;

/** E log p(x | h, c), and the two rates, of each row. */
function parts(w: Weights) {
  const prior = logSoftmax(w.b);
  return rows.map((x) => {
    const logits = times(x, w.V, 2);
    const logC = logSoftmax(times(x, w.R, 3));
    let [fit, rateH, rateC] = [0, 0, 0];
    for (const h of bits) {
      const logH = bernoulli(h, logits);
      rateH += Math.exp(logH) * (logH - bernoulli(h, w.g));
      logC.forEach((log, c) => {
        const mixed = times(h, w.W, 2).map((l, i) => l + w.U[2 * c + i]!);
        fit += Math.exp(logH + log) * bernoulli(x, mixed);
      });
    }
    logC.forEach((log, c) => (rateC += Math.exp(log) * (log - prior[c]!)));
    return { fit, rateH, rateC };
  });
}
const rate = (w: Weights, of: "rateH" | "rateC"): number => mean(parts(w).map((r) => r[of]));
const fit = (w: Weights): number => mean(parts(w).map((r) => r.fit));
const together = (floor: number) => (w: Weights) => fit(w) - Math.max(floor, rate(w, "rateH") + rate(w, "rateC"));
const apart = (floors: readonly [number, number]) => (w: Weights) =>
  fit(w) - Math.max(floors[0], rate(w, "rateH")) - Math.max(floors[1], rate(w, "rateC"));
const GROUPS = (h: number, c: number): string =>
  `E[h, c ~ q(h, c | x)](log p(x | h, c)) - maximum(${h}, batch_mean(E[h, c ~ q(h, c | x)](log q(h | x) - log p(h)))) - maximum(${c}, batch_mean(E[h, c ~ q(h, c | x)](log q(c | x) - log p(c))))`;

describe("free bits of finite latents", () => {
  it.each([
    ["one group above its floor", "FreeBits(p, q, floor = 0.01)", together(0.01)],
    ["one group below its floor", "FreeBits(p, q, floor = 3)", together(3)],
    ["two groups, the bits below", GROUPS(3, 0.01), apart([3, 0.01])],
    ["two groups, the class below", GROUPS(0.01, 3), apart([0.01, 3])],
  ] as const)("%s: enumerated", async (_, objective, value) => {
    const { model } = loadModel(MODEL(objective));
    const { gradients, value: found } = await gradientsOf(model, { weights: at, data: { x: rows.flat() }, rows: rows.length });
    expect(found.mean[0]!).toBeCloseTo(value(at), 5);
    for (const [name, values] of Object.entries(differences(value, at)))
      values.forEach((v, i) => expect(gradients[name]!.mean[i]!, `${name}[${i}]`).toBeCloseTo(v, 5));
  });

  it.each([" by h: disarm, c: score", " by h: rebar, c: enumerate"])("only the fit is sampled%s", async (by) => {
    const { model } = loadModel(MODEL("FreeBits(p, q, floor = 0.01)", by));
    const data = { x: Array.from({ length: 60 }, () => rows.flat()).flat() };
    const { gradients } = await gradientsOf(model, { weights: at, data, rows: 180, steps: 60, burnIn: 5, seed: 3 });
    for (const [name, values] of Object.entries(differences(together(0.01), at)))
      values.forEach((v, i) => {
        const { mean: found, standardError } = gradients[name]!;
        expect(Math.abs(found[i]! - v), `${name}[${i}]`).toBeLessThan(5 * standardError[i]! + 1e-4);
      });
  });

  it("works with more units than are listed", () => {
    const widths = {
      "h : binary[2]": "h : binary[40]",
      "W : real[2, 2]": "W : real[40, 2]",
      "V : real[2, 2]": "V : real[2, 40]",
      "g : real[2]": "g : real[40]",
    };
    const wide = Object.entries(widths).reduce((text, [from, to]) => text.replace(from, to), MODEL("FreeBits(p, q)"));
    expect(loadModel(wide).ts).toContain("klBernoulli");
  });
});
