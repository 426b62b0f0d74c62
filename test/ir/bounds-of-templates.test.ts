/** What evaluation says of the objectives of the standard library: a bound where one is proven, an estimate elsewhere. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { loadModel, runModel } from "../support/model.js";

const model = (line: string): string => `model M(D = 6, Z = 4) {
  data x : binary[D]
  latent z : real[Z]
  net decoder(z) = z |> dense(D)
  net encoder(x) = x |> gaussian(Z)
  density p(x, z) { z ~ Normal(0, 1)   x ~ Bernoulli(logits = decoder(z)) }
  density q(z | x) { e = encoder(x)   z ~ Normal(e.loc, e.scale) }
  train { maximize ELBO(p, q) }
  evaluate { m = ${line} }
}`;

describe("labels", () => {
  it.each([
    ["ELBO(p, q)", "lower bound"],
    ["-IWAE(p, q, k = 10)", "upper bound"],
    ["VR(p, q, alpha = 0.5, k = 10)", "lower bound"],
    ["-VR(p, q, alpha = 0.25, k = 10)", "upper bound"],
    ["VR(p, q, alpha = 0, k = 10)", "lower bound"],
    // by samples these lie above or below
    ["VR(p, q, alpha = 2, k = 10)", "estimate"],
    ["VR(p, q, alpha = -1, k = 10)", "estimate"],
    ["ELBO(p, q, beta = 4)", "estimate"],
  ])("%s: %s", (line, bound) => {
    expect(loadModel(model(line)).model.evaluate["m"]).toMatchObject({ bound });
  });

  it.each(["FreeBits(p, q)", "SampledFreeBits(p, q)", "InfoVAE(p, q)"])("%s trains, and is no mean over rows to evaluate", (objective) => {
    expect(compile({ path: "m.gm", text: model(objective) }).diagnostics.map((d) => d.code)).toEqual(["GM3742"]);
    const { model: trained } = loadModel(model("ELBO(p, q)").replace("maximize ELBO(p, q)", `maximize ${objective}`));
    expect(trained.train[0]?.updates[0]).toMatchObject({ ofWholeBatch: true });
  });
});

describe("values", () => {
  const rows = 5;
  const bits = Array.from({ length: rows * 6 }, (_, i) => ((i * i + i) % 3 === 0 ? 1 : 0));
  const wave = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => 0.8 * Math.sin((i + 1) * seed));
  const value = (objective: string, name: string): readonly number[] => {
    const loaded = loadModel(model("ELBO(p, q)").replace("maximize ELBO(p, q)", `maximize ${objective}`));
    const state = Object.fromEntries(
      [
        "decoder.dense1.kernel",
        "decoder.dense1.bias",
        "encoder.gaussian1.dense1.kernel",
        "encoder.gaussian1.dense1.bias",
        "encoder.gaussian1.dense2.kernel",
        "encoder.gaussian1.dense2.bias",
      ].map((path, i) => [path, wave([24, 6, 24, 4, 24, 4][i]!, i + 2)]),
    );
    const found = runModel(loaded, ({ f, w, x, key }) => ({ v: f(name)(w, x["x"], key) }), {
      data: { x: { shape: [rows, 6], data: bits } },
      state,
    });
    return found["v"]!;
  };
  const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;

  it("free bits are the distortion alone below the floor, and the bound above it", () => {
    const distortion = value("Distortion(p, q)", "distortion");
    value("FreeBits(p, q, floor = 1000)", "freeBits").forEach((v, i) => expect(v).toBeCloseTo(-distortion[i]! - 1000, 3));
    const bound = value("E[z ~ q(z | x)](log p(x | z) - batch_mean(log q(z | x) - log p(z)))", "objective");
    value("SampledFreeBits(p, q, floor = -1000)", "sampledFreeBits").forEach((v, i) => expect(v).toBeCloseTo(bound[i]!, 4));
    const rate = mean(value("ELBO(p, q)", "elbo").map((v, i) => -distortion[i]! - v));
    value("FreeBits(p, q, floor = -1000)", "freeBits").forEach((v, i) => expect(v).toBeCloseTo(-distortion[i]! - rate, 4));
  });

  it("InfoVAE is the evidence bound at alpha = 0, lambda = 1, and loses by the distance of its codes else", () => {
    const elbo = value("ELBO(p, q)", "elbo");
    value("InfoVAE(p, q, alpha = 0, lambda = 1)", "infoVAE").forEach((v, i) => expect(v).toBeCloseTo(elbo[i]!, 4));
    const far = mean(value("InfoVAE(p, q, alpha = 0, lambda = 11)", "infoVAE"));
    const distance = mean(value("E[z ~ q(z | x), zf ~ p(z)](mmd(z, zf, [1, 2, 5, 10, 20]))", "objective"));
    expect(far).toBeCloseTo(mean(elbo) - 10 * distance, 3);
    expect(Math.abs(distance)).toBeGreaterThan(0.01);
  });
});
