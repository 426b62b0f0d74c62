/** Annealed importance sampling, tempering, Langevin and Hamiltonian dynamics against enumeration and quadrature. */
import { describe, expect, it, vi } from "vitest";
import {
  aisEstimate,
  aisNumbers,
  aisProgram,
  aisStart,
  aisStep,
  annealed,
  baseRates,
  baseStatistics,
  constant,
  exactProgram,
  gibbs,
  grad,
  hmc,
  iterationInput,
  langevin,
  log,
  logPartition,
  mul,
  neg,
  optimize,
  reverseAisEstimate,
  rootKey,
  sliceAxis,
  square,
  stage,
  state,
  sub,
  sum,
  temper,
  temperatures,
  temperaturesAt,
  temperedPcd,
  writeState,
  type EnergyModel,
  type Graph,
  type PartitionSteps,
  type Tensor,
  type Values,
} from "../../src/runtime/index.js";
import type { Engine } from "../../src/runtime/engines/engine.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { evaluate } from "../../src/runtime/engines/reference/evaluate.js";
import { tensor } from "../conformance/compare.js";
import {
  bruteLogSum,
  caseOf,
  cases,
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

// The float64 interpreter is slow where cores are shared.
vi.setConfig({ testTimeout: 180_000 });

type Statistics = Readonly<Record<string, { readonly mean: readonly number[]; readonly variance: readonly number[] }>>;

/** Runs steps as an evaluation does: start, a repeat stage over carried state, result. Gives the log weights. */
async function play(
  engine: Engine,
  c: Pick<Case, "weights">,
  program: PartitionSteps<Weights>,
  seed: number,
  statistics: Statistics = {},
): Promise<{ readonly logWeights: number[]; readonly step: Graph }> {
  const inputs = (): Parameters<PartitionSteps<Weights>["start"]>[0] => ({
    w: Object.fromEntries(Object.entries(c.weights).map(([name, { shape }]) => [name, state(name, shape)])),
    key: rootKey().at("ais"),
    given: {},
    statistics: Object.fromEntries(
      Object.entries(statistics).map(([name, s]) => [name, { mean: constant([...s.mean]), variance: constant([...s.variance]) }]),
    ),
  });
  const start = stage({}, () => ({ ...program.start(inputs()) }));
  const carried = Object.entries(start.outputs).map(([name, id]) => ({ name, node: start.nodes[id]! }));
  const read = (): Values => Object.fromEntries(carried.map(({ name, node }) => [name, state(name, node.shape, node.dtype)]));
  const step = optimize(
    stage({}, () => {
      const before = read();
      for (const [name, value] of Object.entries(program.step(inputs(), before, iterationInput()))) writeState(before[name]!, value);
      return {};
    }),
  );
  const result = stage({}, () => ({ logWeights: program.result(inputs(), read()) }));
  const session = await engine.open();
  try {
    for (const [name, { shape, data }] of Object.entries(c.weights)) await session.write(name, tensor(shape, data));
    const rng = tensor([4], [seed, 0, 0, 0], "u32");
    const first = await session.compile({
      name: "start",
      stages: [{ kind: "call", name: "start", graph: optimize(start) }],
      fetch: carried.map(({ name }) => name),
    });
    for (const [name, value] of Object.entries(await first.run({ rng }))) await session.write(name, value);
    const rest = await session.compile({
      name: "ais",
      stages: [
        { kind: "repeat", name: "step", graph: step, count: program.iterations },
        { kind: "call", name: "result", graph: optimize(result) },
      ],
      fetch: ["logWeights"],
    });
    const { logWeights } = await rest.run({ rng });
    return { logWeights: [...logWeights!.data], step };
  } finally {
    session.dispose();
  }
}

function estimateOf(logWeights: readonly number[]): { readonly logZ: number; readonly standardError: number; readonly effective: number } {
  const graph = stage({ w: { shape: [logWeights.length] } }, ({ w }) => ({ n: aisNumbers(aisEstimate(0, w)) }));
  const [logZ, standardError, effective] = evaluate(graph, { w: logWeights })["n"]!.data as unknown as [number, number, number];
  return { logZ, standardError, effective };
}

const meansOf = (c: Case, names: readonly string[]): Statistics =>
  Object.fromEntries(
    names
      .filter((name) => !("classes" in c.model.units[name]!))
      .map((name) => {
        const m = moments(c, (x) => x[name]!);
        return [name, { mean: m.map((e) => e.mean), variance: m.map((e) => e.variance) }];
      }),
  );

describe("annealed importance sampling", () => {
  it.each(cases)("finds log Z within three standard errors: $title", async (c) => {
    const exact = bruteLogSum(c, weightsOf(c), Object.keys(c.model.units));
    const program = aisProgram(c.model, {
      chains: 100,
      temperatures: 60,
      sum: c.sum,
      ...(c.totals && { totals: () => c.totals! }),
    });
    // Of some variables the base knows the means (a stranger's, a little off), of others nothing.
    const statistics = Object.values(c.model.units).some((u) => u.kind === "oneOfBlock") ? {} : meansOf(c, c.rest);
    const shaped = Object.fromEntries(
      Object.entries(statistics).map(([name, s]) => [name, { ...s, mean: s.mean.map((m, i) => m * (1 + 0.1 * Math.sin(i))) }]),
    );
    const { logWeights } = await play(referenceEngine, c, program, 3, shaped);
    const { logZ, standardError, effective } = estimateOf(logWeights);
    expect(standardError).toBeLessThan(0.2);
    expect(Math.abs(logZ - exact), `${logZ} for ${exact} +- ${standardError}`).toBeLessThan(3 * standardError);
    expect(effective).toBeGreaterThan(20);
    expect(effective).toBeLessThanOrEqual(100);
  });

  it("sums out visible units as well as hidden ones, or nothing", async () => {
    const c = caseOf("RBM");
    const exact = bruteLogSum(c, weightsOf(c), ["v", "h"]);
    for (const sum of [["v"], []]) {
      const { logWeights } = await play(referenceEngine, c, aisProgram(c.model, { chains: 150, temperatures: 60, sum }), 5);
      const { logZ, standardError } = estimateOf(logWeights);
      expect(Math.abs(logZ - exact)).toBeLessThan(3 * standardError);
    }
  });

  it("closes in from above when it is run backwards from samples of the model", () => {
    const c = caseOf("RBM");
    const rows = exactDraws(c, 400);
    const steps = 10;
    const betas = temperatures(steps);
    const both = run(
      c,
      (w, x) => {
        const base = baseRates(c.model);
        const z0 = logPartition(base, w, {}, { sum: ["v", "h"] });
        const walk = (start: { values: Values; logWeight: Tensor }, path: readonly number[], key: string): Tensor => {
          let chains = start;
          const list = constant(path);
          for (let i = 0; i < steps; i++)
            chains = aisStep(c.model, base, w, rootKey().at(key).fold(i), chains, temperaturesAt(list, constant(i, [], "i32")), {
              sum: ["h"],
            });
          return chains.logWeight;
        };
        const forward = walk(aisStart(base, w, rootKey().at("start"), [400], { sum: ["h"] }), betas, "forward");
        const zeros = sub(forward, forward);
        const backward = walk({ values: { v: x["v"]! }, logWeight: zeros }, [...betas].reverse(), "backward");
        return { forward: aisNumbers(aisEstimate(z0, forward)), backward: aisNumbers(reverseAisEstimate(z0, backward)) };
      },
      feedsOf(c, rows, ["v"]),
    );
    const exact = bruteLogSum(c, weightsOf(c), ["v", "h"]);
    for (const [logZ, standardError] of [both["forward"]!, both["backward"]!])
      expect(Math.abs(logZ! - exact)).toBeLessThan(3 * standardError!);
  });

  it("weighs as it should: estimate, error and sample size in plain numbers", () => {
    const logs = [0.3, -0.4, 1.1, 0.2];
    const weights = logs.map(Math.exp);
    const mean = weights.reduce((a, b) => a + b, 0) / 4;
    const variance = weights.reduce((s, x) => s + (x - mean) ** 2, 0) / 3;
    const { logZ, standardError, effective } = estimateOf(logs);
    expect(logZ).toBeCloseTo(Math.log(mean), 12);
    expect(standardError).toBeCloseTo(Math.sqrt(variance / 4) / mean, 12);
    expect(effective).toBeCloseTo((4 * mean) ** 2 / weights.reduce((s, x) => s + x * x, 0), 12);
  });

  it("takes two products a temperature, however many there are, and agrees with exact sums over 20 units on onnx", async () => {
    const [V, H] = [60, 20];
    const weights = {
      W: { shape: [V, H], data: spread(V * H, 0.5, 1) },
      a: { shape: [H], data: spread(H, 0.5, 2) },
      b: { shape: [V], data: spread(V, 0.5, 3) },
    };
    const model: EnergyModel<Weights> = {
      ...caseOf("RBM").model,
      units: { v: { kind: "bernoulli", shape: [V] }, h: { kind: "bernoulli", shape: [H] } },
    };
    const exact = exactProgram(model, { sum: ["v"], enumerate: ["h"], chunk: 8192 });
    expect(exact.iterations).toBe(128);
    const [logZ] = (await play(onnxEngine, { weights }, exact, 1)).logWeights;
    // 2^20 states by hand, a bit of h turned at a time
    const { W, a, b } = weights;
    const field = Float64Array.from(b.data);
    const terms = new Float64Array(2 ** H);
    let own = 0;
    for (let s = 0; s < 2 ** H; s++) {
      if (s > 0) {
        const bit = 31 - Math.clz32(s & -s);
        const on = (((s ^ (s >> 1)) >> bit) & 1) === 1 ? 1 : -1;
        own += on * a.data[bit]!;
        for (let i = 0; i < V; i++) field[i] = field[i]! + on * W.data[i * H + bit]!;
      }
      let t = own;
      for (let i = 0; i < V; i++) t += Math.log1p(Math.exp(field[i]!));
      terms[s] = t;
    }
    const top = terms.reduce((m, t) => Math.max(m, t), -Infinity);
    const truth = top + Math.log(terms.reduce((s, t) => s + Math.exp(t - top), 0));
    expect(Math.abs(logZ! - truth)).toBeLessThan(1e-3);
    const program = aisProgram(model, { chains: 100, temperatures: 1000, sum: ["h"] });
    for (const seed of [1, 2, 3, 4, 5]) {
      const { logWeights, step } = await play(onnxEngine, { weights }, program, seed);
      expect(Math.abs(estimateOf(logWeights).logZ - truth)).toBeLessThan(0.1);
      expect(step.nodes.filter((n) => n.prim === "matmul")).toHaveLength(2);
    }
  });

  it("takes a product a layer and direction of a deep machine, every other layer summed out", async () => {
    const c = caseOf("DBM with three hidden layers");
    const program = aisProgram(c.model, { chains: 20, temperatures: 3, sum: ["v", "h2"] });
    const { step } = await play(referenceEngine, c, program, 1);
    // h1 to v and to h2, h3 to h2; back from v and h2 to h1, from h2 to h3
    expect(step.nodes.filter((n) => n.prim === "matmul")).toHaveLength(6);
    expect(step.nodes.filter((n) => n.prim === "state").map((n) => n.params.name)).not.toContain("v");
  });

  it("has rising temperatures, or says so", () => {
    expect(temperatures(4)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    const [betas] = [
      temperatures([
        [500, 0.5],
        [4000, 0.9],
        [10000, 1],
      ]),
    ];
    expect([betas.length, betas[500], betas[4500], betas[14500]]).toEqual([14501, 0.5, 0.9, 1]);
    expect(() => temperatures([[3, 0.5]])).toThrow("0 to 1");
    expect(() => temperatures(0)).toThrow("0 to 1");
  });
});

describe("base models", () => {
  it.each(cases)("have the means they are given: $title", (c) => {
    const count = 40;
    const rows = exactDraws(c, count);
    const names = Object.keys(c.model.units);
    const options = { sum: names, ...(c.totals && { totals: c.totals }) };
    const got = run(
      c,
      (w, x) => {
        const statistics = baseStatistics(c.model, x);
        const base = baseRates(c.model, statistics, 1e-9);
        // d log Z / d field is the mean: the base's energy plus a field times the variable, at field 0
        const out: Record<string, Tensor> = { z: logPartition(base, w, {}, options) };
        for (const name of names) out[name] = statistics[name]!.mean;
        const drawn = aisStart(base, w, rootKey().at("b"), [2000], { ...(c.totals && { totals: c.totals }) });
        const again = baseStatistics(c.model, drawn.values);
        for (const name of names) out[`${name}:drawn`] = again[name]!.mean;
        for (const name of names) out[`${name}:variance`] = again[name]!.variance!;
        return out;
      },
      feedsOf(c, rows, names),
    );
    for (const name of names)
      got[name]!.forEach((m, i) => {
        const error = Math.sqrt(Math.max(got[`${name}:variance`]![i]!, 1e-6) / 2000);
        expect(Math.abs(got[`${name}:drawn`]![i]! - m)).toBeLessThan(5 * error + 1e-6);
      });
  });
});

/** Exact draws at an inverse temperature, the base uniform (its energy 0). */
function drawsAt(c: Case, beta: number, count: number, seed: number): Assignment[] {
  const hot: Case = { ...c, title: `${c.title} at ${beta}`, energy: (w, x) => beta * c.energy(w, x) };
  return exactDraws(hot, count, seed);
}

describe("parallel tempering", () => {
  const betas = [0.3, 0.6, 1];

  it.each([
    ["RBM", ["h"]],
    ["RBM", []],
    ["categories", ["h"]],
    ["Boltzmann machine with lateral connections", ["h"]],
  ] as const)("leaves every replica's distribution as it is: %s, %s summed out", (title, sum) => {
    const c = caseOf(title);
    const count = 3000;
    const names = Object.keys(c.model.units);
    const kept = names.filter((n) => !(sum as readonly string[]).includes(n));
    const start = betas.map((beta, r) => drawsAt(c, beta, count, r + 1));
    const feeds = Object.fromEntries(
      Object.entries(feedsOf(c, start.flat(), kept)).map(([name, feed]) => [name, { ...feed, shape: [3, count, ...feed.shape.slice(1)] }]),
    );
    const got = run(
      c,
      (w, x) => {
        const base = baseRates(c.model);
        const moved = temper(c.model, base, w, rootKey().at("pt"), x, { betas, k: 2, sum: [...sum] });
        // what was summed out, drawn once more given the rest
        const last = gibbs(annealed(c.model, base, 1), w, rootKey().at("end"), moved, { sweep: [[...sum]] });
        return Object.fromEntries(names.map((name) => [name, sliceAxis(last[name]!, 0, 2, 3)]));
      },
      feeds,
      [9, 0, 0, 0],
    );
    expectMoments(c, rowsFrom(c, got, count));
  });

  it("crosses between modes that Gibbs sampling alone does not", () => {
    const c: Case = {
      ...caseOf("RBM"),
      title: "two modes",
      weights: {
        W: { shape: [4, 3], data: new Array<number>(12).fill(6) },
        a: { shape: [3], data: new Array<number>(3).fill(-12) },
        b: { shape: [4], data: new Array<number>(4).fill(-9) },
      },
    };
    // By symmetry all off and all on are equally probable.
    expect(moments(c, (x) => [x["v"]![0]!])[0]!.mean).toBeCloseTo(0.5, 6);
    const chains = 300;
    const ladder = [0.05, 0.2, 0.4, 0.7, 1];
    const got = run(c, (w) => {
      const off = constant(0, [ladder.length, chains, 4]);
      const base = baseRates(c.model);
      const moved = temper(c.model, base, w, rootKey().at("pt"), { v: off }, { betas: ladder, k: 40, sum: ["h"] });
      const alone = gibbs(c.model, w, rootKey().at("g"), { v: constant(0, [chains, 4]) }, { sweeps: 40 });
      return { v: sliceAxis(moved["v"]!, 0, 4, 5), alone: alone["v"]! };
    });
    const share = (list: readonly number[]): number => list.reduce((s, v) => s + v, 0) / list.length;
    expect(Math.abs(share(got["v"]!) - 0.5)).toBeLessThan(4 * Math.sqrt(0.25 / chains));
    expect(share(got["alone"]!)).toBeLessThan(0.1);
  });

  it("gives a gradient at the coldest replica and moves the chains of the store", () => {
    const c = caseOf("RBM");
    const graph = optimize(
      stage({}, () => {
        const w: Weights = Object.fromEntries(Object.entries(c.weights).map(([name, { shape }]) => [name, state(name, shape)]));
        const surrogate = temperedPcd(
          c.model,
          baseRates(c.model),
          w,
          rootKey().at("pt"),
          { v: state("chains", [3, 500, 4]) },
          {
            betas,
            k: 30,
            sum: ["h"],
          },
        );
        return { W: grad(surrogate, [w["W"]!])[0]!, value: surrogate };
      }),
    );
    expect(Object.keys(graph.writes)).toEqual(["chains"]);
    const data = Object.fromEntries(Object.entries(c.weights).map(([name, { data }]) => [name, data]));
    const got = evaluate(graph, { ...data, chains: new Array<number>(6000).fill(0), rng: [3, 0, 0, 0] });
    const w = weightsOf(c);
    const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
    const exact = moments(c, ({ v }) =>
      Array.from({ length: 12 }, (_, e) => {
        const j = e % 3;
        return v![Math.floor(e / 3)]! * logistic(v!.reduce((s, x, n) => s + x * w["W"]![n * 3 + j]!, 0) + w["a"]![j]!);
      }),
    );
    exact.forEach(({ mean, variance }, i) => expect(Math.abs(got["W"]!.data[i]! - mean)).toBeLessThan(4 * Math.sqrt(variance / 500)));
    expect(() => run(c, (w, x) => ({ ...temper(c.model, baseRates(c.model), w, rootKey(), x, { betas: [0.5, 0.2] }) }), {})).toThrow(
      "rise to 1",
    );
  });
});

describe("Langevin and Hamiltonian dynamics", () => {
  const joint = caseOf("jointly Normal visible units");
  const grbm = caseOf("Gaussian-Bernoulli RBM with its own deviations");
  const count = 4000;

  /** Means and covariances of v over rows against quadrature. */
  function expectVisible(c: Case, v: readonly number[], errors: number, bias = 0): void {
    const f = (x: readonly number[]): number[] => [x[0]!, x[1]!, x[0]! ** 2, x[1]! ** 2, x[0]! * x[1]!];
    const exact = moments(c, (x) => f(x["v"]!));
    const rows = Array.from({ length: v.length / 2 }, (_, r) => f(v.slice(2 * r, 2 * r + 2)));
    exact.forEach(({ mean, variance }, i) => {
      const got = rows.reduce((s, row) => s + row[i]!, 0) / rows.length;
      expect(Math.abs(got - mean), `moment ${i}: ${got} for ${mean}`).toBeLessThan(errors * Math.sqrt(variance / rows.length) + bias);
    });
  }

  it.each([joint, grbm])("leave the marginal of $title as it is, Metropolis-corrected", (c) => {
    const start = feedsOf(c, exactDraws(c, count), ["v"]);
    const got = run(
      c,
      (w, x) => {
        const { values, acceptance } = hmc(c.model, w, rootKey().at("hmc"), x, { steps: 3, leapfrog: 5, stepSize: 0.35, sum: ["h"] });
        const mala = langevin(c.model, w, rootKey().at("mala"), x, { steps: 4, stepSize: 0.9, sum: ["h"], metropolis: true });
        return { hmc: values["v"]!, acceptance, mala: mala["v"]! };
      },
      start,
      [2, 0, 0, 0],
    );
    expectVisible(c, got["hmc"]!, 4.5);
    expectVisible(c, got["mala"]!, 4.5);
    const accepted = got["acceptance"]!.reduce((a, b) => a + b, 0) / count;
    expect(accepted).toBeGreaterThan(0.8);
    expect(accepted).toBeLessThan(1);
  });

  it("find it from far away, with a bias of the step's order where steps are not corrected", () => {
    const far = Object.fromEntries([
      ["v", { shape: [count, 2], data: Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 5 : -5)) }],
    ]);
    const got = run(
      joint,
      (w, x) => {
        const { values } = hmc(joint.model, w, rootKey().at("hmc"), x, { steps: 25, leapfrog: 6, stepSize: 0.3, sum: ["h"] });
        const free = langevin(joint.model, w, rootKey().at("ula"), x, { steps: 120, stepSize: 0.3, sum: ["h"] });
        return { hmc: values["v"]!, ula: free["v"]! };
      },
      far,
      [4, 0, 0, 0],
    );
    expectVisible(joint, got["hmc"]!, 4.5);
    expectVisible(joint, got["ula"]!, 4.5, 0.12);
  });

  it("moves visible units given hidden ones, and all of what stays is left alone", () => {
    const start = feedsOf(grbm, exactDraws(grbm, 20), ["v", "h"]);
    const got = run(grbm, (w, x) => ({ ...hmc(grbm.model, w, rootKey(), x, { leapfrog: 3, stepSize: 0.2 }).values }), start);
    expect(got["h"]).toEqual(start["h"]!.data);
    expect(got["v"]).not.toEqual(start["v"]!.data);
    const rbm = caseOf("RBM");
    const rows = feedsOf(rbm, exactDraws(rbm, 2), ["v", "h"]);
    expect(() => run(rbm, (w, x) => ({ ...langevin(rbm.model, w, rootKey(), x, { names: ["v"], stepSize: 0.1 }) }), rows)).toThrow(
      "discrete",
    );
  });

  it("are asked for where annealed chains would stay", () => {
    const model: EnergyModel<Weights> = {
      name: "quartic",
      place: "quartic.gm:1",
      units: { v: { kind: "real", shape: [1] } },
      sweep: [],
      energy: (_, x) => sum(square(square(x["v"]!)), [-1]),
    };
    const step = (w: Weights, v: Tensor): Tensor =>
      aisStep(model, baseRates(model), w, rootKey(), { values: { v }, logWeight: constant([0, 0, 0, 0, 0]) }, { from: 0, to: 1 }).logWeight;
    expect(() => run(joint, (w, x) => ({ v: step(w, x["v"]!) }), { v: { shape: [5, 1], data: [0, 1, 2, 3, 4] } })).toThrow("moves `v`");
  });

  it("refuse proposals whose energy is no number", () => {
    // log(1 - v^2) is no number outside of (-1, 1)
    const model: EnergyModel<Weights> = {
      name: "semicircle",
      place: "semicircle.gm:1",
      units: { v: { kind: "real", shape: [1] } },
      sweep: [],
      energy: (_, x) => neg(sum(mul(0.5, log(sub(1, square(x["v"]!)))), [-1])),
    };
    const got = run(joint, (w, x) => ({ v: hmc(model, w, rootKey(), x, { steps: 20, leapfrog: 2, stepSize: 0.7 }).values["v"]! }), {
      v: { shape: [500, 1], data: new Array<number>(500).fill(0.1) },
    });
    expect(got["v"]!.every((v) => Math.abs(v) <= 1)).toBe(true);
    // density (1 - v^2)^(1/2): the semicircle law, of variance 1/4
    expect(Math.abs(got["v"]!.reduce((s, v) => s + v * v, 0) / 500 - 0.25)).toBeLessThan(0.05);
  });
});
