/** Matching of an energy whose hidden label is summed state by state: the same numbers as of the sum written out. */
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
