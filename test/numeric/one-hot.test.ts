/** Sums over the vectors that `OneHotCategorical` draws, against the same mixture written with a `category` and against enumeration by hand. */
import { describe, expect, it } from "vitest";
import { loadModel, runModel } from "../support/model.js";

const spread = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(1.7 * (i + 1) * seed + seed));
const logSumExp = (xs: readonly number[]): number => Math.log(xs.reduce((s, x) => s + Math.exp(x), 0));

describe.each(["binary", "simplex"])("a mixture by OneHotCategorical over %s[K]", (domain) => {
  const loaded = loadModel(`
model Mixture(D = 2, K = 3) {
  data x : real[D]
  latent c : ${domain}[K], k : category[K]
  param w : real[K], v : real[K], a : real[K], mu : real[K, D]
  density p(x, c) { c ~ OneHotCategorical(logits = w) x ~ Normal(c @ mu, 1) }
  density m(x, k) { k ~ Categorical(logits = w) x ~ Normal(mu[k], 1) }
  density q(c | x) { c ~ OneHotCategorical(logits = v * sum(x)) }
  density r(k | x) { k ~ Categorical(logits = v * sum(x)) }
  train { maximize log p(x) + ELBO(p, q) + ELBO(m, r) batch = 4, epochs = 1 }
  objective hotMean = E[c ~ q(c | x)](c @ a)
  objective plainMean = E[k ~ r(k | x)](a[k])
  objective total = E[c ~ q(c | x)](sum(c))
  objective hotBest = max[c](log p(x, c))
  objective plainBest = max[k](log m(x, k))
  evaluate {
    exact = log p(x)
    plainExact = log m(x)
    elbo = ELBO(p, q)
    plainElbo = ELBO(m, r)
    hotMean = hotMean
    plainMean = plainMean
    total = total
    hotBest = hotBest
    plainBest = plainBest
  }
}`);
  const data = { x: { shape: [4, 2], data: spread(8, 5) } };
  const state = { w: spread(3, 1), v: spread(3, 2), mu: spread(6, 3), a: spread(3, 4) };
  const names = ["logPX", "logMX", "elbo", "elbo2", "hotMean", "plainMean", "total", "hotBest", "plainBest"];
  const values = runModel(loaded, ({ f, w, x }) => Object.fromEntries(names.map((n) => [n, f(n)(w, x["x"])])), { data, state });

  it.each([
    ["logPX", "logMX"],
    ["elbo", "elbo2"],
    ["hotMean", "plainMean"],
    ["hotBest", "plainBest"],
  ])("gives the same %s as %s of the category", (hot, plain) => {
    values[hot]!.forEach((v, i) => expect(v).toBeCloseTo(values[plain]![i]!, 10));
  });

  it("expects one 1 in each", () => values["total"]!.forEach((v) => expect(v).toBeCloseTo(1, 12)));
});

describe("several one-hot vectors at once", () => {
  const loaded = loadModel(`
model Grid(N = 2, K = 3, D = 2) {
  data x : real[D]
  latent c : binary[N, K], s : binary[D]
  param w : real[N, K], u : real[D], mu : real[K, D]
  density p(x, c, s) {
    c ~ OneHotCategorical(logits = w)
    s ~ Bernoulli(logits = u)
    x ~ Normal(sum(c @ mu, axis = 1) + s, 1)
  }
  train { maximize log p(x) batch = 4, epochs = 1 }
  evaluate { value = log p(x) + 0 }
}`);

  it("sums over K^N of them beside other finite latents", () => {
    const x = spread(8, 5);
    const state = { w: spread(6, 1), u: spread(2, 2), mu: spread(6, 3) };
    const { value } = runModel(loaded, ({ f, w, x }) => ({ value: f("logPX")(w, x["x"]) }), {
      data: { x: { shape: [4, 2], data: x } },
      state,
    });
    const normal = (r: number): number => -0.5 * r * r - 0.5 * Math.log(2 * Math.PI);
    value!.forEach((v, row) => {
      const terms: number[] = [];
      for (let i = 0; i < 3; i++)
        for (let j = 0; j < 3; j++)
          for (const [s0, s1] of [
            [0, 0],
            [0, 1],
            [1, 0],
            [1, 1],
          ] as const) {
            const prior = state.w[i]! - logSumExp(state.w.slice(0, 3)) + state.w[3 + j]! - logSumExp(state.w.slice(3));
            const bits = s0 * state.u[0]! + s1 * state.u[1]! - state.u.reduce((t, u) => t + Math.log1p(Math.exp(u)), 0);
            const at = [s0, s1].map((s, d) => normal(x[row * 2 + d]! - state.mu[i * 2 + d]! - state.mu[j * 2 + d]! - s));
            terms.push(prior + bits + at[0]! + at[1]!);
          }
      expect(v).toBeCloseTo(logSumExp(terms), 10);
    });
  });

  it("says what it sums over", () => {
    expect(loaded.ts).toContain("allOneHot(binary([2, 3]), ");
  });
});
