/** Score matching, noise-contrastive estimation, pseudo-likelihood and reconstruction against closed forms, differences and enumeration. */
import { describe, expect, it } from "vitest";
import {
  denoisingScoreMatching,
  energyModel,
  gibbs,
  grad,
  hostStream,
  matmul,
  mean,
  mul,
  noiseContrastive,
  normal,
  pseudoLogLikelihood,
  reconstructionError,
  rootKey,
  scoreMatching,
  square,
  stage,
  state,
  sub,
  sum,
  tanh,
  input,
  optimize,
  type EnergyModel,
  type Tensor,
} from "../../src/runtime/index.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import {
  bruteLogSum,
  caseOf,
  exactDraws,
  feedsOf,
  logSum,
  run,
  spread,
  weightsOf,
  type Assignment,
  type Case,
  type Weights,
} from "./energy-cases.js";

/** E = Σ p (v - b)^2 / 2 over two entries; all that a test needs of a case. */
const gaussian: Case = {
  ...caseOf("jointly Normal visible units"),
  title: "independent Gaussian",
  model: energyModel<Weights>({
    name: "gauss",
    place: "gauss.gm:1",
    units: { v: { kind: "normal", shape: [2] } },
    sweep: [["v"]],
    energy: (w, x) => mul(0.5, sum(mul(square(sub(x["v"]!, w["b"]!)), w["p"]!), [-1])),
  }),
  weights: { p: { shape: [2], data: [1.4, 0.6] }, b: { shape: [2], data: [0.3, -0.8] } },
};
const rows = (n: number, scale = 1): { shape: number[]; data: number[] } => ({ shape: [n, 2], data: spread(2 * n, scale, 5) });

describe("score matching", () => {
  it("of a Gaussian has the closed form, and is least at the data's mean and precision", () => {
    const v = rows(7);
    const gradients = (weights: Case["weights"]): Record<string, number[]> =>
      run(
        { ...gaussian, weights },
        (w, x) => {
          const loss = mean(scoreMatching(gaussian.model, w, rootKey(), x));
          const [p, b] = grad(loss, [w["p"]!, w["b"]!]);
          return { loss, p: p!, b: b! };
        },
        { v },
      );
    const column = (i: number): number[] => v.data.filter((_, k) => k % 2 === i);
    const average = (list: readonly number[]): number => list.reduce((s, x) => s + x, 0) / list.length;
    const { p, b } = { p: gaussian.weights["p"]!.data, b: gaussian.weights["b"]!.data };
    const got = gradients(gaussian.weights);
    // J = Σ_i p_i^2 <(v_i - b_i)^2> / 2 - p_i
    let loss = 0;
    for (const i of [0, 1]) {
      const second = average(column(i).map((x) => (x - b[i]!) ** 2));
      loss += (p[i]! ** 2 * second) / 2 - p[i]!;
      expect(got["p"]![i]).toBeCloseTo(p[i]! * second - 1, 10);
      expect(got["b"]![i]).toBeCloseTo(-(p[i]! ** 2) * (average(column(i)) - b[i]!), 10);
    }
    expect(got["loss"]![0]).toBeCloseTo(loss, 10);
    const means = [0, 1].map((i) => average(column(i)));
    const precisions = [0, 1].map((i) => 1 / average(column(i).map((x) => (x - means[i]!) ** 2)));
    const rest = gradients({ p: { shape: [2], data: precisions }, b: { shape: [2], data: means } });
    [...rest["p"]!, ...rest["b"]!].forEach((g) => expect(g).toBeCloseTo(0, 10));
  });

  const grbm = caseOf("Gaussian-Bernoulli RBM with its own deviations");

  it("takes hidden units out and the exact trace, against differences of the free energy", () => {
    const points = exactDraws(grbm, 5);
    const { loss } = run(
      grbm,
      (w, x) => ({ loss: scoreMatching(grbm.model, w, rootKey(), x, { sum: ["h"] }) }),
      feedsOf(grbm, points, ["v"]),
    );
    const w = weightsOf(grbm);
    const e = 1e-3;
    points.forEach(({ v }, r) => {
      const free = (i: number, by: number): number => -bruteLogSum(grbm, w, ["h"], { v: v!.map((x, j) => (j === i ? x + by : x)) });
      const expected = [0, 1].reduce((s, i) => {
        const slope = (free(i, e) - free(i, -e)) / (2 * e);
        const bend = (free(i, e) - 2 * free(i, 0) + free(i, -e)) / e ** 2;
        return s + slope ** 2 / 2 - bend;
      }, 0);
      expect(loss![r]).toBeCloseTo(expected, 5);
    });
  });

  it("estimates the trace by projections without bias", () => {
    const c = caseOf("jointly Normal visible units");
    const [point] = exactDraws(c, 1);
    const repeated = feedsOf(c, new Array<Assignment>(3000).fill(point!), ["v"]);
    const got = run(
      c,
      (w, x) => ({
        sliced: scoreMatching(c.model, w, rootKey().at("s"), x, { sum: ["h"], trace: 2 }),
        exact: scoreMatching(c.model, w, rootKey(), x, { sum: ["h"] }),
      }),
      repeated,
    );
    const average = got["sliced"]!.reduce((s, x) => s + x, 0) / 3000;
    const deviation = Math.sqrt(got["sliced"]!.reduce((s, x) => s + (x - average) ** 2, 0) / 2999);
    expect(deviation).toBeGreaterThan(0.01);
    expect(Math.abs(average - got["exact"]![0]!)).toBeLessThan(4 * (deviation / Math.sqrt(3000)));
  });

  it("is least at the truth, with and without noise", () => {
    // Rows of the model itself: the gradient of score matching in every weight is 0 within its error; of the denoising loss at the blurred Gaussian's.
    const count = 4000;
    const c = grbm;
    const leaves = Object.keys(c.weights);
    const draws = feedsOf(c, exactDraws(c, count), ["v"]);
    const halves = run(
      c,
      (w, x) => {
        const loss = scoreMatching(c.model, w, rootKey(), x, { sum: ["h"] });
        const gradients = grad(
          mean(loss),
          leaves.map((name) => w[name]!),
        );
        return Object.fromEntries(leaves.map((name, i) => [name, gradients[i]!]));
      },
      draws,
    );
    for (const name of leaves) halves[name]!.forEach((g) => expect(Math.abs(g)).toBeLessThan(0.12));
    // of a Gaussian of variance s^2 blurred by sigma: precision 1 / (s^2 + sigma^2)
    const sigma = 0.7;
    const noisy = (p: number): number[] => {
      const { g } = run(
        { ...gaussian, weights: { p: { shape: [2], data: [p, p] }, b: { shape: [2], data: [0, 0] } } },
        (w, x) => ({
          g: grad(mean(denoisingScoreMatching(gaussian.model, w, rootKey().at("d"), x, sigma)), [w["p"]!])[0]!,
        }),
        { v: { shape: [20000, 2], data: gaussianRows(40000) } },
      );
      return g!;
    };
    // the loss is quadratic in p: d/dp = p (s^2 + sigma^2) - 1
    for (const p of [0.5, 1 / (1 + sigma ** 2), 1.5])
      noisy(p).forEach((g) => expect(Math.abs(g - (p * (1 + sigma ** 2) - 1))).toBeLessThan(0.05 * (1 + p)));
  });

  it("trains nets: the loss of an energy without a law differentiates through its curvature", () => {
    const net: EnergyModel<Weights> = energyModel<Weights>({
      name: "net",
      place: "net.gm:1",
      units: { v: { kind: "real", shape: [2] } },
      sweep: [],
      energy: (w, x) => sub(mul(0.5, sum(square(x["v"]!), [-1])), sum(mul(tanh(matmul(x["v"]!, w["A"]!)), w["c"]!), [-1])),
    });
    const c: Case = {
      ...gaussian,
      model: net,
      weights: { A: { shape: [2, 3], data: spread(6, 1, 2) }, c: { shape: [3], data: spread(3, 1, 3) } },
    };
    const v = rows(4);
    // a plain gradient and Laplacian of E: 1 - Σ_k c_k A_ik^2 (tanh)'' …
    const plain = (A: readonly number[], k: readonly number[]): number => {
      let total = 0;
      for (let r = 0; r < 4; r++) {
        const x = v.data.slice(2 * r, 2 * r + 2);
        const t = [0, 1, 2].map((j) => Math.tanh(x[0]! * A[j]! + x[1]! * A[3 + j]!));
        for (const i of [0, 1]) {
          const slope = x[i]! - t.reduce((s, tj, j) => s + k[j]! * (1 - tj ** 2) * A[3 * i + j]!, 0);
          const bend = 1 + t.reduce((s, tj, j) => s + k[j]! * 2 * tj * (1 - tj ** 2) * A[3 * i + j]! ** 2, 0);
          total += (slope ** 2 / 2 - bend) / 4;
        }
      }
      return total;
    };
    const { A, k } = { A: c.weights["A"]!.data, k: c.weights["c"]!.data };
    for (const trace of ["exact", undefined] as const) {
      const got = run(
        c,
        (w, x) => {
          const loss = mean(scoreMatching(net, w, rootKey(), x, trace === undefined ? {} : { trace }));
          const [dA, dc] = grad(loss, [w["A"]!, w["c"]!]);
          return { loss, A: dA!, c: dc! };
        },
        { v },
      );
      expect(got["loss"]![0]).toBeCloseTo(plain(A, k), 10);
      const e = 1e-5;
      const bump = (list: readonly number[], i: number, by: number): number[] => list.map((x, j) => (j === i ? x + by : x));
      A.forEach((_, i) => expect(got["A"]![i]).toBeCloseTo((plain(bump(A, i, e), k) - plain(bump(A, i, -e), k)) / (2 * e), 6));
      k.forEach((_, i) => expect(got["c"]![i]).toBeCloseTo((plain(A, bump(k, i, e)) - plain(A, bump(k, i, -e))) / (2 * e), 6));
    }
  });

  it("is for real variables", () => {
    const c = caseOf("RBM");
    expect(() =>
      run(c, (w, x) => ({ l: scoreMatching(c.model, w, rootKey(), x, { sum: ["h"] }) }), feedsOf(c, exactDraws(c, 2), ["v"])),
    ).toThrow("discrete");
    expect(() =>
      run(grbm, (w, x) => ({ l: scoreMatching(grbm.model, w, rootKey(), x) }), feedsOf(grbm, exactDraws(grbm, 2), ["v", "h"])),
    ).toThrow("name one of");
  });
});

function gaussianRows(n: number): number[] {
  const stream = hostStream(17, "noise");
  return Array.from({ length: n }, () => stream.normal());
}

describe("noise-contrastive estimation", () => {
  const c = caseOf("Gaussian-Bernoulli RBM with its own deviations");
  const ratio = 3;

  function contrast(
    count: number,
    logZ: number,
  ): { readonly got: Record<string, number[]>; readonly data: Assignment[]; readonly noise: number[] } {
    const data = exactDraws(c, count);
    const noise = gaussianRows(ratio * count * 2).map((x) => 2 * x);
    const got = run(
      { ...c, weights: { ...c.weights, z: { shape: [], data: [logZ] } } },
      (w, x) => {
        const log = (v: Tensor): Tensor => sum(normal.logProb(v, { loc: 0, scale: 2 }), [-1]);
        const value = noiseContrastive(
          c.model,
          w,
          { v: x["v"]! },
          {
            noise: { v: x["n"]! },
            logNoise: { data: log(x["v"]!), noise: log(x["n"]!) },
            logZ: w["z"]!,
            sum: ["h"],
          },
        );
        const [W, z] = grad(mean(value), [w["W"]!, w["z"]!]);
        return { value, W: W!, z: z! };
      },
      { ...feedsOf(c, data, ["v"]), n: { shape: [ratio, count, 2], data: noise } },
    );
    return { got, data, noise };
  }

  it("is the log-likelihood of telling data from noise", () => {
    const logZ = 1.2;
    const { got, data, noise } = contrast(4, logZ);
    const w = weightsOf(c);
    const logNoise = (v: readonly number[]): number => v.reduce((s, x) => s - x ** 2 / 8 - Math.log(2) - Math.log(2 * Math.PI) / 2, 0);
    const contrastOf = (v: readonly number[]): number => bruteLogSum(c, w, ["h"], { v }) - logZ - logNoise(v) - Math.log(ratio);
    const logistic = (g: number): number => -Math.log1p(Math.exp(-g));
    data.forEach(({ v }, r) => {
      let expected = logistic(contrastOf(v!));
      for (let k = 0; k < ratio; k++) expected += logistic(-contrastOf(noise.slice((k * 4 + r) * 2, (k * 4 + r) * 2 + 2)));
      expect(got["value"]![r]).toBeCloseTo(expected, 9);
    });
  });

  it("is at its height at the truth, log Z among its parameters", () => {
    const exact = bruteLogSum(c, weightsOf(c), ["v", "h"]);
    const truth = contrast(4000, exact);
    // a row's gradient is of the order of 1: four standard errors are 0.06
    [...truth.got["W"]!, ...truth.got["z"]!].forEach((g) => expect(Math.abs(g)).toBeLessThan(0.06));
    expect(contrast(4000, exact - 1).got["z"]![0]).toBeGreaterThan(0.1);
    expect(contrast(4000, exact + 1).got["z"]![0]).toBeLessThan(-0.1);
  });

  it("compiled, fits log Z to the batch: an energy without a constant is at rest at the truth, and moves as if log Z were a weight", async () => {
    const { model } = loadModel(`model M {
  data v : real[2]
  param r : real[2], b : real[2]
  density p(v) { energy sum(exp(r) * (v - b)^2) / 2 }
  train { maximize log p(v) by nce(ratio = 3), optimizer = sgd(lr = 0.1)
    batch = 3000, steps = 1 }
}`);
    const noise = gaussianRows(6000);
    const data = noise.map((x, i) => Math.fround(i % 2 === 0 ? 0.5 + x * Math.exp(0.6) : -1 + x * Math.exp(0.3)));
    const at = async (r: readonly number[]): Promise<readonly number[]> => {
      const { gradients } = await gradientsOf(model, { weights: { r: r.map(Math.fround), b: [0.5, -1] }, data: { v: data }, rows: 3000 });
      return [...gradients["r"]!.mean, ...gradients["b"]!.mean];
    };
    (await at([-1.2, -0.6])).forEach((g) => expect(Math.abs(g)).toBeLessThan(0.03));
    // a precision that is too small pulls up, whichever side of 0 log Z is
    const [first, second] = await at([-1.6, -0.2]);
    expect(first).toBeGreaterThan(0.05);
    expect(second).toBeLessThan(-0.05);
  });
});

describe("pseudo-likelihood", () => {
  /** Each unit of `name` set to each of its values, by its plain meaning. */
  const bits = (value: readonly number[]): number[][][] => value.map((_, i) => [0, 1].map((b) => value.map((v, j) => (j === i ? b : v))));
  const digits = (value: readonly number[]): number[][][] =>
    value.map((_, i) => [0, 1, 2].map((b) => value.map((v, j) => (j === i ? b : v))));
  const blocks = (value: readonly number[]): number[][][] =>
    [0, 2].map((j) => {
      const block = [j, j + 1, 4 + j, 5 + j];
      const none = value.map((v, i) => (block.includes(i) ? 0 : v));
      return [none, ...block.map((on) => none.map((v, i) => (i === on ? 1 : v)))];
    });

  const pairs = (value: readonly number[]): number[][][] =>
    [0, 2, 4].map((j) => [0, 1, 2].map((on) => value.map((v, i) => (i === j ? +(on === 1) : i === j + 1 ? +(on === 2) : v))));

  it.each([
    ["RBM", "v", ["h"], bits],
    ["RBM", "v", [], bits],
    ["categories", "c", ["h"], digits],
    ["convolutional RBM with one of a block", "h", ["v"], blocks],
    ["Boltzmann machine with lateral connections", "v", ["h"], bits],
    ["lateral connections under one of a block", "v", ["h"], pairs],
    ["categories that interact", "c", ["h"], digits],
  ] as const)("of %s in %s, %s summed out", (title, name, summed, alternatives) => {
    const c = caseOf(title);
    const w = weightsOf(c);
    const rows = exactDraws(c, 12);
    const given = Object.keys(c.model.units).filter((n) => !(summed as readonly string[]).includes(n));
    const { exact } = run(
      c,
      (w, x) => ({ exact: pseudoLogLikelihood(c.model, w, rootKey(), x, [name], { sum: [...summed] }) }),
      feedsOf(c, rows, given),
    );
    const terms = rows.map((row) => {
      const score = (value: readonly number[]): number => bruteLogSum(c, w, summed, { ...row, [name]: value });
      return alternatives(row[name]!).map((list) => score(row[name]!) - logSum(list.map(score)));
    });
    const plain = terms.map((list) => list.reduce((a, b) => a + b, 0));
    plain.forEach((p, r) => expect(exact![r]).toBeCloseTo(p, 9));
    // the row whose units differ most
    const range = terms.map((list) => Math.max(...list) - Math.min(...list));
    const pick = range.indexOf(Math.max(...range));
    // one unit a row, in the mean over many copies of a row
    const copies = 3000;
    const { one } = run(
      c,
      (w, x) => ({ one: pseudoLogLikelihood(c.model, w, rootKey().at("pl"), x, [name], { sum: [...summed], units: "one" }) }),
      feedsOf(c, new Array<Assignment>(copies).fill(rows[pick]!), given),
    );
    const average = one!.reduce((s, x) => s + x, 0) / copies;
    const deviation = Math.sqrt(one!.reduce((s, x) => s + (x - average) ** 2, 0) / copies);
    expect(deviation).toBeGreaterThan(1e-3);
    expect(Math.abs(average - plain[pick]!)).toBeLessThan(4 * (deviation / Math.sqrt(copies)));
  });

  it("is not for real variables and counts, and visits one unit a row of many", () => {
    const c = caseOf("Gaussian-Bernoulli RBM with its own deviations");
    expect(() =>
      run(c, (w, x) => ({ p: pseudoLogLikelihood(c.model, w, rootKey(), x, ["v"], { sum: ["h"] }) }), feedsOf(c, exactDraws(c, 2), ["v"])),
    ).toThrow("its units are normal");
    const rbm = caseOf("RBM");
    const wide = {
      ...rbm.model,
      units: { v: { kind: "bernoulli" as const, shape: [784] }, h: { kind: "bernoulli" as const, shape: [500] } },
    };
    const graph = optimize(
      stage({}, () => {
        const w = { W: state("W", [784, 500]), a: state("a", [500]), b: state("b", [784]) };
        return { p: mean(pseudoLogLikelihood(wide, w, rootKey(), { v: input("v", [100, 784]) }, ["v"], { sum: ["h"] })) };
      }),
    );
    // both values of one unit of each row: one product over twice the rows
    const products = graph.nodes.filter((n) => n.prim === "matmul");
    expect(products.map((n) => n.shape)).toEqual([[2, 100, 500]]);
  });
});

describe("reconstruction error", () => {
  it.each(["RBM", "Gaussian-Bernoulli RBM with its own deviations", "replicated softmax"])(
    "is the squared distance to the mean given drawn hidden units: %s",
    (title) => {
      const c = caseOf(title);
      const rows = exactDraws(c, 6);
      const got = run(
        c,
        (w, x) => {
          const key = rootKey().at("r");
          return { error: reconstructionError(c.model, w, key, x, "v"), h: gibbs(c.model, w, key, x, { clamp: ["v"] })["h"]! };
        },
        feedsOf(c, rows, ["v"]),
      );
      const w = weightsOf(c);
      rows.forEach(({ v }, r) => {
        const h = got["h"]!.slice(3 * r, 3 * r + 3);
        const z = bruteLogSum(c, w, ["v"], { h });
        const expectation = v!.map((_, i) =>
          c.atoms["v"]!.reduce((s, a) => s + Math.exp(a.logMeasure - c.energy(w, { v: a.value, h }) - z) * a.value[i]!, 0),
        );
        expect(got["error"]![r]).toBeCloseTo(
          v!.reduce((s, x, i) => s + (x - expectation[i]!) ** 2, 0),
          8,
        );
      });
    },
  );
});
