/**
 * Objectives of log-densities that chains estimate, in which the value of log Z is not needed: a factor that is not trained, weights that add up to 1, a
 * ratio, a score. Gradients against sums over all states. (Those that need it are refused: test/ir/unknown-values.test.ts.)
 */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { bilinear, bits, dotN, logSum, spread, type Assignment, type Numbers } from "./energy-cases.js";
import { dataOf, differences, exactly, meanOver } from "./pipeline-cases.js";

const text = (objective: string): string => `model M {
  data v : binary[3], s : real
  latent h : binary[2]
  param W : real[3, 2], R : real[3, 2]
  density r(v, h) { energy -(v @ W @ h) }
  density q(h | v) { h ~ Bernoulli(logits = v @ R) }
  train { maximize ${objective}   optimizer = sgd(lr = 0.1)   batch = 3 }
}`;

const weights: Assignment = { W: exactly(spread(6, 1.1, 1)), R: exactly(spread(6, 0.8, 2)) };

const rows: readonly Assignment[] = [
  { v: [1, 0, 1], s: [0.5] },
  { v: [0, 0, 1], s: [-1.25] },
  { v: [1, 1, 0], s: [2] },
];

const states = (n: number): Numbers[] => bits(n).map((a) => a.value);
const [V, H] = [states(3), states(2)];
const logZ = (w: Assignment): number => logSum(V.flatMap((v) => H.map((h) => bilinear(v, w["W"]!, h))));
const joint = (w: Assignment, v: Numbers, h: Numbers): number => bilinear(v, w["W"]!, h) - logZ(w);
const marginal = (w: Assignment, v: Numbers): number => logSum(H.map((h) => joint(w, v, h)));
const hiddenMarginal = (w: Assignment, h: Numbers): number => logSum(V.map((v) => joint(w, v, h)));

function logQ(w: Assignment, v: Numbers, h: Numbers): number {
  const logits = [0, 1].map((j) =>
    dotN(
      v,
      [0, 1, 2].map((i) => w["R"]![2 * i + j]!),
    ),
  );
  return h.reduce((sum, on, j) => sum + on * logits[j]! - Math.log1p(Math.exp(logits[j]!)), 0);
}

/** The mean over q of a function of h. */
const underQ = (w: Assignment, v: Numbers, f: (h: Numbers) => number): number =>
  H.reduce((sum, h) => sum + Math.exp(logQ(w, v, h)) * f(h), 0);

/** The mean over three samples of q of the log-densities of r at them, weighed by normalised importance weights of the weights as they are. */
function reweighted(w: Assignment, v: Numbers): number {
  let total = 0;
  for (const a of H)
    for (const b of H)
      for (const c of H) {
        const samples = [a, b, c];
        const logWeights = samples.map((h) => joint(weights, v, h) - logQ(weights, v, h));
        const chance = Math.exp(samples.reduce((sum, h) => sum + logQ(weights, v, h), 0));
        const all = logSum(logWeights);
        total += chance * samples.reduce((sum, h, i) => sum + Math.exp(logWeights[i]! - all) * joint(w, v, h), 0);
      }
  return total;
}

type Exact = (w: Assignment, row: Assignment) => number;
const cases: readonly (readonly [string, Exact])[] = [
  ["s * log r(v) by pcd(k = 3, chains = 50)", (w, r) => r["s"]![0]! * marginal(w, r["v"]!)],
  ["where(greater(s, 0), log r(v), 2 * log r(v)) by pcd(k = 3, chains = 50)", (w, r) => (r["s"]![0]! > 0 ? 1 : 2) * marginal(w, r["v"]!)],
  [
    "exp(log r(v, h = ones(2)) - log r(v)) by pcd(k = 1, chains = 10)",
    (w, r) => Math.exp(joint(w, r["v"]!, [1, 1]) - marginal(w, r["v"]!)),
  ],
  [
    "E[h ~ q(h | v)](log r(h) - log q(h | v)) by h: score and pcd(k = 3, chains = 50)",
    (w, r) => underQ(w, r["v"]!, (h) => hiddenMarginal(w, h) - logQ(w, r["v"]!, h)),
  ],
  [
    "E[h[1..3] ~ q(h | v)](sum[i in 1..3](stop(exp(log r(v, h[i]) - log q(h[i] | v) - logsumexp[j in 1..3](log r(v, h[j]) - log q(h[j] | v)))) " +
      "* log r(v, h[i]))) over W by pcd(k = 3, chains = 50)",
    (w, r) => reweighted(w, r["v"]!),
  ],
];

/** Chains that have hardly left the sample that they start at: what weighs samples sees nothing of them. */
const near: readonly string[] = [
  "E[h ~ q(h | v)](log r(h) - log q(h | v)) over R by h: enumerate and cd(k = 1)",
  "E[h ~ q(h | v)](log r(h) - log q(h | v)) over R by h: score and cd(k = 1)",
];

describe("chains that start at what is drawn", () => {
  it.each(near)("%s: no bias in what is drawn", async (objective) => {
    const { model } = loadModel(text(objective));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3, steps: 1500, burnIn: 20, seed: 3 });
    const expected = differences(weights, (w) =>
      meanOver(rows, ({ v }) => underQ(w, v!, (h) => hiddenMarginal(weights, h) - logQ(w, v!, h))),
    );
    const { mean, standardError } = got.gradients["R"]!;
    mean.forEach((g, i) => {
      const miss = Math.abs(g - expected["R"]![i]!);
      expect(miss, `R[${i}]: ${g} for ${expected["R"]![i]}`).toBeLessThan(4.5 * standardError[i]! + 1e-6);
    });
  });

  it("and that stand beside chains that start at the data are these", async () => {
    const { model } = loadModel(text("E[h ~ q(h | v)](exp(0.3 * (log r(h) - log r(v, h)))) by h: enumerate and cd(k = 5)"));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3 });
    const expected = differences(weights, (w) =>
      meanOver(rows, ({ v }) => underQ(w, v!, (h) => Math.exp(0.3 * (hiddenMarginal(w, h) - joint(w, v!, h))))),
    );
    // log Z cancels, and with it what is random
    for (const [name, { mean }] of Object.entries(got.gradients))
      mean.forEach((g, i) => expect(Math.abs(g - expected[name]![i]!), `${name}[${i}]`).toBeLessThan(1e-5));
  });
});

describe("log-densities whose log Z chains estimate", () => {
  it.each(cases)("%s has the exact gradient in the mean", async (objective, exact) => {
    const { model } = loadModel(text(objective));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3, steps: 1500, burnIn: 20, seed: 3 });
    const expected = differences(weights, (w) => meanOver(rows, (r) => exact(w, r)));
    expect(Math.max(...expected["W"]!.map(Math.abs))).toBeGreaterThan(0.01);
    for (const [name, { mean, standardError }] of Object.entries(got.gradients))
      mean.forEach((g, i) => {
        const miss = Math.abs(g - expected[name]![i]!);
        expect(miss, `${name}[${i}]: ${g} for ${expected[name]![i]}`).toBeLessThan(4.5 * standardError[i]! + 1e-6);
      });
  });
});
