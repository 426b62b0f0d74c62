/** Helps of errors about flows, and that they work when followed. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const model = (flows: string, x = "f(z)", header = "p(x, z)", z = "z ~ Normal(0, 1)"): string => `
model M(D = 4) {
  data x : real[D], y : real[D]
  latent z : ${z.includes("Exponential") ? "positive" : "real"}[D]
  ${flows}
  density ${header} { ${z}  x = ${x} }
  train { maximize log ${header.replace(", z", "")} }
}`;
const diagnosed = (text: string) => compile({ path: "test.gm", text }).diagnostics.filter(({ severity }) => severity === "error");

describe("ways out of errors about flows", () => {
  const flowGiven = "flow g(z | e) on real[D] = affine";
  const given = "p(x, z | y)";
  const logs = "flow logs on positive[D] -> real[D] { forward(z) = log(z)  inverse(x) = exp(x) }";
  it.each([
    [
      "GM2081",
      "flow f(z | y) on real[D] = affine |> g(| y)",
      model(`${flowGiven}  flow f(z) on real[D] = z |> affine |> g(z | y)`),
      model(`${flowGiven}  flow f(z | y) on real[D] = affine |> g(| y)`, "f(z | y)", given),
    ],
    ["GM2025", "`g(z | y)`", model(flowGiven, "g(z, y)", given), model(flowGiven, "g(z | y)", given)],
    [
      "GM2025",
      "`f(z | y)`",
      model("flow f on real[D] = affine", "f(z, y)", given),
      model("flow f(z | e) on real[D] = affine", "f(z | y)", given),
    ],
    [
      "GM2072",
      "`g` without `on real[2]`",
      model("flow g on real[2] = affine  flow f on real[D] = affine |> g"),
      model("flow g = affine  flow f on real[D] = affine |> g"),
    ],
    [
      "GM2072",
      logs,
      model("flow f = coupling(mlp([8]))", "f(z)", "p(x, z)", "z ~ Exponential(1)"),
      model(`flow f = logs |> coupling(mlp([8]))  ${logs}`, "f(z)", "p(x, z)", "z ~ Exponential(1)"),
    ],
    [
      "GM3728",
      "`masked_dense(4, channels = 2)` in place of `dense(8)`, without the `reshape`",
      model("flow f on real[D] = masked_autoregressive(dense(8) |> reshape(D, 2))"),
      model("flow f on real[D] = masked_autoregressive(masked_dense(4, channels = 2))"),
    ],
    [
      "GM3728",
      "`masked_dense(4, channels = 2)` in place of `masked_dense(8)`",
      model("flow f on real[D] = masked_autoregressive(masked_dense(9) |> relu |> masked_dense(8) |> reshape(D, 2))"),
      model("flow f on real[D] = masked_autoregressive(masked_dense(9) |> relu |> masked_dense(4, channels = 2))"),
    ],
  ])("%s: %s", (code, help, wrong, right) => {
    const [found] = diagnosed(wrong);
    expect(found).toMatchObject({ code, help: expect.arrayContaining([expect.stringContaining(help)]) as string[] });
    expect(diagnosed(right)).toEqual([]);
  });

  it("an unknown name that is handed to a flow of the library is reported as that", () => {
    const [found] = diagnosed(model("flow f on real[D] = realnvp(mlp([8]), steps = foo)"));
    expect(found).toMatchObject({ code: "GM2001", message: expect.stringContaining("`foo`") as string });
  });
});
