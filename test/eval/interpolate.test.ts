/** Walks between rows: along continuous latents alone. */
import { describe, expect, it } from "vitest";
import { referenceEngine } from "../../src/runtime/index.js";
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

  it.each([
    ["inferred", "density q(b | x) { b ~ Bernoulli(logits = x) }", "ELBO(p, q)"],
    ["drawn", "", "log p(x)"],
  ])("of discrete latents that are %s is refused, with what the model can do", async (how, inference, objective) => {
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
    expect(reconstructs).toBe(how === "inferred");
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
