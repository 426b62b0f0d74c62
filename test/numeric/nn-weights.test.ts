/** Weights trees, constraints, initialisers, and layers that differ between training and evaluation. */
import { describe, expect, test } from "vitest";
import { compute, evaluateAll } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { InitContext, LeafSpec } from "../../src/runtime/index.js";

const specs = {
  decoder: { dense1: gmc.dense.spec(3, 4), kind: gmc.dense.spec(4, 2, { bias: false }) },
  blocks: [gmc.dense.spec(2, 2), { inner: gmc.batchNorm.spec(5) }],
  mu: gmc.param([10, 2]),
  sigma: gmc.param([2], { constraint: "positive", init: gmc.init.constant(0.3) }),
} as const;

describe("weights trees", () => {
  test("paths in the order written; elements of a list count from 1; a net may be called `kind`", () => {
    expect(gmc.leavesOf(specs).map((l) => `${l.path} [${l.spec.shape.join(", ")}]${l.spec.trained ? "" : " untrained"}`)).toEqual([
      "decoder.dense1.kernel [3, 4]",
      "decoder.dense1.bias [4]",
      "decoder.kind.kernel [4, 2]",
      "blocks.1.kernel [2, 2]",
      "blocks.1.bias [2]",
      "blocks.2.inner.scale [5]",
      "blocks.2.inner.shift [5]",
      "blocks.2.inner.runningMean [5] untrained",
      "blocks.2.inner.runningVariance [5] untrained",
      "mu [10, 2]",
      "sigma [2]",
    ]);
    expect(gmc.countParameters(specs)).toBe(12 + 4 + 8 + 4 + 2 + 5 + 5 + 20 + 2);
    expect(gmc.leavesUnder(specs, "decoder.dense1").map((l) => l.path)).toEqual(["decoder.dense1.kernel", "decoder.dense1.bias"]);
    expect(gmc.leavesUnder(specs, "decoder.dense").length).toBe(0);
    expect(gmc.leavesUnder(specs, "mu").length).toBe(1);
  });

  test("materialize has the form of the specs, reads each state once, and applies constraints", () => {
    const graph = gmc.stage({}, () => {
      const w = gmc.materialize(specs);
      const again = gmc.materialize(specs);
      expect(again.decoder.dense1.kernel.id).toBe(w.decoder.dense1.kernel.id);
      expect(w.blocks[1].inner.runningMean.shape).toEqual([5]);
      expect(w.decoder.kind.bias).toBeUndefined();
      return { sigma: w.sigma, mu: w.mu };
    });
    const states = graph.nodes.flatMap((n) => (n.prim === "state" ? [n.params.name] : []));
    expect(states).toEqual(gmc.leavesOf(specs).map((l) => l.path));
    const feeds = Object.fromEntries(gmc.leavesOf(specs).map((l) => [l.path, new Float64Array(gmc.sizeOf(l.spec.shape)).fill(0.5)]));
    const { outputs } = evaluateAll(graph, feeds);
    expect(outputs["sigma"]!.data[0]!).toBeCloseTo(Math.log(1 + Math.exp(0.5)), 12);
    expect(outputs["mu"]!.data[0]).toBe(0.5);
  });

  test("a constrained leaf starts at the value asked for", () => {
    const cases: [LeafSpec, number[]][] = [
      [gmc.param([3], { constraint: "positive", init: gmc.init.values([1e-6, 0.3, 50]) }), [1e-6, 0.3, 50]],
      [gmc.param([3], { constraint: "unit", init: gmc.init.values([1e-4, 0.5, 0.99]) }), [1e-4, 0.5, 0.99]],
      [
        gmc.param([2, 3], { constraint: "simplex", init: gmc.init.values([0.2, 0.3, 0.5, 0.98, 0.01, 0.01]) }),
        [0.2, 0.3, 0.5, 0.98, 0.01, 0.01],
      ],
      [gmc.param([4], { constraint: "simplex" }), [0.25, 0.25, 0.25, 0.25]],
      [gmc.param([2], { constraint: "positive" }), [1, 1]],
    ];
    for (const [spec, expected] of cases) {
      const stored = gmc.initialState(spec, { seed: 1, path: "p" });
      const out = compute(({ u }) => gmc.constrained(spec.constraint, u!), { u: { shape: spec.shape, data: stored } });
      expected.forEach((v, i) => expect(out.data[i]! / v).toBeCloseTo(1, 9));
      if (spec.constraint === "simplex") expect(Math.abs(stored.reduce((a, b) => a + b, 0))).toBeLessThan(1e-12);
    }
  });

  test("a start outside the constraint, and values that do not fit, are errors that name the leaf", () => {
    const context: InitContext = { seed: 1, path: "q.scale" };
    expect(() => gmc.initialState(gmc.param([1], { constraint: "positive", init: gmc.init.zeros }), context)).toThrow(
      /`q.scale` is positive and cannot start at 0/,
    );
    expect(() => gmc.initialState(gmc.param([1], { constraint: "unit", init: gmc.init.ones }), context)).toThrow(
      /strictly between 0 and 1/,
    );
    expect(() => gmc.initialState(gmc.param([2], { init: gmc.init.values([1]) }), context)).toThrow(/needs 2 initial values, 1 given/);
    expect(() => gmc.initialState(gmc.param([2], { init: gmc.init.data }), context)).toThrow(/no data set/);
  });
});

describe("initialisers", () => {
  const values = (init: gmc.Init, shape: readonly number[], path = "w", seed = 3): Float64Array =>
    gmc.evaluateInit(init, shape, { seed, path });
  const moments = (x: Float64Array): [number, number] => {
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    return [mean, x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length];
  };

  test("depend on seed and path alone", () => {
    expect(values(gmc.init.normal(), [5])).toEqual(values(gmc.init.normal(), [5]));
    expect(values(gmc.init.normal(), [5])).not.toEqual(values(gmc.init.normal(), [5], "v"));
    expect(values(gmc.init.normal(), [5])).not.toEqual(values(gmc.init.normal(), [5], "w", 4));
    expect([...values(gmc.init.uniform(), [5]).slice(0, 3)]).toEqual([...values(gmc.init.uniform(), [3])]);
  });

  const variance: readonly [string, gmc.Init, number, number | undefined][] = [
    ["glorotUniform", gmc.init.glorotUniform, 2 / 500, Math.sqrt(6 / 500)],
    ["glorotNormal", gmc.init.glorotNormal, 2 / 500, undefined],
    ["heNormal", gmc.init.heNormal, 2 / 300, undefined],
    ["heUniform", gmc.init.heUniform, 2 / 300, Math.sqrt(6 / 300)],
    ["lecunNormal", gmc.init.lecunNormal, 1 / 300, undefined],
    ["lecunUniform", gmc.init.lecunUniform, 1 / 300, Math.sqrt(3 / 300)],
    ["normal", gmc.init.normal(0, 0.2), 0.04, undefined],
    ["uniform", gmc.init.uniform(-1, 1), 1 / 3, 1],
  ];
  for (const [name, init, expected, bound] of variance) {
    test(`${name}: mean 0 and its variance on [300, 200]`, () => {
      const x = values(init, [300, 200]);
      const [mean, v] = moments(x);
      expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(expected / x.length));
      expect(Math.abs(v / expected - 1)).toBeLessThan(0.03);
      if (bound !== undefined) expect(Math.max(...[...x].map(Math.abs))).toBeLessThanOrEqual(bound);
    });
  }

  test("fans of a convolution count its window, groups and direction", () => {
    expect(gmc.fansOf([3, 3, 8, 16])).toEqual([72, 144]);
    const fans = (spec: gmc.LayerSpec<gmc.Conv>) => spec.leaves["kernel"]!.fans;
    expect(fans(gmc.conv2d.spec(8, 16, 3))).toEqual([72, 144]);
    expect(fans(gmc.conv2d.spec(8, 16, 3, { groups: 4 }))).toEqual([18, 36]);
    expect(fans(gmc.convTranspose2d.spec(8, 16, 3))).toEqual([72, 144]);
    const kernel = gmc.convTranspose2d.spec(8, 16, 3, { init: gmc.init.heNormal }).leaves["kernel"]!;
    const [, v] = moments(gmc.initialState(kernel, { seed: 1, path: "k" }));
    expect(Math.abs(v * 36 - 1)).toBeLessThan(0.12);
  });

  test("orthogonal: Q^T Q = gain^2 I on the shorter side, for tall, wide and convolution kernels", () => {
    for (const shape of [
      [7, 4],
      [4, 7],
      [5, 5],
      [3, 3, 2, 6],
    ]) {
      const columns = shape.at(-1)!;
      const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
      const q = values(gmc.init.orthogonal(2), shape);
      const vector = (i: number): number[] =>
        rows >= columns ? Array.from({ length: rows }, (_, r) => q[r * columns + i]!) : [...q.slice(i * columns, (i + 1) * columns)];
      for (let i = 0; i < Math.min(rows, columns); i++) {
        for (let j = 0; j <= i; j++) {
          const product = vector(i).reduce((s, v, k) => s + v * vector(j)[k]!, 0);
          expect(product).toBeCloseTo(i === j ? 4 : 0, 10);
        }
      }
    }
  });

  test("identity, constants", () => {
    expect([...values(gmc.init.identity(3), [2, 2])]).toEqual([3, 0, 0, 3]);
    expect([...values(gmc.init.identity(), [2, 2, 2])]).toEqual([1, 0, 0, 1, 1, 0, 0, 1]);
    expect(() => values(gmc.init.identity(), [2, 3])).toThrow(/identity/);
    expect([...values(gmc.init.constant(0.5), [2])]).toEqual([0.5, 0.5]);
  });

  test("from data: whole rows, chosen by the leaf's own stream", () => {
    const asked: [string | null, number][] = [];
    const data = {
      rowSize: () => 2,
      rows: (variable: string | null, count: number, stream: { below(n: number): number }) => {
        asked.push([variable, count]);
        return Float64Array.from({ length: count }, () => stream.below(100)).reduce<Float64Array>(
          (out, row) => Float64Array.from([...out, row, -row]),
          new Float64Array(),
        );
      },
    };
    const centres = gmc.evaluateInit(gmc.init.dataOf("x"), [4, 2], { seed: 1, path: "mu", data });
    expect(asked).toEqual([["x", 4]]);
    expect(centres.length).toBe(8);
    expect(centres[1]).toBe(-centres[0]!);
    expect(gmc.evaluateInit(gmc.init.data, [4, 2], { seed: 2, path: "mu", data })).not.toEqual(centres);
    expect(() => gmc.evaluateInit(gmc.init.data, [5], { seed: 1, path: "mu", data })).toThrow(/not made of whole data rows/);
  });
});

describe("batch norm", () => {
  const x = { shape: [2, 3, 2], data: [1, -2, 3, 0.5, 2, 2, -1, 4, 0, 1, 7, -3] };
  const channel = (c: number): number[] => x.data.filter((_, i) => i % 2 === c);
  const mean = [0, 1].map((c) => channel(c).reduce((a, b) => a + b, 0) / 6);
  const variance = [0, 1].map((c) => channel(c).reduce((a, b) => a + (b - mean[c]!) ** 2, 0) / 6);
  const tree = { bn: gmc.batchNorm.spec(2) };
  const state = { "bn.scale": [2, 0.5], "bn.shift": [1, -1], "bn.runningMean": [0.3, -0.4], "bn.runningVariance": [1.5, 0.7] };

  test("training: batch statistics over all axes but the last, and running ones that move", () => {
    const graph = gmc.stage({ x: { shape: x.shape } }, ({ x: t }) => ({
      y: gmc.batchNorm(gmc.materialize(tree).bn, t, { momentum: 0.75, eps: 1e-3 }),
    }));
    const { outputs, writes } = evaluateAll(graph, { ...state, x });
    x.data.forEach((v, i) => {
      const c = i % 2;
      const expected = ((v - mean[c]!) / Math.sqrt(variance[c]! + 1e-3)) * state["bn.scale"][c]! + state["bn.shift"][c]!;
      expect(outputs["y"]!.data[i]!).toBeCloseTo(expected, 10);
    });
    [0, 1].forEach((c) => {
      expect(writes["bn.runningMean"]!.data[c]!).toBeCloseTo(0.75 * state["bn.runningMean"][c]! + 0.25 * mean[c]!, 10);
      expect(writes["bn.runningVariance"]!.data[c]!).toBeCloseTo(
        0.75 * state["bn.runningVariance"][c]! + (0.25 * variance[c]! * 6) / 5,
        10,
      );
    });
  });

  test("evaluation: running statistics, and nothing is written, so padding reaches nothing", () => {
    const graph = gmc.stage({ x: { shape: x.shape } }, ({ x: t }) => ({ y: gmc.batchNorm(gmc.materialize(tree).bn, t) }), { mode: "eval" });
    const { outputs } = evaluateAll(graph, { ...state, x });
    x.data.forEach((v, i) => {
      const c = i % 2;
      const expected =
        ((v - state["bn.runningMean"][c]!) / Math.sqrt(state["bn.runningVariance"][c]! + 1e-5)) * state["bn.scale"][c]! +
        state["bn.shift"][c]!;
      expect(outputs["y"]!.data[i]!).toBeCloseTo(expected, 10);
    });
    expect(Object.keys(graph.writes)).toEqual([]);
  });

  test("two calls in one stage move the statistics twice", () => {
    const graph = gmc.stage({ x: { shape: x.shape } }, ({ x: t }) => {
      const { bn } = gmc.materialize(tree);
      return { y: gmc.add(gmc.batchNorm(bn, t), gmc.batchNorm(bn, gmc.mul(2, t))) };
    });
    const { writes } = evaluateAll(graph, { ...state, x });
    [0, 1].forEach((c) => {
      const once = 0.9 * state["bn.runningMean"][c]! + 0.1 * mean[c]!;
      expect(writes["bn.runningMean"]!.data[c]!).toBeCloseTo(0.9 * once + 0.1 * 2 * mean[c]!, 10);
    });
  });

  test("the gradient sees that the statistics depend on x, against finite differences", () => {
    const objective = (t: gmc.Tensor): gmc.Tensor =>
      gmc.sum(
        gmc.sin(
          gmc.mul(
            gmc.batchNorm(
              {
                scale: gmc.constant([2, 0.5]),
                shift: gmc.zeros([2]),
                runningMean: gmc.state("m", [2]),
                runningVariance: gmc.state("v", [2]),
              },
              t,
            ),
            gmc.constant([1, 3]),
          ),
        ),
      );
    const feeds = { m: [0, 0], v: [1, 1] };
    const graph = gmc.stage({ x: { shape: x.shape } }, ({ x: t }) => {
      const f = objective(t);
      return { f, g: gmc.grad(f, [t])[0]! };
    });
    const own = evaluateAll(graph, { ...feeds, x }).outputs["g"]!.data;
    x.data.forEach((_, i) => {
      const at = (h: number): number =>
        evaluateAll(graph, { ...feeds, x: { ...x, data: x.data.map((v, j) => (i === j ? v + h : v)) } }).outputs["f"]!.data[0]!;
      expect(own[i]!).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 6);
    });
  });
});

describe("dropout", () => {
  const ones = { shape: [4000, 5], data: new Float64Array(20000).fill(1) };
  const rng = [1, 2, 3, 0];
  test("training: zeros with probability `rate`, the rest scaled; another step, another mask", () => {
    const run = (step: number) =>
      compute(({ x }) => gmc.dropout(gmc.rootKey().at("d"), x!, 0.3), { x: ones }, { rng: [1, 2, step, 0] }).data;
    const out = [...run(3)];
    const kept = out.filter((v) => v !== 0);
    expect(Math.abs(kept.length / 20000 - 0.7)).toBeLessThan(0.015);
    kept.forEach((v) => expect(v).toBeCloseTo(1 / 0.7, 12));
    expect([...run(4)]).not.toEqual(out);
  });
  test("evaluation, or a rate of 0: the identity", () => {
    const x = { shape: [2, 2], data: [1, 2, 3, 4] };
    expect([...compute(({ x: t }) => gmc.dropout(gmc.rootKey(), t!, 0.9), { x }, { mode: "eval", rng }).data]).toEqual(x.data);
    expect([...compute(({ x: t }) => gmc.dropout(gmc.rootKey(), t!, 0), { x }, { rng }).data]).toEqual(x.data);
    expect(() => compute(({ x: t }) => gmc.dropout(gmc.rootKey(), t!, 1), { x })).toThrow(/rate/);
  });
  test("with its event rank, a row's mask does not care how the batch was cut", () => {
    const run = (size: number, offset: number) => [
      ...compute(() => gmc.dropout(gmc.rootKey().at("d"), gmc.ones([size, 2, 3]), 0.5, { eventRank: 2 }), {}, { rng: [1, 2, 3, offset] })
        .data,
    ];
    expect([...run(3, 0), ...run(2, 3)]).toEqual(run(5, 0));
  });
});
