/** Derived objectives against what they claim to be: enumeration, closed forms, and the order of bounds. */
import { describe, expect, it } from "vitest";
import { logMeanExp, mean, type Tensor } from "../../src/runtime/index.js";
import { logNormal as logMvn } from "../support/matrices.js";
import { loadModel, runModel } from "./../support/model.js";

const LOG_2PI = Math.log(2 * Math.PI);
const logNormal = (x: number, loc: number, scale: number): number => -0.5 * ((x - loc) / scale) ** 2 - Math.log(scale) - LOG_2PI / 2;
const logSumExp = (xs: readonly number[]): number => {
  const top = Math.max(...xs);
  return top + Math.log(xs.reduce((s, x) => s + Math.exp(x - top), 0));
};
const spread = (n: number, scale = 1, seed = 1): number[] =>
  Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * (i + 1) * seed + seed));

const FACTOR = `
model Linear(D = 4, Z = 2) {
  data x : real[D]
  latent z : real[Z]
  param W : real[Z, D]
  param b : real[D]
  param s : positive[D]
  net encoder(x) = (loc = x |> dense(Z), scale = exp(x |> dense(Z)))
  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Normal(z @ W + b, s)
  }
  density q(z | x) {
    e = encoder(x)
    z ~ Normal(e.loc, e.scale)
  }
  objective exact = log p(x)
  train { maximize ELBO(p, q) batch = 8, epochs = 1 }
  evaluate {
    exact = log p(x)
    elbo = ELBO(p, q)
    iwae = IWAE(p, q, k = 5)
  }
}`;

describe("a linear-Gaussian model", () => {
  const loaded = loadModel(FACTOR);
  const W = spread(8, 0.8);
  const state: Record<string, number[]> = {
    W,
    b: spread(4, 0.3, 2),
    s: [0.2, 0.5, -0.1, 0.9],
    "encoder.dense1.kernel": spread(8, 0.3, 3),
    "encoder.dense1.bias": [0.1, -0.2],
    "encoder.dense2.kernel": spread(8, 0.2, 4),
    "encoder.dense2.bias": [-0.4, -0.3],
  };
  const B = 6;
  const x = spread(B * 4, 1.3, 5);
  const data = { x: { shape: [B, 4], data: x } };
  const scale = state["s"]!.map((u) => Math.log1p(Math.exp(u)));
  const cov = Array.from({ length: 4 }, (_, i) =>
    Array.from({ length: 4 }, (_, j) => W[i]! * W[j]! + W[4 + i]! * W[4 + j]! + (i === j ? scale[i]! ** 2 : 0)),
  );
  const exact = Array.from({ length: B }, (_, r) => logMvn(x.slice(r * 4, r * 4 + 4), state["b"]!, cov));

  it("derives log p(x) as the dense normal", () => {
    const { value } = runModel(loaded, ({ f, w, x }) => ({ value: f("logPX")(w, x["x"]) }), { data, state });
    value!.forEach((v, i) => expect(v).toBeCloseTo(exact[i]!, 8));
  });

  it("orders ELBO <= IWAE-5 <= IWAE-50 <= log p(x) in the mean over many draws", () => {
    const average = (samples: number, repeats: number): number[] => {
      const sums = new Array<number>(B).fill(0);
      for (let seed = 1; seed <= repeats; seed++) {
        const { value } = runModel(loaded, ({ f, w, x, key }) => ({ value: f("iwae")(w, x["x"], key, samples) }), { data, state, seed });
        value!.forEach((v, i) => (sums[i] = sums[i]! + v / repeats));
      }
      return sums;
    };
    const one = average(1, 400);
    const five = average(5, 200);
    const fifty = average(50, 60);
    const many = average(4000, 2);
    const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / B;
    // Sampling error of each mean is below 0.02 at these sizes; the gaps between the bounds are larger.
    expect(total(one)).toBeLessThan(total(five) - 0.02);
    expect(total(five)).toBeLessThan(total(fifty) - 0.01);
    expect(total(fifty)).toBeLessThan(total(exact) + 0.02);
    many.forEach((v, i) => expect(Math.abs(v - exact[i]!)).toBeLessThan(0.05));
    const elbo = new Array<number>(B).fill(0);
    for (let seed = 1; seed <= 400; seed++) {
      const { value } = runModel(loaded, ({ f, w, x, key }) => ({ value: f("elbo")(w, x["x"], key) }), { data, state, seed });
      value!.forEach((v, i) => (elbo[i] = elbo[i]! + v / 400));
    }
    // The closed-form KL changes the variance, not the mean.
    elbo.forEach((v, i) => expect(Math.abs(v - one[i]!)).toBeLessThan(0.25));
  });

  it("uses the closed-form KL where it stands alone and not inside logmeanexp", () => {
    expect(loaded.ts).toContain("klNormal(");
    const iwae = /export function iwae[\s\S]*?\n\}/u.exec(loaded.ts)?.[0] ?? "";
    expect(iwae).not.toContain("klNormal");
    expect(iwae).toContain("logMeanExp(logW, [0])");
  });
});

describe("mixtures", () => {
  const loaded = loadModel(
    `
model Mixture(K = 3, D = 2) {
  data x : real[D]
  latent c : category[K]
  param w : real[K]
  param mu : real[K, D]
  param s : positive[K, D]
  density p(x, c) {
    c ~ Categorical(logits = w)
    x ~ Normal(mu[c], s[c])
  }
  train { maximize log p(x) batch = 8, epochs = 1 }
  evaluate {
    nll = -log p(x)
    hard = max[c](log p(x, c))
    posterior = log p(c = c0 | x)
  }
}`.replace("    posterior = log p(c = c0 | x)\n", ""),
  );
  const state = { w: [0.3, -0.5, 0.1], mu: spread(6, 2), s: [0.1, 0.4, -0.3, 0.2, 0.9, -0.6] };
  const B = 5;
  const x = spread(B * 2, 2, 3);
  const data = { x: { shape: [B, 2], data: x } };
  const scale = state.s.map((u) => Math.log1p(Math.exp(u)));
  const total = logSumExp(state.w);
  const joint = Array.from({ length: B }, (_, r) =>
    [0, 1, 2].map(
      (c) =>
        state.w[c]! -
        total +
        logNormal(x[2 * r]!, state.mu[2 * c]!, scale[2 * c]!) +
        logNormal(x[2 * r + 1]!, state.mu[2 * c + 1]!, scale[2 * c + 1]!),
    ),
  );
  it("sums a finite latent out", () => {
    const { value } = runModel(loaded, ({ f, w, x }) => ({ value: f("logPX")(w, x["x"]) }), { data, state });
    value!.forEach((v, i) => expect(v).toBeCloseTo(logSumExp(joint[i]!), 9));
  });
  it("takes the best state of max[c]", () => {
    const { value } = runModel(loaded, ({ f, w, x }) => ({ value: f("objective")(w, x["x"]) }), { data, state });
    value!.forEach((v, i) => expect(v).toBeCloseTo(Math.max(...joint[i]!), 9));
  });
});

describe("binary latents, summed exactly", () => {
  const loaded = loadModel(`
model Sbn(D = 3, H = 4) {
  data x : binary[D]
  latent h : binary[H]
  param a : real[H]
  param W : real[H, D]
  density p(x, h) {
    h ~ Bernoulli(logits = a)
    x ~ Bernoulli(logits = h @ W)
  }
  density q(h | x) { h ~ Bernoulli(logits = x |> dense(H)) }
  train { maximize ELBO(p, q) by enumerate batch = 8, epochs = 1 }
  evaluate { exact = log p(x) }
}`);
  const state = { a: spread(4), W: spread(12, 1.5, 2), "q.dense1.kernel": spread(12, 0.7, 3), "q.dense1.bias": spread(4, 0.4, 4) };
  const rows = Array.from({ length: 8 }, (_, r) => [r & 1, (r >> 1) & 1, (r >> 2) & 1]);
  const data = { x: { shape: [8, 3], data: rows.flat() } };
  const logBernoulli = (v: number, l: number): number => v * l - Math.log1p(Math.exp(l));
  const states = Array.from({ length: 16 }, (_, s) => [3, 2, 1, 0].map((b) => (s >> b) & 1));
  const logJoint = (x: readonly number[], h: readonly number[]): number =>
    h.reduce((s, v, i) => s + logBernoulli(v, state.a[i]!), 0) +
    x.reduce(
      (s, v, d) =>
        s +
        logBernoulli(
          v,
          h.reduce((t, hv, i) => t + hv * state.W[i * 3 + d]!, 0),
        ),
      0,
    );

  it("log p(x) equals the sum over all 16 states, and sums to one over all data", () => {
    const { value } = runModel(loaded, ({ f, w, x }) => ({ value: f("logPX")(w, x["x"]) }), { data, state });
    value!.forEach((v, r) => expect(v).toBeCloseTo(logSumExp(states.map((h) => logJoint(rows[r]!, h))), 9));
    expect(value!.reduce((s, v) => s + Math.exp(v), 0)).toBeCloseTo(1, 9);
  });

  it("the enumerated ELBO equals the sum under q", () => {
    const { value } = runModel(
      loaded,
      ({ f, w, x, key }) => ({ value: f("elbo").length === 3 ? f("elbo")(w, x["x"], key) : f("elbo")(w, x["x"]) }),
      { data, state },
    );
    value!.forEach((v, r) => {
      const x = rows[r]!;
      const logits = [0, 1, 2, 3].map(
        (i) => state["q.dense1.bias"][i]! + x.reduce((s, xv, d) => s + xv * state["q.dense1.kernel"][d * 4 + i]!, 0),
      );
      const expected = states.reduce((s, h) => {
        const logQ = h.reduce((t, hv, i) => t + logBernoulli(hv, logits[i]!), 0);
        return s + Math.exp(logQ) * (logJoint(x, h) - logQ);
      }, 0);
      expect(v).toBeCloseTo(expected, 9);
    });
  });
});

describe("a chain of latents", () => {
  const loaded = loadModel(`
model Chain(D = 3, L = 2, Zs = [2, 2]) {
  data x : real[D]
  latent z[l in 1..L] : real[Zs[l]]
  density p(x, z) {
    z[2] ~ Normal(0, 1)
    z[1] ~ Normal(z[2] |> dense(Zs[1]), 0.5)
    x ~ Normal(z[1] |> dense(D), 0.3)
  }
  density q(z | x) {
    z[1] ~ Normal(x |> dense(Zs[1]), 0.7)
    z[2] ~ Normal(z[1] |> dense(Zs[2]), 0.9)
  }
  train { maximize ELBO(p, q) batch = 4, epochs = 1 }
  evaluate { nll = -IWAE(p, q, k = 50) }
}`);
  it("draws the layers in order and keeps the KL of the first open: its prior reads a later draw", () => {
    const elbo = /export function elbo[\s\S]*?\n\}/u.exec(loaded.ts)?.[0] ?? "";
    expect(elbo.match(/normal\.sample/gu)).toHaveLength(2);
    expect(elbo).toContain("log p(z[1] | z[2])");
  });
  it("converges to the exact likelihood", () => {
    const state: Record<string, number[]> = {};
    let n = 1;
    for (const path of ["p.dense1", "p.dense2", "q.dense1", "q.dense2"]) {
      const [i, o] = path === "p.dense2" ? [2, 3] : path === "q.dense1" ? [3, 2] : [2, 2];
      state[`${path}.kernel`] = spread(i * o, 0.5, n++);
      state[`${path}.bias`] = spread(o, 0.2, n++);
    }
    const x = [0.3, -0.5, 0.8];
    // z1 ~ N(b1, W1^T W1 + 0.25 I), x ~ N(z1 W2 + b2, 0.09 I)
    const [W1, b1, W2, b2] = [state["p.dense1.kernel"]!, state["p.dense1.bias"]!, state["p.dense2.kernel"]!, state["p.dense2.bias"]!];
    const c1 = [0, 1].map((i) => [0, 1].map((j) => W1[i]! * W1[j]! + W1[2 + i]! * W1[2 + j]! + (i === j ? 0.25 : 0)));
    const loc = [0, 1, 2].map((d) => b2[d]! + b1[0]! * W2[d]! + b1[1]! * W2[3 + d]!);
    const cov = [0, 1, 2].map((a) =>
      [0, 1, 2].map(
        (b) =>
          [0, 1].reduce((s, i) => s + [0, 1].reduce((t, j) => t + W2[i * 3 + a]! * c1[i]![j]! * W2[j * 3 + b]!, 0), 0) +
          (a === b ? 0.09 : 0),
      ),
    );
    const exact = logMvn(x, loc, cov);
    const { value } = runModel(
      loaded,
      ({ f, w, x, key }) => ({
        value: logMeanExp(f("iwae")(w, x["x"], key, 20000) as Tensor, [0]),
        check: mean(f("iwae")(w, x["x"], key, 1) as Tensor),
      }),
      { data: { x: { shape: [1, 3], data: x } }, state },
    );
    expect(Math.abs(value![0]! - exact)).toBeLessThan(0.1);
  });
});

describe("stability", () => {
  it("keeps log(sigmoid) and log(1 - sigmoid) finite far from zero", () => {
    const loaded = loadModel(`
model Stable {
  data x : real[1]
  param a : real = 1
  train { maximize sum(log(sigmoid(a * x))) + sum(log(1 - sigmoid(a * x))) batch = 4, epochs = 1 }
}`);
    const { value } = runModel(loaded, ({ f, w, x }) => ({ value: f("objective")(w, x["x"]) }), {
      data: { x: { shape: [4, 1], data: [-800, -2, 3, 900] } },
      state: { a: [1] },
    });
    const softplus = (v: number): number => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
    [-800, -2, 3, 900].forEach((v, i) => expect(value![i]).toBeCloseTo(-softplus(-v) - softplus(v), 8));
  });
});

describe("a mixture inside a density", () => {
  const loaded = loadModel(`
model Mix(K = 3) {
  data x : real[2]
  latent z : real[2]
  net means(z) = z |> dense(2 * K) |> reshape(2, K)
  param w : real[2, K]
  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Mixture(w, Normal(means(z), 0.5))
  }
  density q(z | x) { z ~ Normal(x |> dense(2), 1) }
  train { maximize ELBO(p, q) batch = 4, epochs = 1 }
}`);
  it("trains the net of its components", () => {
    expect(loaded.model.train[0]?.updates[0]?.over).toContain("means");
  });
  it("is log sum_k w_k N(x; m_k, s), entry by entry", () => {
    const kernel = spread(12, 0.7);
    const bias = spread(6, 0.3, 2);
    const w = spread(6, 1, 3);
    const z = [0.4, -0.9];
    const x = [0.2, 1.1];
    const { value } = runModel(loaded, ({ f, w: weights, x: data }) => ({ value: f("logP")(weights, data["x"], data["z"]) }), {
      data: { x: { shape: [1, 2], data: x }, z: { shape: [1, 2], data: z } },
      state: { w, "means.dense1.kernel": kernel, "means.dense1.bias": bias, "q.dense1.kernel": spread(4), "q.dense1.bias": [0, 0] },
    });
    const m = Array.from({ length: 6 }, (_, j) => bias[j]! + z[0]! * kernel[j]! + z[1]! * kernel[6 + j]!);
    const expected =
      z.reduce((s, v) => s + logNormal(v, 0, 1), 0) +
      x.reduce(
        (s, v, d) =>
          s +
          logSumExp(
            [0, 1, 2].map((k) => w[d * 3 + k]! - logSumExp([0, 1, 2].map((j) => w[d * 3 + j]!)) + logNormal(v, m[d * 3 + k]!, 0.5)),
          ),
        0,
      );
    expect(value![0]).toBeCloseTo(expected, 8);
  });
});

describe("what an evaluation says of itself", () => {
  const bounds = (evaluate: string): readonly (string | undefined)[] => {
    const { model } = loadModel(FACTOR.replace(/evaluate \{[\s\S]*?\n {2}\}/u, `evaluate {\n${evaluate}\n}`));
    return Object.values(model.evaluate).map((m) => (m.kind === "rows" ? m.bound : undefined));
  };
  it("calls a bound only what is one", () => {
    expect(
      bounds(`a = ELBO(p, q)
        b = -IWAE(p, q, k = 5)
        c = ELBO(p, q, beta = 2)
        d = E[z ~ q(z | x)](log p(x | z))
        e = log p(x)
        f = -ELBO(p, q)
        g = sum(x^2)`),
    ).toEqual(["lower bound", "upper bound", "estimate", "estimate", "exact", "upper bound", undefined]);
  });
});

describe("schedules", () => {
  it("of one name and two courses are two scalars", () => {
    const { model } = loadModel(
      FACTOR.replace(
        "train { maximize ELBO(p, q) batch",
        "train {\n maximize ELBO(p, q, beta = linear(0, 1, epochs = 2)) over p\n maximize ELBO(p, q, beta = linear(0, 5, epochs = 3)) over encoder\n batch",
      ),
    );
    const { schedules } = model.train[0]!;
    expect(Object.keys(schedules ?? {})).toEqual(["beta", "beta2"]);
    expect(schedules?.["beta2"]).toMatchObject({ kind: "linear", to: 5 });
  });
});

describe("conditionals of finite latents", () => {
  const loaded = loadModel(`
model Posterior(K = 3) {
  data x : real[2]
  latent c : category[K]
  param w : real[K]
  param mu : real[K, 2]
  density p(x, c) {
    c ~ Categorical(logits = w)
    x ~ Normal(mu[c], 0.8)
  }
  density q(c | x) { c ~ Categorical(logits = x |> dense(K)) }
  train { maximize log p(x) batch = 4, epochs = 1 }
  evaluate {
    first = log p(c = 1 | x)
    renamed = E[cf ~ q(c | x)](log p(c = cf | x))
    same = E[c ~ q(c | x)](log p(c | x))
  }
}`);
  const state = { w: [0.2, -0.4, 0.1], mu: spread(6, 1.5), "q.dense1.kernel": spread(6, 0.8, 2), "q.dense1.bias": spread(3, 0.5, 3) };
  const x = spread(8, 1.2, 4);
  const data = { x: { shape: [4, 2], data: x } };
  const posterior = Array.from({ length: 4 }, (_, r) => {
    const joint = [0, 1, 2].map(
      (c) => state.w[c]! + logNormal(x[2 * r]!, state.mu[2 * c]!, 0.8) + logNormal(x[2 * r + 1]!, state.mu[2 * c + 1]!, 0.8),
    );
    return joint.map((j) => j - logSumExp(joint));
  });
  const metric = (name: string): readonly number[] => {
    const definition = loaded.model.evaluate[name];
    if (definition?.kind !== "rows") throw new Error(name);
    return runModel(
      loaded,
      ({ w, x: d, key, rows }) => ({
        value: definition.value({ w: w as never, data: d, key, rows, schedule: {}, carried: {}, partition: {} }, 1),
      }),
      { data, state },
    ).value!;
  };
  it("give the joint over the sum", () => {
    metric("first").forEach((v, r) => expect(v).toBeCloseTo(posterior[r]![1]!, 9));
  });
  it("average over an enumerated draw, under its own name and another", () => {
    const expected = posterior.map((log, r) => {
      const logits = [0, 1, 2].map(
        (c) => state["q.dense1.bias"][c]! + x[2 * r]! * state["q.dense1.kernel"][c]! + x[2 * r + 1]! * state["q.dense1.kernel"][3 + c]!,
      );
      return log.reduce((s, l, c) => s + Math.exp(logits[c]! - logSumExp(logits)) * l, 0);
    });
    metric("same").forEach((v, r) => expect(v).toBeCloseTo(expected[r]!, 9));
    metric("renamed").forEach((v, r) => expect(v).toBeCloseTo(expected[r]!, 9));
  });
});

describe("normal latents integrated exactly", () => {
  it("with a location that depends on the row, and inside a mixture", () => {
    const loaded = loadModel(`
model Factors(K = 2, Z = 2, D = 3) {
  data x : real[D], y : category[2]
  latent c : category[K]
  latent z : real[Z]
  param W : real[Z, D]
  param mu : real[K, D]
  param shift : real[2, D]
  density p(x, c, z | y) {
    c ~ Categorical(logits = zeros(K))
    z ~ Normal(0.3, 1.2)
    x ~ Normal(z @ W + mu[c] + shift[y], 0.5)
  }
  train { maximize log p(x | y) batch = 4, epochs = 1 }
}`);
    const state = { W: spread(6, 0.9), mu: spread(6, 1, 2), shift: spread(6, 0.7, 3) };
    const x = spread(12, 1.1, 4);
    const y = [0, 1, 1, 0];
    const { value } = runModel(loaded, ({ f, w, x: d }) => ({ value: f("logPX")(w, d["x"], d["y"]) }), {
      data: { x: { shape: [4, 3], data: x }, y: { shape: [4], data: y, dtype: "i32" } },
      state,
    });
    const { W } = state;
    const cov = [0, 1, 2].map((i) => [0, 1, 2].map((j) => 1.44 * (W[i]! * W[j]! + W[3 + i]! * W[3 + j]!) + (i === j ? 0.25 : 0)));
    y.forEach((label, r) => {
      const parts = [0, 1].map((c) => {
        const loc = [0, 1, 2].map((d) => 0.3 * (W[d]! + W[3 + d]!) + state.mu[c * 3 + d]! + state.shift[label * 3 + d]!);
        return Math.log(0.5) + logMvn(x.slice(r * 3, r * 3 + 3), loc, cov);
      });
      expect(value![r]).toBeCloseTo(logSumExp(parts), 8);
    });
  });
});

describe("names and layers that once broke generated code", () => {
  it("compiles dropout, and passes a key to every function that draws", () => {
    const { ts } = loadModel(`
model Drop {
  data x : binary[6]
  latent z : real[2]
  net dec(z) = z |> dense(8) |> relu |> dropout(0.5) |> dense(6)
  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Bernoulli(logits = dec(z))
  }
  density q(z | x) { z ~ Normal(x |> dense(2), 1) }
  train { maximize ELBO(p, q) batch = 4, epochs = 1 }
}`);
    expect(ts).toMatch(/export function logP\(w: Weights, x: Tensor, z: Tensor, key: Key\)/u);
  });
  it("keeps schedules apart from the runtime's names and its own", () => {
    const { ts, model } = loadModel(`
objective Weighed(p, q, key = 1, w = 1, beta = 1) = key * E[z ~ q(z | x)](w * log p(x | z) + beta * (log p(z) - log q(z | x)))
model Names {
  data x : unit[2]
  latent z : real[2]
  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Beta(exp(z), 1)
  }
  density q(z | x) { z ~ Normal(x |> dense(2), 1) }
  train { maximize Weighed(p, q, key = linear(0, 1, steps = 2), w = linear(0, 1, steps = 2), beta = linear(0, 1, steps = 2)) }
}`);
    expect(ts).toContain("export function weighed(w: Weights, x: Tensor, key_: Tensor, w_: Tensor, beta_: Tensor, key: Key): Tensor {");
    expect(ts).toContain("weighed(w, data.x, schedule.key, schedule.w, schedule.beta, key)");
    expect(Object.keys(model.train[0]?.schedules ?? {})).toEqual(["key", "w", "beta"]);
  });
  it("keeps nets, data and locals apart from the runtime's names", () => {
    const loaded = loadModel(`
model Names {
  data key : real[3]
  latent w : real[3]
  net add(x) = x |> dense(3)
  net weights(x) = x |> dense(3)
  density p(key, w) {
    w ~ Normal(0, 1)
    origin = add(w)
    key ~ Normal(weights(origin), 1)
  }
  density q(w | key) { w ~ Normal(add(key), 1) }
  train { maximize ELBO(p, q) batch = 4, epochs = 1 }
}`);
    const state = Object.fromEntries(
      ["add", "weights"].flatMap((n) => [
        [`${n}.dense1.kernel`, spread(9, 0.3)],
        [`${n}.dense1.bias`, [0, 0, 0]],
      ]),
    );
    const update = loaded.model.train[0]?.updates[0];
    const { value } = runModel(
      loaded,
      ({ w, x: d, key, rows }) => ({ value: update!.value({ w: w as never, data: d, key, rows, schedule: {}, carried: {} }) }),
      { data: { key: { shape: [2, 3], data: spread(6) } }, state },
    );
    expect(value!.every(Number.isFinite)).toBe(true);
  });
});

describe("a latent of the same name inside and outside of log p", () => {
  const loaded = loadModel(`
model Twice(K = 3) {
  data x : real
  latent c : category[K]
  param w : real[K]
  param mu : real[K]
  density p(x, c) {
    c ~ Categorical(logits = w)
    x ~ Normal(mu[c], 1)
  }
  density q(c | x) { c ~ Categorical(logits = x * mu) }
  train { maximize log p(x) batch = 2, epochs = 1 }
  objective same = E[c ~ q(c | x)](log p(x = mu[c] + x))
  objective other = E[d ~ q(c | x)](log p(x = mu[d] + x))
  evaluate {
    a = same
    b = other
  }
}`);
  const [w, mu] = [
    [0.3, -0.5, 0.9],
    [-1.2, 0.4, 2],
  ];
  const x = [0.7, -1.1];
  const softmax = (logits: readonly number[]): number[] => logits.map((l) => Math.exp(l - logSumExp(logits)));
  // the outer c takes each state, and at each of them p sums over its own
  const marginal = (at: number): number => logSumExp(softmax(w!).map((p, k) => Math.log(p) + logNormal(at, mu![k]!, 1)));
  const wanted = x.map((v) => softmax(mu!.map((m) => v * m)).reduce((sum, p, k) => sum + p * marginal(mu![k]! + v), 0));

  it.each(["same", "other"])("is summed over for each value of the outer one: %s", (name) => {
    const { value } = runModel(loaded, ({ f, w, x }) => ({ value: f(name)(w, x["x"]) }), {
      data: { x: { shape: [2], data: x } },
      state: { w: w!, mu: mu! },
    });
    value!.forEach((v, i) => expect(v).toBeCloseTo(wanted[i]!, 8));
  });
});
