/**
 * `ELBO(p, q)` of models whose prior is an energy, q over less than all latents: what q leaves out is summed exactly. Value and gradient against
 * enumeration, log Z exact and by persistent chains.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { gradientsOf, type Averaged } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { bilinear, bits, dotN, logSum, spread, type Assignment, type Numbers } from "./energy-cases.js";
import { differences, exactly } from "./pipeline-cases.js";

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const logBernoulli = (x: Numbers, logits: Numbers): number => x.reduce((s, v, i) => s + v * logits[i]! - softplus(logits[i]!), 0);
/** x @ M of M [x.length, n] in C order */
const times = (x: Numbers, m: Numbers): number[] => {
  const n = m.length / x.length;
  return Array.from({ length: n }, (_, j) => x.reduce((s, v, i) => s + v * m[i * n + j]!, 0));
};
const plus = (a: Numbers, b: Numbers): number[] => a.map((x, i) => x + b[i]!);
const states = (n: number): Numbers[] => bits(n).map((a) => a.value);
const x = [1, 0, 1, 1];

function expectWithin(got: Averaged, exact: Numbers, what: string): void {
  exact.forEach((e, i) =>
    expect(Math.abs(got.mean[i]! - e), `${what}[${i}]: ${got.mean[i]} for ${e} +- ${got.standardError[i]}`).toBeLessThan(
      4.5 * got.standardError[i]! + 1e-6,
    ),
  );
}

/** An RBM over z1, z2 above a decoder that reads z1, and z2 too where it is told to. */
const text = (by: string, decoder = "z1 @ C + c"): string => `model M {
  data x : binary[4]
  latent z1 : binary[3], z2 : binary[3]
  param W : real[3, 3], a : real[3], b : real[3], C : real[3, 4], c : real[4], U : real[3, 4], R : real[4, 3]
  density p(x, z1, z2) {
    energy -(z1 @ W @ z2) - a @ z1 - b @ z2
    x ~ Bernoulli(logits = ${decoder})
  }
  density q(z1 | x) { z1 ~ Bernoulli(logits = x @ R) }
  train { maximize ELBO(p, q) ${by}
    optimizer = sgd(lr = 0.1), batch = 1, steps = 1 }
}`;
const w = {
  W: exactly(spread(9, 1.6, 1)),
  a: exactly(spread(3, 0.6, 2)),
  b: exactly(spread(3, 0.9, 6)),
  C: exactly(spread(12, 1.2, 3)),
  c: exactly(spread(4, 0.5, 4)),
  U: exactly(spread(12, 1.4, 7)),
  R: exactly(spread(12, 0.8, 5)),
};

/** E_q[log p(x, z1) - log q(z1 | x)], z2 and log Z by enumeration. */
function bound(at: Assignment, readsBoth: boolean): number {
  const score = (z1: Numbers, z2: Numbers): number => bilinear(z1, at["W"]!, z2) + dotN(at["a"]!, z1) + dotN(at["b"]!, z2);
  const logZ = logSum(states(3).flatMap((z1) => states(3).map((z2) => score(z1, z2))));
  const logits = (z1: Numbers, z2: Numbers): number[] =>
    plus(plus(times(z1, at["C"]!), at["c"]!), readsBoth ? times(z2, at["U"]!) : [0, 0, 0, 0]);
  return states(3).reduce((total, z1) => {
    const logQ = logBernoulli(z1, times(x, at["R"]!));
    const logP = logSum(states(3).map((z2) => score(z1, z2) - logZ + logBernoulli(x, logits(z1, z2))));
    return total + Math.exp(logQ) * (logP - logQ);
  }, 0);
}

describe("a prior that is an RBM, q over the units that the decoder reads", () => {
  it("is the bound with the other units summed out, and its gradient", async () => {
    const { value, gradients } = await gradientsOf(loadModel(text("")).model, { weights: w, data: { x }, rows: 1 });
    expect(value.mean[0]).toBeCloseTo(bound(w, false), 5);
    const { U: _unused, ...used } = w;
    const exact = differences(used, (at) => bound(at, false));
    for (const [name, values] of Object.entries(exact))
      values.forEach((e, i) => expect(gradients[name]!.mean[i], `${name}[${i}]`).toBeCloseTo(e, 4));
  });

  it.each(["by pcd(k = 20, chains = 100)", "by z1: enumerate and pcd(k = 20, chains = 100)"])("%s: the same gradient", async (by) => {
    const { gradients } = await gradientsOf(loadModel(text(by)).model, {
      weights: w,
      data: { x },
      rows: 1,
      steps: 200,
      burnIn: 5,
      seed: 3,
    });
    const { U: _unused, ...used } = w;
    const exact = differences(used, (at) => bound(at, false));
    for (const [name, values] of Object.entries(exact)) expectWithin(gradients[name]!, values, name);
    // what log Z pulls is far from nothing
    const without = differences({ W: w.W }, (at) => bound({ ...w, ...at }, false) + logZOf({ ...w, ...at }));
    expect(Math.abs(without["W"]![0]! - exact["W"]![0]!)).toBeGreaterThan(8 * gradients["W"]!.standardError[0]!);
  });

  it("sums over units that the decoder reads too, where these are few", async () => {
    const { value } = await gradientsOf(loadModel(text("", "z1 @ C + c + z2 @ U")).model, { weights: w, data: { x }, rows: 1 });
    expect(value.mean[0]).toBeCloseTo(bound(w, true), 5);
    expect(bound(w, true)).not.toBeCloseTo(bound(w, false), 2);
  });

  it("does not sum over many that the decoder reads", () => {
    const { diagnostics } = compile({
      path: "m.gm",
      text: text("", "z1 @ C + c + z2 @ U")
        .replaceAll("z2 : binary[3]", "z2 : binary[11]")
        .replaceAll("W : real[3, 3]", "W : real[3, 11]")
        .replaceAll("b : real[3]", "b : real[11]")
        .replaceAll("U : real[3, 4]", "U : real[11, 4]"),
    });
    expect(diagnostics.map((d) => d.code)).toEqual(["GM3501"]);
    expect(diagnostics[0]?.help.join()).toContain("draws `z2`");
  });
});

function logZOf(at: Assignment): number {
  return logSum(states(3).flatMap((z1) => states(3).map((z2) => bilinear(z1, at["W"]!, z2) + dotN(at["a"]!, z1) + dotN(at["b"]!, z2))));
}

it("sums out a category of the prior that q leaves out: a mixture", async () => {
  const mixture = `model M {
  data x : binary[4]
  latent z1 : binary[3], k : category[3]
  param l : real[3], C : real[3, 4], P : real[3, 3], R : real[4, 3]
  density p(x, z1, k) {
    k ~ Categorical(logits = l)
    z1 ~ Bernoulli(logits = P[k])
    x ~ Bernoulli(logits = z1 @ C)
  }
  density q(z1 | x) { z1 ~ Bernoulli(logits = x @ R) }
  train { maximize ELBO(p, q)  optimizer = sgd(lr = 0.1), batch = 1, steps = 1 }
}`;
  const at = { l: exactly([0.4, -0.3, 0.9]), C: w.C, P: exactly(spread(9, 1.5, 8)), R: w.R };
  const logNorm = logSum(at.l);
  const exact = states(3).reduce((total, z1) => {
    const logQ = logBernoulli(z1, times(x, at.R));
    const prior = logSum([0, 1, 2].map((k) => at.l[k]! - logNorm + logBernoulli(z1, at.P.slice(3 * k, 3 * k + 3))));
    return total + Math.exp(logQ) * (prior + logBernoulli(x, times(z1, at.C)) - logQ);
  }, 0);
  const { value } = await gradientsOf(loadModel(mixture).model, { weights: at, data: { x }, rows: 1 });
  expect(value.mean[0]).toBeCloseTo(exact, 5);
});

describe("what a number is to the likelihood", () => {
  const printed = (data: string, metric: string): string =>
    loadModel(`model M {
  data x : ${data}
  latent z : real[2], h : binary[30]
  param W : real[2, 30], C : real[2, 4], R : real[4, 2]
  density p(x, z, h) {
    energy sum(z^2) / 2 - z @ W @ h
    x ~ ${data.startsWith("binary") ? "Bernoulli(logits = z @ C)" : "Normal(z @ C, 1)"}
  }
  density q(z | x) { z ~ Normal(x @ R, 1) }
  evaluate { logZ = ais(chains = 10, temperatures = 10)   m = ${metric} }
}`).ts.replace(/^[\s\S]*\bm: \{/u, "");

  it("is a bound up to log Z, and below zero at no row where the data are discrete", () => {
    expect(printed("binary[4]", "ELBO(p, q)")).toContain('bound: "lower bound up to the error of log Z"');
    expect(printed("binary[4]", "ELBO(p, q)")).toContain('impossible: "positive"');
    expect(printed("binary[4]", "-IWAE(p, q, k = 3)")).toContain('bound: "upper bound up to the error of log Z"');
    expect(printed("binary[4]", "-IWAE(p, q, k = 3)")).toContain('impossible: "negative"');
  });

  it("is a bound where what is drawn is summed over, and exact where nothing is bounded", () => {
    const summed = (metric: string): string =>
      loadModel(`model M {
  data x : binary[4]
  latent h : binary[3], g : binary[2]
  param W : real[3, 2], C : real[3, 4], R : real[4, 3]
  density p(x, h, g) {
    energy -(h @ W @ g)
    x ~ Bernoulli(logits = h @ C)
  }
  density q(h, g | x) {
    h ~ Bernoulli(logits = x @ R)
    g ~ Bernoulli(logits = h @ W)
  }
  evaluate { m = ${metric} }
}`).ts.replace(/^[\s\S]*\bm: \{/u, "");
    expect(summed("-ELBO(p, q) by enumerate")).toContain('bound: "upper bound"');
    expect(summed("ELBO(p, q) by h: enumerate")).toContain('bound: "lower bound"');
    expect(summed("E[h, g ~ q(h, g | x)](log p(x | h)) by enumerate")).toContain('bound: "exact"');
    // q's own density is missing: no bound of anything
    expect(summed("E[h, g ~ q(h, g | x)](log p(x, h, g)) by enumerate")).toContain('bound: "exact"');
    expect(summed("ELBO(p, q, beta = 2) by enumerate")).toContain('bound: "exact"');
  });

  it("may have any sign where they are not, or where it is no likelihood", () => {
    expect(printed("real[4]", "ELBO(p, q)")).toContain('bound: "lower bound up to the error of log Z"');
    expect(printed("real[4]", "ELBO(p, q)")).not.toContain("impossible");
    expect(printed("binary[4]", "E[z ~ q(z | x)](log p(z))")).not.toContain("impossible");
  });
});
