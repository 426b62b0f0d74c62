/** Samples of flows at a temperature, and latents by the exact inverse. */
import { describe, expect, it } from "vitest";
import { train } from "../../src/runtime/node/index.js";
import { loadModel } from "../support/model.js";
import { normals } from "../support/flow-model.js";

const model = `
model M {
  data x : real[2]
  latent z : real[2]
  flow f on real[2] = repeat(2) { coupling(mlp([8])) |> reverse }
  density p(x, z) { z ~ Normal(3, 1)  x = f(z) }
  train { maximize log p(x)  steps = 5, batch = 16 }
}`;

const rows = { x: { shape: [32, 2], data: Float32Array.from(normals(1, 64)) } };

describe("a trained flow", () => {
  it("reconstructs and interpolates exactly, and takes a temperature", async () => {
    const trained = await train(loadModel(model).model, { data: rows, engine: "reference", seed: 2 });
    const { data, shown } = await trained.reconstruct(8);
    data["x"]!.data.forEach((v, i) => expect(shown["x"]!.data[i]).toBeCloseTo(v, 5));
    const between = await trained.interpolate(2, 5);
    const [first, last] = [between.shown["x"]!.data.slice(0, 2), between.shown["x"]!.data.slice(8, 10)];
    expect(first[0]).toBeCloseTo(between.data["x"]!.data[0]!, 5);
    expect(last[1]).toBeCloseTo(between.data["x"]!.data[3]!, 5);
    const warm = await trained.sample(16, { seed: 5 });
    const cold = await trained.sample(16, { seed: 5, temperature: 0.5 });
    warm.values["z"]!.data.forEach((v, i) => expect(cold.values["z"]!.data[i]).toBeCloseTo(3 + 0.5 * (v - 3), 5));
    const none = await trained.sample(16, { seed: 5, temperature: 1 });
    warm.values["x"]!.data.forEach((v, i) => expect(none.values["x"]!.data[i]).toBeCloseTo(v, 5));
    await trained.close();
  });
});

describe("a flow that a drawn label conditions", () => {
  const labelled = loadModel(`
model M {
  data x : real[2], c : category[2]
  latent z : real[2]
  flow f(z | c) on real[2] = coupling(cn(c)) |> reverse
  net cn(t, c) = concat(t, onehot(c)) |> mlp([4])
  density p(x, z, c) { c ~ Categorical(logits = zeros(2))  z ~ Normal(0, 1)  x = f(z | c) }
  train { maximize log p(x, c)  steps = 5, batch = 16 }
  evaluate { nll = -log p(x) }
}`).model;
  const c = Int32Array.from({ length: 32 }, (_, i) => Math.floor(i / 3) % 2);

  it("leads back to the rows by their own labels", async () => {
    const trained = await train(labelled, { data: { ...rows, c }, engine: "reference", seed: 2 });
    const { data, shown } = await trained.reconstruct(16);
    data["x"]!.data.forEach((v, i) => expect(shown["x"]!.data[i]).toBeCloseTo(v, 5));
    const { reconstruction } = await trained.evaluate();
    expect(reconstruction["x"]!.value).toBeLessThan(1e-9);
    // a path ends in its rows, under their own labels: rows 0 and 1 have one, rows 2 and 3 have two
    const between = await trained.interpolate(2, 5);
    const at = (row: number): number[] => Array.from(between.shown["x"]!.data.slice(2 * row, 2 * row + 2));
    const end = (row: number): unknown[] =>
      Array.from(between.data["x"]!.data.slice(2 * row, 2 * row + 2), (v) => expect.closeTo(v, 5) as unknown);
    expect([at(0), at(4), at(5), at(9)]).toEqual([end(0), end(1), end(2), end(3)]);
    await trained.close();
  });
});

describe("rows that are shown", () => {
  it("are of the split that an evaluation measures", async () => {
    const validation = { x: { shape: [8, 2], data: Float32Array.from(normals(3, 16)) } };
    const trained = await train(loadModel(model).model, { data: rows, validation, engine: "reference", seed: 2 });
    const { protocol } = await trained.evaluate();
    expect(protocol.split).toBe("validation");
    expect((await trained.reconstruct(8)).data["x"]!.data).toEqual(validation.x.data);
    expect(trained.data(8)["x"]!.data).toEqual(validation.x.data);
    await trained.close();
  });
});

describe("a density by a flow that has one direction", () => {
  it("is evaluated, without the reconstructions that take the other", async () => {
    const planar = model
      .replace("repeat(2) { coupling(mlp([8])) |> reverse }", "planar |> planar")
      .replace("x = f(z)", "x = f.inverse(z)")
      .replace(/\}$/u, "  evaluate { nll = -log p(x) }\n}");
    const trained = await train(loadModel(planar).model, { data: rows, engine: "reference", seed: 2 });
    const { metrics, reconstruction } = await trained.evaluate();
    expect(metrics["nll"]!.value).toBeGreaterThan(0);
    expect(reconstruction).toEqual({});
    await expect(trained.sample(1)).rejects.toMatchObject({ code: "GM4020" });
    await trained.close();
  });
});

describe("a masked autoregressive flow of more entries than anyone would unroll", () => {
  const D = 300;
  const text = (direction: string): string => `
model M(D = ${D}) {
  data x : real[D]
  latent z : real[D]
  flow f on real[D] = maf(made_values([16]), 2, scale = "tanh") |> affine
  density p(x, z) { z ~ Normal(0, 1)  x = ${direction}(z) }
  train { maximize log p(x)  steps = 8, batch = 16, optimizer = adam(lr = 0.01) }
  evaluate { nll = -log p(x) }
}`;
  // each entry near the one before it
  const noise = normals(4, 256 * D);
  const walks = Float32Array.from(noise, (v, i) => (i % D === 0 ? v : 0.8 * noise[i - 1]! + 0.6 * v));
  const data = { x: { shape: [256, D], data: walks } };

  it("draws, tells of its passes, and comes back to its noise", async () => {
    const trained = await train(loadModel(text("f")).model, { data, engine: "onnx", seed: 2 });
    const told: (readonly [number, number])[] = [];
    const { values } = await trained.sample(8, { seed: 3, onProgress: (done, total) => told.push([done, total]) });
    expect(told.at(-1)).toEqual([2 * (D + 1), 2 * (D + 1)]);
    expect(values["x"]!.data.every(Number.isFinite)).toBe(true);
    const { data: seen, shown } = await trained.reconstruct(8);
    seen["x"]!.data.forEach((v, i) => expect(Math.abs(shown["x"]!.data[i]! - v)).toBeLessThan(1e-3));
    // a few rows tell how well it comes back
    const { reconstruction } = await trained.evaluate();
    expect(reconstruction["x"]!.rows).toBe(200);
    expect(reconstruction["x"]!.value).toBeLessThan(1e-3);
    await trained.close();
  }, 60_000);

  it("trains in that direction, too", async () => {
    const nll = async (steps: number): Promise<number> => {
      const trained = await train(loadModel(text("f.inverse").replace("steps = 8", `steps = ${steps}`)).model, {
        data,
        engine: "onnx",
        seed: 2,
      });
      const { metrics } = await trained.evaluate();
      await trained.close();
      return metrics["nll"]!.value;
    };
    expect(await nll(12)).toBeLessThan((await nll(1)) - 5);
  }, 60_000);
});
