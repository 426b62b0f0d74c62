/**
 * Compiled models with an energy inside: bounds against the log-likelihood by enumeration, chains that begin at draws of an `E` and keep its
 * conditions, energies spelled with names.
 */
import { describe, expect, it } from "vitest";
import { gradientsOf, type Averaged } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { bilinear, bits, bruteLogSum, dotN, grid, logSum, spread, type Assignment, type Numbers } from "./energy-cases.js";
import { dataOf, differences, exactly, logLikelihood, pipelineCase } from "./pipeline-cases.js";

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
/** Σ log Bernoulli(x; logits) */
const logBernoulli = (x: Numbers, logits: Numbers): number => x.reduce((s, v, i) => s + v * logits[i]! - softplus(logits[i]!), 0);
/** x @ M of M [x.length, n] in C order */
const times = (x: Numbers, m: Numbers): number[] => {
  const n = m.length / x.length;
  return Array.from({ length: n }, (_, j) => x.reduce((s, v, i) => s + v * m[i * n + j]!, 0));
};
const logNormal = (x: number, loc: number, scale = 1): number =>
  -(((x - loc) / scale) ** 2) / 2 - Math.log(scale) - Math.log(2 * Math.PI) / 2;
const states = (n: number): Numbers[] => bits(n).map((a) => a.value);

function expectWithin(got: Averaged, exact: readonly number[], what: string, errors = 4.5): void {
  exact.forEach((e, i) =>
    expect(Math.abs(got.mean[i]! - e), `${what}[${i}]: ${got.mean[i]} for ${e} +- ${got.standardError[i]}`).toBeLessThan(
      errors * got.standardError[i]! + 1e-6,
    ),
  );
}

const settings = "optimizer = sgd(lr = 0.1), batch = 1, steps = 1";

describe("bounds", () => {
  it("mean field lies below the log-likelihood, row by row, and not far", async () => {
    const c = pipelineCase("DBM of two hidden layers");
    const { model } = loadModel(c.text("by mean_field(steps = 40)"));
    for (const row of c.rows) {
      const { value } = await gradientsOf(model, { weights: c.weights, data: dataOf([row]), rows: 1 });
      const exact = logLikelihood(c, c.weights, row);
      expect(value.mean[0]).toBeLessThan(exact);
      expect(value.mean[0]).toBeGreaterThan(exact - 0.3);
    }
  });

  it("of a deep belief net is the log-likelihood less KL(q, posterior)", async () => {
    const text = `model M {
  data v : binary[4]
  latent h1 : binary[3], h2 : binary[3]
  param W : real[3, 3], a : real[3], V : real[3, 4], c : real[4], R : real[4, 3]
  density p(v, h1, h2) {
    energy -(h1 @ W @ h2) - a @ h1
    v ~ Bernoulli(logits = h1 @ V + c)
  }
  density q(h1 | v) { h1 ~ Bernoulli(logits = v @ R) }
  train { maximize E[h1 ~ q(h1 | v)](log p(v, h1) - log q(h1 | v)) by h1: enumerate
    ${settings} }
}`;
    const w = {
      W: exactly(spread(9, 1.1, 1)),
      a: exactly(spread(3, 0.6, 2)),
      V: exactly(spread(12, 1.2, 3)),
      c: exactly(spread(4, 0.5, 4)),
      R: exactly(spread(12, 0.8, 5)),
    };
    const free = (h1: Numbers): number => logSum(states(3).map((h2) => bilinear(h1, w.W, h2) + dotN(w.a, h1)));
    const z = logSum(states(3).map(free));
    const joint = (v: Numbers, h1: Numbers): number =>
      free(h1) -
      z +
      logBernoulli(
        v,
        times(h1, w.V).map((l, i) => l + w.c[i]!),
      );
    const { model } = loadModel(text);
    for (const v of [
      [1, 0, 1, 1],
      [0, 0, 1, 0],
    ]) {
      const exact = logSum(states(3).map((h1) => joint(v, h1)));
      const logQ = (h1: Numbers): number => logBernoulli(h1, times(v, w.R));
      const kl = states(3).reduce((s, h1) => s + Math.exp(logQ(h1)) * (logQ(h1) - (joint(v, h1) - exact)), 0);
      const { value } = await gradientsOf(model, { weights: w, data: { v }, rows: 1 });
      expect(value.mean[0]).toBeLessThan(exact);
      expect(value.mean[0]).toBeCloseTo(exact - kl, 5);
    }
  });

  it("what a deep belief net dreams trains its recognition", async () => {
    const text = `model M {
  data v : binary[4]
  latent h1 : binary[3], h2 : binary[3]
  param W : real[3, 3], a : real[3], V : real[3, 4], R : real[4, 3]
  density p(v, h1, h2) {
    energy -(h1 @ W @ h2) - a @ h1
    v ~ Bernoulli(logits = h1 @ V)
  }
  density q(h1 | v) { h1 ~ Bernoulli(logits = v @ R) }
  train { maximize E[v, h1 ~ p(v, h1)](log q(h1 | v)) over q by gibbs(steps = 20)
    optimizer = sgd(lr = 0.1), batch = 50, steps = 1 }
}`;
    const w = {
      W: exactly(spread(9, 1.1, 1)),
      a: exactly(spread(3, 0.6, 2)),
      V: exactly(spread(12, 1.2, 3)),
      R: exactly(spread(12, 0.8, 5)),
    };
    const free = (h1: Numbers): number => logSum(states(3).map((h2) => bilinear(h1, w.W, h2) + dotN(w.a, h1)));
    const z = logSum(states(3).map(free));
    const exact = new Array<number>(12).fill(0);
    for (const h1 of states(3))
      for (const v of states(4)) {
        const p = Math.exp(free(h1) - z + logBernoulli(v, times(h1, w.V)));
        const mean = times(v, w.R).map((l) => 1 / (1 + Math.exp(-l)));
        for (let i = 0; i < 4; i++) for (let j = 0; j < 3; j++) exact[3 * i + j]! += p * v[i]! * (h1[j]! - mean[j]!);
      }
    const data = { v: Array.from({ length: 200 }, (_, i) => i % 2) };
    const got = await gradientsOf(loadModel(text).model, { weights: w, data, rows: 50, steps: 400 });
    expectWithin(got.gradients["R"]!, exact, "R");
    // what the data are is nothing to it
    expect(Object.keys(got.gradients)).toEqual(["R"]);
  });

  it("of a VAE with an RBM for its prior is the log-likelihood less KL(q, posterior)", async () => {
    const text = `model M {
  data x : binary[4]
  latent z : real[1], h : binary[3]
  param W : real[1, 3], a : real[3], A : real[1, 3], C : real[3, 4], R : real[4, 1]
  net decoder(z) = tanh(z @ A) @ C
  density p(x, z, h) {
    energy sum(z ^ 2) / 2 - z @ W @ h - a @ h
    x ~ Bernoulli(logits = decoder(z))
  }
  density q(z | x) { z ~ Normal(x @ R, 0.5) }
  train { maximize E[z ~ q(z | x)](log p(x, z) - log q(z | x))
    ${settings} }
}`;
    const w = {
      W: exactly(spread(3, 1.4, 1)),
      a: exactly(spread(3, 0.6, 2)),
      A: exactly(spread(3, 1.2, 3)),
      C: exactly(spread(12, 1.1, 4)),
      R: exactly(spread(4, 0.8, 5)),
    };
    const nodes = grid(1, 9, 0.05).map((a) => ({ z: a.value[0]!, logMeasure: a.logMeasure }));
    const free = (z: number): number => logSum(states(3).map((h) => -(z * z) / 2 + bilinear([z], w.W, h) + dotN(w.a, h)));
    const logZ = logSum(nodes.map((n) => n.logMeasure + free(n.z)));
    const x = [1, 0, 1, 1];
    const joint = (z: number): number => free(z) - logZ + logBernoulli(x, times(times([z], w.A).map(Math.tanh), w.C));
    const exact = logSum(nodes.map((n) => n.logMeasure + joint(n.z)));
    const [loc = 0] = times(x, w.R);
    const bound = nodes.reduce(
      (s, n) => s + Math.exp(n.logMeasure + logNormal(n.z, loc, 0.5)) * (joint(n.z) - logNormal(n.z, loc, 0.5)),
      0,
    );
    expect(bound).toBeLessThan(exact);
    const rows = 50;
    const data = { x: Array.from({ length: rows }, () => x).flat() };
    const { value } = await gradientsOf(loadModel(text).model, { weights: w, data, rows, steps: 200, seed: 4 });
    expectWithin(value, [bound], "bound");
    expect(value.mean[0]! + 4 * value.standardError[0]!).toBeLessThan(exact);
  });
});

describe("chains that begin at draws", () => {
  const stack = (by: string): string => `model M {
  data v : binary[4]
  latent h1 : binary[3], h2 : binary[3]
  param W1 : real[4, 3], W2 : real[3, 3], a : real[3], b : real[3]
  density r1(v, h1) { energy -(v @ W1 @ h1) }
  density r2(h1, h2) { energy -(h1 @ W2 @ h2) - a @ h2 - b @ h1 }
  train { maximize E[h1 ~ r1(h1 | v)](log r2(h1)) over W2, a, b ${by}
    ${settings} }
}`;
  const v = [1, 0, 1, 1];
  const data = (rows: number): Record<string, number[]> => ({ v: Array.from({ length: rows }, () => v).flat() });

  it("are one for each row and state where the draws are enumerated, so that a larger batch knows more", async () => {
    const text = `model M {
  data v : binary[2]
  latent h1 : binary[2], h2 : binary[2]
  param W2 : real[2, 2], b1 : real[2], c : real[2, 2], R : real[2, 2]
  density p(v, h1, h2) { energy -(h1 @ W2 @ h2) - b1 @ h1   v ~ Bernoulli(logits = h1 @ c) }
  density q(h1 | v) { h1 ~ Bernoulli(logits = v @ R) }
  train { maximize E[h1 ~ q(h1 | v)](log p(v, h1)) over b1 by h1: enumerate and cd(k = 12) ${settings} }
}`;
    const w = { W2: exactly(spread(4, 0.8, 1)), b1: [-0.5, 0.25], c: exactly(spread(4, 0.7, 2)), R: exactly(spread(4, 0.9, 3)) };
    const c = {
      energy: (at: Assignment, { h1, h2 }: Assignment): number => -bilinear(h1!, at["W2"]!, h2!) - dotN(at["b1"]!, h1!),
      atoms: { h1: bits(2), h2: bits(2) },
    };
    const [one, { W2, b1, ...fixed }] = [[1, 0], w];
    const exact = differences({ b1 }, (at) =>
      states(2).reduce(
        (s, h1) =>
          s + Math.exp(logBernoulli(h1, times(one, fixed.R))) * (dotN(at["b1"]!, h1) - bruteLogSum(c, { ...at, W2 }, ["h1", "h2"])),
        0,
      ),
    );
    const deviation: number[] = [];
    const { model } = loadModel(text);
    for (const rows of [4, 400]) {
      const data = { v: Array.from({ length: rows }, () => one).flat() };
      const { gradients } = await gradientsOf(model, { weights: w, data, rows, steps: 40, seed: 2 });
      expectWithin(gradients["b1"]!, exact["b1"]!, "b1");
      deviation.push(gradients["b1"]!.standardError[0]!);
    }
    // 10 where there are 100 times as many chains
    expect(deviation[0]! / deviation[1]!).toBeGreaterThan(6);
  });

  it("are a stage of their own, and their mean is the gradient", async () => {
    const w = {
      W1: exactly(spread(12, 0.9, 1)),
      W2: exactly(spread(9, 1.1, 2)),
      a: exactly(spread(3, 0.7, 3)),
      b: exactly(spread(3, 0.5, 4)),
    };
    const loaded = loadModel(stack("by cd(k = 40)"));
    expect(loaded.model.train[0]?.updates[0]?.before?.map((s) => s.times)).toEqual([1, 40]);
    const c = {
      energy: (at: Assignment, { h1, h2 }: Assignment): number =>
        -bilinear(h1!, at["W2"]!, h2!) - dotN(at["a"]!, h2!) - dotN(at["b"]!, h1!),
      atoms: { h1: bits(3), h2: bits(3) },
    };
    const { W1, ...moved } = w;
    const exact = differences(moved, (at) =>
      states(3).reduce(
        (s, h1) => s + Math.exp(logBernoulli(h1, times(v, W1))) * (bruteLogSum(c, at, ["h2"], { h1 }) - bruteLogSum(c, at, ["h1", "h2"])),
        0,
      ),
    );
    const { gradients } = await gradientsOf(loaded.model, { weights: w, data: data(60), rows: 60, steps: 60, seed: 2 });
    for (const [name, values] of Object.entries(exact)) expectWithin(gradients[name]!, values, name);
  });

  it("begin at the very values that the objective reads", async () => {
    // so strong that a sweep copies h1 to h2 and back: data and model phase cancel, in every row, if they began alike
    const w = { W1: exactly(spread(12, 0.9, 1)), W2: [200, 0, 0, 0, 200, 0, 0, 0, 200], a: [-100, -100, -100], b: [-99, -98, -97] };
    const { value, carried } = await gradientsOf(loadModel(stack("by cd(k = 3)")).model, {
      weights: w,
      data: data(30),
      rows: 30,
      steps: 20,
    });
    // -F(h1) = h1 . [1, 2, 3] differs from state to state
    expect(value.mean[0]).toBe(0);
    expect(value.standardError[0]).toBe(0);
    expect(new Set(carried["chain:r2.h1"]!.data)).toEqual(new Set([0, 1]));
  });

  it("keep the conditions that were drawn, and the gradient passes through these", async () => {
    const text = `model M {
  data v : binary[3]
  latent z : real[1], h : binary[2]
  param W : real[3, 2], U : real[1, 2], c : real[1]
  density p(v, h, z) {
    z ~ Normal(0, 1)
    energy -(v @ W @ h) - z @ U @ h
  }
  density q(z | v) { z ~ Normal(c, 1) }
  train { maximize E[z ~ q(z | v)](log p(v, z) - log q(z | v)) by cd(k = 30)
    ${settings} }
}`;
    const w = { W: exactly(spread(6, 1.1, 1)), U: exactly(spread(2, 1.6, 2)), c: exactly([0.4]) };
    const row = [1, 0, 1];
    const nodes = grid(1, 9, 0.1).map((a) => ({ z: a.value[0]!, measure: Math.exp(a.logMeasure) }));
    const exact = differences(w, (at) => {
      const free = (x: Numbers, z: number): number => logSum(states(2).map((h) => bilinear(x, at["W"]!, h) + bilinear([z], at["U"]!, h)));
      const [c = 0] = at["c"]!;
      return nodes.reduce((s, { z, measure }) => {
        const logP = free(row, z) - logSum(states(3).map((x) => free(x, z)));
        return s + measure * Math.exp(logNormal(z, c)) * (logP + logNormal(z, 0) - logNormal(z, c));
      }, 0);
    });
    const rows = 60;
    const { gradients } = await gradientsOf(loadModel(text).model, {
      weights: w,
      data: { v: Array.from({ length: rows }, () => row).flat() },
      rows,
      steps: 120,
      seed: 3,
    });
    for (const [name, values] of Object.entries(exact)) expectWithin(gradients[name]!, values, name);
    // what does not reach c without the chain's part: the KL alone would pull by -c
    expect(Math.abs(exact["c"]![0]! + w.c[0]!)).toBeGreaterThan(8 * gradients["c"]!.standardError[0]!);
  });

  it("inside a family of samples are unrolled", async () => {
    const text = `model M {
  data v : binary[3]
  latent z : binary[2], h : binary[2]
  param W : real[2, 2], V : real[2, 3], R : real[3, 2]
  density p(v, z, h) {
    energy -(z @ W @ h)
    v ~ Bernoulli(logits = z @ V)
  }
  density q(z | v) { z ~ Bernoulli(logits = v @ R) }
  train { maximize E[z[1..3] ~ q(z | v)](mean[i in 1..3](log p(v, z[i]))) over p by cd(k = 12)
    ${settings} }
}`;
    const w = { W: exactly(spread(4, 1.2, 1)), V: exactly(spread(6, 0.8, 2)), R: exactly(spread(6, 0.7, 3)) };
    const row = [1, 0, 1];
    const { R, ...moved } = w;
    const exact = differences(moved, (at) => {
      const free = (z: Numbers): number => logSum(states(2).map((h) => bilinear(z, at["W"]!, h)));
      const logZ = logSum(states(2).map(free));
      return states(2).reduce(
        (s, z) => s + Math.exp(logBernoulli(z, times(row, R))) * (free(z) - logZ + logBernoulli(row, times(z, at["V"]!))),
        0,
      );
    });
    const loaded = loadModel(text);
    expect(loaded.model.train[0]?.updates[0]?.before).toBeUndefined();
    const rows = 40;
    const { gradients } = await gradientsOf(loaded.model, {
      weights: w,
      data: { v: Array.from({ length: rows }, () => row).flat() },
      rows,
      steps: 80,
      seed: 3,
    });
    for (const [name, values] of Object.entries(exact)) expectWithin(gradients[name]!, values, name);
  });
});

describe("names above the first energy", () => {
  it("stand for what they are bound to", async () => {
    const c = pipelineCase("RBM");
    const named = c
      .text("")
      .replace("energy -(v @ W @ h) - a @ h - b @ v", "field[1] = v @ W\n    field[2] = field[1] + a\n    energy -(field[2] @ h) - b @ v");
    const of = async (text: string): ReturnType<typeof gradientsOf> =>
      gradientsOf(loadModel(text).model, { weights: c.weights, data: dataOf(c.rows), rows: 3 });
    const [plain, other] = [await of(c.text("")), await of(named)];
    for (const [name, { mean }] of Object.entries(plain.gradients))
      mean.forEach((g, i) => expect(other.gradients[name]!.mean[i]).toBeCloseTo(g, 6));
  });

  it("may feed what is drawn below it", () => {
    const { ts } = loadModel(`model M {
  data v : binary[4]
  latent h : binary[3], k : binary[2]
  param W : real[3, 2], V : real[4, 3]
  density p(v, h, k) {
    twice = 2 * h
    energy -(h @ W @ k)
    v ~ Bernoulli(logits = V @ twice)
  }
  density q(h | v) { h ~ Bernoulli(logits = 0) }
  train { maximize E[h ~ q(h | v)](log p(v, h)) over p by pcd(k = 1) }
}`);
    expect(ts).toMatch(/sampleP[\s\S]*const twice = mul\(2, h\)[\s\S]*matmul\(twice/u);
  });
});
