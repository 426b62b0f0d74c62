/** Walks between rows: along continuous latents alone. */
import { describe, expect, it } from "vitest";
import { referenceEngine } from "../../src/runtime/index.js";
import { conditionsOfWalk } from "../../src/runtime/eval/draw.js";
import { train } from "../../src/runtime/training.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";

/** q is sure of b, the sign of s, and of u, which is x: what the decoder shows are the latents. */
const mixed = `
model Mixed {
  data s : real, x : real
  latent b : binary, u : real
  param w : positive = 1
  density p(s, x, b, u) {
    b ~ Bernoulli(probs = 0.5)
    u ~ Normal(0, 1)
    s ~ Normal(b, w)
    x ~ Normal(u, w)
  }
  density q(b, u | s, x) {
    b ~ Bernoulli(logits = 1000 * s)
    u ~ Normal(x, 0.1)
  }
  train { maximize ELBO(p, q)   optimizer = sgd(lr = 1e-9), batch = 2, steps = 1 }
}`;

const binary = `
model Binary {
  data x : real
  latent b : binary
  param w : real = 1
  density p(x, b) {
    b ~ Bernoulli(probs = 0.5)
    x ~ Normal(b * w, 1)
  }
  INFERENCE
  train { maximize OBJECTIVE   optimizer = sgd(lr = 1e-9), batch = 2, steps = 1 }
}`;

const trainedOf = (text: string): ReturnType<typeof train> => {
  const { model } = loadModel(text);
  const all = { s: Float32Array.of(-1, 1, 1, -1), x: Float32Array.of(3, 7, 0, -2) };
  const data = Object.fromEntries(Object.entries(all).filter(([name]) => model.streams.some((stream) => name in stream)));
  return train(model, { data: datasetOf(model, { train: data }), engine: referenceEngine, seed: 3 });
};

describe("an interpolation", () => {
  it("goes along continuous latents, and takes discrete ones of the nearer end", async () => {
    const trained = await trainedOf(mixed);
    const { shown } = await trained.interpolate(2, 5, { split: "train" });
    expect(Array.from(shown["s"]!.data)).toEqual([0, 0, 1, 1, 1, 1, 1, 0, 0, 0]);
    const along = [3, 4, 5, 6, 7, 0, -0.5, -1, -1.5, -2];
    Array.from(shown["x"]!.data).forEach((v, i) => expect(v).toBeCloseTo(along[i]!, 5));
    trained.close();
  });

  it("ends in its rows where a label and a number condition a flow, and changes the label half way", async () => {
    const { model } = loadModel(`
model Conditional {
  data x : real[2], c : category[3], t : real
  latent z : real[2]
  param a : real[3, 2] init Normal(0, 2)
  flow f(z | e) on real[2] { forward(z) = z + e  inverse(x) = x - e }
  density p(x, z | c, t) { z ~ Normal(0, 1)  x = f(z | a[c] + t) }
  train { maximize log p(x | c, t)  optimizer = sgd(lr = 1e-9), batch = 4, steps = 1 }
}`);
    const x = Float32Array.of(0.4, 3, 1.7, 0.1, 2, -0.2, 0.3, -0.6);
    const data = { x, c: Int32Array.of(2, 1, 2, 0), t: Float32Array.of(-3, 5, 1, 2) };
    const trained = await train(model, { data: datasetOf(model, { train: data }), engine: referenceEngine, seed: 3 });
    const { shown, data: rows } = await trained.interpolate(2, 5, { split: "train" });
    const made = (shown["x"]?.data ?? []) as Float32Array;
    const at = (step: number): readonly number[] => [...made.slice(2 * step, 2 * step + 2)];
    const row = (i: number): readonly number[] => [...(rows["x"]?.data.slice(2 * i, 2 * i + 2) ?? [])];
    [0, 4, 5, 9].forEach((step, i) => row(i).forEach((v, j) => expect(at(step)[j]).toBeCloseTo(v, 5)));
    // by hand: z of both rows, a quarter of the way from one to the other, under the first label and a quarter of the way in t
    const a = (await trained.weights())["a"]?.data ?? [];
    const [c, t] = [rows["c"]?.data ?? [], rows["t"]?.data ?? []];
    const base = (i: number, j: number): number => row(i)[j]! - a[2 * c[i]! + j]! - t[i]!;
    for (const [step, f, label] of [
      [1, 0.25, 0],
      [2, 0.5, 1],
      [3, 0.75, 1],
    ] as const)
      for (const j of [0, 1]) {
        const z = (1 - f) * base(0, j) + f * base(1, j);
        expect(at(step)[j]).toBeCloseTo(z + a[2 * c[label]! + j]! + (1 - f) * t[0]! + f * t[1]!, 4);
      }
    expect(conditionsOfWalk(model)).toBe("`c` is that of the nearer row, `t` goes along in equal steps");
    trained.close();
  });

  it.each([
    ["inferred", "density q(b | x) { b ~ Bernoulli(logits = x) }", "ELBO(p, q)"],
    ["drawn", "", "log p(x)"],
  ])("of discrete latents that are %s is refused, with what the model can do", async (_, inference, objective) => {
    const trained = await trainedOf(binary.replace("INFERENCE", inference).replace("OBJECTIVE", objective));
    await expect(trained.interpolate(2, 5, { split: "train" })).rejects.toMatchObject({
      code: "GM5426",
      message: "Binary has no latents to walk between: `b` is binary, and nothing lies between two of its values",
      help: [expect.stringContaining("--given b=1") as string],
    });
    const refused = await trained.interpolate(2, 5, { split: "train" }).catch((error: unknown) => error as { help: string[] });
    const reconstructs = await trained.reconstruct(1, { split: "train" }).then(
      () => true,
      () => false,
    );
    // without a density that infers, from the exact posterior
    expect(reconstructs).toBe(true);
    expect((refused as { help: string[] }).help.join().includes("gmc reconstruct")).toBe(reconstructs);
    trained.close();
  });

  it("of a model without latents is refused", async () => {
    const trained = await trainedOf(
      "model Plain { data x : real  param m : real = 0  density p(x) { x ~ Normal(m, 1) }  train { maximize log p(x)  batch = 2, steps = 1 } }",
    );
    await expect(trained.interpolate(2, 5)).rejects.toMatchObject({ code: "GM4009", message: "Plain has no latents to walk between" });
    trained.close();
  });
});
