/** From data to latents and back where one of the ways is drawn entry after entry: means over many rows against sums over all states. */
import { describe, expect, it } from "vitest";
import { leavesOf, openSession, referenceEngine, type TrainedSession } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { type Loaded, loadModel, runModel } from "../support/model.js";
import { allStates, someWeights } from "../support/ordered.js";

type Weights = Readonly<Record<string, readonly number[]>>;

/** A session over rows that repeat `rows`. */
async function trainedOf(loaded: Loaded, weights: Weights, rows: readonly (readonly number[])[], count: number): Promise<TrainedSession> {
  const session = await referenceEngine.open();
  for (const { path, spec } of leavesOf(loaded.weights))
    await session.write(path, { dtype: "f32", shape: spec.shape, data: Float32Array.from(weights[path] ?? []) });
  const x = Float32Array.from(Array.from({ length: count }, (_, i) => rows[i % rows.length]!).flat());
  return openSession({
    session,
    model: loaded.model,
    dataset: datasetOf(loaded.model, { train: { x } }),
    seed: 1,
    averaged: new Set(),
    step: 0,
  });
}

/** Column means of the rows r with r % every = at. */
function meansOf(shown: { readonly shape: readonly number[]; readonly data: ArrayLike<number> }, every = 1, at = 0): number[] {
  const rows = shown.shape[0]!;
  const width = shown.data.length / rows;
  return Array.from({ length: width }, (_, i) => {
    let sum = 0;
    for (let r = at; r < rows; r += every) sum += shown.data[r * width + i]!;
    return sum / (rows / every);
  });
}

function expectClose(found: readonly number[], expected: readonly number[], rows: number): void {
  // a mean of numbers in [0, 1]: its deviation is at most 0.5 / sqrt(rows)
  found.forEach((v, i) => expect(Math.abs(v - expected[i]!), `${i}: ${v}, ${expected[i]}`).toBeLessThan(2 / Math.sqrt(rows)));
}

/** x |> dense(n), by hand. */
function affine(weights: Weights, path: string, x: readonly number[]): number[] {
  const [kernel, bias] = [weights[`${path}.kernel`]!, weights[`${path}.bias`]!];
  return bias.map((b, j) => x.reduce((sum, v, i) => sum + v * kernel[i * bias.length + j]!, b));
}

const [first, second] = [
  [1, 0, 1, 1],
  [0, 0, 1, 0],
] as const;
const count = 1600;

describe("a decoder that is drawn entry after entry", () => {
  const loaded = loadModel(`model M {
    data x : binary[4]   latent z : real[2]
    density p(x, z) { z ~ Normal(0, 1)   x ~ Bernoulli(logits = (x |> nade(3)) + (z |> dense(4))) }
    density q(z | x) { z ~ Normal(x |> dense(2), 1) }
    train { maximize ELBO(p, q) }
  }`);
  const weights = someWeights(loaded, 2);
  /** P(x_i = 1 | z), by a sum over all x. */
  const marginals = (z: readonly number[]): number[] => {
    const all = allStates(4);
    const { log = [] } = runModel(loaded, ({ f, w, x }) => ({ log: f("logP")(w, x["x"], x["z"]) }), {
      data: { x: { shape: [16, 4], data: all }, z: { shape: [16, 2], data: Array.from({ length: 16 }, () => z).flat() } },
      state: weights,
    });
    const p = log.map(Math.exp);
    const total = p.reduce((a, b) => a + b);
    return [0, 1, 2, 3].map((i) => p.reduce((sum, v, state) => sum + v * all[4 * state + i]!, 0) / total);
  };
  const latent = (x: readonly number[]): number[] => affine(weights, "q.dense1", x);

  it("reconstructs from the means of the latents", async () => {
    const trained = await trainedOf(loaded, weights, [first, second], count);
    const { shown } = await trained.reconstruct(count, { split: "train" });
    [first, second].forEach((x, at) => expectClose(meansOf(shown["x"]!, 2, at), marginals(latent(x)), count / 2));
  });

  it("interpolates between them", async () => {
    const trained = await trainedOf(loaded, weights, [first, second], count);
    const { shown } = await trained.interpolate(count / 2, 3, { split: "train" });
    const [a, b] = [latent(first), latent(second)];
    const between = [a, a.map((v, i) => (v + b[i]!) / 2), b];
    expect(shown["x"]!.shape).toEqual([(count / 2) * 3, 4]);
    between.forEach((z, at) => expectClose(meansOf(shown["x"]!, 3, at), marginals(z), count / 2));
  });
});

describe("a posterior that is drawn entry after entry", () => {
  const model = (x: string): Loaded =>
    loadModel(`model M {
      data x : binary[4]   latent h : binary[3]
      density p(x, h) { h ~ Bernoulli(logits = h |> nade(2))   x ~ Bernoulli(logits = ${x}) }
      density q(h | x) { h ~ Bernoulli(logits = (h |> nade(2)) + (x |> dense(3))) }
      train { maximize ELBO(p, q) }
    }`);
  const states = allStates(3);

  /** q(h | x) of all h, in the order of `states`. */
  const posterior = (loaded: Loaded, weights: Weights, x: readonly number[]): number[] => {
    const { log = [] } = runModel(loaded, ({ f, w, x: at }) => ({ log: f("logQ")(w, at["h"], at["x"]) }), {
      data: { h: { shape: [8, 3], data: states }, x: { shape: [8, 4], data: Array.from({ length: 8 }, () => x).flat() } },
      state: weights,
    });
    return log.map(Math.exp);
  };

  it("gives the latents of a reconstruction, and a prior that is drawn so holds them", async () => {
    const loaded = model("h |> dense(4)");
    const weights = someWeights(loaded, 5);
    const trained = await trainedOf(loaded, weights, [first, second], count);
    const { shown } = await trained.reconstruct(count, { split: "train" });
    [first, second].forEach((x, at) => {
      const q = posterior(loaded, weights, x);
      expect(q.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      const expected = [0, 0, 0, 0];
      q.forEach((v, s) =>
        affine(weights, "p.dense1", states.slice(3 * s, 3 * s + 3)).forEach((logit, i) => (expected[i]! += v / (1 + Math.exp(-logit)))),
      );
      expectClose(meansOf(shown["x"]!, 2, at), expected, count / 2);
    });
  });

  it("also where the decoder is drawn so; there is no walk between binary latents", async () => {
    const loaded = model("(x |> nade(2)) + (h |> dense(4))");
    const trained = await trainedOf(loaded, someWeights(loaded, 5), [first, second], 40);
    const { shown } = await trained.reconstruct(40, { split: "train" });
    expect(shown["x"]!.shape).toEqual([40, 4]);
    await expect(trained.interpolate(5, 4, { split: "train" })).rejects.toMatchObject({ code: "GM5426" });
  });
});
