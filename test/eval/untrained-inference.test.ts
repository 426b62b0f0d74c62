/** A density that infers latents and that no statement trains is not what reconstructions go through, where the exact posterior is at hand. */
import { describe, expect, it } from "vitest";
import { evaluate, referenceEngine, type Evaluation } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";

const ROWS = 40;
const x = Float32Array.from({ length: ROWS }, (_, i) => 2 * Math.sin(1 + i * 2.3));
const mean = (of: (v: number) => number): number => x.reduce((total, v) => total + of(v), 0) / ROWS;

/** Evaluates with the weights given; those that are not stand at 5. */
async function evaluated(text: string, weights: Readonly<Record<string, readonly number[]>>): Promise<Evaluation> {
  const { model } = loadModel(text);
  const session = await referenceEngine.open();
  try {
    for (const [path, values] of Object.entries(weights))
      await session.write(path, { dtype: "f32", shape: values.length === 1 ? [] : [values.length], data: Float32Array.from(values) });
    return await evaluate({ session, model, dataset: datasetOf(model, { train: { x } }), seed: 1, averaged: new Set() });
  } finally {
    session.dispose();
  }
}

const LINEAR = `model T {
  data x : real
  latent z : real
  param a : real = 1, c : real = 1
  density p(x, z) { z ~ Normal(0, 1)
    x ~ Normal(LOCATION, 1) }
  density q(z | x) { z ~ Normal(c * a * x, 0.5) }
  train { STATEMENT  epochs = 1 }
}`;
const [a, c] = [0.8, 5];

describe("a density that infers latents", () => {
  it("and that nothing trains gives way to the exact posterior, and is told", async () => {
    const text = LINEAR.replace("LOCATION", "a * z").replace("STATEMENT", "maximize log p(x)");
    const { reconstruction, warnings } = await evaluated(text, { a: [a], c: [c] });
    // z given x is normal around a x / (1 + a²), so that x - a z is x / (1 + a²)
    expect(reconstruction["x"]?.value).toBeCloseTo(
      mean((v) => (v / (1 + a * a)) ** 2),
      4,
    );
    expect(warnings).toEqual([
      expect.stringMatching(/^no statement trains q\(z \| x\),.*the exact posterior of the latents in its place/u),
    ]);
  });

  it("and that nothing trains gives way to the mean over summed out latents", async () => {
    const text = `model T {
  data x : real
  latent k : category[2]
  param m : real[2] = 0, c : real[2] = 0
  density p(x, k) { k ~ Categorical(logits = zeros(2))
    x ~ Normal(m[k], 1) }
  density q(k | x) { k ~ Categorical(logits = c) }
  train { maximize log p(x)  epochs = 1 }
}`;
    const { reconstruction, warnings } = await evaluated(text, { m: [-1, 2], c: [9, -9] });
    const shown = (v: number): number => {
      const [first, second] = [Math.exp(-((v + 1) ** 2) / 2), Math.exp(-((v - 2) ** 2) / 2)];
      return (2 * second - first) / (first + second);
    };
    expect(reconstruction["x"]?.value).toBeCloseTo(
      mean((v) => (v - shown(v)) ** 2),
      4,
    );
    expect(warnings).toHaveLength(1);
  });

  it("stays where there is no other way, and is told", async () => {
    const text = LINEAR.replace("LOCATION", "tanh(a * z)").replace("STATEMENT", "maximize E[z ~ p(z)](log p(x | z))");
    const { warnings } = await evaluated(text, { a: [a], c: [c] });
    expect(warnings).toEqual([expect.stringMatching(/^no statement trains q\(z \| x\),.*go through it nevertheless$/u)]);
  });

  it("and that a statement trains is taken as it is", async () => {
    const text = LINEAR.replace("LOCATION", "a * z").replace("STATEMENT", "maximize ELBO(p, q)");
    const { reconstruction, warnings } = await evaluated(text, { a: [a], c: [c] });
    expect(reconstruction["x"]?.value).toBeCloseTo(
      mean((v) => (v - a * a * c * v) ** 2),
      3,
    );
    expect(warnings).toEqual([]);
  });
});
