/** Finite latents eliminated one after another: against enumeration of all joint states, the forward algorithm and that of Viterbi in plain loops. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import type { States } from "../../src/ir/states.js";
import type { Term } from "../../src/ir/quantity.js";
import { planElimination } from "../../src/ir/derive/elimination.js";
import { explain, printExplanation } from "../../src/codegen/explain.js";
import type { Tensor } from "../../src/runtime/index.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel, runModel, type Loaded } from "../support/model.js";
import { logSoftmax, logSumExp, spread } from "../support/numbers.js";

const logNormal = (x: number, loc: number): number => -0.5 * (x - loc) ** 2 - 0.5 * Math.log(2 * Math.PI);
const row = (m: readonly number[], i: number, n: number): number[] => m.slice(i * n, (i + 1) * n);
/** Every assignment of n latents of K states. */
const assignments = (n: number, K: number): number[][] =>
  Array.from({ length: K ** n }, (_, s) => Array.from({ length: n }, (_, i) => Math.floor(s / K ** i) % K));

const explained = (loaded: Loaded): string => printExplanation(explain(loaded.compiled.derived!));

type Weights = Record<string, number[]>;
type Data = Record<string, number[]>;

/** The value of each line of `evaluate`, for every row. */
function measured(loaded: Loaded, weights: Weights, data: Data, rows: number): Record<string, readonly number[]> {
  const lines = Object.entries(loaded.model.evaluate ?? {});
  return runModel(
    loaded,
    ({ w, x }) =>
      Object.fromEntries(
        lines.flatMap(([name, m]) => (m.kind === "rows" ? [[name, (m.value as (at: unknown) => Tensor)({ w, data: x })]] : [])),
      ),
    {
      state: weights,
      data: Object.fromEntries(Object.entries(data).map(([name, d]) => [name, { shape: [rows], data: d }])),
      mode: "eval",
    },
  );
}

const close = (got: readonly number[] | undefined, wanted: readonly number[], tolerance = 1e-9): void => {
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((v, i) =>
    expect(Math.abs(got![i]! - v), `row ${i}: ${got![i]} for ${v}`).toBeLessThan(tolerance * Math.max(1, Math.abs(v))),
  );
};

const ROWS = 3;
const dataOf = (names: readonly string[], seed = 11): Data => Object.fromEntries(names.map((n, i) => [n, spread(ROWS, 1, seed + i)]));

const hmm = (T: number, K: number, lines: string): string => `model HMM(T = ${T}, K = ${K}) {
  data x[t in 1..T] : real
  latent z[t in 1..T] : category[K]
  param start : real[K], A : real[K, K], mu : real[K]
  density p(x, z) {
    z[1] ~ Categorical(logits = start)
    for t in 2..T { z[t] ~ Categorical(logits = A[z[t - 1]]) }
    for t in 1..T { x[t] ~ Normal(mu[z[t]], 1) }
  }
  ${lines}
}`;
const chainWeights = (K: number): Weights => ({ start: spread(K, 1, 1), A: spread(K * K, 1, 2), mu: spread(K, 1, 3).map((v) => 2 * v) });
const series = (T: number): string[] => Array.from({ length: T }, (_, t) => `x[${t + 1}]`);

/** log p(x, z) of a row of a chain. */
function chainJoint(K: number, { start, A, mu }: Weights, xs: readonly number[], zs: readonly number[]): number {
  return zs.reduce((total, z, t) => {
    const from = t === 0 ? logSoftmax(start!) : logSoftmax(row(A!, zs[t - 1]!, K));
    return total + from[z]! + logNormal(xs[t]!, mu![z]!);
  }, 0);
}

/** The forward algorithm (Rabiner 1989, eq. 19-21), or with `best` that of Viterbi (eq. 33). */
function forward(K: number, { start, A, mu }: Weights, xs: readonly number[], best = false): number {
  const join = best ? (v: readonly number[]): number => Math.max(...v) : logSumExp;
  const logA = Array.from({ length: K }, (_, i) => logSoftmax(row(A!, i, K)));
  let alpha = logSoftmax(start!).map((a, k) => a + logNormal(xs[0]!, mu![k]!));
  for (const x of xs.slice(1)) alpha = mu!.map((m, k) => join(alpha.map((a, j) => a + logA[j]![k]!)) + logNormal(x, m));
  return join(alpha);
}

describe("a chain", () => {
  const [T, K] = [5, 3];
  const weights = chainWeights(K);
  const data = dataOf(series(T));
  const xs = (r: number): number[] => series(T).map((n) => data[n]![r]!);
  const states = assignments(T, K);
  const joints = Array.from({ length: ROWS }, (_, r) => states.map((z) => chainJoint(K, weights, xs(r), z)));
  const lines = `evaluate { ll = log p(x)   best = max[z](log p(x, z))   worst = min[z](log p(x, z))
    middle = log p(x[1], x[3], x[5])   later = log p(x[4], x[5] | x[1], x[2], x[3]) }`;
  const found = measured(loadModel(hmm(T, K, lines)), weights, data, ROWS);

  it("is summed as its joint states are", () => close(found["ll"], joints.map(logSumExp)));

  it("has the greatest and the least of its joint states", () => {
    close(
      found["best"],
      joints.map((j) => Math.max(...j)),
    );
    close(
      found["worst"],
      joints.map((j) => Math.min(...j)),
    );
  });

  it("has marginals and conditionals of what is observed", () => {
    const of = (keep: readonly number[]): number[] =>
      joints.map((_, r) =>
        logSumExp(
          states.map((z) =>
            z.reduce((total, k, t) => {
              const from = t === 0 ? logSoftmax(weights["start"]!) : logSoftmax(row(weights["A"]!, z[t - 1]!, K));
              return total + from[k]! + (keep.includes(t) ? logNormal(xs(r)[t]!, weights["mu"]![k]!) : 0);
            }, 0),
          ),
        ),
      );
    close(found["middle"], of([0, 2, 4]));
    const before = of([0, 1, 2]);
    close(
      found["later"],
      joints.map((j, r) => logSumExp(j) - before[r]!),
    );
  });

  it.each([
    ["log p(x)", (v: readonly number[]) => logSumExp(v)],
    ["max[z](log p(x, z))", (v: readonly number[]) => Math.max(...v)],
  ])("has the gradient of %s, by finite differences of its enumeration", async (objective, join) => {
    const loaded = loadModel(hmm(T, K, `train { maximize ${objective}   batch = ${ROWS} }`));
    const { gradients } = await gradientsOf(loaded.model, { weights, data, rows: ROWS });
    const value = (w: Weights): number =>
      Array.from({ length: ROWS }, (_, r) => join(states.map((z) => chainJoint(K, w, xs(r), z)))).reduce((a, b) => a + b, 0) / ROWS;
    for (const [name, w] of Object.entries(weights)) {
      const slopes = w.map((_, i) => {
        const moved = (h: number): number => value({ ...weights, [name]: w.map((v, j) => (j === i ? v + h : v)) });
        return (moved(1e-4) - moved(-1e-4)) / 2e-4;
      });
      close(gradients[name]?.mean, slopes, 1e-5);
    }
  });
});

it("a chain of 50 latents of 8 states is summed by the forward algorithm, and maximised by that of Viterbi", () => {
  const [T, K] = [50, 8];
  const names = series(T);
  const loaded = loadModel(hmm(T, K, `evaluate { ll = log p(x)   best = max[z](log p(x, z)) }`));
  const [weights, data] = [chainWeights(K), dataOf(names)];
  const found = measured(loaded, weights, data, ROWS);
  const xs = (r: number): number[] => names.map((n) => data[n]![r]!);
  close(
    found["ll"],
    Array.from({ length: ROWS }, (_, r) => forward(K, weights, xs(r))),
  );
  close(
    found["best"],
    Array.from({ length: ROWS }, (_, r) => forward(K, weights, xs(r), true)),
  );
  // no tensor has more than two axes of states before the batch
  expect(loaded.ts).not.toContain("[K, 1, 1, 1");
  expect(explained(loaded)).toContain("sum-product  exact: summed out along the chain, at most 64 states at once");
  expect(explained(loaded)).toContain("max-product  exact: optimised out along the chain, at most 64 states at once");
});

describe("the posterior of a chain", () => {
  const [T, K] = [12, 4];
  const lines = `evaluate {
    ends = E[z ~ p(z | x)](mu[z[1]] + 2 * mu[z[${T}]])
    pairs = E[z ~ p(z | x)](${Array.from({ length: T - 1 }, (_, t) => `mu[z[${t + 1}]] * mu[z[${t + 2}]]`).join(" + ")})
    expected = E[z ~ p(z | x)](log p(x, z))
    entropy = E[z ~ p(z | x)](-log p(z | x))
    evidence = E[z ~ p(z | x)](log p(x, z) - log p(z | x))
    ll = log p(x)
    sums = E[z ~ p(z | x)](sum[t in 1..${T}](mu[z[t]]))
    scaled = E[z ~ p(z | x)](x[1] * sum[t in 1..${T}](mu[z[t]]) / 3)
    average = E[z ~ p(z | x)](2 * mean[t in 1..${T}](mu[z[t]]))
    residuals = E[z ~ p(z | x)](sum[t in 1..${T}]((x[t] - mu[z[t]])^2))
    emissions = E[z ~ p(z | x)](sum[t in 1..${T}](log p(x[t] | z[t])))
  }`;
  const [weights, data] = [chainWeights(K), dataOf(series(T))];
  const loaded = loadModel(hmm(T, K, lines));
  const found = measured(loaded, weights, data, ROWS);
  const mu = weights["mu"]!;
  const logA = Array.from({ length: K }, (_, i) => logSoftmax(row(weights["A"]!, i, K)));
  const seen = (r: number, t: number, k: number): number => logNormal(data[`x[${t + 1}]`]![r]!, mu[k]!);
  /** log of the forward and of the backward messages (Rabiner 1989, eq. 19-20, 24-25). */
  const smoothed = (r: number): { alpha: number[][]; beta: number[][]; total: number } => {
    const alpha = [logSoftmax(weights["start"]!).map((a, k) => a + seen(r, 0, k))];
    for (let t = 1; t < T; t++) alpha.push(mu.map((_, k) => logSumExp(alpha[t - 1]!.map((a, j) => a + logA[j]![k]!)) + seen(r, t, k)));
    const beta = [mu.map(() => 0)];
    for (let t = T - 1; t > 0; t--)
      beta.unshift(mu.map((_, j) => logSumExp(mu.map((_, k) => logA[j]![k]! + seen(r, t, k) + beta[0]![k]!))));
    return { alpha, beta, total: logSumExp(alpha[T - 1]!) };
  };
  const rows = Array.from({ length: ROWS }, (_, r) => smoothed(r));
  const states = Array.from({ length: K }, (_, k) => k);
  const one = (r: number, t: number, k: number): number => Math.exp(rows[r]!.alpha[t]![k]! + rows[r]!.beta[t]![k]! - rows[r]!.total);
  const two = (r: number, t: number, j: number, k: number): number =>
    Math.exp(rows[r]!.alpha[t]![j]! + logA[j]![k]! + seen(r, t + 1, k) + rows[r]!.beta[t + 1]![k]! - rows[r]!.total);
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  const mean = (r: number, t: number): number => sum(states.map((k) => one(r, t, k) * mu[k]!));
  const times = Array.from({ length: T }, (_, t) => t);
  const each = (f: (r: number) => number): number[] => rows.map((_, r) => f(r));
  const expected = (r: number): number =>
    sum(states.map((k) => one(r, 0, k) * logSoftmax(weights["start"]!)[k]!)) +
    sum(times.flatMap((t) => states.map((k) => one(r, t, k) * seen(r, t, k)))) +
    sum(times.slice(1).flatMap((t) => states.flatMap((j) => states.map((k) => two(r, t - 1, j, k) * logA[j]![k]!))));

  it("gives the means of its states, by the forward-backward algorithm", () => {
    close(
      found["ends"],
      each((r) => mean(r, 0) + 2 * mean(r, T - 1)),
    );
  });
  it("takes sums of many, multiples and means of them apart", () => {
    const total = (r: number): number => sum(times.map((t) => mean(r, t)));
    const overStates = (r: number, of: (t: number, k: number) => number): number =>
      sum(times.flatMap((t) => states.map((k) => one(r, t, k) * of(t, k))));
    close(found["sums"], each(total));
    close(
      found["scaled"],
      each((r) => (data["x[1]"]![r]! * total(r)) / 3),
    );
    close(
      found["average"],
      each((r) => (2 * total(r)) / T),
    );
    close(
      found["residuals"],
      each((r) => overStates(r, (t, k) => (data[`x[${t + 1}]`]![r]! - mu[k]!) ** 2)),
    );
    close(
      found["emissions"],
      each((r) => overStates(r, (t, k) => seen(r, t, k))),
    );
  });
  it("gives the means of neighbours together", () => {
    const pair = (r: number, t: number): number => sum(states.flatMap((j) => states.map((k) => two(r, t, j, k) * mu[j]! * mu[k]!)));
    close(
      found["pairs"],
      each((r) => sum(times.slice(1).map((t) => pair(r, t - 1)))),
    );
  });
  it("averages log-densities: the expected one, the entropy, and together log p(x)", () => {
    close(found["expected"], each(expected));
    close(
      found["entropy"],
      each((r) => rows[r]!.total - expected(r)),
    );
    close(
      found["evidence"],
      each((r) => rows[r]!.total),
    );
    close(found["ll"], found["evidence"]!);
  });
  it("is told as what it is", () => {
    expect(explained(loaded)).toContain("exact: averaged over their posterior, summed out along the chain, at most 16 states at once");
  });

  it("has the gradient of what it averages, through the posterior too", async () => {
    const trained = loadModel(hmm(6, K, `train { maximize E[z ~ p(z | x)](log p(x, z) - log p(z | x))   batch = ${ROWS} }`));
    const plain = loadModel(hmm(6, K, `train { maximize log p(x)   batch = ${ROWS} }`));
    const six = dataOf(series(6));
    const [a, b] = await Promise.all([trained, plain].map((m) => gradientsOf(m.model, { weights, data: six, rows: ROWS })));
    for (const name of Object.keys(weights)) close(a!.gradients[name]?.mean, b!.gradients[name]!.mean, 1e-5);
  });

  it("of more than can be tabled at once is refused", () => {
    const { diagnostics } = compile({
      path: "h.gm",
      text: hmm(T, 8, `evaluate { far = E[z ~ p(z | x)](mu[z[1]] * mu[z[3]] * mu[z[5]] * mu[z[7]] * mu[z[9]]) }`),
    });
    expect(diagnostics.map((d) => d.code)).toContain("GM3860");
  });
});

describe("other graphs", () => {
  /** Binary latents, each with a Normal below it; `edges` [parent, child] become logits. */
  const graph = (n: number, edges: readonly (readonly [number, number])[]): string => `model G {
  data ${Array.from({ length: n }, (_, i) => `x${i} : real`).join(", ")}
  latent ${Array.from({ length: n }, (_, i) => `z${i} : binary`).join(", ")}
  param a : real[${n}], W : real[${n}, ${n}]
  density p(${Array.from({ length: n }, (_, i) => `x${i}, z${i}`).join(", ")}) {
    ${Array.from({ length: n }, (_, i) => {
      const parents = edges.filter(([, c]) => c === i).map(([p]) => ` + W[${p + 1}][${i + 1}] * (2 * z${p} - 1)`);
      return `z${i} ~ Bernoulli(logits = a[${i + 1}]${parents.join("")})   x${i} ~ Normal(3 * z${i}, 1)`;
    }).join("\n    ")}
  }
  evaluate { ll = log p(${Array.from({ length: n }, (_, i) => `x${i}`).join(", ")}) }
}`;
  const grid = (h: number, w: number): (readonly [number, number])[] =>
    Array.from({ length: h * w }, (_, i) => i).flatMap((i) => [
      ...(i % w > 0 ? [[i - 1, i] as const] : []),
      ...(i >= w ? [[i - w, i] as const] : []),
    ]);
  const tree: (readonly [number, number])[] = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => [Math.floor((i - 1) / 2), i]);

  it.each([
    ["a tree", 9, tree, "along the tree, at most 4 states at once"],
    ["a grid", 9, grid(3, 3), "one after another, at most 16 states at once"],
  ])("%s is summed as its joint states are", (_, n, edges, text) => {
    const weights: Weights = { a: spread(n, 1, 5), W: spread(n * n, 1, 6).map((v) => 2 * v) };
    const names = Array.from({ length: n }, (_, i) => `x${i}`);
    const data = dataOf(names);
    const loaded = loadModel(graph(n, edges));
    const logBernoulli = (z: number, logit: number): number => -Math.log1p(Math.exp(z === 1 ? -logit : logit));
    const joint = (z: readonly number[], r: number): number =>
      z.reduce((total, zi, i) => {
        const logit = edges.reduce((l, [p, c]) => (c === i ? l + weights["W"]![p * n + i]! * (2 * z[p]! - 1) : l), weights["a"]![i]!);
        return total + logBernoulli(zi, logit) + logNormal(data[`x${i}`]![r]!, 3 * zi);
      }, 0);
    close(
      measured(loaded, weights, data, ROWS)["ll"],
      Array.from({ length: ROWS }, (_, r) => logSumExp(assignments(n, 2).map((z) => joint(z, r)))),
    );
    expect(explained(loaded)).toContain(text);
  });

  it("a Normal latent of one of them is integrated out given its states", () => {
    const loaded = loadModel(`model S(K = 3) {
      data x : real, y : real
      latent c : category[K], d : category[K], h : real
      param A : real[K, K], mu : real[K]
      density p(x, y, c, d, h) {
        c ~ Categorical(logits = mu)
        d ~ Categorical(logits = A[c])
        h ~ Normal(mu[d], 1)
        x ~ Normal(2 * h, 1)
        y ~ Normal(mu[c], 1)
      }
      evaluate { ll = log p(x, y) }
    }`);
    const weights: Weights = { A: spread(9, 1, 2), mu: spread(3, 1, 4) };
    const data = dataOf(["x", "y"]);
    const [mu, K] = [weights["mu"]!, 3];
    const wanted = Array.from({ length: ROWS }, (_, r) =>
      logSumExp(
        assignments(2, K).map(([c, d]) => {
          const prior = logSoftmax(mu)[c!]! + logSoftmax(row(weights["A"]!, c!, K))[d!]!;
          const x = (data["x"]![r]! - 2 * mu[d!]!) / Math.sqrt(5);
          return prior + logNormal(x, 0) - 0.5 * Math.log(5) + logNormal(data["y"]![r]!, mu[c!]!);
        }),
      ),
    );
    close(measured(loaded, weights, data, ROWS)["ll"], wanted);
  });

  it("the posterior of one latent is exact with the others eliminated", () => {
    const loaded = loadModel(`model P(K = 3) {
      data x : real, y : real, u : real
      latent a : category[K], b : category[K], c : category[K]
      param A : real[K, K], mu : real[K]
      density p(x, y, u, a, b, c) {
        a ~ Categorical(logits = mu)
        b ~ Categorical(logits = A[a])
        c ~ Categorical(logits = A[b])
        x ~ Normal(mu[a], 1)
        y ~ Normal(mu[b], 1)
        u ~ Normal(mu[c], 1)
      }
      evaluate { mean = E[a ~ p(a | x, y, u)](mu[a])   logs = E[c ~ p(c | x, y, u)](log p(c | x, y, u)) }
    }`);
    const weights: Weights = { A: spread(9, 1, 2).map((v) => 2 * v), mu: spread(3, 1, 4).map((v) => 3 * v) };
    const data = dataOf(["x", "y", "u"]);
    const states = assignments(3, 3);
    const chain = { start: weights["mu"]!, A: weights["A"]!, mu: weights["mu"]! };
    const posteriors = Array.from({ length: ROWS }, (_, r) => {
      const joint = states.map((z) => chainJoint(3, chain, [data["x"]![r]!, data["y"]![r]!, data["u"]![r]!], z));
      const total = logSumExp(joint);
      const of = (i: number): number[] =>
        [0, 1, 2].map((k) => states.reduce((p, z, s) => p + (z[i] === k ? Math.exp(joint[s]! - total) : 0), 0));
      return { a: of(0), c: of(2) };
    });
    const found = measured(loaded, weights, data, ROWS);
    close(
      found["mean"],
      posteriors.map(({ a }) => a.reduce((m, p, k) => m + p * chain.mu[k]!, 0)),
    );
    close(
      found["logs"],
      posteriors.map(({ c }) => c.reduce((m, p) => m + p * Math.log(p), 0)),
    );
  });

  it("one with too large a table is refused, with the size found", () => {
    const { diagnostics } = compile({ path: "g.gm", text: graph(16 * 16, grid(16, 16)) });
    const [found] = diagnostics.filter((d) => d.code === "GM3860");
    expect(found?.message).toMatch(/would take a table of 2\^\d+ states at once, more than 16384/u);
  });
});

describe("the order", () => {
  const states: States = { size: 4, text: "4", oneHot: false };
  const plan = (names: readonly string[], scopes: readonly (readonly string[])[]): ReturnType<typeof planElimination> =>
    planElimination(
      new Map(names.map((n) => [n, states])),
      scopes.map((reads) => ({ term: { scale: 1, factors: [], quantity: {} as Term["quantity"] }, reads: new Set(reads) })),
    );

  it("takes leaves before what they hang on, whichever is drawn first", () => {
    const { steps, largest, shape } = plan(["root", "a", "b", "c"], [["root"], ["root", "a"], ["root", "b"], ["root", "c"]]);
    expect(largest).toBe(16);
    expect(shape).toBe("tree");
    expect(steps[0]?.variable).not.toBe("root");
  });

  it("takes the whole table where one term reads all", () => {
    expect(plan(["a", "b", "c"], [["a", "b", "c"]]).largest).toBe(64);
  });

  it("takes a ring by tables over three", () => {
    const names = Array.from({ length: 12 }, (_, i) => `v${i}`);
    const { largest, steps } = plan(
      names,
      names.map((v, i) => [v, names[(i + 1) % 12]!]),
    );
    expect(largest).toBe(64);
    expect(steps.map((s) => s.variable).sort()).toEqual([...names].sort());
  });

  it("of a long chain is found in a moment", () => {
    const names = Array.from({ length: 2000 }, (_, i) => `z${i}`);
    const start = performance.now();
    expect(
      plan(
        names,
        names.slice(1).map((v, i) => [names[i]!, v]),
      ).largest,
    ).toBe(16);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

it("several draws of an exact posterior are told that it is summed over", () => {
  const { diagnostics } = compile({
    path: "m.gm",
    text: `model M { data x : real  latent c : category[3]  param mu : real[3]
      density p(x, c) { c ~ Categorical(logits = zeros(3))  x ~ Normal(mu[c], 1) }
      train { maximize log p(x) }  evaluate { m = E[c[1..3] ~ p(c | x)](mean[i in 1..3](mu[c[i]])) } }`,
  });
  const many = compile({ path: "m.gm", text: hmm(40, 6, "evaluate { far = E[z ~ p(z | x)](sum[t in 1..40](mu[z[t]])^2) }") });
  const told = many.diagnostics.map((d) => [d.message, ...d.notes].join(" ")).join(" ");
  expect(told).toContain("E[z[1], z[2], …, z[40] ~ p(z[1], z[2], …, z[40] | x[1], x[2], …, x[40])]");
  expect(told).not.toContain("z[7]");
  expect(diagnostics.flatMap((d) => [d.message, ...d.notes]).join()).toMatch(/summed over, not drawn from.*3 draws of `c`/u);
});
