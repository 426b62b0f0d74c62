/** Which written-out flows are proven to be one to one and to reach their range; what is not is told, and nothing that is wrong is proven. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const codesOf = (flow: string, D = 2): readonly string[] => {
  const text = `
model M(D = ${D}) {
  latent z : real[D], x : real[D]
  param w : real[D]  param a : positive  param u : real[D]
  flow f on real[D]${flow}
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  objective entropy = E[x ~ p(x)](log p(x))
  train { minimize entropy }
}`;
  return found(text);
};

/** Errors, and what is told of flows; parameters that a case leaves alone are not of interest. */
const found = (text: string): readonly string[] =>
  compile({ path: "test.gm", text })
    .diagnostics.filter((d) => d.severity === "error" || d.code.startsWith("GM371"))
    .map((d) => d.code);

describe("one to one", () => {
  it.each([
    "z^3",
    "z^3 + z",
    "2 - z^5",
    "z * w",
    "a * z + u",
    "z + tanh(z)",
    "z + 0.9 * sin(z)",
    "z - 0.5 * tanh(z)",
    "leaky_relu(z, 0.2)",
    "(exp(z) - exp(-z)) / 2",
    "log(exp(z)) * a",
    "z + softplus(z) - 0.5 * sigmoid(4 * z)",
    "-z / (1 + a)",
    "max(z, 2 * z)",
    "stack(z[1], z[2] * exp(z[1]) + z[1]^2)",
    "stack(z[2]^3, z[1] + z[2])",
    "concat(z[1..1], z[2..2] * w[1])",
    "stack(z[1], z[2] * tanh(z[1]))",
    "z + 0.5 * stop(u)",
  ])("proven: %s", (body) => {
    expect(codesOf(` { forward(z) = ${body} }`)).toEqual([]);
  });

  it.each([
    "z^3 - z",
    "z^2 * z - z",
    "z + 1.5 * sin(z)",
    "z - 2 * tanh(z)",
    "z * tanh(z) + z",
    "z - relu(z)",
    "z * w + z",
    "stack(z[1], z[2]^3 - z[1] * z[2])",
    "z + u * tanh(w @ z)",
    // flat between -1 and 1
    "exp(relu(-z - 1)) - a * exp(relu(z - 1))",
    "(-a) * exp(relu(z - 1)) + exp(relu(-z - 1))",
    // all of z[2] onto one value wherever z[1] is below 0
    "stack(z[1], z[2] * relu(z[1]))",
    "stack(z[1], z[2] * max(z[1], 0))",
    "stack(z[1], z[2] * (z[1] - abs(z[1])))",
    "stack(z[1], z[2] * floor(z[1]))",
    "z * relu(w)",
  ])("told: %s", (body) => {
    expect(codesOf(` { forward(z) = ${body} }`)).toEqual(["GM3711"]);
  });

  it.each([
    " -> real[D] { forward(z) = log(z) - log(1 - z) }",
    " -> positive[D] { forward(z) = -log(z) }",
    " -> positive[D] { forward(z) = z / (1 - z) }",
    " -> positive[D] { forward(z) = 1 / z - 1 }",
    " -> unit[D] { forward(z) = z^3 }",
    " -> positive[D] { forward(z) = z^-2 - 1 }",
  ])("proven on the unit interval, whose ends are no part of it: %s", (flow) => {
    const range = /-> (\w+)/u.exec(flow)?.[1] ?? "real";
    const model = `
model M(D = 2) {
  latent z : unit[D], x : ${range}[D]
  flow f on unit[D]${flow}
  density p(x, z) { z ~ Uniform(0, 1)  x = f(z) }
  objective entropy = E[x ~ p(x)](log p(x))
  train { minimize entropy }
}`;
    expect(found(model)).toEqual([]);
  });

  it("what `stop` hides is in no log-determinant, with an inverse or without", () => {
    expect(codesOf(" { forward(z) = z + 0.5 * stop(tanh(z)) }")).toEqual(["GM3715"]);
    expect(codesOf(" { forward(z) = stop(tanh(z)) + z  inverse(x) = x }")).toEqual(["GM3715"]);
    expect(codesOf(" { forward(z) = z + stop(z |> dense(2))  jacobian = dense }")).toEqual(["GM3715"]);
  });

  it("an inverse is tried as the training starts, so nothing is told", () => {
    expect(codesOf(" { forward(z) = z^3 - z  inverse(x) = x }")).toEqual([]);
  });

  it("a large flow that works by place", () => {
    expect(codesOf(" { forward(z) = z + tanh(a * z) }", 10_000)).toEqual([]);
  });
});

describe("onto the range", () => {
  it.each([
    [" { forward(z) = tanh(z) }", ["GM3710"]],
    [" { forward(z) = exp(z) }", ["GM3710"]],
    [" { forward(z) = z^2  inverse(x) = sqrt(x) }", ["GM3710"]],
    [" { forward(z) = z - 9  inverse(x) = exp(log(x)) + 9 }", ["GM3710"]],
    [" { forward(z) = z  inverse(x) = sigmoid(x) }", ["GM3710"]],
    [" -> positive[D] { forward(z) = softplus(z) }", []],
    [" -> positive[D] { forward(z) = 2 ^ z }", []],
    [" -> positive[D] { forward(z) = 0.5 ^ (a * z) }", []],
    [" -> positive[D] { forward(z) = a ^ z }", ["GM3711"]],
    [" -> positive[D] { forward(z) = 1 + exp(z) }", ["GM3710"]],
    [" -> unit[D] { forward(z) = sigmoid(a * z) }", []],
    [" -> unit[D] { forward(z) = tanh(z) }", ["GM3712"]],
    [" -> positive[D] { forward(z) = exp(z) * w }", ["GM3712"]],
  ])("%s", (flow, codes) => {
    const range = /-> (\w+)/u.exec(flow)?.[1] ?? "real";
    const model = `
model M(D = 2) {
  latent z : real[D], x : ${range}[D]
  param w : real[D]  param a : positive
  flow f on real[D]${flow}
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  objective entropy = E[x ~ p(x)](log p(x))
  train { minimize entropy }
}`;
    expect(found(model)).toEqual(codes);
  });
});
