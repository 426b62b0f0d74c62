/**
 * The terms of an objective that stand in metrics and results add up to it: each with the sign that its name says (a KL and log q are subtracted), or the
 * weight that the model gives it. A sampled KL stands for the two log-densities that it is made of.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { constant, mean, terms } from "../../src/runtime/index.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { loadModel, runModel } from "../support/model.js";

const B = 4;

interface Case {
  readonly name: string;
  /** Latents, params and nets. */
  readonly declared: string;
  readonly p: string;
  readonly q?: string;
  readonly objective?: string;
  /** Of terms whose weight is not the sign of their name. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Terms that must be among them. */
  readonly has?: readonly string[];
}

const cases: readonly Case[] = [
  {
    name: "a plain prior",
    declared: "latent z : real[2]",
    p: "p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale) }",
    has: ["log p(x | z)", "KL(q(z | x), p(z))"],
  },
  {
    name: "a mixture prior",
    declared: "latent c : category[3], z : real[2]  param mu : real[3, 2] init Normal(0, 1)",
    p: "p(x, c, z) { c ~ Categorical(logits = zeros(3))  z ~ Normal(mu[c], 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale) }",
    has: ["log p(z)", "KL(q(z | x), p(z)), sampled"],
  },
  {
    name: "a mixture prior, weighted",
    declared: "latent c : category[3], z : real[2]  param mu : real[3, 2] init Normal(0, 1)",
    p: "p(x, c, z) { c ~ Categorical(logits = zeros(3))  z ~ Normal(mu[c], 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale) }",
    objective: "ELBO(p, q, beta = 3)",
    weights: { "KL(q(z | x), p(z)), sampled": -3 },
    has: ["log p(z)"],
  },
  {
    name: "two mixture layers",
    declared: "latent c : category[3], d : category[2], z : real[2], w : real[2]  param mu : real[3, 2] init Normal(0, 1)",
    p: "p(x, c, z, d, w) { c ~ Categorical(logits = zeros(3))  z ~ Normal(mu[c], 1)  d ~ Categorical(logits = zeros(2))  w ~ Normal(z + onehot(d), 1)  x ~ Normal(w |> dense(4), 1) }",
    q: "q(z, w | x) { e = x |> gaussian(2)  w ~ Normal(e.loc, e.scale)  g = w |> gaussian(2)  z ~ Normal(g.loc, g.scale) }",
    has: ["KL(q(w | x), p(w | z)), sampled", "KL(q(z | w), p(z)), sampled"],
  },
  {
    name: "a mixture of a chain of two finite latents",
    declared:
      "latent c : category[3], d : category[3], z : real[2]  param mu : real[3, 2] init Normal(0, 1)  param a : real[3, 3] init Normal(0, 1)",
    p: "p(x, c, d, z) { c ~ Categorical(logits = zeros(3))  d ~ Categorical(logits = a[c])  z ~ Normal(mu[d], 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale) }",
    has: ["KL(q(z | x), p(z)), sampled"],
  },
  {
    name: "a mixture that two layers share",
    declared: "latent c : category[3], z : real[2], w : real[2]  param mu : real[3, 2] init Normal(0, 1)",
    p: "p(x, c, z, w) { c ~ Categorical(logits = zeros(3))  z ~ Normal(mu[c], 1)  w ~ Normal(mu[c], 2)  x ~ Normal(concat(z, w) |> dense(4), 1) }",
    q: "q(z, w | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale)  w ~ Normal(e.loc, 1) }",
    has: ["log p(z, w)"],
  },
  {
    name: "a prior without a closed form",
    declared: "latent z : real[2]",
    p: "p(x, z) { z ~ StudentT(5, 0, 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale) }",
    has: ["KL(q(z | x), p(z)), sampled"],
  },
  {
    name: "a latent that is summed over",
    declared: "latent c : category[3]",
    p: "p(x, c) { c ~ Categorical(logits = zeros(3))  x ~ Normal(onehot(c) |> dense(4), 1) }",
    q: "q(c | x) { c ~ Categorical(logits = x |> dense(3)) }",
    has: ["KL(q(c | x), p(c))"],
  },
  {
    name: "sampled, summed, sampled",
    declared: "latent z : real[2], c : category[3], w : real[2]",
    p: "p(x, z, c, w) { z ~ Normal(0, 1)  c ~ Categorical(logits = zeros(3))  w ~ Normal(0, 1)  x ~ Normal(concat(z, onehot(c), w) |> dense(4), 1) }",
    q: "q(z, c, w | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale)  c ~ Categorical(logits = x |> dense(3))  g = concat(x, onehot(c)) |> gaussian(2)  w ~ Normal(g.loc, g.scale) }",
    has: ["KL(q(z | x), p(z))", "KL(q(w | c, x), p(w))"],
  },
  {
    name: "two that are summed over, one given the other",
    declared: "latent c : category[3], d : category[2]  param a : real[3, 2] init Normal(0, 1)",
    p: "p(x, c, d) { c ~ Categorical(logits = zeros(3))  d ~ Categorical(logits = a[c])  x ~ Normal(concat(onehot(c), onehot(d)) |> dense(4), 1) }",
    q: "q(c, d | x) { c ~ Categorical(logits = x |> dense(3))  d ~ Categorical(logits = concat(x, onehot(c)) |> dense(2)) }",
  },
  {
    name: "a class under a mixture component",
    declared: "latent c : category[3], z : real[2]  param mu : real[3, 2] init Normal(0, 1)",
    p: "p(x, c, z) { c ~ Categorical(logits = zeros(3))  z ~ Normal(mu[c], 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z, c | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale)  c ~ Categorical(logits = z |> dense(3)) }",
  },
  {
    name: "a hierarchy from the top",
    declared: "latent a : real[2], b : real[2]",
    p: "p(x, a, b) { a ~ Normal(0, 1)  b ~ Normal(a, 1)  x ~ Normal(b |> dense(4), 1) }",
    q: "q(a, b | x) { e = x |> gaussian(2)  a ~ Normal(e.loc, e.scale)  g = concat(a, x) |> gaussian(2)  b ~ Normal(g.loc, g.scale) }",
  },
  {
    name: "a hierarchy from the bottom",
    declared: "latent a : real[2], b : real[2]",
    p: "p(x, a, b) { a ~ Normal(0, 1)  b ~ Normal(a, 1)  x ~ Normal(b |> dense(4), 1) }",
    q: "q(a, b | x) { e = x |> gaussian(2)  b ~ Normal(e.loc, e.scale)  g = b |> gaussian(2)  a ~ Normal(g.loc, g.scale) }",
  },
  {
    name: "normal latents that are integrated out beside a sampled one",
    declared: "latent h : real[2], z : real[2]  param W : real[2, 2] init Normal(0, 1)",
    p: "p(x, h, z) { h ~ Normal(0, 1)  z ~ Normal(W @ h, 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale) }",
    objective: "E[z ~ q(z | x)](log p(x, z) - log q(z | x))",
    has: ["KL(q(z | x), p(z)), sampled"],
  },
  {
    name: "a sum of log-densities",
    declared: "param a : real[4] = 0",
    p: "p(x) { x ~ Normal(a, 1) }",
    q: "r(x) { x ~ Laplace(a, 1) }",
    objective: "2 * log p(x) + log r(x)",
    weights: { "log p(x)": 2 },
  },
  {
    name: "a mixture beside a penalty",
    declared: "latent c : category[3]  param mu : real[3, 4] init Normal(0, 1)",
    p: "p(x, c) { c ~ Categorical(logits = zeros(3))  x ~ Normal(mu[c], 1) }",
    objective: "log p(x) - 0.1 * sum(mu * mu)",
    weights: { "0.1 * sum(mu * mu)": -1 },
    has: ["log p(x)"],
  },
  {
    name: "the best component beside a penalty",
    declared: "latent c : category[3]  param mu : real[3, 4] init Normal(0, 1)",
    p: "p(x, c) { c ~ Categorical(logits = zeros(3))  x ~ Normal(mu[c], 1) }",
    objective: "max[c](log p(x, c)) - 0.1 * sum(mu * mu)",
    weights: { "0.1 * sum(mu * mu)": -1 },
  },
  {
    name: "a bound of samples beside a penalty",
    declared: "latent z : real[2]  param mu : real[4] init Normal(0, 1)",
    p: "p(x, z) { z ~ Normal(0, 1)  x ~ Normal(mu + (z |> dense(4)), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale) }",
    objective: "IWAE(p, q, k = 3) - 0.1 * sum(mu * mu)",
    // the log weights are no parts of the log of their mean
    weights: { "0.1 * sum(mu * mu)": -1, "log p(z)": 0, "log p(x | z)": 0, "log q(z | x)": 0 },
  },
  {
    name: "the mean of a family of samples",
    declared: "latent z : real[2]",
    p: "p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  z ~ Normal(e.loc, e.scale) }",
    objective: "E[z[1..5] ~ q(z | x)](mean[i in 1..5](log p(x, z[i]) - log q(z[i] | x)))",
  },
  {
    name: "a posterior through a flow",
    declared: "latent z : real[2]  flow f(e) on real[2] = planar",
    p: "p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z |> dense(4), 1) }",
    q: "q(z | x) { e = x |> gaussian(2)  u ~ Normal(e.loc, e.scale)  z = f(u) }",
  },
];

const textOf = ({ declared, p, q, objective = "ELBO(p, q)" }: Case): string =>
  `model M { data x : real[4]  ${declared}
  density ${p}
  ${q === undefined ? "" : `density ${q}`}
  train { maximize ${objective} batch = ${B}, epochs = 1 }
}`;

/** The objective and its terms in the mean over the batch, at random weights and data. */
function termsOf(text: string, seed: number): { readonly value: number; readonly named: ReadonlyMap<string, number> } {
  const loaded = loadModel(text);
  let state = seed * 7919;
  const next = (): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return (state / 2147483648 - 0.5) * 2.4;
  };
  const many = (shape: readonly number[]): number[] => Array.from({ length: shape.reduce((n, d) => n * d, 1) }, next);
  const variables = Object.entries(loaded.model.streams[0]!);
  const data = Object.fromEntries(
    variables.map(([name, { shape, domain }]) => {
      const values = many([B, ...shape]);
      return [name, { shape: [B, ...shape], data: domain === "binary" ? values.map((v) => Number(v > 0)) : values }];
    }),
  );
  let labels: readonly string[] = [];
  const found = runModel(
    loaded,
    ({ w, x, key, rows }) => {
      const update = loaded.model.train[0]!.updates[0]!;
      const schedule = Object.fromEntries(Object.keys(loaded.model.train[0]!.schedules ?? {}).map((name) => [name, constant(1)]));
      const value = update.value({ w, data: x, key, rows, schedule, carried: {} } as never);
      labels = [...terms().keys()];
      return { value: mean(value), ...Object.fromEntries([...terms().values()].map((t, i) => [`t${i}`, mean(t)])) };
    },
    { data, seed, state: weightsOf(loaded, many) },
  );
  return { value: found["value"]![0]!, named: new Map(labels.map((label, i) => [label, found[`t${i}`]![0]!])) };
}

/** Random values for all weights, so that no term is 0. */
function weightsOf(loaded: ReturnType<typeof loadModel>, many: (shape: readonly number[]) => number[]): Record<string, number[]> {
  return Object.fromEntries(leavesOf(loaded.weights).map(({ path, spec }) => [path, many(spec.shape).map((v) => 0.4 * v)]));
}

/** What is left of the objective when its terms are taken from it. */
function left(value: number, named: ReadonlyMap<string, number>, weights: Readonly<Record<string, number>>): number {
  const within = new Set(
    [...named.keys()].flatMap((label) => {
      const pair = /^KL\((.*\)), (.*\))\), sampled$/u.exec(label);
      return pair ? [`log ${pair[1]}`, `log ${pair[2]}`] : [];
    }),
  );
  return [...named]
    .filter(([label]) => !within.has(label))
    .reduce((rest, [label, t]) => rest - t * (weights[label] ?? (/^(KL\(|log q\()/u.test(label) ? -1 : 1)), value);
}

describe.each(cases.map((c) => [c.name, c] as const))("%s", (_, c) => {
  it("is the sum of its terms", () => {
    for (const seed of [1, 2, 3]) {
      const { value, named } = termsOf(textOf(c), seed);
      expect([...named.keys()]).toEqual(expect.arrayContaining([...(c.has ?? [])]));
      expect(Math.abs(left(value, named, c.weights ?? {})), [...named.keys()].join("; ")).toBeLessThan(1e-5 * (1 + Math.abs(value)));
    }
  });
});

describe.each(["vae", "hvae", "vamp_vae"])("examples/%s.gm", (name) => {
  it("is the sum of its terms", () => {
    const { value, named } = termsOf(readFileSync(`examples/${name}.gm`, "utf8"), 1);
    expect(named.size).toBeGreaterThan(1);
    expect(Math.abs(left(value, named, {})), [...named.keys()].join("; ")).toBeLessThan(1e-5 * (1 + Math.abs(value)));
  });
});
