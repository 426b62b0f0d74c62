/** Expectation maximisation: one step against responsibilities and estimates in plain loops, a likelihood that never falls, k-means against Lloyd. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

const K = 3;
const D = 2;
const N = 40;
/** Numbers in -1..1 that f32 holds exactly. */
function spread(n: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround((2 * state) / 2 ** 32 - 1);
  });
}
const noise = spread(N * D, 7);
const x = Array.from({ length: N * D }, (_, i) => Math.fround(noise[i]! + [-2, 0.5, 2][Math.floor(i / D) % K]! * (i % D === 0 ? 1 : -0.6)));
const at = (n: number, d: number): number => x[n * D + d]!;
const softplus = (u: number): number => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
const sigmoid = (u: number): number => 1 / (1 + Math.exp(-u));

/** The weights after a step: stored plus gradient, for what is climbed at rate 1. */
async function step(
  text: string,
  weights: Record<string, number[]>,
  data: Record<string, number[]>,
  rows = N,
): Promise<Record<string, number[]>> {
  const { gradients } = await gradientsOf(loadModel(text).model, { weights, data, rows });
  return Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, w.map((v, i) => v + (gradients[name]?.mean[i] ?? 0))]));
}

const close = (got: readonly number[], wanted: readonly number[], tolerance = 1e-5): void => {
  expect(got).toHaveLength(wanted.length);
  got.forEach((v, i) => expect(Math.abs(v - wanted[i]!), `entry ${i}: ${v} for ${wanted[i]}`).toBeLessThan(tolerance));
};

/** Responsibilities from log joints [K] of a row. */
function posterior(logs: readonly number[]): number[] {
  const top = Math.max(...logs);
  const all = logs.reduce((s, l) => s + Math.exp(l - top), 0);
  return logs.map((l) => Math.exp(l - top) / all);
}

const mixture = (child: string, params: string, domain = "real", objective = "log p(x)"): string => `model M {
  data x : ${domain}[${D}]
  latent c : category[${K}]
  param w : real[${K}]
  ${params}
  density p(x, c) { c ~ Categorical(logits = w)   x ~ ${child} }
  train { maximize ${objective} by em   epochs = 20 }
}`;

describe("one step", () => {
  const w = [0.25, -0.5, 0];
  const mu = [-1, 0.5, 0.25, 0, 1.5, -1];
  const s = [0.5, 0, 1, -0.25, 0.25, 0.75];

  it.each(["v", "x2", "at"])("is the same whatever the latent is called: %s", async (latent) => {
    const text = mixture(`Normal(mu[c], 1)`, `param mu : real[${K}, ${D}]`);
    const named = text.replaceAll(/\bc\b/gu, latent);
    const of = (model: string): Promise<Record<string, number[]>> => step(model, { w, mu }, { x });
    expect(await of(named)).toEqual(await of(text));
  });
  const shares = (): number[][] =>
    Array.from({ length: N }, (_, n) =>
      posterior(
        w.map((wk, k) => {
          let log = wk;
          for (let d = 0; d < D; d++) {
            const scale = softplus(s[k * D + d]!);
            log += -0.5 * ((at(n, d) - mu[k * D + d]!) / scale) ** 2 - Math.log(scale);
          }
          return log;
        }),
      ),
    );

  it("of a mixture of Gaussians", async () => {
    const next = await step(mixture("Normal(mu[c], s[c])", `param mu : real[${K}, ${D}], s : positive[${K}, ${D}]`), { w, mu, s }, { x });
    const r = shares();
    const count = w.map((_, k) => r.reduce((t, row) => t + row[k]!, 0));
    const weights = posterior(next["w"]!);
    close(
      weights,
      count.map((c) => c / N),
    );
    const means = mu.map((_, i) => r.reduce((t, row, n) => t + row[Math.floor(i / D)]! * at(n, i % D), 0) / count[Math.floor(i / D)]!);
    close(next["mu"]!, means);
    const deviations = mu.map((_, i) =>
      Math.sqrt(r.reduce((t, row, n) => t + row[Math.floor(i / D)]! * (at(n, i % D) - means[i]!) ** 2, 0) / count[Math.floor(i / D)]!),
    );
    close(next["s"]!.map(softplus), deviations);
  });

  it("of classes that some rows have", async () => {
    const text = (which: string): string =>
      mixture("Normal(mu[c], s[c])", `param mu : real[${K}, ${D}], s : positive[${K}, ${D}]`, "real", which)
        .replace(/\s*latent c/u, ", c")
        .replace(`category[${K}]`, `category[${K}]?`);
    const labels = Array.from({ length: N }, (_, n) => (n % 4 === 0 ? (n + 1) % K : -1));
    const r = shares().map((row, n) => (labels[n]! < 0 ? row : row.map((_, k) => (labels[n] === k ? 1 : 0))));
    const next = await step(text("log p(x, c)"), { w, mu, s }, { x, c: labels });
    const count = w.map((_, k) => r.reduce((t, row) => t + row[k]!, 0));
    const means = mu.map((_, i) => r.reduce((t, row, n) => t + row[Math.floor(i / D)]! * at(n, i % D), 0) / count[Math.floor(i / D)]!);
    close(
      posterior(next["w"]!),
      count.map((c) => c / N),
    );
    close(next["mu"]!, means);
    // all rows have it, or none
    const all = labels.map((_, n) => n % K);
    const plain = text("log p(x, c)").replace("]?", "]");
    close((await step(text("log p(x, c)"), { w, mu, s }, { x, c: all }))["mu"]!, (await step(plain, { w, mu, s }, { x, c: all }))["mu"]!);
    const none = labels.map(() => -1);
    const latent = mixture("Normal(mu[c], s[c])", `param mu : real[${K}, ${D}], s : positive[${K}, ${D}]`);
    close((await step(text("log p(x, c)"), { w, mu, s }, { x, c: none }))["mu"]!, (await step(latent, { w, mu, s }, { x }))["mu"]!);
  });

  it("of one whose scale is shared, and an exp", async () => {
    const text = mixture("Normal(mu[c], exp(u))", `param mu : real[${K}, ${D}], u : real[${D}]`);
    const u = [0.25, -0.25];
    const next = await step(text, { w, mu, u }, { x });
    const r = Array.from({ length: N }, (_, n) =>
      posterior(w.map((wk, k) => wk + [0, 1].reduce((t, d) => t - 0.5 * ((at(n, d) - mu[k * D + d]!) / Math.exp(u[d]!)) ** 2, 0))),
    );
    const count = w.map((_, k) => r.reduce((t, row) => t + row[k]!, 0));
    const means = mu.map((_, i) => r.reduce((t, row, n) => t + row[Math.floor(i / D)]! * at(n, i % D), 0) / count[Math.floor(i / D)]!);
    close(next["mu"]!, means);
    close(
      next["u"]!.map(Math.exp),
      [0, 1].map((d) =>
        Math.sqrt(r.reduce((t, row, n) => t + row.reduce((e, rk, k) => e + rk * (at(n, d) - means[k * D + d]!) ** 2, 0), 0) / N),
      ),
    );
  });

  it("of a mixture of Bernoullis by logits and by probabilities", async () => {
    const bits = x.map((v) => (v > 0 ? 1 : 0));
    const m = [0.5, -1, 0.25, 0, -0.75, 1];
    const r = Array.from({ length: N }, (_, n) =>
      posterior(w.map((wk, k) => wk + [0, 1].reduce((t, d) => t + Math.log(sigmoid((bits[n * D + d]! ? 1 : -1) * m[k * D + d]!)), 0))),
    );
    const count = w.map((_, k) => r.reduce((t, row) => t + row[k]!, 0));
    const means = m.map(
      (_, i) => r.reduce((t, row, n) => t + row[Math.floor(i / D)]! * bits[n * D + (i % D)]!, 0) / count[Math.floor(i / D)]!,
    );
    for (const [child, params] of [
      ["Bernoulli(logits = m[c])", `param m : real[${K}, ${D}]`],
      ["Bernoulli(probs = m[c])", `param m : unit[${K}, ${D}]`],
    ] as const) {
      const next = await step(mixture(child, params, "binary"), { w, m }, { x: bits });
      close(next["m"]!.map(sigmoid), means);
    }
  });

  it("of a mixture of Poissons with simplex weights", async () => {
    const counts = x.map((v) => Math.round(Math.abs(v) * 2));
    const rate = [0.5, 1, 2, 0, -0.5, 1.5];
    const pi = [0.5, 0, -0.25];
    const text = `model M {
      data x : count[${D}]
      latent c : category[${K}]
      param pi : simplex[${K}], rate : positive[${K}, ${D}]
      density p(x, c) { c ~ Categorical(probs = pi)   x ~ Poisson(rate[c]) }
      train { maximize log p(x) by em   epochs = 3 }
    }`;
    const next = await step(text, { pi, rate }, { x: counts });
    const r = Array.from({ length: N }, (_, n) =>
      posterior(
        pi.map(
          (p, k) =>
            p + [0, 1].reduce((t, d) => t + counts[n * D + d]! * Math.log(softplus(rate[k * D + d]!)) - softplus(rate[k * D + d]!), 0),
        ),
      ),
    );
    const count = pi.map((_, k) => r.reduce((t, row) => t + row[k]!, 0));
    close(
      posterior(next["pi"]!),
      count.map((c) => c / N),
    );
    close(
      next["rate"]!.map(softplus),
      rate.map((_, i) => r.reduce((t, row, n) => t + row[Math.floor(i / D)]! * counts[n * D + (i % D)]!, 0) / count[Math.floor(i / D)]!),
    );
  });

  it("of two latents: a component and a scale, shared between components", async () => {
    const text = `model M {
      data x : real[${D}]
      latent c : category[${K}], g : category[2]
      param w : real[${K}], v : real[${K}, 2], mu : real[${K}, ${D}], s : positive[2]
      density p(x, c, g) { c ~ Categorical(logits = w)   g ~ Categorical(logits = v[c])   x ~ Normal(mu[c], s[g]) }
      train { maximize log p(x) by em   epochs = 3 }
    }`;
    const v = [0, 0.5, -0.5, 0.25, 0.75, 0];
    const t = [0.25, 1.25];
    const next = await step(text, { w, v, mu, s: t }, { x });
    const r = Array.from({ length: N }, (_, n) =>
      posterior(
        w.flatMap((wk, k) =>
          t.map((tg, g) => {
            const scale = softplus(tg);
            const pair = posterior([v[2 * k]!, v[2 * k + 1]!])[g]!;
            return wk + Math.log(pair) + [0, 1].reduce((q, d) => q - 0.5 * ((at(n, d) - mu[k * D + d]!) / scale) ** 2 - Math.log(scale), 0);
          }),
        ),
      ),
    );
    const share = (n: number, k: number, g: number): number => r[n]![2 * k + g]!;
    const total = (f: (n: number, k: number, g: number) => number): number => {
      let sum = 0;
      for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) for (let g = 0; g < 2; g++) sum += share(n, k, g) * f(n, k, g);
      return sum;
    };
    // a location given the scales: rows weigh by their precision
    const precision = t.map((tg) => 1 / softplus(tg) ** 2);
    const means = mu.map((_, i) => {
      const only = (n: number, k: number, g: number): number => (k === Math.floor(i / D) ? precision[g]! * at(n, i % D) : 0);
      return total(only) / total((_, k, g) => (k === Math.floor(i / D) ? precision[g]! : 0));
    });
    close(next["mu"]!, means);
    const deviations = t.map((_, h) => {
      const squares = total((n, k, g) => (g === h ? [0, 1].reduce((q, d) => q + (at(n, d) - means[k * D + d]!) ** 2, 0) : 0));
      return Math.sqrt(squares / total((_, __, g) => (g === h ? D : 0)));
    });
    close(next["s"]!.map(softplus), deviations);
    for (let k = 0; k < K; k++)
      close(
        posterior(next["v"]!.slice(2 * k, 2 * k + 2)),
        [0, 1].map((h) => total((_, j, g) => (j === k && g === h ? 1 : 0)) / total((_, j) => (j === k ? 1 : 0))),
      );
  });

  it("of what is observed in full: the estimate itself", async () => {
    const text = `model M {
      data x : positive[${D}]
      param rate : positive[${D}]
      density p(x) { x ~ Exponential(rate) }
      train { maximize log p(x) by em   epochs = 1 }
    }`;
    const sizes = x.map((v) => Math.fround(Math.abs(v) + 0.1));
    const next = await step(text, { rate: [0, 0] }, { x: sizes });
    close(
      next["rate"]!.map(softplus),
      [0, 1].map((d) => N / sizes.reduce((t, v, i) => t + (i % D === d ? v : 0), 0)),
    );
  });

  it.each([
    ["Bernoulli(probs = m)", "binary", "unit", [0, 1], sigmoid, [1e-6, 1 - 1e-6]],
    ["Bernoulli(logits = m)", "binary", "real", [0, 1], sigmoid, [1e-6, 1 - 1e-6]],
    ["Poisson(m)", "count", "positive", [0, 3], softplus, [1e-6, 3]],
    ["Poisson(exp(m))", "count", "real", [0, 3], Math.exp, [1e-6, 3]],
    ["Exponential(m)", "positive", "positive", [1e-9, 2], softplus, [1e6, 0.5]],
    ["Normal(1, exp(m))", "real", "real", [1, 3], Math.exp, [1e-6, 2]],
    ["HalfNormal(m)", "positive", "positive", [1e-9, 3], softplus, [1e-6, 3]],
  ] as const)("ends before the domain does, where all rows are alike: %s", async (child, domain, stored, values, toParameter, wanted) => {
    const text = `model M {
      data x : ${domain}[${D}]
      param m : ${stored}[${D}]
      density p(x) { x ~ ${child} }
      train { maximize log p(x) by em   epochs = 1 }
    }`;
    const rows = Array.from({ length: N }, () => values).flat();
    const next = await step(text, { m: [0, 0] }, { x: rows });
    next["m"]!.forEach((v, d) => expect(toParameter(v) / wanted[d]!).toBeCloseTo(1, 3));
    // 1 - 1e-6 is told from 1
    if (domain === "binary") expect(1 - toParameter(next["m"]![1]!)).toBeGreaterThan(9e-7);
  });

  it("leaves a component that no row belongs to", async () => {
    const far = [-1, 0.5, 0.25, 0, 1e4, 1e4];
    const next = await step(mixture("Normal(mu[c], 0.5)", `param mu : real[${K}, ${D}]`), { w, mu: far }, { x });
    close(next["mu"]!.slice(4), far.slice(4), 1e-9);
  });
});

describe("a run", () => {
  it.each([
    ["log p(x)", "Normal(mu[c], s[c])", `param mu : real[${K}, ${D}] init data, s : positive[${K}, ${D}] = 1`],
    ["log p(x)", "Normal(mu[c], exp(u))", `param mu : real[${K}, ${D}] init data, u : real = 1.5`],
    ["max[c](log p(x, c))", "Normal(mu[c], 1)", `param mu : real[${K}, ${D}] init data`],
  ])("never lowers %s of %s, over all rows", async (objective, child, params) => {
    const { model } = loadModel(mixture(child, params, "real", objective));
    const trained = await train(model, {
      data: { x: Float32Array.from(x) },
      engine: referenceEngine,
      steps: 25,
      seed: 4,
      recordEvery: 1,
    });
    const values = trained.history.flatMap((h) =>
      Object.entries(h.values).flatMap(([k, v]) => (k.startsWith(objective.slice(0, 3)) ? [v] : [])),
    );
    await trained.close();
    expect(values).toHaveLength(25);
    expect(values.at(-1)! - values[0]!).toBeGreaterThan(0.05);
    values.slice(1).forEach((v, i) => expect(v).toBeGreaterThan(values[i]! - 1e-5));
  });

  it.each([
    ["batch", { batch: 7 }],
    ["lr", { lr: 0.1 }],
  ])("says that %s has no meaning for it", async (name, options) => {
    const { model } = loadModel(mixture("Normal(mu[c], 1)", `param mu : real[${K}, ${D}]`));
    const run = train(model, { data: { x: Float32Array.from(x) }, engine: referenceEngine, steps: 1, ...options });
    await expect(run).rejects.toThrow(`${name} has no meaning for expectation maximisation`);
  });

  /** Each with a law of its own, by a draw of the seed: x and y of one row share the component, and y a second one. */
  const LAWS: readonly (readonly [string, (k: string) => string, string, (u: number) => number])[] = [
    ["real", (k) => `Normal(m[${k}], s[${k}])`, "m : real[K, D], s : positive[K, D] = 1", (u) => 3 * u],
    ["real", (k) => `Normal(m[${k}], exp(t))`, "m : real[K, D], t : real", (u) => 3 * u],
    ["binary", (k) => `Bernoulli(probs = r[${k}])`, "r : unit[K, D]", (u) => (u > 0.2 ? 1 : 0)],
    ["binary", (k) => `Bernoulli(logits = l[${k}])`, "l : real[K, D]", (u) => (u > -0.1 ? 1 : 0)],
    ["positive", (k) => `Exponential(e[${k}])`, "e : positive[K, D]", (u) => 0.1 + Math.abs(u)],
    ["positive", (k) => `LogNormal(m[${k}], s)`, "m : real[K, D], s : positive[D] = 1", (u) => 0.1 + Math.abs(u)],
    ["count", (k) => `Poisson(q[${k}])`, "q : positive[K, D]", (u) => Math.floor(4 * Math.abs(u))],
  ];
  it.each(Array.from({ length: 14 }, (_, seed) => seed))("never lowers the likelihood of random model %i", async (seed) => {
    const [components, second] = [2 + (seed % 3), 2 + (seed % 2)];
    const one = LAWS[seed % LAWS.length]!;
    const two = LAWS[(3 * seed + 1) % LAWS.length]!;
    const named = (text: string, prefix: string): string => text.replace(/\b([mstrleq])(?=\[| :|\))/gu, `${prefix}$1`);
    const sizes = (text: string, k: number): string => text.replaceAll("K", String(k)).replaceAll("D", String(D));
    const { model } = loadModel(`model M {
      data x : ${one[0]}[${D}], y : ${two[0]}[${D}]
      latent c : category[${components}], h : category[${second}]
      param w : real[${components}], v : real[${components}, ${second}]
      param ${sizes(named(one[2], "x"), components)}, ${sizes(named(two[2], "y"), second)}
      density p(x, y, c, h) {
        c ~ Categorical(logits = w)
        h ~ Categorical(logits = v[c])
        x ~ ${named(one[1]("c"), "x")}
        y ~ ${named(two[1]("h"), "y")}
      }
      train { maximize log p(x, y) by em   epochs = 12 }
    }`);
    const of = (law: (typeof LAWS)[number], from: number): Float32Array => Float32Array.from(spread(N * D, from), law[3]);
    const data = { x: of(one, 11 + seed), y: of(two, 77 + seed) };
    const trained = await train(model, { data, engine: referenceEngine, seed, recordEvery: 1 });
    const values = trained.history.flatMap((h) => Object.entries(h.values).flatMap(([k, v]) => (k.startsWith("log p(x, y)") ? [v] : [])));
    await trained.close();
    expect(values).toHaveLength(12);
    expect(values.at(-1)!).toBeGreaterThan(values[0]!);
    values.slice(1).forEach((v, i) => expect(v, `step ${i + 2}`).toBeGreaterThan(values[i]! - 1e-4));
  });

  it("hard EM is Lloyd's k-means", async () => {
    const text = `model M {
      data x : real[${D}]
      latent c : category[${K}]
      param mu : real[${K}, ${D}]
      density p(x, c) { c ~ Categorical(logits = zeros(${K}))   x ~ Normal(mu[c], 1) }
      train { maximize max[c](log p(x, c)) by em   epochs = 1 }
    }`;
    let mu = [-1, 0.5, 0.25, 0, 1.5, -1].map((v) => v * 0.3);
    let lloyd = mu;
    for (let i = 0; i < 4; i++) {
      mu = (await step(text, { mu }, { x }))["mu"]!.map(Math.fround);
      const old = lloyd;
      const nearest = Array.from({ length: N }, (_, n) => {
        const distances = Array.from({ length: K }, (_, k) => [0, 1].reduce((t, d) => t + (at(n, d) - old[k * D + d]!) ** 2, 0));
        return distances.indexOf(Math.min(...distances));
      });
      lloyd = old.map((v, j) => {
        const rows = nearest.flatMap((k, n) => (k === Math.floor(j / D) ? [n] : []));
        return rows.length === 0 ? v : rows.reduce((t, n) => t + at(n, j % D), 0) / rows.length;
      });
      close(mu, lloyd);
    }
  });
});

describe("what has no M-step", () => {
  const codes = (text: string): string[] => compile({ path: "m.gm", text }).diagnostics.map((d) => d.code);
  it.each([
    ["GM3852", mixture("Laplace(mu[c], 1)", `param mu : real[${K}, ${D}]`)],
    ["GM3852", mixture("Normal(tanh(mu[c]), 1)", `param mu : real[${K}, ${D}]`)],
    ["GM3853", mixture("Normal(mu[c], exp(mu[c]))", `param mu : real[${K}, ${D}]`)],
    ["GM3851", mixture("Normal(mu[c], 1)", `param mu : real[${K}, ${D}]`, "real", "2 * log p(x)")],
    // rows without x know other factors than those with it
    [
      "GM3851",
      mixture("Normal(mu[c], 1)", `param mu : real[${K}, ${D}]`, "real", "log p(x, c)").replace(
        /(data x : real\[2\]).*?latent (c.*?)\n/su,
        "$1?, $2\n",
      ),
    ],
    ["GM3855", mixture("Normal(mu[c], 1)", `param mu : real[${K}, ${D}]`).replace("maximize", "minimize")],
    ["GM3854", mixture("Normal(mu[c], 1)", `param mu : real[${K}, ${D}]`).replace("epochs = 20", "batch = 10, epochs = 20")],
  ])("%s", (code, text) => expect(codes(text)).toEqual([code]));
});
