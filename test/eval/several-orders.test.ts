/** A model of several orders as it is measured and drawn from: of each line the ensemble, the mean of p over all of its orders. */
import { describe, expect, it } from "vitest";
import { train } from "../../src/runtime/node/index.js";
import { hostStream } from "../../src/runtime/graph/random.js";
import { degreesOf } from "../../src/runtime/nn/degrees.js";
import { loadModel } from "../support/model.js";

const D = 5;

/** Copies of a fair bit, each right with probability 0.95. */
function copies(rows: number): { shape: number[]; data: Float32Array } {
  const stream = hostStream(1, "copies");
  const data = new Float32Array(rows * D);
  for (let i = 0; i < rows; i++) {
    const bit = stream.below(2);
    for (let j = 0; j < D; j++) data[i * D + j] = stream.below(20) === 0 ? 1 - bit : bit;
  }
  return { shape: [rows, D], data };
}

const trained = (body: string, objective: string, steps: number, declared = "") =>
  train(
    loadModel(
      `model M { data x : binary[${D}] ${declared} ${body}
        train { maximize ${objective}  optimizer = adam(lr = 3e-2), batch = 50, steps = ${steps} }  evaluate { nll = -${objective} } }`,
    ).model,
    { data: { x: copies(200) }, engine: "reference", seed: 3 },
  );

describe("the objective, as an evaluation shows it beside the metrics", () => {
  it("is that of the ensemble", async () => {
    const session = await trained("density p(x) { x ~ Bernoulli(logits = made(x, [7, 6], orders = 5)) }", "log p(x)", 60);
    const { metrics, terms } = await session.evaluate();
    expect(metrics["nll"]!.orders).toBe(5);
    expect(terms["log p(x)"]!.value).toBeCloseTo(-metrics["nll"]!.value, 9);
    session.close();
  });

  it("is so with latents", async () => {
    const session = await trained(
      "density p(x, c) { c ~ Categorical(logits = zeros(2))  x ~ Bernoulli(logits = made(x, [6], orders = 4) + b[c]) }",
      "log p(x)",
      20,
      "latent c : category[2]  param b : real[2, 5] init Normal(0, 1)",
    );
    const { metrics, terms } = await session.evaluate();
    expect(Object.values(terms)[0]!.value).toBeCloseTo(-metrics["nll"]!.value, 9);
    session.close();
  });
});

describe("samples", () => {
  const [H, K] = [4, 3];
  /** p of each of the K orders at a row, by hand: Germain et al. 2015, eqs. 8 to 11. */
  const inOrder = (w: Readonly<Record<string, Float32Array>>, x: readonly number[], k: number): number => {
    const [entry, unit] = [degreesOf({ kind: "order", size: D }, k), degreesOf({ kind: "hidden", size: H, max: D - 1 }, k)];
    const [k1, b1, k2, b2] = ["1.kernel", "1.bias", "2.kernel", "2.bias"].map((name) => w[`p.made1.masked_dense${name}`]!) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const h = unit.map((d, j) => Math.max(0, b1[j]! + x.reduce((s, v, i) => s + (entry[i]! < d ? v * k1[i * H + j]! : 0), 0)));
    return entry.reduce((p, d, o) => {
      const logit = b2[o]! + h.reduce((s, v, j) => s + (unit[j]! <= d ? v * k2[j * D + o]! : 0), 0);
      return p / (1 + Math.exp(x[o] === 1 ? -logit : logit));
    }, 1);
  };
  const states = Array.from({ length: 2 ** D }, (_, s) => Array.from({ length: D }, (_, i) => (s >> i) & 1));

  it("are of the mean of p over the orders, whatever their number", async () => {
    const session = await trained(`density p(x) { x ~ Bernoulli(logits = made(x, [${H}], orders = ${K})) }`, "log p(x)", 150);
    const weights = await session.weights();
    const w = Object.fromEntries(Object.entries(weights).map(([name, t]) => [name, Float32Array.from(t.data)]));
    const p = (of: (k: number) => number): number => Array.from({ length: K }, (_, k) => of(k)).reduce((a, b) => a + b, 0) / K;
    const expected = states.map((x) => p((k) => inOrder(w, x, k)));
    const first = states.map((x) => inOrder(w, x, 0));
    expect(expected.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    const n = 6000;
    const { values } = await session.sample(n, { seed: 4 });
    const counts = new Array<number>(states.length).fill(0);
    for (let i = 0; i < n; i++) counts[Array.from(values["x"]!.data.slice(i * D, (i + 1) * D)).reduce((s, v, j) => s + (v << j), 0)]!++;
    const chi2 = (of: readonly number[]): number => counts.reduce((s, c, i) => s + (c - n * of[i]!) ** 2 / (n * of[i]!), 0);
    expect(chi2(expected)).toBeLessThan(61); // 31 degrees of freedom, p = 0.001
    expect(chi2(first)).toBeGreaterThan(200);
    const few = await session.sample(50, { seed: 4 });
    expect(Array.from(few.values["x"]!.data)).toEqual(Array.from(values["x"]!.data.slice(0, 50 * D)));
    session.close();
  });
});
