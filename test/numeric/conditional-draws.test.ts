/** Draws of an `E` from conditionals of a density: exact posteriors of finite latents, and forward draws from what is known. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { loadModel, runModel } from "../support/model.js";

const spread = (n: number, scale: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * (i + 1) * seed + seed));
const logSumExp = (xs: readonly number[]): number => {
  const top = Math.max(...xs);
  return top + Math.log(xs.reduce((s, x) => s + Math.exp(x - top), 0));
};

describe("the posterior of finite latents", () => {
  const [B, D, K] = [5, 2, 3];
  const loaded = loadModel(`
model M(D = ${D}, K = ${K}) {
  data x : real[D]
  latent c : category[K], b : binary
  param w : real[K], mu : real[K, D], u : real[K]
  density p(x, c, b) {
    c ~ Categorical(logits = w)
    b ~ Bernoulli(logits = u[c])
    x ~ Normal(mu[c] * (1 + b), 1)
  }
  train { maximize log p(x) }
  objective both = E[c, b ~ p(c, b | x)](log p(x, c, b) - log p(c, b | x))
  objective other = E[k ~ p(c | x)](sum(u[k]))
  objective given = E[b ~ p(b | x, c = 1)](b)
  evaluate { both = both, other = other, given = given }
}`);
  const state = { w: spread(K, 0.8, 2), mu: spread(K * D, 1.5, 3), u: spread(K, 0.9, 4) };
  const x = spread(B * D, 1.7, 5);
  const data = { x: { shape: [B, D], data: x } };
  /** log p(x, c, b) of row r */
  const joint = (r: number, c: number, b: number): number => {
    const logit = state.u[c]!;
    const ofC = state.w[c]! - logSumExp(state.w);
    const ofB = b === 1 ? -Math.log1p(Math.exp(-logit)) : -Math.log1p(Math.exp(logit));
    const ofX = Array.from(
      { length: D },
      (_, d) => -0.5 * (x[r * D + d]! - state.mu[c * D + d]! * (1 + b)) ** 2 - 0.5 * Math.log(2 * Math.PI),
    );
    return ofC + ofB + ofX.reduce((s, v) => s + v, 0);
  };
  const states = Array.from({ length: K * 2 }, (_, i) => [i >> 1, i & 1] as const);
  const run = (name: string): readonly number[] =>
    runModel(loaded, ({ f, w, x: rows }) => ({ value: f(name)(w, rows["x"]) }), { data, state })["value"]!;

  it("makes E[c, b ~ p(c, b | x)](log p(x, c, b) - log p(c, b | x)) the log-likelihood", () => {
    run("both").forEach((v, r) => expect(v).toBeCloseTo(logSumExp(states.map(([c, b]) => joint(r, c, b))), 9));
  });

  it("weighs the states of a renamed draw, what is not asked for summed out", () => {
    run("other").forEach((v, r) => {
      const logs = states.map(([c, b]) => joint(r, c, b));
      const total = logSumExp(logs);
      const wanted = states.reduce((s, [c], i) => s + Math.exp(logs[i]! - total) * state.u[c]!, 0);
      expect(v).toBeCloseTo(wanted, 9);
    });
  });

  it("takes values of other latents", () => {
    run("given").forEach((v, r) => expect(v).toBeCloseTo(1 / (1 + Math.exp(joint(r, 1, 0) - joint(r, 1, 1))), 9));
  });
});

describe("forward draws", () => {
  const loaded = loadModel(`
model M {
  data x : real[2]
  latent a : real[2], b : real[2]
  param m : real[2]
  density p(x, a, b) { a ~ Normal(m, 1) b ~ Normal(3 * a, 0.001) x ~ Normal(b, 0.001) }
  train { maximize E[a, b ~ p(a, b)](log p(x | b)) over m }
  objective held = E[b ~ p(b | a = x)](sum(b))
  objective nested = E[a ~ p(a)](E[b ~ p(b | a)](sum((b - 3 * a) ^ 2) + 0 * sum(x)))
  objective above = E[xf ~ p(x | a = x)](sum(xf))
  objective product = E[a ~ p(a)](sum(a) * E[a ~ p(a)](sum(a)) + 0 * sum(x))
  evaluate { held = held, nested = nested, above = above, product = product }
}`);
  const state = { m: [0.4, -1.1] };
  const data = { x: { shape: [2, 2], data: [1, 2, -3, 0.5] } };
  const run = (name: string): readonly number[] =>
    runModel(
      loaded,
      ({ f, w, x, key, rows }) => ({ value: f(name).length === 4 ? f(name)(w, x["x"], key, rows) : f(name)(w, x["x"], key) }),
      {
        data,
        state,
      },
    )["value"]!;

  it("begin at the values that are given", () => {
    expect(run("held").map((v) => Math.round(v))).toEqual([9, -8]);
    expect(run("above").map((v) => Math.round(v))).toEqual([9, -8]);
  });

  it("are independent of draws of the same name around them", () => {
    let total = 0;
    for (let seed = 1; seed <= 500; seed++) {
      const { value } = runModel(loaded, ({ f, w, x, key }) => ({ value: f("product")(w, x["x"], key) }), { data, state, seed });
      total += value!.reduce((s, v) => s + v, 0) / value!.length / 500;
    }
    // (E sum(a))^2 = 0.49; the second moment is 2.49, the standard error below 0.1
    expect(Math.abs(total - 0.49)).toBeLessThan(0.4);
  });

  it("see the draws around them", () => {
    // (b - 3 a)^2 is of the order of the noise where b is drawn from this a, and not where it is drawn from another
    run("nested").forEach((v) => expect(v).toBeLessThan(1e-4));
  });
});

describe("draws against the order of a density", () => {
  const model = (source: string, loc = "z |> dense(D)"): string => `
model M(D = 3) {
  data x : real[D]
  latent z : real[2], c : category[4]
  param w : real[4] = 0, mu : real[4, 2]
  density p(x, z, c) { c ~ Categorical(logits = w) z ~ Normal(mu[c], 1) x ~ Normal(${loc}, 1) }
  train { maximize E[c, z ~ p(c, z)](log p(x | z)) }
  evaluate { v = ${source} }
}`;
  const codes = (source: string, loc?: string): readonly string[] =>
    compile({ path: "m.gm", text: model(source, loc) })
      .diagnostics.filter((d) => d.severity === "error")
      .map((d) => d.code);

  it.each([
    ["a real latent", "E[z ~ p(z | x)](sum(z))"],
    ["a real latent beside a finite one, through a net", "E[c, z ~ p(c, z | x)](sum(z))", "z |> dense(5) |> tanh |> dense(D)"],
    ["a family of samples", "E[c[1..5] ~ p(c | z = zeros(2))](mean[i in 1..5](sum(w[c[i]])))"],
  ])("is refused: %s", (_, source, loc?: string) => {
    expect(codes(source, loc)).toEqual(["GM3531"]);
  });

  it("is exact where a real latent is normal given the finite one", () => {
    expect(codes("E[c, z ~ p(c, z | x)](sum(z))")).toEqual([]);
  });

  it("is allowed where nothing known follows from what is drawn", () => {
    expect(codes("E[z ~ p(z | c = 1)](sum(z))")).toEqual([]);
    expect(codes("E[c ~ p(c | x, z = zeros(2))](sum(w[c]))")).toEqual([]);
  });
});
