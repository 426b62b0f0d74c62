/** `means` of a density whose latents sum out: the mean of data through the exact posterior, against enumeration in plain loops. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/runtime/index.js";
import { canReconstruct } from "../../src/runtime/eval/draw.js";
import { loadModel, runModel, type Loaded } from "../support/model.js";
import { logSoftmax, logSumExp, spread } from "../support/numbers.js";

const ROWS = 3;
const softmax = (v: readonly number[]): number[] => logSoftmax(v).map(Math.exp);
const logNormal = (x: number, loc: number, scale = 1): number => -0.5 * ((x - loc) / scale) ** 2 - Math.log(scale);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
type Numbers = Record<string, number[]>;

function meansOf(loaded: Loaded, state: Numbers, data: Numbers): Record<string, readonly number[]> {
  const { means } = loaded.model.densities["p"]!;
  const shapes = Object.assign({}, ...loaded.model.streams) as Record<string, { readonly shape: readonly number[] }>;
  return runModel(loaded, ({ w, x }) => (means as (w: unknown, given: unknown) => Record<string, Tensor>)(w, x), {
    state,
    data: Object.fromEntries(Object.entries(data).map(([n, d]) => [n, { shape: [ROWS, ...shapes[n]!.shape], data: d }])),
    mode: "eval",
  });
}
const close = (got: readonly number[] | undefined, wanted: readonly number[]): void => {
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((v, i) => expect(Math.abs(got![i]! - v), `${i}: ${got![i]} for ${v}`).toBeLessThan(1e-9));
};

describe("means of data over the posterior of what is summed out", () => {
  it("of a mixture", () => {
    const [K, D] = [4, 2];
    const loaded = loadModel(`model M { data x : real[${D}]  latent c : category[${K}]
      param w : real[${K}], mu : real[${K}, ${D}], s : real[${K}, ${D}]
      density p(x, c) { c ~ Categorical(logits = w)  x ~ Normal(mu[c], exp(s[c])) }
      train { maximize log p(x) } }`);
    expect(canReconstruct(loaded.model)).toBe(true);
    const w: Numbers = { w: spread(K, 1, 1), mu: spread(K * D, 1, 2).map((v) => 3 * v), s: spread(K * D, 1, 4) };
    const x = spread(ROWS * D, 1, 3);
    const scale = w["s"]!.map(Math.exp);
    const wanted = range(ROWS).flatMap((r) => {
      const post = softmax(
        range(K).map(
          (k) =>
            logSoftmax(w["w"]!)[k]! + range(D).reduce((t, d) => t + logNormal(x[r * D + d]!, w["mu"]![k * D + d]!, scale[k * D + d]), 0),
        ),
      );
      return range(D).map((d) => range(K).reduce((m, k) => m + post[k]! * w["mu"]![k * D + d]!, 0));
    });
    close(meansOf(loaded, w, { x })["x"], wanted);
  });

  it("of each step of a hidden Markov model, by the forward-backward algorithm", () => {
    const [T, K] = [6, 3];
    const loaded = loadModel(`model H { data x[t in 1..${T}] : real  latent z[t in 1..${T}] : category[${K}]
      param start : real[${K}], A : real[${K}, ${K}], mu : real[${K}]
      density p(x, z) { z[1] ~ Categorical(logits = start)
        for t in 2..${T} { z[t] ~ Categorical(logits = A[z[t - 1]]) }
        for t in 1..${T} { x[t] ~ Normal(mu[z[t]], 1) } }
      train { maximize log p(x) } }`);
    const w: Numbers = { start: spread(K, 1, 1), A: spread(K * K, 1, 2), mu: spread(K, 1, 3).map((v) => 2 * v) };
    const data = Object.fromEntries(range(T).map((t) => [`x[${t + 1}]`, spread(ROWS, 1, 5 + t)]));
    const found = meansOf(loaded, w, data);
    const logA = range(K).map((i) => logSoftmax(w["A"]!.slice(i * K, i * K + K)));
    const seen = (r: number, t: number, k: number): number => logNormal(data[`x[${t + 1}]`]![r]!, w["mu"]![k]!);
    for (const t of range(T)) {
      const wanted = range(ROWS).map((r) => {
        let alpha = logSoftmax(w["start"]!).map((a, k) => a + seen(r, 0, k));
        for (let s = 1; s <= t; s++) alpha = range(K).map((k) => logSumExp(alpha.map((a, j) => a + logA[j]![k]!)) + seen(r, s, k));
        let beta = range(K).map(() => 0);
        for (let s = T - 1; s > t; s--) beta = range(K).map((j) => logSumExp(range(K).map((k) => logA[j]![k]! + seen(r, s, k) + beta[k]!)));
        return softmax(alpha.map((a, k) => a + beta[k]!)).reduce((m, p, k) => m + p * w["mu"]![k]!, 0);
      });
      close(found[`x[${t + 1}]`], wanted);
    }
  });

  it("of entries that are summed one by one, of two variables", () => {
    const D = 30;
    const loaded = loadModel(`model E { data x : real[${D}], y : binary[${D}, 2]  latent z : binary[${D}]
      param a : real[${D}], b : real[2]
      density p(x, y, z) { z ~ Bernoulli(logits = 0)  x ~ Normal(a * z, 1)  y ~ Bernoulli(logits = b * reshape(z, [${D}, 1])) }
      train { maximize log p(x, y) } }`);
    const w: Numbers = { a: spread(D, 1, 1).map((v) => 2 * v), b: spread(2, 1, 2) };
    const data = { x: spread(ROWS * D, 1, 3), y: spread(ROWS * D * 2, 1, 4).map((v) => (v > 0 ? 1 : 0)) };
    const found = meansOf(loaded, w, data);
    const on = (r: number, i: number): number => {
      const at = (z: number): number =>
        logNormal(data.x[r * D + i]!, w["a"]![i]! * z) +
        range(2).reduce((t, j) => t + Math.log(sigmoid((2 * data.y[(r * D + i) * 2 + j]! - 1) * w["b"]![j]! * z)), 0);
      return softmax([at(0), at(1)])[1]!;
    };
    close(
      found["x"],
      range(ROWS).flatMap((r) => range(D).map((i) => on(r, i) * w["a"]![i]!)),
    );
    close(
      found["y"],
      range(ROWS).flatMap((r) => range(D).flatMap((i) => range(2).map((j) => on(r, i) * sigmoid(w["b"]![j]!) + (1 - on(r, i)) * 0.5))),
    );
  });

  it("has none where a latent is drawn by a density of its own, or may be missing", () => {
    const of = (more: string, x = "real"): boolean =>
      loadModel(`model M { data x : ${x}  latent c : category[3]  param mu : real[3]
      density p(x, c) { c ~ Categorical(logits = mu)  x ~ Normal(mu[c], 1) } ${more} }`).model.densities["p"]!.means !== undefined;
    expect(of("train { maximize log p(x) }")).toBe(true);
    expect(of("param b : real[3]  density q(c | x) { c ~ Categorical(logits = x * b) }  train { maximize ELBO(p, q) }")).toBe(false);
    expect(of("train { maximize log p(x) }", "real?")).toBe(false);
  });
});
