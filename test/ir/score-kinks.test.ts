/** GM3620: which energies score matching does not see bend, and which it does. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

function codes(energy: string, by = "score_matching", rest = ""): readonly string[] {
  const text = `model M(D = 3) {
  data x : real[D]
  ${rest}
  param W : real[D, D], b : real[D], s : positive[D]
  net relus(x) = x |> dense(8) |> relu |> dense(8) |> leaky_relu |> dense(1)
  net mixed(x) = x |> dense(8) |> relu |> dense(8) |> softplus |> dense(1)
  density p(x${rest === "" ? "" : ", h"}) { energy ${energy}   energy sum(x^2) / 10 }
  train { maximize log p(x) by ${by} }
}`;
  const { diagnostics } = compile({ path: "m.gm", text });
  return diagnostics.filter((d) => d.code === "GM3620" || d.severity === "error").map((d) => d.code);
}

describe("score matching of kinks", () => {
  it.each([
    "sum(s * abs(x - b))",
    "sum(relus(x))",
    "sum(clip(x, -1, 1)) * 2",
    "max(x @ W)",
    "sum(maximum(x, b) - hard_tanh(x @ W))",
    "mean(abs(relu(x) - b))",
    // a slope that jumps
    "sum(grad[y = x](sum(relu(y @ W + b))))",
  ])("%s", (energy) => {
    expect(codes(energy)).toEqual(["GM3620"]);
    expect(codes(energy, "denoising_score_matching(sigma = 0.1)")).toEqual([]);
  });

  // curvature everywhere, between kinks at least, or none that a kink hides
  it.each([
    "sum(softplus(x @ W))",
    "sum(relu(x)^2)",
    "sum(mixed(x))",
    "sum(elu(x))",
    "sum(abs(b)) * sum(x)",
    "sum(sqrt(x^2 + 0.01))",
    "sum(grad[y = x](sum(softplus(y @ W)))^2)",
    "sum(grad[y = x](sum(y @ W)))",
  ])("%s is seen", (energy) => expect(codes(energy)).toEqual([]));

  it("hidden units that are summed out bend it", () => {
    expect(codes("-(relu(x) @ W @ h)", "score_matching", "latent h : binary[D]")).toEqual([]);
  });
});
