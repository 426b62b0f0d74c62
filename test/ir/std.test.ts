/** The standard library: embedded as it stands on disk, and every net and objective of it usable. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { stdSources } from "../../src/ir/std.generated.js";
import { format } from "../../src/parser/format.js";
import { elaborateText } from "./support.js";

test("the embedded library is that of std/", () => {
  const onDisk = readdirSync("std")
    .filter((name) => name.endsWith(".gm"))
    .sort()
    .map((name) => ({ path: `std/${name}`, text: readFileSync(`std/${name}`, "utf8") }));
  expect(stdSources).toEqual(onDisk);
});

test.each(stdSources.map((file) => [file.path, file]))("%s is formatted", (_, file) => {
  expect(format(file)).toBe(file.text);
});

const model = (body: string, objective = "ELBO(p, q)"): string => `model M(D = 6, Z = 4) {
  data x : binary[D]
  latent z : real[Z]
  net decoder(z) = z |> dense(8) |> dense(D)
  net encoder(x) = ${body}
  density p(x, z) { z ~ Normal(0, 1)   x ~ Bernoulli(logits = decoder(z)) }
  density q(z | x) { e = encoder(x)   z ~ Normal(e.loc, e.scale) }
  train { maximize ${objective} }
}`;

/** Weights of a dense layer. */
const dense = (inputs: number, units: number): number => (inputs + 1) * units;

describe("nets", () => {
  test.each<[string, number]>([
    ["x |> mlp([5, 3]) |> gaussian(Z)", dense(6, 5) + dense(5, 3) + 2 * dense(3, 4)],
    ["x |> mlp([5], relu) |> gaussian(Z)", dense(6, 5) + 2 * dense(5, 4)],
    ["x |> mlp([5], activation = dropout(0.5) |> tanh) |> gaussian(Z)", dense(6, 5) + 2 * dense(5, 4)],
    ["x |> gated_mlp([5, 3]) |> gaussian(Z)", 2 * dense(6, 5) + 2 * dense(5, 3) + 2 * dense(3, 4)],
    ["x |> highway |> gaussian(Z)", 2 * dense(6, 6) + 2 * dense(6, 4)],
    ["x |> residual(dense(9) |> relu |> dense(D)) |> gaussian(Z)", dense(6, 9) + dense(9, 6) + 2 * dense(6, 4)],
    ["x |> residual_mlp(5, blocks = 3) |> gaussian(Z)", dense(6, 5) + 6 * dense(5, 5) + 2 * dense(5, 4)],
    ["x |> reshape(3, 2, 1) |> resnet_block(7) |> flatten |> gaussian(Z)", 14 + (9 * 7 + 7) + (9 * 49 + 7) + 2 * dense(42, 4)],
    ["x |> reshape(3, 2, 1) |> patch_critic(4) |> flatten |> gaussian(Z)", 16 * 4 + 4 + (16 * 4 * 8 + 16) + (16 * 8 + 1) + 2 * dense(1, 4)],
  ])("%s", (body, count) => {
    const { ir, text } = elaborateText(model(body));
    expect(text).toBe("");
    const decoder = dense(4, 8) + dense(8, 6);
    const layers = ir?.nets.flatMap((net) => net.weights.flatMap((w) => (w.kind === "layer" ? [w.layer] : []))) ?? [];
    expect(layers.reduce((total, layer) => total + layer.parameterCount, 0)).toBe(count + decoder);
  });

  test("residual_translator keeps height and width, and has the weights of its layers", () => {
    const { ir, text } = elaborateText(`model M(S = 8, C = 3) {
  data a : unit[S, S, 1]
  data b : unit[S, S, 2]
  net G(a) = a |> residual_translator(2, C, blocks = 2)
  net D(b) = b |> patch_critic(C)
  density p(b | a) { b = G(a) }
  train {
    minimize PatchLeastSquares(p, D) over D
    minimize PatchLeastSquaresFool(p, D) over G
  }
}`);
    expect(text).toBe("");
    const conv = (size: number, from: number, to: number): number => size * size * from * to + to;
    // a normalisation has a shift of its own: no bias before it
    const normed = (size: number, from: number, to: number): number => conv(size, from, to) + to;
    const layers =
      ir?.nets.filter((n) => n.name !== "D").flatMap((n) => n.weights.flatMap((w) => (w.kind === "layer" ? [w.layer] : []))) ?? [];
    const critic = conv(4, 2, 3) + normed(4, 3, 6) + conv(4, 6, 1);
    const expected =
      normed(7, 1, 3) + normed(3, 3, 6) + normed(3, 6, 12) + 4 * normed(3, 12, 12) + normed(3, 12, 6) + normed(3, 6, 3) + conv(7, 3, 2);
    expect(layers.reduce((total, layer) => total + layer.parameterCount, 0)).toBe(expected + critic);
  });

  test("every instance has weights of its own", () => {
    const { ir } = elaborateText(model("x |> residual_mlp(5, blocks = 3) |> gaussian(Z)"));
    const paths = ir?.nets.flatMap((net) => net.weights.flatMap((w) => (w.kind === "layer" ? [w.layer.path] : []))) ?? [];
    expect(new Set(paths).size).toBe(paths.length);
  });
});

describe("objectives", () => {
  test.each([
    "ELBO(p, q)",
    "ELBO(p, q, beta = 4)",
    "ELBO(p, q, beta = linear(0, 1, epochs = 5))",
    "IWAE(p, q, k = 3)",
    "VR(p, q, alpha = 0.5, k = 4)",
    "Wake(p, q)",
    "Sleep(p, q)",
    "Rate(p, q)",
    "Distortion(p, q)",
    "LogLikelihood(p)",
  ])("%s", (objective) => {
    const { text } = elaborateText(model("x |> gaussian(Z)", objective));
    expect(text).toBe("");
  });
});
