/** Gibbs sampling, mean field and the gradients of CD and PCD against enumeration; what a step costs in matrix products. */
import { describe, expect, it } from "vitest";
import {
  add,
  cast,
  cd,
  energyModel,
  freeEnergy,
  gibbs,
  grad,
  input,
  iterationInput,
  less,
  matmul,
  mean,
  meanField,
  meanFieldBound,
  mul,
  neg,
  optimize,
  pcd,
  randomUniform,
  rootKey,
  rowsOf,
  sigmoid,
  stage,
  state,
  sub,
  sum,
  writeState,
  type EnergyModel,
  type Graph,
  type Key,
  type Tensor,
  type Values,
} from "../../src/runtime/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { tensor } from "../conformance/compare.js";
import {
  bruteLogSum,
  caseOf,
  cases,
  eachState,
  exactDraws,
  expectMoments,
  feedsOf,
  moments,
  rowsFrom,
  run,
  spread,
  weightsOf,
  type Assignment,
  type Case,
  type Weights,
} from "./energy-cases.js";

describe("Gibbs sweeps", () => {
  const rows = 4000;

  it.each(cases)("leave the distribution as it is: $title", (c) => {
    const start = exactDraws(c, rows);
    const names = Object.keys(c.model.units);
    const got = run(c, (w, x) => ({ ...gibbs(c.model, w, rootKey().at("g"), x, { sweeps: 3 }) }), feedsOf(c, start, names), [7, 0, 0, 0]);
    const after = rowsFrom(c, got, rows);
    expectMoments(c, after);
    // the draws did move
    expect(after.filter((row, r) => names.some((n) => String(row[n]) !== String(start[r]![n]))).length).toBeGreaterThan(rows / 4);
  });

  it("find the distribution from anywhere", () => {
    const c = caseOf("RBM");
    const ones = Array.from({ length: rows }, () => ({ v: [1, 1, 1, 1] }));
    const got = run(c, (w, x) => ({ ...gibbs(c.model, w, rootKey().at("g"), x, { sweeps: 60 }) }), feedsOf(c, ones, ["v"]), [3, 0, 0, 0]);
    const after = rowsFrom(c, got, rows);
    expectMoments(c, after);
    // chi-square over the 128 joint states: mean 127, deviation 16
    const w = weightsOf(c);
    const z = bruteLogSum(c, w, ["v", "h"]);
    const counts = new Map<string, number>();
    for (const { v, h } of after) counts.set(`${v};${h}`, (counts.get(`${v};${h}`) ?? 0) + 1);
    let chi = 0;
    eachState(c, ["v", "h"], {}, (x) => {
      const expected = rows * Math.exp(-c.energy(w, x) - z);
      chi += ((counts.get(`${x["v"]};${x["h"]}`) ?? 0) - expected) ** 2 / expected;
    });
    expect(chi).toBeLessThan(127 + 4 * 16);
    expect(chi).toBeGreaterThan(127 - 4 * 16);
  });

  it("hold what is clamped, conserve counts, and keep at most one of a block", () => {
    const dbm = caseOf("DBM with three hidden layers");
    const start = exactDraws(dbm, 50);
    const got = run(
      dbm,
      (w, x) => ({ ...gibbs(dbm.model, w, rootKey().at("g"), x, { sweeps: 2, clamp: ["v"] }) }),
      feedsOf(dbm, start, ["v", "h1", "h2", "h3"]),
    );
    expect(rowsFrom(dbm, got, 50).map((r) => r["v"])).toEqual(start.map((r) => r["v"]));
    const counts = caseOf("replicated softmax");
    const topics = run(
      counts,
      (w, x) => ({ ...gibbs(counts.model, w, rootKey().at("g"), x, { sweeps: 4 }) }),
      feedsOf(counts, exactDraws(counts, 50), ["v"]),
    );
    rowsFrom(counts, topics, 50).forEach((r) => expect(r["v"]!.reduce((a, b) => a + b, 0)).toBe(3));
    const pooled = caseOf("convolutional RBM with one of a block");
    const blocks = run(
      pooled,
      (w, x) => ({ ...gibbs(pooled.model, w, rootKey().at("g"), x, { sweeps: 2 }) }),
      feedsOf(pooled, exactDraws(pooled, 200), ["v"]),
    );
    rowsFrom(pooled, blocks, 200).forEach(({ h }) =>
      [0, 2].forEach((j) => expect(h![j]! + h![j + 1]! + h![4 + j]! + h![5 + j]!).toBeLessThanOrEqual(1)),
    );
  });

  it("draw the same for a row wherever its batch is cut", () => {
    const c = caseOf("RBM");
    const start = exactDraws(c, 6);
    const draw = (rows: readonly Assignment[], offset: number): number[] =>
      run(c, (w, x) => ({ v: gibbs(c.model, w, rootKey().at("g"), x, { sweeps: 3 })["v"]! }), feedsOf(c, rows, ["v"]), [5, 0, 2, offset])[
        "v"
      ]!;
    expect([...draw(start.slice(0, 4), 0), ...draw(start.slice(4), 4)]).toEqual(draw(start, 0));
  });
});

describe("mean field", () => {
  it.each([1, 1.5, -0.1, NaN])("does not keep a share of %s", (damping) => {
    const model = caseOf("DBM with three hidden layers");
    const feeds = feedsOf(model, exactDraws(model, 4), ["v"]);
    const step = (): unknown => run(model, (w, x) => meanField(model.model, w, x, { names: ["h1"], steps: 1, damping }), feeds);
    expect(step).toThrow(/a damping of/u);
  });

  const dbm = caseOf("DBM with three hidden layers");
  const names = ["h1", "h2", "h3"];
  const rows = exactDraws(dbm, 4);
  const feeds = feedsOf(dbm, rows, ["v"]);
  const w = weightsOf(dbm);

  it("moves from even means, and only a share of the way where it is damped", () => {
    const step = (damping: number): Record<string, number[]> =>
      run(dbm, (w, x) => ({ ...meanField(dbm.model, w, x, { names, steps: 1, damping }) }), feeds);
    const [whole, share] = [step(0), step(0.25)];
    const first = dbm.model.sweep.map((block) => block.filter((name) => names.includes(name))).find((block) => block.length > 0)!;
    expect(first).toContain("h1");
    for (const name of first) share[name]!.forEach((m, i) => expect(m).toBeCloseTo(0.25 * 0.5 + 0.75 * whole[name]![i]!, 10));
    rows.forEach(({ v }, r) =>
      [0, 1, 2].forEach((j) => {
        const field = v!.reduce((s, x, i) => s + x * w["W1"]![i * 3 + j]!, 0) + 0.5 * (w["W2"]![j * 2]! + w["W2"]![j * 2 + 1]!);
        expect(whole["h1"]![r * 3 + j]).toBeCloseTo(1 / (1 + Math.exp(-field)), 9);
      }),
    );
  });

  it("is at rest at its fixed point, damped or not, and bounds the likelihood", () => {
    const solve = (options: { steps: number; damping?: number }): Record<string, number[]> =>
      run(
        dbm,
        (w, x) => {
          const means = meanField(dbm.model, w, x, { names, ...options });
          return {
            ...means,
            bound: meanFieldBound(dbm.model, w, x, means),
            once: meanFieldBound(dbm.model, w, x, meanField(dbm.model, w, x, { names, steps: 1 })),
          };
        },
        feeds,
      );
    const got = solve({ steps: 60 });
    const damped = solve({ steps: 150, damping: 0.5 });
    const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
    rows.forEach(({ v }, r) => {
      const of = (name: string, n: number): number[] => got[name]!.slice(r * n, r * n + n);
      const [h1, h2, h3] = [of("h1", 3), of("h2", 2), of("h3", 2)];
      h1.forEach((m, j) => {
        const field = v!.reduce((s, x, i) => s + x * w["W1"]![i * 3 + j]!, 0) + h2.reduce((s, x, k) => s + x * w["W2"]![j * 2 + k]!, 0);
        expect(m).toBeCloseTo(logistic(field), 9);
      });
      h2.forEach((m, k) => {
        const field = h1.reduce((s, x, j) => s + x * w["W2"]![j * 2 + k]!, 0) + h3.reduce((s, x, l) => s + x * w["W3"]![k * 2 + l]!, 0);
        expect(m).toBeCloseTo(logistic(field), 9);
      });
      h3.forEach((m, l) => expect(m).toBeCloseTo(logistic(h2.reduce((s, x, k) => s + x * w["W3"]![k * 2 + l]!, 0)), 9));
      damped["h2"]!.forEach((m, i) => expect(m).toBeCloseTo(got["h2"]![i]!, 8));
      const exact = bruteLogSum(dbm, w, names, { v: v! });
      expect(got["bound"]![r]).toBeLessThan(exact);
      expect(got["bound"]![r]).toBeGreaterThan(exact - 0.2);
      expect(got["bound"]![r]).toBeGreaterThanOrEqual(got["once"]![r]!);
    });
  });

  it.each(["RBM", "categories", "convolutional RBM with one of a block", "RBM with real hidden units", "replicated softmax"])(
    "is exact where the factors are independent: %s",
    (title) => {
      const c = caseOf(title);
      const rows = exactDraws(c, 5);
      const got = run(
        c,
        (w, x) => {
          const means = meanField(c.model, w, x, { names: c.sum, steps: 1 });
          return { bound: meanFieldBound(c.model, w, x, means), free: neg(freeEnergy(c.model, w, x, { sum: c.sum })) };
        },
        feedsOf(c, rows, c.rest),
      );
      got["bound"]!.forEach((b, r) => expect(b).toBeCloseTo(got["free"]![r]!, 9));
    },
  );

  it("sets units that interact from the means of all", () => {
    const lateral = caseOf("Boltzmann machine with lateral connections");
    // multi-affine: nothing on the diagonal
    const L = lateral.weights["L"]!.data.map((l, i) => (i % 5 === 0 ? 0 : l));
    const c: Case = { ...lateral, weights: { ...lateral.weights, L: { shape: [4, 4], data: L } } };
    const w = weightsOf(c);
    const rows = exactDraws(lateral, 3);
    const got = run(
      c,
      (w, x) => {
        const means = meanField(c.model, w, x, { names: ["v"], steps: 200, damping: 0.5 });
        return { ...means, bound: meanFieldBound(c.model, w, x, means) };
      },
      feedsOf(c, rows, ["h"]),
    );
    rows.forEach(({ h }, r) => {
      const v = got["v"]!.slice(4 * r, 4 * r + 4);
      v.forEach((m, i) => {
        const field =
          h!.reduce((s, x, j) => s + x * w["W"]![i * 2 + j]!, 0) + v.reduce((s, x, j) => s + (x * (L[i * 4 + j]! + L[j * 4 + i]!)) / 2, 0);
        expect(m).toBeCloseTo(1 / (1 + Math.exp(-field - w["b"]![i]!)), 9);
      });
      const exact = bruteLogSum(c, w, ["v"], { h: h! });
      expect(got["bound"]![r]).toBeLessThan(exact);
      expect(got["bound"]![r]).toBeGreaterThan(exact - 0.2);
    });
  });

  it("takes squares of binary units that interact as the units themselves: update, bound, and gradient of the bound, by enumeration", () => {
    const c = caseOf("Boltzmann machine with lateral connections, known to be quadratic");
    const w = weightsOf(c);
    const rows = exactDraws(c, 3);
    const got = run(
      c,
      (staged, x) => {
        const means = meanField(c.model, staged, x, { names: ["v"], steps: 300, damping: 0.5 });
        const bound = meanFieldBound(c.model, staged, x, means);
        return { ...means, bound, L: grad(sum(bound), [staged["L"]!])[0]! };
      },
      feedsOf(c, rows, ["h"]),
    );
    const slopes = Array.from({ length: 16 }, () => 0);
    rows.forEach(({ h }, r) => {
      const m = got["v"]!.slice(4 * r, 4 * r + 4);
      const chance = (v: readonly number[], but = -1): number => v.reduce((p, x, i) => (i === but ? p : p * (x ? m[i]! : 1 - m[i]!)), 1);
      const states = c.atoms["v"]!.map(({ value }) => value);
      m.forEach((mean, i) => {
        // the mean energy with the unit off less that with it on, the others drawn
        const gap = states.reduce((s, v) => s + (v[i] ? -1 : 1) * chance(v, i) * c.energy(w, { v, h: h! }), 0);
        expect(mean).toBeCloseTo(1 / (1 + Math.exp(-gap)), 9);
      });
      const bound = states.reduce((s, v) => s - chance(v) * (c.energy(w, { v, h: h! }) + Math.log(chance(v))), 0);
      expect(got["bound"]![r]).toBeCloseTo(bound, 9);
      expect(bound).toBeLessThan(bruteLogSum(c, w, ["v"], { h: h! }));
      for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) slopes[4 * i + j]! += (i === j ? m[i]! : m[i]! * m[j]!) / 2;
    });
    got["L"]!.forEach((g, k) => expect(g).toBeCloseTo(slopes[k]!, 9));
  });

  it("gives counts their factor too", () => {
    // of replicated softmax both ways round: a factor for the counts, hidden units given
    const c = caseOf("replicated softmax");
    const rows = exactDraws(c, 3);
    const { bound } = run(
      c,
      (w, x) => ({
        bound: meanFieldBound(c.model, w, x, meanField(c.model, w, x, { names: ["v"], steps: 1, totals: { v: 3 } }), { totals: { v: 3 } }),
      }),
      feedsOf(c, rows, ["h"]),
    );
    rows.forEach((row, r) => expect(bound![r]).toBeCloseTo(bruteLogSum(c, weightsOf(c), ["v"], { h: row["h"]! }), 9));
  });

  it("differentiates the bound with the means held fixed", () => {
    const got = run(
      dbm,
      (w, x) => {
        const bound = mean(meanFieldBound(dbm.model, w, x, meanField(dbm.model, w, x, { names, steps: 40 })));
        return { W2: grad(bound, [w["W2"]!])[0]!, ...meanField(dbm.model, w, x, { names, steps: 40 }) };
      },
      feeds,
    );
    for (let j = 0; j < 3; j++)
      for (let k = 0; k < 2; k++) {
        const expected = rows.reduce((s, _, r) => s + got["h1"]![r * 3 + j]! * got["h2"]![r * 2 + k]!, 0) / rows.length;
        expect(got["W2"]![j * 2 + k]).toBeCloseTo(expected, 9);
      }
  });
});

/** d log Z / dW of the RBM, and the variance of v_i E[h_j | v] over v. */
function rbmGradient(c: Case): { readonly mean: number[]; readonly variance: number[] } {
  const w = weightsOf(c);
  const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
  const entries = moments(c, ({ v }) =>
    Array.from({ length: 12 }, (_, e) => {
      const [i, j] = [Math.floor(e / 3), e % 3];
      return v![i]! * logistic(v!.reduce((s, x, n) => s + x * w["W"]![n * 3 + j]!, 0) + w["a"]![j]!);
    }),
  );
  return { mean: entries.map((e) => e.mean), variance: entries.map((e) => e.variance) };
}

describe("contrastive divergence", () => {
  const c = caseOf("RBM");
  const count = 4000;

  it("tends to the exact gradient of log Z as k grows, and is biased for k = 1", () => {
    const exact = rbmGradient(c);
    const rows = Array.from({ length: count }, () => ({ v: [1, 1, 0, 0] }));
    const estimate = (k: number): number[] =>
      run(
        c,
        (w, x) => ({ W: grad(mean(cd(c.model, w, rootKey().at("cd"), x, { k, sum: ["h"] })), [w["W"]!])[0]! }),
        feedsOf(c, rows, ["v"]),
        [11, 0, 0, 0],
      )["W"]!;
    const errors = (got: number[]): number[] => got.map((g, i) => Math.abs(g - exact.mean[i]!) / Math.sqrt(exact.variance[i]! / count));
    expect(Math.max(...errors(estimate(50)))).toBeLessThan(4);
    expect(Math.max(...errors(estimate(1)))).toBeGreaterThan(8);
  });

  it("has -F of the samples as its value", () => {
    const rows = exactDraws(c, 5);
    const got = run(
      c,
      (w, x) => {
        const key = rootKey().at("cd");
        const { v } = gibbs(c.model, w, key, x, { sweeps: 2 });
        return { value: cd(c.model, w, key, x, { k: 2, sum: ["h"] }), v: v! };
      },
      feedsOf(c, rows, ["v"]),
    );
    rows.forEach((_, r) =>
      expect(got["value"]![r]).toBeCloseTo(bruteLogSum(c, weightsOf(c), ["h"], { v: got["v"]!.slice(4 * r, 4 * r + 4) }), 9),
    );
  });

  it.each([["h"], ["v"]])("goes on from persistent chains that hold %s", async (held) => {
    // One program step = one PCD-1 update of 60 chains; the gradients' mean over 500 steps against the exact one.
    const exact = rbmGradient(c);
    const [chains, steps] = [60, 500];
    const size = c.model.units[held]!.shape[0]!;
    const graph = stage({}, () => {
      const w: Weights = Object.fromEntries(Object.entries(c.weights).map(([name, { shape }]) => [name, state(name, shape)]));
      const key = rootKey().at("pcd").iterate(iterationInput());
      const surrogate = pcd(c.model, w, key, { [held]: state("chain", [chains, size]) }, { k: 1, sum: ["h"] });
      const [g] = grad(surrogate, [w["W"]!]);
      const total = state("total", [4, 3]);
      const squares = state("squares", [4, 3]);
      writeState(total, add(total, g!));
      writeState(squares, add(squares, mul(g!, g!)));
      return {};
    });
    const session = await referenceEngine.open();
    for (const [name, { shape, data }] of Object.entries(c.weights)) await session.write(name, tensor(shape, data));
    await session.write("chain", tensor([chains, size], [0]));
    await session.write("total", tensor([4, 3], [0]));
    await session.write("squares", tensor([4, 3], [0]));
    const program = await session.compile({
      name: "pcd",
      stages: [{ kind: "repeat", name: "pcd", graph: optimize(graph), count: steps }],
      fetch: [],
    });
    await program.run({ rng: tensor([4], [5, 0, 0, 0], "u32") });
    const total = await session.read("total");
    const chain = await session.read("chain");
    expect([...chain.data].some((v) => v === 1) && [...chain.data].every((v) => v === 0 || v === 1)).toBe(true);
    // Neighbouring sweeps are correlated: a sweep counts as a tenth of an independent draw.
    total.data.forEach((t, i) => {
      const standardError = Math.sqrt(exact.variance[i]! / (chains * steps * 0.1));
      expect(Math.abs(t / steps - exact.mean[i]!)).toBeLessThan(4 * standardError);
    });
  });
});

/** The RBM of Hinton's step at its usual size. */
const [V, H, B] = [784, 500, 100];
const wide: EnergyModel<Weights> = energyModel<Weights>({
  name: "rbm",
  place: "rbm.gm:1",
  units: { v: { kind: "bernoulli", shape: [V] }, h: { kind: "bernoulli", shape: [H] } },
  sweep: [["h"], ["v"]],
  energy: (w, x) => {
    const [v, h] = [x["v"]!, x["h"]!];
    const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b), [-1]);
    return sub(sub(neg(dot(matmul(v, w["W"]!), h)), dot(w["a"]!, h)), dot(w["b"]!, v));
  },
});
const wideWeights = (): Weights => ({ W: state("W", [V, H]), a: state("a", [H]), b: state("b", [V]) });

function step(surrogate: (w: Weights, v: Tensor) => Tensor, withValue = false): Graph {
  return optimize(
    stage({}, () => {
      const w = wideWeights();
      const f = surrogate(w, input("v", [B, V]));
      const [W, a, b] = grad(f, [w["W"]!, w["a"]!, w["b"]!]);
      return { W: W!, a: a!, b: b!, ...(withValue && { value: f }) };
    }),
  );
}
const count = (graph: Graph, prim: string): number => graph.nodes.filter((n) => n.prim === prim).length;
const cdStep =
  (k: number) =>
  (w: Weights, v: Tensor): Tensor =>
    mean(sub(neg(freeEnergy(wide, w, { v }, { sum: ["h"] })), cd(wide, w, rootKey().at("cd"), { v }, { k, sum: ["h"] })));

const below = (key: Key, p: Tensor): Tensor => cast(less(randomUniform(key, [rowsOf(p), ...p.shape.slice(1)]), p), "f32");

describe("a step's cost", () => {
  it("of CD-k: 2k + 1 products for the chain, 2 for the gradient, also where its value is asked for", () => {
    expect(count(step(cdStep(1)), "matmul")).toBe(5);
    expect(count(step(cdStep(1), true), "matmul")).toBe(5);
    expect(count(step(cdStep(3)), "matmul")).toBe(9);
    // one draw a layer and sweep, and nothing of the energy itself
    const graph = step(cdStep(1));
    expect(count(graph, "random")).toBe(2);
    expect(count(graph, "softplus")).toBe(0);
    expect(graph.nodes.filter((n) => n.prim === "sigmoid")).toHaveLength(3);
  });

  it("of PCD-1: as one written by hand, 1 + 2 + 2 products where the chains hold the hidden units", () => {
    const graph = step((w, v) => {
      const chains: Values = { h: state("chain", [B, H]) };
      return sub(neg(mean(freeEnergy(wide, w, { v }, { sum: ["h"] }))), pcd(wide, w, rootKey().at("pcd"), chains, { sum: ["h"] }));
    });
    expect(count(graph, "matmul")).toBe(5);
    expect(Object.keys(graph.writes)).toEqual(["chain"]);
  });

  it("of a convolutional model: the same convolutions, by the same rules", () => {
    const c = caseOf("convolutional RBM with one of a block");
    const graph = optimize(
      stage({}, () => {
        const w: Weights = Object.fromEntries(Object.entries(c.weights).map(([name, { shape }]) => [name, state(name, shape)]));
        const v = input("v", [8, 3, 4, 1]);
        const key = rootKey().at("cd");
        const f = mean(sub(neg(freeEnergy(c.model, w, { v }, { sum: ["h"] })), cd(c.model, w, key, { v }, { sum: ["h"] })));
        return { W: grad(f, [w["W"]!])[0]! };
      }),
    );
    expect(["conv", "convInputGrad", "convFilterGrad"].map((prim) => count(graph, prim))).toEqual([2, 1, 2]);
  });

  it("of mean field: two products a step, the data's own but once", () => {
    const dbm = caseOf("DBM with three hidden layers").model;
    const two: EnergyModel<Weights> = energyModel<Weights>({
      name: dbm.name,
      place: dbm.place,
      units: { v: { kind: "bernoulli", shape: [V] }, h1: { kind: "bernoulli", shape: [H] }, h2: { kind: "bernoulli", shape: [H] } },
      sweep: [["h1"], ["v", "h2"]],
      energy: (w, x) => neg(add(sum(mul(matmul(x["v"]!, w["W1"]!), x["h1"]!), [-1]), sum(mul(matmul(x["h1"]!, w["W2"]!), x["h2"]!), [-1]))),
    });
    const graph = optimize(
      stage({}, () => {
        const w: Weights = { W1: state("W1", [V, H]), W2: state("W2", [H, H]) };
        const v = input("v", [B, V]);
        const means = meanField(two, w, { v }, { names: ["h1", "h2"], steps: 10 });
        const [W1, W2] = grad(mean(meanFieldBound(two, w, { v }, means)), [w["W1"]!, w["W2"]!]);
        return { W1: W1!, W2: W2! };
      }),
    );
    expect(count(graph, "matmul")).toBe(1 + 2 * 10 + 2);
  });

  it("is that of the same step written by hand, whose numbers it gives on onnx", async () => {
    const byHand = optimize(
      stage({}, () => {
        const { W, a, b } = wideWeights() as { W: Tensor; a: Tensor; b: Tensor };
        const v0 = input("v", [B, V]);
        const key = rootKey().at("cd");
        const p0 = sigmoid(add(matmul(v0, W), a));
        const h0 = below(key.at("h").fold(0), p0);
        const v1 = below(key.at("v").fold(0), sigmoid(add(matmul(h0, W, { transposeB: true }), b)));
        const p1 = sigmoid(add(matmul(v1, W), a));
        const per = (t: Tensor): Tensor => mul(t, 1 / B);
        return {
          W: per(sub(matmul(v0, p0, { transposeA: true }), matmul(v1, p1, { transposeA: true }))),
          a: per(sub(sum(p0, 0), sum(p1, 0))),
          b: per(sub(sum(v0, 0), sum(v1, 0))),
        };
      }),
    );
    const derived = step(cdStep(1));
    expect(derived.nodes.filter((n) => n.prim === "matmul")).toHaveLength(count(byHand, "matmul"));
    const session = await onnxEngine.open();
    await session.write("W", tensor([V, H], spread(V * H, 0.05, 1)));
    await session.write("a", tensor([H], spread(H, 0.1, 2)));
    await session.write("b", tensor([V], spread(V, 0.1, 3)));
    const v = tensor(
      [B, V],
      spread(B * V, 1, 4).map((x) => (x > 0.3 ? 1 : 0)),
    );
    const rng = tensor([4], [9, 0, 1, 0], "u32");
    const results = [];
    for (const graph of [byHand, derived]) {
      const program = await session.compile({ name: "step", stages: [{ kind: "call", name: "step", graph }], fetch: ["W", "a", "b"] });
      results.push(await program.run({ v, rng }));
    }
    const [hand, got] = results as [(typeof results)[0], (typeof results)[0]];
    // A uniform within rounding of a probability may fall to the other side: one flip of a unit moves an entry by 1 / B.
    for (const name of ["W", "a", "b"]) {
      const [x, y] = [hand[name]!.data, got[name]!.data];
      const far = [...x].filter((value, i) => Math.abs(value - y[i]!) > 1e-4).length;
      expect(far / x.length).toBeLessThan(0.002);
    }
    session.dispose();
  });
});
