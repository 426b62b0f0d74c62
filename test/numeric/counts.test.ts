/** Counts given their own total, `x ~ Multinomial(sum(x), …)`: densities against enumeration, draws and means against the totals of the data. */
import { describe, expect, it } from "vitest";
import { referenceEngine, type Tensor, train } from "../../src/runtime/index.js";
import { loadModel, type RunContext, runModel } from "../support/model.js";

const logFactorial = (n: number): number => Array.from({ length: n }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0);
const logMultinomial = (x: readonly number[], p: readonly number[]): number =>
  logFactorial(x.reduce((a, b) => a + b, 0)) + x.reduce((s, n, v) => s - logFactorial(n) + n * Math.log(p[v]!), 0);
const softmax = (a: readonly number[]): readonly number[] => {
  const total = a.reduce((s, v) => s + Math.exp(v), 0);
  return a.map((v) => Math.exp(v) / total);
};

const rows = [
  [3, 0, 1],
  [0, 0, 0],
  [1, 5, 2],
  [0, 7, 0],
];
const x = { shape: [4, 3], data: rows.flat() };
const totals = rows.map((r) => r.reduce((a, b) => a + b, 0));

describe("a mixture of documents of any length", () => {
  const loaded = loadModel(`
model Documents(V = 3, K = 2) {
  data x : count[V]
  latent c : category[K]
  param w : real[K], beta : real[K, V]
  density p(x, c) {
    c ~ Categorical(logits = w)
    x ~ Multinomial(sum(x), logits = beta[c])
  }
  train { maximize log p(x) }
}`);
  const state = { w: [0.4, -0.3], beta: [0.2, -1, 0.5, 1.1, 0.3, -0.7] };

  it("has the density of the counts given their total", () => {
    const { value } = runModel(loaded, ({ f, w, x: data }) => ({ value: f("logPX")(w, data["x"]) }), { data: { x }, state });
    const weight = softmax(state.w);
    rows.forEach((row, i) => {
      const each = [0, 1].map((c) => weight[c]! * Math.exp(logMultinomial(row, softmax(state.beta.slice(3 * c, 3 * c + 3)))));
      expect(value![i]).toBeCloseTo(Math.log(each[0]! + each[1]!), 9);
    });
  });

  it("sums to one over the counts of each total", () => {
    const all = Array.from({ length: 6 }, (_, a) => Array.from({ length: 6 - a }, (_, b) => [a, b, 5 - a - b])).flat();
    const { value } = runModel(loaded, ({ f, w, x: data }) => ({ value: f("logPX")(w, data["x"]) }), {
      data: { x: { shape: [all.length, 3], data: all.flat() } },
      state,
    });
    expect(value!.reduce((s, v) => s + Math.exp(v), 0)).toBeCloseTo(1, 9);
  });

  const sampler = ({ f, w, key, rows: B }: RunContext, given: Readonly<Record<string, Tensor>>): { values: never; means: never } =>
    f("sampleP")(w, key, B, given) as never;

  it("draws with the totals of what is given, and asks for it", () => {
    const drawn = runModel(
      loaded,
      (context) => {
        const { values, means } = sampler(context, context.x);
        return { x: values["x"] as Tensor, mean: means["x"] as Tensor, c: values["c"] as Tensor };
      },
      { data: { x }, state },
    );
    totals.forEach((total, i) => {
      expect(drawn["x"]!.slice(3 * i, 3 * i + 3).reduce((a, b) => a + b, 0)).toBe(total);
      const p = softmax(state.beta.slice(3 * drawn["c"]![i]!, 3 * drawn["c"]![i]! + 3));
      p.forEach((pv, v) => expect(drawn["mean"]![3 * i + v]).toBeCloseTo(total * pv, 9));
    });
    expect(drawn["x"]).not.toEqual(x.data);
    expect(() => runModel(loaded, (context) => ({ x: sampler(context, {}).values["x"] as Tensor }), { data: { x }, state })).toThrow(
      "a value of `x` is needed",
    );
  });
});

describe("topics", () => {
  const text = `
model Topics(V = 3, K = 2, N = 2) {
  data x : count[N, V]
  latent z : real[K]
  param beta : simplex[K, V]
  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Multinomial(sum(x, axis = -1), probs = softmax(z) @ beta)
  }
  density q(z | x) { z ~ Normal(sum(x, axis = 1) |> dense(K), 0.5) }
  train {
    maximize ELBO(p, q) over p
    maximize Sleep(p, q) over q
    batch = 2, steps = 3
  }
  evaluate {
    dreamt = E[x ~ p(x)](sum(x))
    error = reconstruction(p, q)
    nll = -IWAE(p, q, k = 3)
  }
}`;
  const loaded = loadModel(text);
  const flat = Float32Array.from(rows.flat());

  it("dreams of documents as long as those of the data, and reconstructs them", async () => {
    const trained = await train(loaded.model, { data: { x: flat }, test: { x: flat }, engine: referenceEngine, seed: 1 });
    const { metrics } = await trained.evaluate();
    // two rows of two documents each: the mean of their 19 words
    expect(metrics["dreamt"]?.value).toBeCloseTo(19 / 2, 5);
    expect(metrics["nll"]?.value).toBeGreaterThan(0);
    expect(Number.isFinite(metrics["error"]?.value)).toBe(true);
    const sums = (t: { readonly data: ArrayLike<number> } | undefined): readonly number[] =>
      Array.from({ length: 4 }, (_, i) =>
        Array.from(t?.data ?? [])
          .slice(3 * i, 3 * i + 3)
          .reduce((a, b) => a + b, 0),
      );
    const { values } = await trained.sample(2);
    expect([...sums(values["x"])].sort()).toEqual([...totals].sort());
    const { data, shown } = await trained.reconstruct(2);
    sums(shown["x"]).forEach((total, i) => expect(total).toBeCloseTo(sums(data["x"])[i] ?? NaN, 4));
    trained.close();
  });
});
