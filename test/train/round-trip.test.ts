/** Bijections that models write out, tried at the start of a training: those that are wrong, wherever they stand, and those that are not. */
import { describe, expect, it } from "vitest";
import { loadModel } from "../support/model.js";
import { tryRoundTrips } from "../support/round-trips.js";

const plain = (flow: string, { before = "", on = "real[2]", to = on }: { before?: string; on?: string; to?: string } = {}): string => `
${before}
model M {
  data x : ${to}
  latent z : ${on}
  flow f on ${on} -> ${to} = ${flow}
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { maximize log p(x) }
}`;
const given = (y: string, more: string, body: string, e = "y"): string => `
model M {
  data x : real[2], y : ${y}
  latent z : real[2]
  ${more}
  flow f(z | e) on real[2] { ${body} }
  density p(x, z | y) { z ~ Normal(0, 1)  x = f(z | ${e}) }
  train { maximize log p(x | y) }
}`;

const right = "flow g { forward(z) = 2 * z + 1  inverse(x) = (x - 1) / 2 }";
const wrong = "flow g { forward(z) = 2 * z + 1  inverse(x) = (x + 1) / 2 }";

describe("an inverse that does not undo its flow is found", () => {
  it.each([
    ["alone", plain("g", { before: wrong })],
    ["in a chain", plain("affine |> g |> reverse", { before: wrong })],
    ["before noise", plain("g |> sigmoid |> dequantize", { before: wrong, to: "byte[2]" })],
    ["on a part of an image", plain("multi_scale(g)", { before: wrong, on: "real[4, 4, 2]" })],
    ["conditioned on numbers", given("real[2]", "", "forward(z) = 2 * z + e  inverse(x) = (x + e) / 2")],
    [
      "conditioned on a label",
      given("category[3]", "param b : real[3, 2] init Normal(1, 1)", "forward(z) = z + b[e]  inverse(x) = x + b[e]"),
    ],
  ])("%s", async (_, text) => {
    await expect(tryRoundTrips(text)).rejects.toMatchObject({ code: "GM4023" });
  });
});

describe("a flow that leaves out a part of its range is found", () => {
  it.each([
    ["a disc", "forward(z) = s * z / (1 + norm(z))  inverse(x) = x / (s - norm(x))"],
    ["a square", "forward(z) = s * z / (1 + abs(z))  inverse(x) = x / (s - abs(x))"],
    ["a disc whose outside has no image", "forward(z) = z / sqrt(1 + z @ z)  inverse(x) = x / sqrt(1 - x @ x)"],
    [
      "half of the plane",
      "forward(z) = stack(z[1], sqrt(1 + z[2]^2) + z[2] + z[1])  inverse(x) = stack(x[1], (x[2] - x[1] - 1 / (x[2] - x[1])) / 2)",
    ],
  ])("%s", async (_, body) => {
    const text = plain("f2").replace("flow f on real[2] -> real[2] = f2", `param s : positive = 1  flow f on real[2] { ${body} }`);
    await expect(tryRoundTrips(text)).rejects.toMatchObject({ code: "GM4026" });
  });
});

describe("an inverse that undoes its flow passes", () => {
  it.each([
    ["before noise", plain("g |> sigmoid |> dequantize", { before: right, to: "byte[2]" })],
    ["before statistics of a batch", plain("g |> batch_norm", { before: right })],
    ["on a part of an image", plain("multi_scale(g)", { before: right, on: "real[4, 4, 2]" })],
    ["conditioned on numbers", given("real[2]", "", "forward(z) = 2 * z + e  inverse(x) = (x - e) / 2")],
    [
      "conditioned on a label",
      given("category[3]", "param b : real[3, 2] init Normal(1, 1)", "forward(z) = z + b[e]  inverse(x) = x - b[e]"),
    ],
    [
      "conditioned on a record",
      given(
        "real[3]",
        "net n(y) = (a = y |> dense(2), b = y |> dense(2))",
        "forward(z) = z * exp(e.a) + e.b  inverse(x) = (x - e.b) * exp(-e.a)",
        "n(y)",
      ),
    ],
    [
      "before a step with one direction",
      `${right}
       model M {
         data x : real[2]
         latent z : real[2]
         flow f on real[2] = g |> planar
         density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z, 1) }
         density q(z | x) { u ~ Normal(x, 1)  z = f(u) }
         train { maximize ELBO(p, q) }
       }`,
    ],
  ])("%s", async (_, text) => {
    await expect(tryRoundTrips(text)).resolves.toBeUndefined();
    expect(loadModel(text).model.roundTrips).toHaveLength(1);
  });
});
