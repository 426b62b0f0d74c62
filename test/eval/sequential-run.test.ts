/** A latent, then a variable that is drawn entry after entry: all that a run ends with, and draws of several sizes in one session. */
import { describe, expect, it } from "vitest";
import { train } from "../../src/runtime/node/index.js";
import { loadModel } from "../support/model.js";
import { normals } from "../support/flow-model.js";

const text = `
model M {
  data x : binary[6], y : real[2]
  latent z : real[2]
  net parameters(x, e) = concat(reshape(x, 6, 1), e) |> causal_conv(3, 2, strict = true) |> tanh |> causal_conv(1, 2) |> flatten
  density p(x, z | y) {
    z ~ Normal(0, 1)
    h = concat(z, y) |> dense(6) |> reshape(6, 1)
    x ~ Bernoulli(logits = parameters(x, h) + flatten(h))
  }
  density q(z | x, y) {
    e = concat(x, y) |> gaussian(2)
    z ~ Normal(e.loc, e.scale)
  }
  train { maximize ELBO(p, q)  steps = 3, batch = 8 }
  evaluate { nll = -ELBO(p, q) }
}`;

const data = {
  x: { shape: [24, 6], data: Float32Array.from(normals(1, 144), (v) => Number(v > 0)) },
  y: { shape: [24, 2], data: Float32Array.from(normals(2, 48)) },
};

const given = { y: { shape: [8, 2], data: data.y.data.slice(0, 16) } };

describe.each(["reference", "onnx"] as const)("a decoder that is drawn entry after entry, on %s", (engine) => {
  it("is evaluated, drawn, reconstructed and interpolated", async () => {
    const trained = await train(loadModel(text).model, { data, engine, seed: 2 });
    const { metrics, reconstruction } = await trained.evaluate();
    expect(metrics["nll"]!.value).toBeGreaterThan(0);
    expect(reconstruction).toEqual({});
    const drawn = await trained.sample(8, { given, seed: 3 });
    expect(drawn.values["x"]!.shape).toEqual([8, 6]);
    const few = await trained.reconstruct(3);
    expect(few.shown["x"]!.shape).toEqual([3, 6]);
    const { shown } = await trained.interpolate(2, 5);
    expect(shown["x"]!.shape).toEqual([10, 6]);
    shown["x"]!.data.forEach((p) => expect(p > 0 && p < 1).toBe(true));
    const known = { values: { shape: [8, 6], data: new Float32Array(48) }, mask: { shape: [8, 6], data: new Float32Array(48).fill(0.5) } };
    await expect(trained.sample(8, { given, known })).rejects.toMatchObject({ code: "GM4030" });
    const again = await trained.sample(8, { given, seed: 3 });
    expect([...again.values["x"]!.data]).toEqual([...drawn.values["x"]!.data]);
    await trained.close();
  });
});
