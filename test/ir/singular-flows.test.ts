/** Maps that are singular whatever their weights are, against what algebra says of each; none that is regular is taken for one. */
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compile.js";

const model = (D: number, forward: string): string => `model M {
  latent x : real[${D}], z : real[${D}]
  param W : real[${D}, ${D}], A : real[${D}, 2], b : real[${D}], a : real, s : simplex[${D}]
  net half(v) = v - mean(v)
  net deep(v) = v |> dense(3) |> tanh |> dense(1)
  flow f on real[${D}] { forward(z) = ${forward} }
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { minimize E[x ~ p(x)](log p(x) + sum(x^2)) }
}`;

const errors = (
  D: number,
  forward: string,
): readonly { readonly code: string; readonly message: string; readonly help: readonly string[] }[] =>
  compile({ path: "m.gm", text: model(D, forward) }, {}).diagnostics.filter((d) => d.severity === "error");

describe("singular", () => {
  test.each([
    [3, "z - mean(z)", "entry 3 of its value follows from entries 1 and 2"],
    [3, "z - sum(z) / 3", "follows from"],
    [3, "(z - mean(z)) * 0.1 + b", "follows from"],
    [40, "z - mean(z)", "its determinant is 0"],
    [40, "z - z * sum(z) / sum(z)", "its determinant is 0"],
    [3, "half(z)", "follows from"],
    [4, "exp(a) * (z - mean(z))", "follows from"],
    [2, "stack(z[1] + z[2], 2 * z[1] + 2 * z[2])", "entry 2 of its value follows from entry 1"],
    [2, "stack(stack(1, 2), stack(2, 4)) @ z", "follows from"],
    [2, "z @ stack(stack(0.1, 0.2), stack(0.3, 0.6)) + b", "follows from"],
    [3, "W @ (z - mean(z))", "follows from"],
    [3, "z @ (A @ transpose(A))", "goes through 2 numbers|follows from"],
    [3, "z - s * sum(z)", "follows from"],
    [3, "z / sum(z)", "follows from"],
    [3, "z - logsumexp(z)", "follows from"],
    [3, "z - max(z)", "follows from"],
    [3, "tanh(z) - mean(tanh(z))", "follows from"],
    [3, "stack(z[1] - z[2], z[2] - z[3], z[3] - z[1])", "entry 3 of its value follows from entries 1 and 2"],
    [3, "cumsum(stack(z[1] - z[2], z[2] - z[3], z[3] - z[1]))", "entry 3 of its value does not move"],
    [3, "z - b * (b @ z) / (b @ b)", "follows from"],
    [3, "softmax(z)", "entry 3 of its value follows from entries 1 and 2"],
    [3, "softmax(W @ z) + 0.1 * a", "follows from"],
    [3, "z * softmax(z) / z  jacobian = dense", "follows from"],
    [2, "z - z", "entry 1 of its value does not move"],
    [2, "0 * z", "entry 1 of its value does not move"],
    [2, "stack(z[1], z[2] - z[2] + z[1])", "entry 2 of its value does not move"],
    [4, "z - reverse(z)", "follows from"],
    [4, "concat(z[1..2] + z[3..4], z[3..4] + z[1..2])", "follows from"],
    [4, "flatten(reshape(z, 2, 2) + transpose(reshape(z, 2, 2)))", "follows from"],
    [4, "flatten(reshape(z, 2, 2) - mean(reshape(z, 2, 2), axis = 1))", "follows from"],
    [3, "(z - mean(z)) * exp(deep(z))  jacobian = dense", "follows from"],
    [3, "z - mean(z)  jacobian = dense", "follows from"],
    [3, "z + b - ones(3) * sum(z) / 3", "follows from"],
    [40, "z - ones(40) * sum(z) / 40", "its determinant is 0"],
    [3, "z - ones(3) * z[2]", "does not move|follows from"],
    [3, "z @ ones(3, 3) + b", "follows from"],
    [3, "z @ (eye(3) - ones(3, 3) / 3)", "follows from"],
    [3, "(ones(3, 3) / 3) @ z", "follows from"],
    [3, "z - z @ ones(3, 3) / 3", "follows from"],
    [3, "z * 0.5 - ones(3) * sum(z) / 6", "follows from"],
    [6, "flatten(reshape(z, 2, 3) @ ones(3, 3))", "follows from"],
    [3, "z * concat(ones(2), zeros(1))", "entry 3 of its value does not move"],
    [3, "z * (1 - ones(3))", "does not move"],
    [3, "z + zeros(3) * z - z", "does not move"],
    [3, "z - b * (b @ z) / norm(b)^2", "follows from"],
    [3, "z / norm(z)", "follows from"],
    [40, "z / norm(z)", "its determinant is 0"],
    [3, "z / sqrt(sum(z^2))", "follows from"],
    [3, "(z - mean(z)) / sqrt(variance(z) + 0.1)", "follows from"],
    [3, "z |> layer_norm  jacobian = dense", "follows from"],
    [3, "(z - mean(z)) |> dense(3)", "follows from"],
    [3, "z - ones(3) * mean(z)  jacobian = dense", "follows from"],
    [2, "floor(z)", "does not move"],
    [2, "exp(z)^0 + b", "does not move"],
    [4, "pad(z, low = [1], high = [0])[1..4]", "nothing reads entry 4"],
    [4, "z[1] * ones(4) + pad(z, low = [1], high = [0])[1..4]", "nothing reads entry 4"],
    [4, "reshape(reshape(z, 4, 1) |> causal_conv(1, 2, strict = true), 4)", "nothing reads entry 4"],
  ])("%d: %s", (D, forward, says) => {
    const found = errors(D, forward);
    expect(found.map((d) => d.code)).toEqual(["GM3707"]);
    expect(found[0]!.message).toMatch(new RegExp(says, "u"));
    const way = /add that to `z`.*: `([^`]*)`/u.exec(found[0]!.help.join("\n"))?.[1];
    const dense = found[0]!.help.some((line) => line.includes("with `jacobian = dense`")) ? "  jacobian = dense" : "";
    if (way !== undefined && !forward.includes("jacobian") && !/log|tanh|max/u.test(forward) && D < 33)
      expect(errors(D, way + dense)).toEqual([]);
  });
});

describe("regular", () => {
  test.each([
    [3, "z + 0.5 * mean(z)"],
    [3, "z - 0.999 * mean(z)"],
    [40, "z - 0.999 * mean(z)"],
    [3, "z - 2 * b * (b @ z) / (b @ b)"],
    [2, "stack(z[1] + z[2], 2 * z[1] + 2.001 * z[2])"],
    [2, "stack(z[1], 1e-12 * z[2])"],
    [2, "stack(z[1] + z[2], 1e-12 * (z[1] - z[2]))"],
    [2, "stack(1e12 * z[1] + z[2], z[2] - 1e-9 * z[1])"],
    [3, "W @ z"],
    [3, "z + softmax(z)  jacobian = dense"],
    [3, "z @ (A @ transpose(A)) + z"],
    [3, "0 * z + z"],
    [3, "z - 0 * mean(z)"],
    [32, "cumsum(reverse(cumsum(100 * z)))"],
    [32, "cumsum(z) * 100 - 99 * z"],
    [32, "reverse(cumsum(1000 * z) - 999 * z)"],
    [4, "reverse(z)"],
    [4, "flatten(transpose(reshape(z, 2, 2)))"],
    [4, "concat(z[4], z[1..3])"],
    [4, "concat(z[1..2] + z[3..4], z[3..4] - z[1..2])"],
    [2, "stack(cos(a) * z[1] - sin(a) * z[2], sin(a) * z[1] + cos(a) * z[2])"],
    [3, "a * z"],
    [3, "z - ones(3) * sum(z) / 4"],
    [3, "z @ (eye(3) + ones(3, 3))"],
    [3, "z @ eye(3)"],
    [2, "z @ (2 * eye(2) - ones(2, 2) / 2)"],
    [3, "z - 2 * b * (b @ z) / norm(b)^2"],
    [3, "z * norm(z)"],
    [3, "z + 0.1 * (z |> layer_norm)  jacobian = dense"],
    [3, "z + variance(z)"],
    [3, "z + floor(z)"],
    [4, "z + pad(z, low = [1], high = [0])[1..4]"],
    [4, "pad(z, low = [1], high = [0])[2..5]"],
    [4, "reshape(reshape(z, 4, 1) |> causal_conv(1, 2), 4)"],
    [64, "reshape(reshape(z, 64, 1) |> causal_conv(1, 2), 64)"],
    [4, "z + reshape(reshape(z, 4, 1) |> causal_conv(1, 2, strict = true), 4)"],
    [3, "z |> dense(5) |> dense(3)"],
    [8, "reshape(reshape(z, 2, 2, 2) |> conv(2, 1), 8)"],
  ])("%d: %s", (D, forward) => {
    expect(errors(D, forward)).toEqual([]);
  });
});
