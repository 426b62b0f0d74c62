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
    [
      "undone by the weight of another label",
      given("category[3]", "param b : real[3, 2] init Normal(1, 1)", "forward(z) = z + b[e]  inverse(x) = x - b[1]"),
    ],
  ])("%s", async (_, text) => {
    await expect(tryRoundTrips(text)).rejects.toMatchObject({ code: "GM4023" });
  });
});

const weighted = (params: string, body: string, train = "maximize log p(x)"): string => `
model M {
  data x : real[2]
  latent z : real[2]
  ${params}
  flow f on real[2] { ${body} }
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { ${train} }
}`;

describe("an inverse that undoes its flow with the weights at the start alone is found", () => {
  it.each([
    ["a scale", "s", weighted("param s : real[2] = 0", "forward(z) = z * exp(s)  inverse(x) = x * exp(s)")],
    ["a shift left out", "b", weighted("param b : real[2] = 0", "forward(z) = 2 * z + b  inverse(x) = x / 2")],
    ["a slope left out", "a", weighted("param a : positive = 1", "forward(z) = a * z  inverse(x) = x")],
    [
      "the second of two weights",
      "b",
      weighted("param s : real[2] init Normal(0, 1), b : real[2] = 0", "forward(z) = z * exp(s) + b  inverse(x) = (x - 2 * b) * exp(-s)"),
    ],
    [
      "a layer that starts at 0",
      "s.dense1.kernel",
      given("real[2]", 'net s(v) = v |> dense(2, start = "zeros")', "forward(z) = z + s(e)  inverse(x) = x"),
    ],
  ])("%s", async (_, weight, text) => {
    await expect(tryRoundTrips(text)).rejects.toMatchObject({
      code: "GM4023",
      message: expect.stringContaining(`once \`${weight}\` has moved`),
    });
  });

  it("and a range that weights leave", async () => {
    const text = weighted("param a : positive = 1", "forward(z) = a * z  inverse(x) = x / a").replace(
      /flow f[^}]*\}/u,
      "flow f on real[2] -> unit[2] { forward(z) = a * sigmoid(z)  inverse(x) = log(x / (a - x)) }",
    );
    await expect(tryRoundTrips(text.replace("data x : real[2]", "data x : unit[2]"))).rejects.toMatchObject({ code: "GM4026" });
  });
});

describe("weights that a flow is not made for are no fault of its inverse", () => {
  it.each([
    [
      "a slope of one sign",
      weighted("param a : real = 0.05", "forward(z) = where(greater(z, 0), z, a * z)  inverse(x) = where(greater(x, 0), x, x / a)"),
    ],
    [
      "a cosine close to 1",
      weighted(
        "param c : real = 0.999",
        "forward(z) = stack(c * z[1] - sqrt(1 - c^2) * z[2], sqrt(1 - c^2) * z[1] + c * z[2])  inverse(x) = stack(c * x[1] + sqrt(1 - c^2) * x[2], c * x[2] - sqrt(1 - c^2) * x[1])",
      ),
    ],
    [
      "weights that no statement moves",
      weighted(
        "param a : real = 4, b : real = 0.25, s : real = 0",
        "forward(z) = a * z * exp(s)  inverse(x) = b * x * exp(-s)",
        "maximize log p(x) over s",
      ),
    ],
    [
      "weights within bounds",
      weighted(
        "param a : real = 0",
        "forward(z) = z * (a + 1) + sqrt(a)  inverse(x) = (x - sqrt(a)) / (a + 1)",
        "maximize log p(x)  constrain a in [0, 1]",
      ),
    ],
    [
      "a scale of large range",
      weighted("param s : real[2] init Normal(0, 8)", "forward(z) = z * exp(s) + 1  inverse(x) = (x - 1) * exp(-s)"),
    ],
  ])("%s", async (_, text) => {
    await expect(tryRoundTrips(text)).resolves.toBeUndefined();
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
