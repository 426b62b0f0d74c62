/** What is made of rows again: exact for what flows make of latents, and the mean for what is drawn beside. */
import { describe, expect, it } from "vitest";
import { referenceEngine } from "../../src/runtime/index.js";
import { invertsExactly, reconstructed } from "../../src/runtime/eval/draw.js";
import type { Result } from "../../src/runtime/eval/protocol.js";
import { warningsOf } from "../../src/runtime/eval/warnings.js";
import { train } from "../../src/runtime/training.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";

const beside = `
model Beside {
  data x : real[2], y : real[2]
  latent z : real[2]
  param s : positive = 1
  flow f on real[2] = affine
  density p(x, z, y) {
    z ~ Normal(0, 1)
    x = f(z)
    y ~ Normal(2 * x, s)
  }
  train { maximize log p(x, y)   optimizer = sgd(lr = 1e-9), batch = 4, steps = 1 }
}`;

describe("numbers that are none beside the metrics", () => {
  const of = (value: number): Result => ({ label: "t", value, standardError: null, unit: "nats", k: null, bound: null });
  it("are told by name", () => {
    const told = warningsOf({ nll: of(1) }, [{ "log |det dx/dz|": of(NaN), kl: of(2) }, { x: of(0) }]);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/^log \|det dx\/dz\| is no number.*a flow whose Jacobian has the determinant 0$/u);
    expect(warningsOf({ nll: of(1) }, [{ kl: of(2) }])).toEqual([]);
  });
});

describe("a flow beside a variable that is drawn", () => {
  it("is said to be inverted for its own output alone, the other's error is that of its mean", async () => {
    const { model } = loadModel(beside);
    const [x, y] = [Float32Array.of(0.5, -1, 2, 0.25, 1, 1, -3, 0), Float32Array.of(1, 1, 0, 2, -1, 0.5, 4, 2)];
    const data = datasetOf(model, { train: { x, y }, test: { x, y } });
    const trained = await train(model, { data, engine: referenceEngine, seed: 1 });
    const { reconstruction } = await trained.evaluate();
    expect(reconstruction["x"]?.label).toBe("squared error of the flow's inverse of x, summed over its entries");
    expect(reconstruction["x"]?.value).toBeLessThan(1e-8);
    expect(reconstruction["y"]?.label).toBe("squared error of y, summed over its entries");
    const byHand = x.reduce((sum, v, i) => sum + (y[i]! - 2 * v) ** 2, 0) / 4;
    expect(reconstruction["y"]?.value).toBeCloseTo(byHand, 4);
    expect(invertsExactly(model, "y")).toBe(false);
    expect(reconstructed(model)).toEqual(["y"]);
    trained.close();
  });
});
