/**
 * Dropout in densities whose finite latents sum out. In evaluation it is the identity, so each model equals itself without dropout; in training the
 * mask is drawn once for a row, whatever the state: what all states share then has one of finitely many values, each in closed form.
 */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/runtime/index.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel, runModel, type Loaded } from "../support/model.js";

const ROWS = 4;
function spread(n: number, seed: number): number[] {
  let state = seed * 7919;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround((2 * state) / 2 ** 32 - 1);
  });
}

/** The declarations that most kinds share; dropout stands in `f`. */
const net = (params: string, chain: string, more = "dense(4)"): string =>
  `net f(${params}) = ${chain} |> dense(6) |> dropout(0.4) |> ${more}`;
const MIXED = "data x : real[4], u : real[2]  latent c : category[3]  param mu : real[3, 4]";
const CHAIN = (T: number): string => `data x[t in 1..${T}] : real, u[t in 1..${T}] : real[2]  latent z[t in 1..${T}] : category[3]
  param A : real[3, 3], mu : real[3]`;
const chain = (emission: string, transition: string, T: number): string => `density p(x, z | u) { z[1] ~ Categorical(logits = zeros(3))
  for t in 2..${T} { z[t] ~ Categorical(logits = ${transition}) }  for t in 1..${T} { x[t] ~ Normal(${emission}, 1) } }`;

const KINDS: Readonly<Record<string, string>> = {
  "the location of a mixture": `${MIXED} ${net("u", "u")}
    density p(x, c | u) { c ~ Categorical(logits = zeros(3))  x ~ Normal(f(u) + mu[c], 1) }  train { maximize log p(x | u) }`,
  "the gate of a mixture": `${MIXED} ${net("u", "u", "dense(3)")}
    density p(x, c | u) { c ~ Categorical(logits = f(u))  x ~ Normal(mu[c], 1) }  train { maximize log p(x | u) }`,
  "a decoder of the state": `${MIXED} ${net("u, c", "concat(u, onehot(c))")}
    density p(x, c | u) { c ~ Categorical(logits = zeros(3))  x ~ Normal(f(u, c) + mu[c], 1) }  train { maximize log p(x | u) }`,
  "a scale": `${MIXED} ${net("u", "u")}
    density p(x, c | u) { c ~ Categorical(logits = zeros(3))  x ~ Normal(mu[c], exp(f(u))) }  train { maximize log p(x | u) }`,
  "nets in a net": `${MIXED} ${net("u", "u")}  net g(u) = f(u) |> dense(4)
    density p(x, c | u) { c ~ Categorical(logits = zeros(3))  x ~ Normal(g(u) + mu[c], 1) }  train { maximize log p(x | u) }`,
  "the objective E of log p(x, c)": `${MIXED} ${net("u", "u")}
    density p(x, c | u) { c ~ Categorical(logits = zeros(3))  x ~ Normal(f(u) + mu[c], 1) }
    train { maximize E[c ~ p(c | x, u)](log p(x, c | u)) }`,
  "log p(c | x)": `${MIXED} ${net("u", "u")}
    density p(x, c | u) { c ~ Categorical(logits = zeros(3))  x ~ Normal(f(u) * mu[c], 1) }
    train { maximize E[c ~ p(c | x, u)](log p(c | x, u)) + log p(x | u) }`,
  "a maximum": `${MIXED} ${net("u", "u")}
    density p(x, c | u) { c ~ Categorical(logits = zeros(3))  x ~ Normal(f(u) + mu[c], 1) }  train { maximize max[c](log p(x, c | u)) }`,
  "weights alone": `data x : real[4]  latent c : category[3]  param a : real[2], mu : real[3, 4] ${net("a", "a")}
    density p(x, c) { c ~ Categorical(logits = zeros(3))  x ~ Normal(f(a) + mu[c], 1) }  train { maximize log p(x) }`,
  "the state alone": `data x : real[4]  latent c : category[3] ${net("c", "onehot(c)")}
    density p(x, c) { c ~ Categorical(logits = zeros(3))  x ~ Normal(f(c), 1) }  train { maximize log p(x) }`,
  "two latents": `${MIXED}  latent b : binary  ${net("u, b", "concat(u, stack(b, 1 - b))")}
    density p(x, c, b | u) { c ~ Categorical(logits = zeros(3))  b ~ Bernoulli(0.3)  x ~ Normal(f(u, b) + mu[c], 1) }
    train { maximize log p(x | u) }`,
  counts: `data x : count[4], u : real[2]  latent c : category[3]  param mu : real[3, 4] ${net("u", "u")}
    density p(x, c | u) { c ~ Categorical(logits = zeros(3))  x ~ Poisson(exp(f(u) + mu[c])) }  train { maximize log p(x | u) }`,
  "the transitions of a hidden Markov model": `${CHAIN(8)} ${net("u", "u", "dense(3)")}
    ${chain("mu[z[t]]", "A[z[t - 1]] + f(u[t])", 8)}  train { maximize log p(x | u) }`,
  "the emissions of one": `${CHAIN(8)} ${net("u, z", "concat(u, onehot(z))", "dense(1) |> sum")}
    ${chain("mu[z[t]] + f(u[t], z[t])", "A[z[t - 1]]", 8)}  train { maximize log p(x | u) }`,
  "entries summed one by one": `data x : real[12], u : real[2]  latent z : binary[12]  param a : real[12] ${net("u", "u", "dense(12)")}
    density p(x, z | u) { z ~ Bernoulli(logits = f(u))  x ~ Normal(a * z, 1) }  train { maximize log p(x | u) }`,
  "a conditional of q summed over": `${MIXED} ${net("x", "x", "dense(3)")}
    density p(x, c) { c ~ Categorical(logits = zeros(3))  x ~ Normal(mu[c], 1) }  density q(c | x) { c ~ Categorical(logits = f(x)) }
    train { maximize ELBO(p, q) }`,
  "beside a normal latent": `${MIXED}  latent h : real[2] ${net("h", "h")}
    density p(x, c, h) { c ~ Categorical(logits = zeros(3))  h ~ Normal(zeros(2), 1)  x ~ Normal(f(h) + mu[c], 1) }
    density q(h | x) { h ~ Normal(x[1..2], 1) }  train { maximize E[h ~ q(h | x)](log p(x, h) - log q(h | x)) }`,
};

const inModel = (body: string): string =>
  `model M { ${body.replace(/data x : real\[4\], u : real\[2\]/u, (d) => (body.includes("| u") ? d : "data x : real[4]"))} }`;
const plainly = (text: string): string => text.replaceAll(" |> dropout(0.4)", "");

/** Numbers for all weights and data of a model, the same by path. */
function inputsOf(loaded: Loaded): {
  readonly state: Record<string, number[]>;
  readonly data: Record<string, number[]>;
  readonly shapes: Record<string, number[]>;
} {
  const shapes: Record<string, number[]> = {};
  const data: Record<string, number[]> = {};
  for (const [i, [name, { shape, domain }]] of loaded.model.streams.flatMap((s) => Object.entries(s)).entries()) {
    shapes[name] = [ROWS, ...shape];
    data[name] = spread(
      shapes[name].reduce((n, d) => n * d, 1),
      i + 3,
    ).map((v) => (domain === "count" ? Math.round(3 + 3 * v) : v));
  }
  const state: Record<string, number[]> = {};
  for (const [i, { path, spec }] of leavesOf(loaded.weights).entries())
    state[path] = spread(
      spec.shape.reduce((n, d) => n * d, 1),
      i + 11,
    );
  return { state, data, shapes };
}

/** The objective of a model, as its function gives it, for each row. */
function objectiveOf(loaded: Loaded, mode: "train" | "eval", seed = 1): readonly number[] {
  const { state, data, shapes } = inputsOf(loaded);
  const [, name = "", params = ""] = [...loaded.ts.matchAll(/^export function (\w+)\(([^)]*)\): Tensor/gmu)].at(-1) ?? [];
  const takes = [...params.matchAll(/(\w+)\??:/gu)].map((m) => m[1] ?? "");
  const named = new Map(Object.keys(data).map((v) => [v.replace(/[[\]]/gu, ""), v]));
  const out = runModel(
    loaded,
    ({ f, w, x, key }) => {
      const value = (p: string): unknown => (p === "w" ? w : p === "key" ? key : (x[named.get(p) ?? p] as Tensor));
      return { value: f(name)(...takes.map(value)) };
    },
    { state, data: Object.fromEntries(Object.entries(data).map(([v, d]) => [v, { shape: shapes[v]!, data: d }])), mode, seed },
  );
  return out["value"] ?? [];
}

describe("dropout where latents sum out", () => {
  for (const [kind, body] of Object.entries(KINDS))
    it(`in ${kind}`, async () => {
      const text = inModel(body);
      const loaded = loadModel(text);
      if (!text.includes("latent h")) {
        const plain = loadModel(plainly(text));
        const [found, wanted] = [objectiveOf(loaded, "eval"), objectiveOf(plain, "eval")];
        expect(found).toHaveLength(ROWS);
        found.forEach((v, i) => expect(Math.abs(v - (wanted[i] ?? NaN))).toBeLessThan(1e-9));
      }
      const { state, data } = inputsOf(loaded);
      const { gradients, value } = await gradientsOf(loaded.model, { weights: state, data, rows: ROWS });
      expect(Number.isFinite(value.mean[0])).toBe(true);
      for (const g of Object.values(gradients)) expect(g.mean.every(Number.isFinite)).toBe(true);
    });

  it("draws one mask for all states of a row", () => {
    // every state has the same location, so log p(x) is that of one masked input: u times 0 or 2 in each entry
    const loaded = loadModel(`model M { data x : real[2], u : real[2]  latent c : category[5]
      net f(u, c) = u + 0 * sum(onehot(c)) |> dropout(0.5)
      density p(x, c | u) { c ~ Categorical(logits = zeros(5))  x ~ Normal(f(u, c), 1) }  train { maximize log p(x | u) } }`);
    const { data } = inputsOf(loaded);
    const seen = new Set<number>();
    for (let seed = 1; seed <= 8; seed++)
      objectiveOf(loaded, "train", seed).forEach((value, r) => {
        const masks = [0, 1, 2, 3].map((m) =>
          [0, 1].reduce(
            (t, d) =>
              t - 0.5 * (data["x"]![2 * r + d]! - ((m >> d) & 1 ? 2 : 0) * data["u"]![2 * r + d]!) ** 2 - 0.5 * Math.log(2 * Math.PI),
            0,
          ),
        );
        const mask = masks.findIndex((v) => Math.abs(v - value) < 1e-6);
        expect(mask, `${value} is none of ${masks.join(", ")}`).toBeGreaterThanOrEqual(0);
        seen.add(mask);
      });
    expect(seen.size).toBe(4);
  });
});
