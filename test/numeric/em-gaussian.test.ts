/** Expectation maximisation with normal latents and linear maps: one step against dense formulas, a likelihood that never falls, least squares. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { gradientsOf } from "../support/gradients.js";
import { diagonal, inverted, type Matrix, multiply, plus, transposed } from "../support/matrices.js";
import { loadModel } from "../support/model.js";

const [N, D, Z] = [30, 4, 2];
/** Numbers that f32 holds exactly. */
function spread(n: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround((2 * state) / 2 ** 32 - 1);
  });
}
const rowsOf = (flat: readonly number[], width: number): number[][] =>
  Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width));
const [latents, map, noise] = [rowsOf(spread(N * Z, 3), Z), rowsOf(spread(Z * D, 5), D), rowsOf(spread(N * D, 7), D)];
const x = noise.map((row, n) =>
  row.map((e, d) => Math.fround(0.4 * e + 0.5 * d + 2 * latents[n]!.reduce((s, v, k) => s + v * map[k]![d]!, 0))),
);
const softplus = (u: number): number => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
const flat = x.flat();

/** The weights after a step: stored plus gradient, for what is climbed at rate 1. */
async function step(text: string, weights: Record<string, number[]>, data: Record<string, number[]>): Promise<Record<string, number[]>> {
  const { gradients } = await gradientsOf(loadModel(text).model, { weights, data, rows: N });
  return Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, w.map((v, i) => v + (gradients[name]?.mean[i] ?? 0))]));
}
const close = (got: readonly number[] | undefined, wanted: readonly number[], tolerance = 2e-5): void => {
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((v, i) => expect(Math.abs(got![i]! - v), `entry ${i}: ${got![i]} for ${v}`).toBeLessThan(tolerance));
};

/**
 * A step of Rubin & Thayer 1982, the mean estimated beside the loadings, from weights W [Z, D], mu, noise variances. With φ = (z, 1):
 * Θ = (Σ E[φ φ^T])^-1 Σ E[φ] x^T, and the variances of what is left.
 */
function factorStep(W: Matrix, mu: readonly number[], psi: readonly number[], weights = x.map(() => 1)) {
  const scaled = W.map((row) => row.map((v, d) => v / psi[d]!));
  const { inverse: C } = inverted(plus(diagonal([1, 1]), multiply(scaled, transposed(W))));
  const beta = multiply(C, scaled);
  const phi = x.map((row) => [...beta.map((b) => b.reduce((s, v, d) => s + v * (row[d]! - mu[d]!), 0)), 1]);
  const wide = [...C.map((row) => [...row, 0]), [0, 0, 0]];
  let [gram, right]: [Matrix, Matrix] = [wide.map((r) => r.map(() => 0)), wide.map(() => mu.map(() => 0))];
  x.forEach((row, n) => {
    gram = plus(
      gram,
      wide.map((r, i) => r.map((v, j) => weights[n]! * (v + phi[n]![i]! * phi[n]![j]!))),
    );
    right = plus(
      right,
      phi[n]!.map((f) => row.map((v) => weights[n]! * f * v)),
    );
  });
  const theta = multiply(inverted(gram).inverse, right);
  const total = weights.reduce((a, b) => a + b);
  const variances = mu.map((_, d) => {
    const column = theta.map((row) => row[d]!);
    const squares = x.reduce((sum, row, n) => {
      const residual = row[d]! - column.reduce((s, t, k) => s + t * phi[n]![k]!, 0);
      return (
        sum + weights[n]! * (residual ** 2 + wide.reduce((s, r, i) => s + r.reduce((t, c, j) => t + c * column[i]! * column[j]!, 0), 0))
      );
    }, 0);
    return squares / total;
  });
  return { W: theta.slice(0, Z).flat(), mu: theta[Z]!, variances };
}

const W = spread(Z * D, 11);
const mu = spread(D, 13);
const s = spread(D, 17);
const model = (loc: string, params: string, scale = "s", by = "em"): string => `model M {
  data x : real[${D}]
  latent z : real[${Z}]
  param ${params}
  density p(x, z) { z ~ Normal(0, 1)   x ~ Normal(${loc}, ${scale}) }
  train { maximize log p(x) by ${by}   epochs = 40 }
}`;
const whole = `W : real[${Z}, ${D}], mu : real[${D}], s : positive[${D}]`;

describe("one step", () => {
  const wanted = factorStep(
    rowsOf(W, D),
    mu,
    s.map((v) => softplus(v) ** 2),
  );

  it("of factor analysis", async () => {
    const next = await step(model("z @ W + mu", whole), { W, mu, s }, { x: flat });
    close(next["W"], wanted.W);
    close(next["mu"], wanted.mu);
    close(
      next["s"]!.map((v) => softplus(v) ** 2),
      wanted.variances,
    );
  });

  it("of one with its map turned, subtracted, and the mean in a binding", async () => {
    const turned = transposed(
      rowsOf(
        W.map((v) => -v),
        D,
      ),
    ).flat();
    const text = model("m - W @ z", whole.replace(`[${Z}, ${D}]`, `[${D}, ${Z}]`)).replace("x ~", "m = mu   x ~");
    const next = await step(text, { W: turned, mu, s }, { x: flat });
    close(
      next["W"],
      transposed(
        rowsOf(
          wanted.W.map((v) => -v),
          D,
        ),
      ).flat(),
    );
    close(next["mu"], wanted.mu);
    close(
      next["s"]!.map((v) => softplus(v) ** 2),
      wanted.variances,
    );
  });

  it("of probabilistic PCA: one level is the mean of the entries' (Tipping & Bishop 1999, eq. 28)", async () => {
    const level = 0.4;
    const {
      W: nextW,
      mu: nextMu,
      variances,
    } = factorStep(
      rowsOf(W, D),
      mu,
      mu.map(() => softplus(level) ** 2),
    );
    const next = await step(model("z @ W + mu", whole.replace(`s : positive[${D}]`, "s : positive")), { W, mu, s: [level] }, { x: flat });
    close(next["W"], nextW);
    close(next["mu"], nextMu);
    close(
      next["s"]!.map((v) => softplus(v) ** 2),
      [variances.reduce((a, b) => a + b) / D],
    );
  });

  it("of a prior's own parameters, the map being known", async () => {
    const text = `model M {
      data x : real[2]
      latent z : real[2]
      param m : real[2], t : positive[2]
      density p(x, z) { z ~ Normal(m, t)   x ~ Normal(0.5 * z, 0.6) }
      train { maximize log p(x) by em   epochs = 40 }
    }`;
    const pairs = x.map((row) => row.slice(0, 2));
    const [m, t] = [
      [0.25, -0.5],
      [0.5, 1.25],
    ];
    const next = await step(text, { m, t }, { x: pairs.flat() });
    m.forEach((loc, d) => {
      const scale = softplus(t[d]!);
      const variance = 1 / (1 / scale ** 2 + 0.25 / 0.36);
      const means = pairs.map((row) => variance * (loc / scale ** 2 + (0.5 * row[d]!) / 0.36));
      const mean = means.reduce((a, b) => a + b) / N;
      expect(next["m"]![d]).toBeCloseTo(mean, 5);
      expect(softplus(next["t"]![d]!) ** 2).toBeCloseTo(variance + means.reduce((sum, v) => sum + (v - mean) ** 2, 0) / N, 5);
    });
  });

  it("of a mixture of factor analysers (Ghahramani & Hinton 1996): each component by the weights of its rows", async () => {
    const text = `model M {
      data x : real[${D}]
      latent c : category[2], z : real[${Z}]
      param w : real[2], W : real[2, ${Z}, ${D}], mu : real[2, ${D}], s : positive[2, ${D}]
      density p(x, c, z) {
        c ~ Categorical(logits = w)
        z ~ Normal(0, 1)
        x ~ Normal(z @ W[c] + mu[c], s[c])
      }
      train { maximize log p(x) by em   epochs = 40 }
    }`;
    const [w, both, means, levels] = [[0.3, -0.2], spread(2 * Z * D, 23), spread(2 * D, 29), spread(2 * D, 31)];
    const next = await step(text, { w, W: both, mu: means, s: levels }, { x: flat });
    const parts = [0, 1].map((k) => ({
      W: rowsOf(both.slice(k * Z * D, (k + 1) * Z * D), D),
      mu: means.slice(k * D, (k + 1) * D),
      psi: levels.slice(k * D, (k + 1) * D).map((v) => softplus(v) ** 2),
    }));
    const logs = parts.map(({ W: loadings, mu: at, psi }) => {
      const { inverse, logDet } = inverted(plus(diagonal(psi), multiply(transposed(loadings), loadings)));
      return x.map((row) => {
        const e = row.map((v, d) => v - at[d]!);
        return -0.5 * (logDet + e.reduce((sum, a, i) => sum + e.reduce((q, b, j) => q + a * b * inverse[i]![j]!, 0), 0));
      });
    });
    const share = x.map((_, n) => 1 / (1 + Math.exp(w[1]! - w[0]! + logs[1]![n]! - logs[0]![n]!)));
    parts.forEach((part, k) => {
      const found = factorStep(
        part.W,
        part.mu,
        part.psi,
        share.map((r) => (k === 0 ? r : 1 - r)),
      );
      close(next["W"]!.slice(k * Z * D, (k + 1) * Z * D), found.W, 1e-4);
      close(next["mu"]!.slice(k * D, (k + 1) * D), found.mu, 1e-4);
      close(
        next["s"]!.slice(k * D, (k + 1) * D).map((v) => softplus(v) ** 2),
        found.variances,
        1e-4,
      );
    });
  });

  it("without a latent is linear regression", async () => {
    const text = `model M {
      data y : real[2], x : real[${D}]
      param W : real[2, ${D}], b : real[${D}], s : positive
      density p(x | y) { x ~ Normal(y @ W + b, s) }
      train { maximize log p(x | y) by em   epochs = 1 }
    }`;
    const next = await step(text, { W: spread(2 * D, 2), b: mu, s: [0.5] }, { x: flat, y: latents.flat() });
    const phi = latents.map((row) => [...row, 1]);
    const theta = multiply(inverted(multiply(transposed(phi), phi)).inverse, multiply(transposed(phi), x));
    close(next["W"], theta.slice(0, 2).flat());
    close(next["b"], theta[2]!);
    const left = multiply(phi, theta).flatMap((row, n) => row.map((v, d) => (x[n]![d]! - v) ** 2));
    expect(softplus(next["s"]![0]!) ** 2).toBeCloseTo(left.reduce((a, b) => a + b) / (N * D), 5);
  });

  it("of `dense` is that of the product and the sum that it stands for, in a net too, and of a layer without a bias", async () => {
    const params = `s : positive[${D}]`;
    const next = await step(model(`z |> dense(${D})`, params), { "p.dense1.kernel": W, "p.dense1.bias": mu, s }, { x: flat });
    close(next["p.dense1.kernel"], wanted.W);
    close(next["p.dense1.bias"], wanted.mu);
    close(
      next["s"]!.map((v) => softplus(v) ** 2),
      wanted.variances,
    );
    const text = model("m + f(z).loc", `m : real[${D}], ${params}`).replace(
      "density",
      `net f(h) { g = h |> dense(${D}, bias = false)   return (loc = g, other = h) }   density`,
    );
    const inNet = await step(text, { "f.dense1.kernel": W, m: mu, s }, { x: flat });
    close(inNet["f.dense1.kernel"], wanted.W);
    close(inNet["m"], wanted.mu);
  });

  it("of `a * y + b`, entry by entry, is a regression of each entry on its own, whatever its noise", async () => {
    const text = `model M {
      data y : real[2], x : real[2]
      param a : real[2], b : real[2]
      density p(x | y) { x ~ Normal(b - y * a, 1 + y^2) }
      train { maximize log p(x | y) by em   epochs = 1 }
    }`;
    const pairs = x.map((row) => row.slice(0, 2));
    const next = await step(text, { a: [0.5, -0.25], b: [1, 2] }, { x: pairs.flat(), y: latents.flat() });
    [0, 1].forEach((d) => {
      const phi = latents.map((row) => [-row[d]!, 1]);
      const weighed = phi.map((row, n) => row.map((v) => v / (1 + latents[n]![d]! ** 2) ** 2));
      const theta = multiply(
        inverted(multiply(transposed(weighed), phi)).inverse,
        multiply(
          transposed(weighed),
          pairs.map((row) => [row[d]!]),
        ),
      ).flat();
      close([next["a"]![d]!, next["b"]![d]!], theta);
    });
  });

  it("of a multiple of entries that an index picks", async () => {
    const text = `model M {
      data c : category[2], x : real[${D}]
      param mu : real[2, ${D}]
      density p(x | c) { x ~ Normal(2 * mu[c] - 1, 0.5) }
      train { maximize log p(x | c) by em   epochs = 1 }
    }`;
    const c = x.map((_, n) => n % 2);
    const next = await step(text, { mu: spread(2 * D, 19) }, { x: flat, c });
    const mean = (k: number, d: number): number => x.reduce((t, row, n) => t + (c[n] === k ? row[d]! : 0), 0) / (N / 2);
    close(
      next["mu"],
      [0, 1].flatMap((k) => mu.map((_, d) => (mean(k, d) + 1) / 2)),
    );
  });

  it("of one number that all entries of a latent are multiplied with, averaged over its posterior", async () => {
    const text = `model M {
      data x : real[2]
      latent z : real[2]
      param a : real, b : real[2], s : positive
      density p(x, z) { z ~ Normal(0, 1)   x ~ Normal(a * z + b, s) }
      train { maximize log p(x) by em   epochs = 1 }
    }`;
    const pairs = x.map((row) => row.slice(0, 2));
    const [a, b, stored] = [0.75, [0.5, 1.5], 0.5];
    const level = softplus(stored) ** 2;
    const next = await step(text, { a: [a], b, s: [stored] }, { x: pairs.flat() });
    // each entry: z given x is Normal(v a (x - b) / level, v); the two groups, a and b, come in turn
    const v = 1 / (1 + a ** 2 / level);
    const means = pairs.map((row) => row.map((e, d) => (v * a * (e - b[d]!)) / level));
    const both = <T>(f: (n: number, d: number) => T): T[] => pairs.flatMap((_, n) => [0, 1].map((d) => f(n, d)));
    const total = (list: readonly number[]): number => list.reduce((t, e) => t + e, 0);
    const nextA = total(both((n, d) => means[n]![d]! * (pairs[n]![d]! - b[d]!))) / total(both((n, d) => means[n]![d]! ** 2 + v));
    const nextB = [0, 1].map((d) => total(pairs.map((row, n) => row[d]! - nextA * means[n]![d]!)) / N);
    close(next["a"], [nextA]);
    close(next["b"], nextB);
    const left = total(both((n, d) => (pairs[n]![d]! - nextA * means[n]![d]! - nextB[d]!) ** 2 + nextA ** 2 * v)) / (2 * N);
    expect(softplus(next["s"]![0]!) ** 2).toBeCloseTo(left, 5);
  });

  it("leaves what the equations leave open: a feature that is always 0", async () => {
    const text = `model M {
      data y : real[2], x : real[${D}]
      param W : real[2, ${D}]
      density p(x | y) { x ~ Normal(y @ W, 0.5) }
      train { maximize log p(x | y) by em   epochs = 1 }
    }`;
    const start = spread(2 * D, 2);
    const next = await step(text, { W: start }, { x: flat, y: latents.flatMap((row) => [row[0]!, 0]) });
    close(next["W"]!.slice(D), start.slice(D));
    const slope = (d: number): number =>
      x.reduce((t, row, n) => t + row[d]! * latents[n]![0]!, 0) / latents.reduce((t, row) => t + row[0]! ** 2, 0);
    close(
      next["W"]!.slice(0, D),
      mu.map((_, d) => slope(d)),
      1e-4,
    );
  });
});

describe("a run", () => {
  it.each<[name: string, text: string, data: Record<string, Float32Array>]>([
    [
      "factor analysis",
      model("z @ W + mu", `W : real[${Z}, ${D}] init Normal(0, 1), mu : real[${D}], s : positive[${D}] = 1`),
      { x: Float32Array.from(flat) },
    ],
    [
      "a chain of latents, all maps and levels estimated",
      `model M {
        data x : real[${D}]
        latent z : real[1], h : real[2]
        param A : real[1, 2] init Normal(0, 1), W : real[2, ${D}] init Normal(0, 1), mu : real[${D}], t : positive = 1, s : positive[${D}] = 1
        density p(x, z, h) { z ~ Normal(0, 1)   h ~ Normal(z @ A, t)   x ~ Normal(h @ W + mu, s) }
        train { maximize log p(x) by em   epochs = 40 }
      }`,
      { x: Float32Array.from(flat) },
    ],
    [
      "two views of one latent, and a condition (Bach & Jordan 2005)",
      `model M {
        data x : real[${D}], y : real[2]
        latent z : real[1]
        param W : real[1, 2] init Normal(0, 1), V : real[1, 2] init Normal(0, 1), A : real[2, ${D}] init Normal(0, 1), U : real[1, ${D}] init Normal(0, 1)
        param s : positive[${D}] = 1, t : positive[2] = 1
        density p(x, y, z) { z ~ Normal(0, 1)   y ~ Normal(z @ V, t)   x ~ Normal(y @ A + z @ U, s) }
        train { maximize log p(x, y) by em   epochs = 40 }
      }`.replace("param W : real[1, 2] init Normal(0, 1), ", "param "),
      { x: Float32Array.from(flat), y: Float32Array.from(latents.flat()) },
    ],
    [
      "a mixture with one map and means of its own",
      `model M {
        data x : real[${D}]
        latent c : category[2], z : real[1]
        param w : real[2], W : real[1, ${D}] init Normal(0, 1), mu : real[2, ${D}] init data, s : positive[2] = 1
        density p(x, c, z) { c ~ Categorical(logits = w)   z ~ Normal(0, 1)   x ~ Normal(z @ W + mu[c], s[c]) }
        train { maximize log p(x) by em   epochs = 40 }
      }`,
      { x: Float32Array.from(flat) },
    ],
    [
      "layers, and products entry by entry, some picked",
      `model M {
        data x : real[${D}]
        latent c : category[2], z : real[2], h : real[${D}]
        param w : real[2], a : real[2, ${D}] init Normal(0, 1), b : real[${D}], s : positive[${D}] = 1, t : positive[${D}] = 1
        density p(x, c, z, h) { c ~ Categorical(logits = w)   z ~ Normal(0, 1)   h ~ Normal(z |> dense(${D}), t)   x ~ Normal(a[c] * h + b, s) }
        train { maximize log p(x) by em   epochs = 40 }
      }`,
      { x: Float32Array.from(flat) },
    ],
  ])("never lowers the likelihood of %s", async (_, text, data) => {
    for (const seed of [1, 2, 3]) {
      const trained = await train(loadModel(text).model, { data, engine: referenceEngine, seed, recordEvery: 1 });
      const values = trained.history.flatMap((h) => Object.entries(h.values).flatMap(([k, v]) => (k.startsWith("log p(x") ? [v] : [])));
      trained.close();
      expect(values).toHaveLength(40);
      expect(values.at(-1)! - values[0]!).toBeGreaterThan(0.5);
      values.slice(1).forEach((v, i) => expect(v, `step ${i + 2}`).toBeGreaterThan(values[i]! - 2e-6));
    }
  });
});

describe("what has no closed form", () => {
  const errors = (text: string): readonly unknown[] => {
    const { diagnostics } = compile({ path: "m.gm", text });
    return diagnostics.flatMap((d) => (d.severity === "error" ? [`${d.code}: ${d.message}`] : []));
  };
  it.each([
    [
      "z @ (2 * W) + mu",
      whole,
      "s",
      "em",
      "GM3852: `em` has no closed-form M-step for `loc` of `log p(x)`, a Normal: `matmul` in it is no product of features and one parameter",
    ],
    [
      "z @ W + exp(mu)",
      whole,
      "s",
      "em",
      "GM3852: `em` has no closed-form M-step for `loc` of `log p(x)`, a Normal: `exp` in it is no product of features and one parameter",
    ],
    [
      "z @ W + mu",
      whole.replace("W : real", "W : positive"),
      "s",
      "em",
      "GM3852: `em` has no closed-form M-step for `loc` of `log p(x)`, a Normal: `W` is bounded, and least squares is not",
    ],
    [
      "z @ W + mu",
      whole,
      "s",
      "em(decay = 0.9)",
      "GM3859: `em` with `decay` averages sums and counts over batches, and `log p(x)` has none: `z` is integrated out of it",
    ],
  ])("%s, %s", (loc, params, scale, by, wanted) => {
    expect(errors(model(loc, params, scale, by))).toEqual([wanted]);
  });

  it("noise that differs by entry and by row", () => {
    const text = `model M {
      data y : real[${D}], x : real[${D}]
      param W : real[${D}, ${D}]
      density p(x | y) { x ~ Normal(y @ W, exp(y)) }
      train { maximize log p(x | y) by em   epochs = 1 }
    }`;
    expect(errors(text)).toEqual([
      "GM3852: `em` has no closed-form M-step for `loc` of `log p(x)`, a Normal: its noise differs from entry to entry, and there with `y`",
    ]);
  });
});
