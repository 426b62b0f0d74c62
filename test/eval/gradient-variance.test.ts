/** The variance of a gradient over its noise, against variances that are listed or integrated by hand; and what is as it was afterwards. */
import { describe, expect, it } from "vitest";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { loadModel } from "../support/model.js";

const x = [-1, 0.25, 0.5, 2];
const B = x.length;
const sigmoid = (u: number): number => 1 / (1 + Math.exp(-u));

/** p and q of one bit: E[z ~ q](f) with f = log p(x | z), a Normal around 2 z. */
const bit = (by: string): string => `model M {
  data x : real[1]
  latent z : binary[1]
  param a : real[1] = 0.5
  density p(x | z) { x ~ Normal(2 * z, 1) }
  density q(z | x) { z ~ Bernoulli(logits = a) }
  train {
    maximize E[z ~ q(z | x)](log p(x | z)) over a by ${by}
    optimizer = sgd(lr = 1e-9), batch = ${B}, steps = 1
  }
  evaluate { far = mean(x) }
}`;
const f = (xi: number, z: number): number => -0.5 * (xi - 2 * z) ** 2 - 0.5 * Math.log(2 * Math.PI);

async function spreadOf(text: string, draws: number) {
  const { model } = loadModel(text);
  const trained = await train(model, { data: { x: Float32Array.from(x) }, engine: referenceEngine, seed: 5 });
  const before = await states(trained.session);
  const { gradients } = await trained.evaluate({ split: "train", gradients: draws, terms: false, metrics: [], reconstruction: false });
  expect(await states(trained.session)).toEqual(before);
  await trained.close();
  return gradients!;

  async function states(session: typeof trained.session): Promise<unknown[]> {
    const names = Object.keys(model.train[0]!.updates[0]!.carried ?? {}).map((n) => `chain:${n}`);
    return Promise.all(
      ["a", ...names, "train:fault"].filter((n) => session.has(n)).map(async (n) => Array.from((await session.read(n)).data)),
    );
  }
}

describe("against exact variances", () => {
  it("of the score function without a baseline", async () => {
    const q = sigmoid(0.5);
    const moments = x.map((xi) => {
      const g = [0, 1].map((z) => f(xi, z) * (z - q));
      const mean = (1 - q) * g[0]! + q * g[1]!;
      return { mean, variance: (1 - q) * g[0]! ** 2 + q * g[1]! ** 2 - mean ** 2 };
    });
    const mean = moments.reduce((s, m) => s + m.mean, 0) / B;
    const variance = moments.reduce((s, m) => s + m.variance, 0) / B ** 2;
    const [found] = await spreadOf(bit("score(baseline = none)"), 4000);
    expect(found).toMatchObject({ label: "E[z ~ q(z | x)](log p(x | z))", phase: "train", draws: 4000, batch: B });
    expect(Object.keys(found!.of)).toEqual(["a"]);
    expect(found!.of["a"]).toEqual(found!.all);
    expect(found!.all.standardError! / variance).toBeLessThan(0.05);
    expect(Math.abs(found!.all.variance - variance)).toBeLessThan(4 * found!.all.standardError!);
    expect(Math.abs(found!.all.squaredMean - mean ** 2)).toBeLessThan(4 * 2 * Math.abs(mean) * Math.sqrt(variance / 4000));
  });

  it("of several draws that are each other's baseline", async () => {
    // two draws: (f(z1) - f(z2)) (s(z1) - s(z2)) / 2, by the four pairs
    const q = sigmoid(0.5);
    const variance =
      x.reduce((all, xi) => {
        let [first, second] = [0, 0];
        for (const z1 of [0, 1])
          for (const z2 of [0, 1]) {
            const p = (z1 ? q : 1 - q) * (z2 ? q : 1 - q);
            const g = ((f(xi, z1) - f(xi, z2)) * (z1 - z2)) / 2;
            first += p * g;
            second += p * g * g;
          }
        return all + second - first ** 2;
      }, 0) /
      B ** 2;
    const [found] = await spreadOf(bit("score(baseline = leave_one_out, k = 2)"), 4000);
    expect(Math.abs(found!.all.variance - variance)).toBeLessThan(4 * found!.all.standardError!);
    expect(found!.all.standardError! / variance).toBeLessThan(0.05);
  });

  it("of the pathwise gradient, for each part that moves", async () => {
    // of -(a + s e - x)^2 / 2: in a -(a + s e - x), variance s^2 / B; in s -e (a + s e - x), whose variance in a row is (a - x)^2 + 2 s^2
    const text = `model M {
      data x : real[1]
      latent z : real[1]
      param a : real[1] = 0.5, s : real[1] = 2
      density q(z | x) { z ~ Normal(a, exp(s)) }
      train {
        maximize E[z ~ q(z | x)](-sum((z - x)^2) / 2) over a, s
        optimizer = sgd(lr = 1e-9), batch = ${B}, steps = 1
      }
      evaluate { far = mean(x) }
    }`.replace("s : real[1] = 2", `s : real[1] = ${Math.log(0.75)}`);
    const [found] = await spreadOf(text, 4000);
    const scale = 0.75;
    const wanted = {
      a: scale ** 2 / B,
      s: x.reduce((t, xi) => t + scale ** 2 * ((0.5 - xi) ** 2 + 2 * scale ** 2), 0) / B ** 2,
    };
    for (const [name, variance] of Object.entries(wanted))
      expect(Math.abs(found!.of[name]!.variance - variance), name).toBeLessThan(4 * found!.of[name]!.standardError!);
    expect(found!.all.variance).toBeCloseTo(found!.of["a"]!.variance + found!.of["s"]!.variance, 10);
  });

  it("is none where nothing is drawn", async () => {
    const [found] = await spreadOf(bit("enumerate"), 50);
    expect(found).toMatchObject({ draws: 1, all: { variance: 0, standardError: null } });
    const q = sigmoid(0.5);
    const exact = x.reduce((t, xi) => t + q * (1 - q) * (f(xi, 1) - f(xi, 0)), 0) / B;
    expect(found!.all.squaredMean).toBeCloseTo(exact ** 2, 6);
  });
});

describe("what an estimator carries", () => {
  it("is put back after each draw: a running mean does not learn from them", async () => {
    // after a step the mean is 0 or near it, so all draws have the variance of no baseline; were they to learn, it would fall
    const [without] = await spreadOf(bit("score(baseline = none)"), 1000);
    const [running] = await spreadOf(bit("score(baseline = running_mean)"), 1000);
    const [again] = await spreadOf(bit("score(baseline = running_mean)"), 1000);
    expect(again).toEqual(running);
    expect(running!.all.variance).toBeGreaterThan(0);
    expect(without!.all.variance).toBeGreaterThan(0);
  });

  it("refuses a number of draws that has no variance", async () => {
    await expect(spreadOf(bit("enumerate"), 1)).rejects.toThrow("gradients must be a whole number of draws from 2 on, found 1");
  });
});
