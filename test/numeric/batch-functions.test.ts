/** Functions of a whole batch against loops over its pairs, independent rows of data, spectral normalisation, mirrored borders. */
import { describe, expect, it } from "vitest";
import * as gmc from "../../src/runtime/index.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { evaluate } from "../../src/runtime/engines/reference/evaluate.js";

import { loadDataset } from "../../src/runtime/node/datasets.js";
import { checkTraining } from "../../src/runtime/training.js";
import { loadModel, runModel } from "../support/model.js";

const spread = (n: number, scale = 1, seed = 1): number[] =>
  Array.from({ length: n }, (_, i) => Math.fround(scale * Math.sin(1.7 * (i + 1) * seed + seed)));

/** Evaluates in float64 what `fn` makes of inputs by name. */
function run(
  inputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>>,
  fn: (t: Readonly<Record<string, gmc.Tensor>>) => Readonly<Record<string, gmc.Tensor>>,
  mode: "train" | "eval" = "train",
): Readonly<Record<string, readonly number[]>> {
  const graph = gmc.stage(Object.fromEntries(Object.entries(inputs).map(([n, { shape }]) => [n, { shape }])), fn, { mode });
  return Object.fromEntries(Object.entries(evaluate(graph, inputs)).map(([n, v]) => [n, Array.from(v.data)]));
}

const BANDWIDTHS = [0.5, 2, 10];
const kernel = (a: readonly number[], b: readonly number[]): number => {
  const d2 = a.reduce((s, v, i) => s + (v - (b[i] ?? 0)) ** 2, 0);
  return BANDWIDTHS.reduce((s, w) => s + Math.exp(-d2 / (2 * w)), 0);
};
const rowsOf = (data: readonly number[], width: number): number[][] =>
  Array.from({ length: data.length / width }, (_, i) => data.slice(i * width, (i + 1) * width));
const average = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
const pairs = (a: readonly number[][], b: readonly number[][], same = true): number[] =>
  a.flatMap((s, i) => b.flatMap((t, j) => (same || i !== j ? [kernel(s, t)] : [])));

describe("mmd", () => {
  const [n, m, width] = [7, 6, 4];
  const [x, y] = [spread(n * width, 1, 2), spread(m * width, 1.5, 3)];
  const [a, b] = [rowsOf(x, width), rowsOf(y, width)];
  const found = (estimator: "biased" | "unbiased" | "linear"): number =>
    run({ x: { shape: [n, 2, 2], data: x }, y: { shape: [m, 2, 2], data: y } }, (t) => ({
      v: gmc.mmd(t["x"]!, t["y"]!, 2, { bandwidths: BANDWIDTHS, estimator }),
    }))["v"]?.[0] ?? NaN;

  it("with bias is the mean over all pairs", () => {
    const expected = average(pairs(a, a)) + average(pairs(b, b)) - 2 * average(pairs(a, b));
    expect(found("biased")).toBeCloseTo(expected, 10);
  });

  it("without bias leaves out the pairs of a row with itself", () => {
    const expected = average(pairs(a, a, false)) + average(pairs(b, b, false)) - 2 * average(pairs(a, b));
    expect(found("unbiased")).toBeCloseTo(expected, 10);
  });

  it("in linear time is a mean over pairs that share no row", () => {
    const half = 3;
    const terms = Array.from({ length: half }, (_, i) => {
      const [a1, a2, b1, b2] = [a[i]!, a[i + half]!, b[i]!, b[i + half]!];
      return kernel(a1, a2) + kernel(b1, b2) - kernel(a1, b2) - kernel(a2, b1);
    });
    expect(found("linear")).toBeCloseTo(average(terms), 10);
  });

  it("is 0 in expectation between samples of one distribution, and has the gradient of differences", () => {
    const random = gmc.hostStream(1, "mmd");
    const draw = (): number[] => Array.from({ length: 40 }, () => random.normal());
    const values = Array.from({ length: 200 }, () => {
      const out = run({ x: { shape: [20, 2], data: draw() }, y: { shape: [20, 2], data: draw() } }, (t) => ({
        v: gmc.mmd(t["x"]!, t["y"]!, 1, { bandwidths: [1] }),
      }));
      return out["v"]?.[0] ?? NaN;
    });
    const error = Math.sqrt(average(values.map((v) => v * v)) / values.length);
    expect(Math.abs(average(values))).toBeLessThan(4 * error);
    const at = (data: readonly number[]): Readonly<Record<string, readonly number[]>> =>
      run({ x: { shape: [n, width], data }, y: { shape: [m, width], data: y } }, (t) => {
        const v = gmc.mmd(t["x"]!, t["y"]!, 1, { bandwidths: BANDWIDTHS });
        return { v, g: gmc.grad(v, [t["x"]!])[0]! };
      });
    const { g = [] } = at(x);
    for (const i of [0, 5, 13, 27]) {
      const moved = (by: number): number => at(x.map((v, j) => (j === i ? v + by : v)))["v"]?.[0] ?? NaN;
      expect(g[i]).toBeCloseTo((moved(1e-5) - moved(-1e-5)) / 2e-5, 7);
    }
  });

  it("of rows far from 0 is what float64 makes of them, with its gradient, in the float32 of an engine", async () => {
    const random = gmc.hostStream(5, "mmd.far");
    const [rows, dimensions] = [20, 2];
    const drawn = [0, 1].map((at) => Array.from({ length: rows * dimensions }, () => random.normal() + 0.5 * at));
    const graph = gmc.stage({ x: { shape: [rows, dimensions] }, y: { shape: [rows, dimensions] } }, ({ x, y }) => {
      const estimates = (["biased", "unbiased", "linear"] as const).map((estimator) =>
        gmc.mmd(x, y, 1, { bandwidths: BANDWIDTHS, estimator }),
      );
      const [biased, unbiased, linear] = estimates as [gmc.Tensor, gmc.Tensor, gmc.Tensor];
      return { biased, unbiased, linear, slope: gmc.grad(unbiased, [x])[0]! };
    });
    const session = await onnxEngine.open({ threads: 1 });
    const compiled = await session.compile({
      name: "far",
      stages: [{ kind: "call", name: "far", graph }],
      fetch: Object.keys(graph.outputs),
    });
    type Place = (set: number, row: number) => number;
    const places: readonly Place[] = [
      ...[0, 3e3, 3e4].map((off) => () => off),
      // one row of one sample far off, of either, and two groups in both
      (set, row) => (set === 0 && row === 3 ? 1e6 : 0),
      (set, row) => (set === 1 && row === 0 ? -999_999 : 0),
      ...[3e3, 3e4].map(
        (off): Place =>
          (_, row) =>
            row % 2 === 0 ? 0 : off,
      ),
    ];
    for (const place of places) {
      const [x, y] = drawn.map((values, set) => Float32Array.from(values, (v, i) => v + place(set, Math.floor(i / dimensions)))) as [
        Float32Array,
        Float32Array,
      ];
      const shape = [rows, dimensions];
      const out = await compiled.run({ x: { dtype: "f32", shape, data: x }, y: { dtype: "f32", shape, data: y } });
      const [a, b] = [rowsOf([...x], dimensions), rowsOf([...y], dimensions)];
      expect(out["biased"]?.data[0]).toBeCloseTo(average(pairs(a, a)) + average(pairs(b, b)) - 2 * average(pairs(a, b)), 5);
      const unbiased = average(pairs(a, a, false)) + average(pairs(b, b, false)) - 2 * average(pairs(a, b));
      expect(out["unbiased"]?.data[0]).toBeCloseTo(unbiased, 5);
      // d k(s, t) / d s = -sum of (s - t) exp(-|s - t|^2 / (2 w)) / w
      const slope = (s: readonly number[], t: readonly number[], d: number): number => {
        const apart = s.reduce((sum, v, i) => sum + (v - (t[i] ?? 0)) ** 2, 0);
        return BANDWIDTHS.reduce((sum, w) => sum - (((s[d] ?? 0) - (t[d] ?? 0)) * Math.exp(-apart / (2 * w))) / w, 0);
      };
      a.forEach((s, i) => {
        for (let d = 0; d < dimensions; d++) {
          const own = a.reduce((sum, t) => sum + slope(s, t, d), 0) / (rows * (rows - 1));
          const other = b.reduce((sum, t) => sum + slope(s, t, d), 0) / rows ** 2;
          expect(out["slope"]?.data[i * dimensions + d]).toBeCloseTo(2 * (own - other), 5);
        }
      });
    }
    compiled.dispose();
    session.dispose();
  });

  it("of more pairs than differences have room for is right where single rows lie far off", async () => {
    const random = gmc.hostStream(6, "mmd.many");
    const [rows, dimensions] = [64, 520];
    expect(rows * rows * dimensions).toBeGreaterThan(2 ** 21);
    const shape = [rows, dimensions];
    const graph = gmc.stage({ x: { shape }, y: { shape } }, ({ x, y }) => {
      const v = gmc.mmd(x, y, 1, { bandwidths: [dimensions] });
      return { v, slope: gmc.grad(v, [x])[0]! };
    });
    const session = await onnxEngine.open({ threads: 1 });
    const compiled = await session.compile({
      name: "many",
      stages: [{ kind: "call", name: "many", graph }],
      fetch: Object.keys(graph.outputs),
    });
    const drawn = (at: number): Float32Array => Float32Array.from({ length: rows * dimensions }, () => random.normal() + at);
    const [x, y] = [drawn(0), drawn(0.2)];
    const gaussian = (s: readonly number[], t: readonly number[]): number =>
      Math.exp(-s.reduce((sum, v, i) => sum + (v - (t[i] ?? 0)) ** 2, 0) / (2 * dimensions));
    for (const set of [undefined, x, y]) {
      const far = (values: Float32Array): Float32Array => (values === set ? values.map((v, i) => (i < dimensions ? v + 1e6 : v)) : values);
      const [p, q] = [far(x), far(y)];
      const out = await compiled.run({ x: { dtype: "f32", shape, data: p }, y: { dtype: "f32", shape, data: q } });
      const [a, b] = [rowsOf([...p], dimensions), rowsOf([...q], dimensions)];
      const mean = (s: readonly number[][], t: readonly number[][]): number =>
        average(s.flatMap((u, i) => t.flatMap((w, j) => (s === t && i === j ? [] : [gaussian(u, w)]))));
      expect(out["v"]?.data[0]).toBeCloseTo(mean(a, a) + mean(b, b) - 2 * mean(a, b), 5);
      for (const [i, d] of [
        [1, 0],
        [5, 300],
      ] as const) {
        const own = a[i]!;
        const pull = (t: readonly number[]): number => (-((own[d] ?? 0) - (t[d] ?? 0)) * gaussian(own, t)) / dimensions;
        const expected =
          2 * (a.reduce((sum, t) => sum + pull(t), 0) / (rows * (rows - 1)) - b.reduce((sum, t) => sum + pull(t), 0) / rows ** 2);
        expect((out["slope"]?.data[i * dimensions + d] ?? NaN) / expected).toBeCloseTo(1, 2);
      }
    }
    compiled.dispose();
    session.dispose();
  });

  it("has the second derivative of differences, on both paths", () => {
    // a norm of the slope, as a penalty takes it, differentiated once more; 46 x 46 x 1,000 differences have no room
    for (const [rows, dimensions] of [
      [4, 3],
      [46, 1000],
    ] as const) {
      const data = spread(rows * dimensions, 0.3, 2);
      const other = spread(rows * dimensions, 0.3, 3);
      const shape = [rows, dimensions];
      const at = (values: readonly number[]): Readonly<Record<string, readonly number[]>> =>
        run({ x: { shape, data: values }, y: { shape, data: other } }, ({ x, y }) => {
          const [slope] = gmc.grad(gmc.mmd(x!, y!, 1, { bandwidths: [dimensions] }), [x!]);
          const penalty = gmc.mul(1e4, gmc.sum(gmc.square(slope!)));
          return { penalty, g: gmc.grad(penalty, [x!])[0]! };
        });
      const { g = [] } = at(data);
      for (const i of [0, 7]) {
        const moved = (by: number): number => at(data.map((v, j) => (j === i ? v + by : v)))["penalty"]?.[0] ?? NaN;
        expect((moved(1e-3) - moved(-1e-3)) / 2e-3 / (g[i] ?? NaN)).toBeCloseTo(1, 4);
      }
    }
  });

  it("says which batch is too small", () => {
    const small = { x: { shape: [1, 2], data: [1, 2] } };
    expect(() => run(small, (t) => ({ v: gmc.mmd(t["x"]!, t["x"]!, 1, { bandwidths: [1] }) }))).toThrow(/GM4013|two rows/u);
    expect(() => run(small, (t) => ({ v: gmc.rollRows(t["x"]!, 1) }))).toThrow(/GM4012|independent rows/u);
  });
});

describe("rows of data", () => {
  const model = (objective: string): ReturnType<typeof loadModel> =>
    loadModel(`
model M {
  data x : real[2]
  param w : real[2]
  objective V = ${objective}
  train { maximize V }
}`);
  const data = { x: { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] } };
  const state = { w: [1, 10] };
  const value = (objective: string): readonly number[] =>
    runModel(model(objective), ({ f, w, x }) => ({ v: f("v")(w, x["x"]) }), { data, state })["v"] ?? [];

  it("a draw of its own is the batch", () => {
    expect(value("E[x ~ data](sum(w * x))")).toEqual([21, 43, 65]);
    expect(value("E[x ~ data](sum(w * x)) + E[xr ~ data(x)](sum(w * xr))")).toEqual([42, 86, 130]);
    expect(value("sum(w * x) + E[xr ~ data(x)](sum(w * xr))")).toEqual([42, 86, 130]);
  });

  it("draws of one stream within one another are different rows", () => {
    expect(value("E[x ~ data, xr ~ data(x)](sum(w * (x - xr)))")).toEqual([-22, -22, 44]);
    expect(value("sum(w * x) * E[xr ~ data(x)](sum(xr))")).toEqual([21 * 7, 43 * 11, 65 * 3]);
    expect(value("E[xr ~ data(x)](sum(x * xr))")).toEqual([1 * 3 + 2 * 4, 3 * 5 + 4 * 6, 5 * 1 + 6 * 2]);
    expect(value("E[x ~ data, a ~ data(x), b ~ data(x)](sum(x + 10 * a + 100 * b))")).toEqual([
      3 + 70 + 1100,
      7 + 110 + 300,
      11 + 30 + 700,
    ]);
  });

  it("of two streams each has its own rows", () => {
    const loaded = loadModel(`
model M {
  data a : real[2]
  data b : real[2]
  param w : real[2]
  objective V = E[a ~ data, b ~ data](sum(w * a * b))
  train { maximize V }
}`);
    const out = runModel(loaded, ({ f, w, x }) => ({ v: f("v")(w, x["a"], x["b"]) }), {
      data: { a: { shape: [2, 2], data: [1, 2, 3, 4] }, b: { shape: [2, 2], data: [5, 6, 7, 8] } },
      state,
    });
    expect(out["v"]).toEqual([5 + 120, 21 + 320]);
  });
});

describe("spectral normalisation", () => {
  const w = spread(12, 1, 2);

  it("divides by the largest singular value once the power iteration has settled", () => {
    // a kernel [4, 3] of known singular values: rotations of diag(3, 2, 1)
    const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
    const matrix = [3 * c, 3 * s, 0, -2 * s, 2 * c, 0, 0, 0, 1, 0, 0, 0];
    let singular = [0.3, -0.2, 0.5];
    let kernel: readonly number[] = [];
    for (let i = 0; i < 40; i++) {
      const graph = gmc.stage({ k: { shape: [4, 3] } }, (t) => {
        const out = gmc.normalisedKernel({ kernel: t["k"]!, singular: gmc.state("singular", [3]) });
        return { out };
      });
      const outputs = evaluate(
        { ...graph, outputs: { ...graph.outputs, next: graph.writes["singular"] ?? 0 } },
        { k: { shape: [4, 3], data: matrix }, singular },
      );
      singular = Array.from(outputs["next"]?.data ?? []);
      kernel = Array.from(outputs["out"]?.data ?? []);
    }
    kernel.forEach((v, i) => expect(v).toBeCloseTo((matrix[i] ?? 0) / 3, 8));
  });

  it("moves nothing in an evaluation, and a layer without it is as it was", () => {
    const staged = gmc.stage(
      { k: { shape: [4, 3] } },
      (t) => ({ out: gmc.normalisedKernel({ kernel: t["k"]!, singular: gmc.state("u", [3]) }) }),
      {
        mode: "eval",
      },
    );
    expect(staged.writes).toEqual({});
    expect(Object.keys(gmc.dense.spec(4, 3).leaves)).toEqual(["kernel", "bias"]);
    expect(Object.keys(gmc.dense.spec(4, 3, { spectral: true }).leaves)).toEqual(["kernel", "bias", "singular"]);
    expect(gmc.convTranspose2d.spec(2, 5, 3, { spectral: true }).leaves["singular"]?.shape).toEqual([2]);
    expect(gmc.conv2d.spec(2, 5, 3, { spectral: true }).leaves["singular"]?.shape).toEqual([5]);
  });

  it("its gradient passes through the kernel and its singular value, for fixed vectors (Miyato et al. 2018, eq. 11)", () => {
    const u = [0.2, -0.4, 0.9];
    const gradient = run(
      { k: { shape: [4, 3], data: w }, u: { shape: [3], data: u } },
      (t) => {
        const out = gmc.normalisedKernel({ kernel: t["k"]!, singular: gmc.stopGradient(t["u"]!) });
        return { g: gmc.grad(gmc.sum(gmc.mul(out, gmc.constant(spread(12, 1, 5), [4, 3]))), [t["k"]!])[0]! };
      },
      "eval",
    )["g"];
    // v = W u / |W u|, u' = W^T v / |W^T v|, sigma = v^T W u'; d (W / sigma) : A = A / sigma - (W : A) / sigma^2 v u'^T
    const row = (i: number): number[] => w.slice(3 * i, 3 * i + 3);
    const unit = (x: readonly number[]): number[] => x.map((t) => t / Math.hypot(...x));
    const v = unit([0, 1, 2, 3].map((i) => row(i).reduce((t, k, j) => t + k * (u[j] ?? 0), 0)));
    const right = unit([0, 1, 2].map((j) => v.reduce((t, vi, i) => t + vi * (row(i)[j] ?? 0), 0)));
    const sigma = v.reduce((t, vi, i) => t + vi * row(i).reduce((r, k, j) => r + k * (right[j] ?? 0), 0), 0);
    const a = spread(12, 1, 5);
    const inner = w.reduce((t, k, i) => t + k * (a[i] ?? 0), 0);
    gradient?.forEach((g, at) => {
      const [i, j] = [Math.floor(at / 3), at % 3];
      expect(g).toBeCloseTo((a[at] ?? 0) / sigma - (inner / sigma ** 2) * (v[i] ?? 0) * (right[j] ?? 0), 8);
    });
  });
});

it("a mirrored border repeats what lies inside, not the border itself", () => {
  const out = run({ x: { shape: [1, 3, 3, 1], data: [1, 2, 3, 4, 5, 6, 7, 8, 9] } }, (t) => ({ y: gmc.reflectPad(t["x"]!, { size: 2 }) }));
  const row = (a: number, b: number, c: number): number[] => [c, b, a, b, c, b, a];
  const middle = [row(1, 2, 3), row(4, 5, 6), row(7, 8, 9)];
  expect(out["y"]).toEqual([middle[2], middle[1], middle[0], middle[1], middle[2], middle[1], middle[0]].flat());
});

describe("samples against data", () => {
  const random = (seed: number): gmc.HostStream => gmc.hostStream(seed, "samples");
  const normals = (stream: gmc.HostStream, rows: number, shift = 0): { width: number; data: number[] } => ({
    width: 2,
    data: Array.from({ length: 2 * rows }, () => shift + stream.normal()),
  });

  it("the test's statistic is the unbiased estimate with the data's median as width", () => {
    const stream = random(1);
    const [real, drawn] = [normals(stream, 9), normals(stream, 7, 0.5)];
    const { value, bandwidth } = gmc.mmdTest(real, drawn, 5, stream);
    const own = rowsOf(real.data, 2).flatMap((p, i, all) => all.slice(i + 1).map((q) => (p[0]! - q[0]!) ** 2 + (p[1]! - q[1]!) ** 2));
    expect(bandwidth).toBeCloseTo(own.sort((x, y) => x - y)[Math.floor(own.length / 2)]!, 12);
    const other = run({ x: { shape: [9, 2], data: real.data }, y: { shape: [7, 2], data: drawn.data } }, (t) => ({
      v: gmc.mmd(t["x"]!, t["y"]!, 1, { bandwidths: [bandwidth] }),
    }))["v"]?.[0];
    expect(value).toBeCloseTo(other ?? NaN, 10);
  });

  it("rejects another distribution, and one in twenty of the same at a level of 0.05", () => {
    expect(gmc.mmdTest(normals(random(2), 40), normals(random(3), 40, 1.5), 99, random(4)).p).toBe(0.01);
    const small = Array.from({ length: 100 }, (_, i) => {
      const stream = random(10 + i);
      return gmc.mmdTest(normals(stream, 20), normals(stream, 20), 39, stream).p <= 0.05;
    }).filter(Boolean).length;
    // Binomial(100, 0.05): above 12 once in a thousand
    expect(small).toBeLessThanOrEqual(12);
  });

  it("counts the modes that samples cover", () => {
    const ring = gmc.ringCentres(8, 2);
    expect(ring[2]?.[0]).toBeCloseTo(0, 12);
    expect(ring[2]?.[1]).toBeCloseTo(2, 12);
    const grid = gmc.gridCentres(3, 2);
    expect(grid.map((c) => c.join())).toEqual(["-2,-2", "0,-2", "2,-2", "-2,0", "0,0", "2,0", "-2,2", "0,2", "2,2"]);
    const at = (centres: readonly (readonly number[])[]): { width: number; data: number[] } => ({
      width: 2,
      data: centres.flatMap((c) => [...c]),
    });
    expect(gmc.countModes(at(grid), grid, 0.1)).toEqual({ covered: 9, quality: 1 });
    expect(gmc.countModes(at(grid.slice(0, 4)), grid, 0.1)).toEqual({ covered: 4, quality: 1 });
    // one broad bump over the ring has samples in every mode
    for (const spread of [2.2, 3, 5]) {
      const wide = normals(random(7), 5000).data.map((v) => spread * v);
      const found = gmc.countModes({ width: 2, data: wide }, gmc.ringCentres(8, 2.83), 0.35);
      expect(found.covered).toBe(0);
      expect(found.quality).toBeGreaterThan(0.05);
      expect(found.quality).toBeLessThan(0.5);
    }
    // the ring itself: P(|e| <= 3) = 1 - exp(-9/2) of two dimensions
    const noise = normals(random(8), 5000).data;
    const own = noise.map((v, i) => gmc.ringCentres(8, 2.83)[(i >> 1) % 8]![i % 2]! + 0.35 * v);
    const rings = gmc.countModes({ width: 2, data: own }, gmc.ringCentres(8, 2.83), 0.35);
    expect(rings.covered).toBe(8);
    expect(rings.quality).toBeCloseTo(1 - Math.exp(-4.5), 2);
    // 0.31 away is more than three scales
    expect(gmc.countModes(at([...grid.slice(0, 3), [0, 0.31]]), grid, 0.1)).toEqual({ covered: 3, quality: 0.75 });
  });
});

describe("rows that a batch must hold", () => {
  const game = (objective: string, critic = "x |> dense(4) |> relu"): string => `
model M {
  data x : real[2]
  latent z : real[2]
  net G(z) = z |> dense(2)
  net f(x) = ${critic} |> dense(1) |> sum
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  train { minimize ${objective} over G optimizer = sgd(lr = 1e-3), batch = 1, epochs = 1 }
}`;

  it.each([
    ["MMD(p)", undefined, "mmd"],
    ["LinearMMD(p)", undefined, "mmd"],
    ["E[xf ~ p(x)](f(xf))", "x |> minibatch_discrimination(kernels = 2, dims = 2)", "minibatch_discrimination"],
  ])("%s refuses one before a step is run", async (objective, critic, fn) => {
    const { model } = loadModel(game(objective, critic));
    const dataset = await loadDataset("two_moons:rows=20", model.streams);
    expect(() => checkTraining(model, dataset, {})).toThrow(new RegExp(`\`${fn}\` in .* 2 rows of a batch at least.* has 1`, "u"));
    expect(() => checkTraining(model, dataset, { batch: 2 })).not.toThrow();
  });

  it("BiasedMMD takes one", async () => {
    const { model } = loadModel(game("BiasedMMD(p)"));
    const dataset = await loadDataset("two_moons:rows=20", model.streams);
    expect(() => checkTraining(model, dataset, {})).not.toThrow();
  });
});
