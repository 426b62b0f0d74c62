/** Matching of an energy whose hidden label is summed state by state, or hidden reals integrated: the same numbers as with these written out. */
import { describe, expect, it } from "vitest";
import { grad, sum, type Tensor } from "../../src/runtime/index.js";
import { loadModel, runModel } from "../support/model.js";

const [D, K] = [2, 3];
const mixture = (head: string, energy: string, by: string): string => `
model M(D = ${D}, K = ${K}) {
  data x : real[D]
  ${head === "x" ? "" : "latent k : category[K]"}
  param mu : real[K, D], w : real[K], s : real[K]
  density p(${head}) { energy ${energy} }
  train { maximize log p(x) by ${by} }
}`;
const state = { mu: [1, 0.5, -1, 0.3, 0.2, -1.4], w: [0.3, -0.2, 0.1], s: [0.1, 0.6, -0.4] };
const data = { x: { shape: [4, D], data: [0.3, -1.2, 0.9, 0.4, -0.7, 0.1, 1.6, -0.5] } };

describe.each(["score_matching", "denoising_score_matching(sigma = 0.3)", "nce(ratio = 2)"])("%s", (by) => {
  it("integrates hidden reals that meet", () => {
    const model = (head: string, latent: string, energy: string): string => `
model M {
  data x : real[2]
  ${latent}
  param W : real[2, 2], a : real[2]
  density p(${head}) { ${energy} }
  train { maximize log p(x) by ${by} }
}`;
    const of = (text: string): Readonly<Record<string, readonly number[]>> =>
      runModel(
        loadModel(text),
        ({ f, w, x, key }) => {
          const value = f("logPX")(w, x["x"], key);
          const [dW] = grad(sum(value), [(w as Record<string, Tensor>)["W"]!]);
          return { value, dW: dW! };
        },
        { data, state: { W: [0.7, -0.4, 0.2, 0.9], a: [0.3, -0.5] } },
      );
    const joint = of(model("x, z", "latent z : real[2]", "energy sum(x^4) / 4 - a @ x + sum(z^2) / 2 + z[1] * z[2] / 2 - x @ W @ z"));
    // of z the precision is ((1, 1/2), (1/2, 1))
    const written = of(model("x", "", "u = x @ W  energy sum(x^4) / 4 - a @ x - (u[1]^2 + u[2]^2 - u[1] * u[2]) / 1.5"));
    for (const name of ["value", "dW"]) written[name]!.forEach((want, i) => expect(joint[name]![i], `${name} ${i}`).toBeCloseTo(want, 8));
  });

  it("sums over the states of a label", () => {
    const of = (text: string): Readonly<Record<string, readonly number[]>> =>
      runModel(
        loadModel(text),
        ({ f, w, x, key }) => {
          const value = f("logPX")(w, x["x"], key);
          const [dmu] = grad(sum(value), [(w as Record<string, Tensor>)["mu"]!]);
          return { value, dmu: dmu! };
        },
        { data, state },
      );
    const summed = of(mixture("x, k", "exp(s[k]) * sum((x - mu[k])^2) / 2 - w[k]", by));
    const written = of(mixture("x", "-logsumexp(w - exp(s) * sum((x - mu)^2, axis = 2) / 2)", by));
    for (const name of ["value", "dmu"]) written[name]!.forEach((want, i) => expect(summed[name]![i], `${name} ${i}`).toBeCloseTo(want, 8));
  });
});

describe("what results call the number", () => {
  const measured = (line: string): Readonly<Record<string, unknown>> => {
    const { model } = loadModel(`model M {
      data x : real[2], y : real[2]
      param s : real[2]
      density p(x | y) { energy sum(exp(s) * x^2) / 2 - sum(x * y) }
      density n(x) { x ~ Normal(0, 1) }
      train { maximize log p(x | y) by score_matching }
      evaluate { m = ${line} }
    }`);
    const { label, bound, unit } = model.evaluate["m"] as { label: string; bound?: string; unit?: string };
    return { label, bound, unit };
  };

  it.each([
    ["-log p(x | y) by score_matching", "score matching loss of p(x | y)"],
    ["-log p(x | y) by denoising_score_matching(sigma = 0.5)", "denoising score matching loss of p(x | y)"],
    ["-log p(x | y) by nce(noise = n)", "noise-contrastive loss of p(x | y)"],
    ["log p(x | y) by nce", "log p(x | y), where -log p(x | y) is the noise-contrastive loss of p(x | y)"],
    ["-log p(x | y) / 2 by score_matching", "-log p(x | y) / 2, where -log p(x | y) is the score matching loss of p(x | y)"],
  ])("%s", (line, label) => expect(measured(line)).toEqual({ label, bound: undefined, unit: "" }));
});
