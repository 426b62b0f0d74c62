/** What judges samples without a likelihood, against independent references: enumeration, closed forms, sets made by hand, a classifier of known data. */
import { describe, expect, it } from "vitest";
import { assignment } from "../../src/runtime/eval/assignment.js";
import { chamferDistance, cloudTest, earthMoversDistance } from "../../src/runtime/eval/clouds.js";
import { frechetDistance, gaussianOf, matrixRoot, precisionRecall, symmetricEigen } from "../../src/runtime/eval/frechet.js";
import { inverseRoot } from "../../src/runtime/data/whiten.js";
import { hostStream } from "../../src/runtime/index.js";
import { train } from "../../src/runtime/node/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";

const line = (...data: number[]): { readonly width: number; readonly data: readonly number[] } => ({ width: 1, data });

function cheapest(cost: Float64Array, n: number): number {
  const best = (row: number, taken: number): number => {
    if (row === n) return 0;
    let least = Infinity;
    for (let j = 0; j < n; j++) if ((taken & (1 << j)) === 0) least = Math.min(least, cost[row * n + j]! + best(row + 1, taken | (1 << j)));
    return least;
  };
  return best(0, 0);
}

describe("the assignment", () => {
  const random = hostStream(4, "assignment");

  it("costs what the best of all permutations costs, with ties and without", () => {
    for (let n = 1; n <= 7; n++) {
      for (let t = 0; t < 20; t++) {
        const cost = Float64Array.from({ length: n * n }, () => (t % 2 === 0 ? random.uniform() : random.below(4)));
        const found = assignment(cost, n);
        expect([...found].sort()).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(found.reduce((s, j, i) => s + cost[i * n + j]!, 0)).toBeCloseTo(cheapest(cost, n), 12);
      }
    }
  });

  it("of points on a line keeps their order: the earth mover's distance is that of the sorted values", () => {
    const [a, b] = [0, 1].map(() => Array.from({ length: 200 }, () => random.normal()));
    const [x, y] = [a, b].map((values) => [...(values ?? [])].sort((p, q) => p - q));
    const expected = (x ?? []).reduce((s, v, i) => s + Math.abs(v - (y?.[i] ?? NaN)), 0) / 200;
    expect(earthMoversDistance(line(...(a ?? [])), line(...(b ?? [])))).toBeCloseTo(expected, 10);
  });
});

describe("clouds", () => {
  it("Chamfer distance is the mean square to the nearest, both ways", () => {
    // 0 -> 0 (0), 4 -> 1 (9); back 0 -> 0 (0), 1 -> 0 (1)
    expect(chamferDistance(line(0, 4), line(0, 1))).toBeCloseTo(9 / 2 + 1 / 2, 12);
    expect(chamferDistance({ width: 2, data: [0, 0, 3, 4] }, { width: 2, data: [0, 0] })).toBeCloseTo(25 / 2, 12);
  });

  it("coverage, matching and nearest neighbours of clouds of one point, by hand", async () => {
    // real 0, 1, 10, drawn 0.1, 0.2, 9: by |x - y| the nearest real ones are 0, 0, 10
    const found = await cloudTest(line(0, 1, 10), line(0.1, 0.2, 9), { dimension: 1, distance: "emd" });
    expect(found.coverage).toBeCloseTo(2 / 3, 12);
    expect(found.matching).toBeCloseTo((0.1 + 0.8 + 1) / 3, 12);
    // only 0.1 (at 0.1 from a real and from a drawn one) ties: half; 0, 1, 10, 9 have the other kind next, 0.2 its own
    expect(found.accuracy).toBeCloseTo((0.5 + 1) / 6, 12);
  });

  it("sets of one distribution cannot be told apart, sets of two can", async () => {
    const random = hostStream(1, "clouds");
    const clouds = (count: number, reach: number): { width: number; data: number[] } => ({
      width: 24,
      data: Array.from({ length: 24 * count }, () => reach * random.normal()),
    });
    const options = { dimension: 3, distance: "chamfer" } as const;
    expect(Math.abs((await cloudTest(clouds(80, 1), clouds(80, 1), options)).accuracy - 0.5)).toBeLessThan(0.15);
    expect((await cloudTest(clouds(80, 1), clouds(80, 3), options)).accuracy).toBeGreaterThan(0.85);
  });
});

describe("the Frechet distance", () => {
  const random = hostStream(2, "frechet");
  const covariance = (n: number): Float64Array => {
    const data = Array.from({ length: n * 3 * n }, () => random.normal());
    return gaussianOf({ width: n, data }).covariance;
  };
  const zeros = (n: number): Float64Array => new Float64Array(n);

  it("of Gaussians on a line is the square of means and deviations apart", () => {
    const at = (mean: number, sd: number): { mean: Float64Array; covariance: Float64Array } => ({
      mean: Float64Array.of(mean),
      covariance: Float64Array.of(sd * sd),
    });
    expect(frechetDistance(at(1, 2), at(4, 0.5))).toBeCloseTo(9 + 1.5 ** 2, 12);
  });

  it("in the plane agrees with tr (S1 S2)^(1/2) = sqrt(tr S1 S2 + 2 sqrt(det S1 S2))", () => {
    const [a, b] = [covariance(2), covariance(2)] as [Float64Array, Float64Array];
    const trace = a[0]! * b[0]! + 2 * a[1]! * b[1]! + a[3]! * b[3]!;
    const det = (a[0]! * a[3]! - a[1]! ** 2) * (b[0]! * b[3]! - b[1]! ** 2);
    const expected = a[0]! + a[3]! + b[0]! + b[3]! - 2 * Math.sqrt(trace + 2 * Math.sqrt(det));
    expect(frechetDistance({ mean: zeros(2), covariance: a }, { mean: zeros(2), covariance: b })).toBeCloseTo(expected, 10);
  });

  it("of a Gaussian to itself is 0, where its covariance is singular too", () => {
    const data = Array.from({ length: 5 * 64 }, () => random.normal());
    const gaussian = gaussianOf({ width: 64, data });
    expect(Math.abs(frechetDistance(gaussian, gaussian))).toBeLessThan(1e-5);
  });

  it("takes the square root that the Newton-Schulz iteration finds", () => {
    const n = 24;
    const s = covariance(n);
    const root = matrixRoot(s, n);
    // S^(1/2) S^(-1/2) = 1
    const inverse = inverseRoot(s, n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let [one, square] = [0, 0];
        for (let k = 0; k < n; k++) {
          one += root[i * n + k]! * inverse[k * n + j]!;
          square += root[i * n + k]! * root[k * n + j]!;
        }
        expect(one).toBeCloseTo(i === j ? 1 : 0, 7);
        expect(square).toBeCloseTo(s[i * n + j]!, 10);
      }
    }
    const { values } = symmetricEigen(s, n);
    expect(values.reduce((t, v) => t + v * v, 0)).toBeCloseTo(
      s.reduce((t, v) => t + v * v, 0),
      8,
    );
  });

  it("takes the unbiased covariance", () => {
    const { mean, covariance: c } = gaussianOf({ width: 2, data: [1, 0, 3, 4, 5, 2] });
    expect([...mean]).toEqual([3, 2]);
    expect([...c]).toEqual([4, 2, 2, 4]);
  });
});

describe("precision and recall", () => {
  it("count what lies in balls to the k-th nearest other point, by hand", () => {
    // k = 1: real radii 1, 1, 9; drawn radii 0.1, 0.1, 79.8
    const [real, drawn] = [line(0, 1, 10), line(0.1, 0.2, 80)];
    const found = precisionRecall(real, drawn, 1);
    expect(found.precision).toBeCloseTo(2 / 3, 12);
    // 0 is 0.1 from 0.1, a hair over its radius or not by rounding: all three are in the ball around 80, of radius 79.8, but 0
    expect(found.recall).toBeGreaterThanOrEqual(2 / 3);
    // k = 2 widens all balls: real radii 10, 9, 10 still leave 80 outside
    expect(precisionRecall(real, drawn, 2).precision).toBeCloseTo(2 / 3, 12);
  });

  it("of one mode out of two: precise, and half recalled", () => {
    const random = hostStream(6, "modes");
    const at = (centres: readonly number[]): { width: number; data: number[] } => ({
      width: 2,
      data: Array.from({ length: 200 }, (_, i) => centres[i % centres.length]!).flatMap((c) => [c + random.normal(), random.normal()]),
    });
    const { precision, recall } = precisionRecall(at([-20, 20]), at([20]), 3);
    expect(precision).toBeGreaterThan(0.9);
    expect(recall).toBeGreaterThan(0.4);
    expect(recall).toBeLessThan(0.51);
  });
});

describe("classifier_test", () => {
  const model = (classes: string): string => `
model Two {
  data x : real[2], y : category[2]
  latent c : binary
  param w : real[1] = 0
  density p(x, c) {
    c ~ Bernoulli(probs = ${classes})
    x ~ Normal(6 * c - 3 + w, 1)
  }
  train { minimize E[x ~ data](sum((x - w) ^ 2))   batch = 20, steps = 1 }
  evaluate { test = classifier_test(p, y, rows = 300, steps = 120) }
}`;
  const random = hostStream(8, "two");
  const y = Int32Array.from({ length: 600 }, (_, i) => (i < 300 ? 0 : 1));
  const x = Float32Array.from({ length: 1200 }, (_, i) => (y[i >> 1] === 1 ? 3 : -3) + random.normal());

  it("says how well the classifier knows the data, and what samples lack", async () => {
    const results = [];
    for (const classes of ["0.5", "0.999"]) {
      const loaded = loadModel(model(classes));
      const data = datasetOf(loaded.model, { train: { x, y }, test: { x, y } });
      const trained = await train(loaded.model, { data, seed: 1 });
      const count = async (): Promise<unknown> => (await trained.session.read("optimizer:0.0:count")).data[0];
      const before = await count();
      const { metrics } = await trained.evaluate({ terms: false });
      // what the model's own optimisers hold is left as it was
      expect(await count()).toBe(before);
      expect((await trained.evaluate({ terms: false })).metrics).toEqual(metrics);
      if (classes === "0.5") {
        // half of the rows moved from one class to the other
        const moved = Float32Array.from(x, Math.abs);
        const judged = await trained.judge("test", { shape: [600, 2], data: moved });
        expect(judged.classifier).toEqual(metrics["test"]?.classifier);
        expect(judged.detail?.["class 1"]).toBeGreaterThan(0.97);
        const own = await trained.judge("test", { shape: [600, 2], data: x });
        expect(own.value).toBeLessThan(judged.value / 10);
        expect(own.detail?.["precision"]).toBeGreaterThan(0.95);
        await expect(trained.judge("test", { shape: [600, 2], data: [1] })).rejects.toMatchObject({ code: "GM4040" });
        await expect(trained.judge("none", { shape: [1, 2], data: [1, 2] })).rejects.toMatchObject({ code: "GM4005" });
      }
      await trained.close();
      results.push(metrics["test"]);
    }
    const [good, collapsed] = results;
    expect(good?.classifier).toMatchObject({ features: 64, steps: 120, batch: 100, split: "test", rows: 600 });
    expect(good?.classifier?.accuracy).toBeGreaterThan(0.97);
    expect(good?.rows).toBe(300);
    expect(good?.detail?.["classes apart"]).toBeLessThan(0.1);
    expect(collapsed?.detail?.["classes apart"]).toBeGreaterThan(0.45);
    expect(collapsed?.detail?.["class 1"]).toBeGreaterThan(0.97);
    expect(collapsed?.value).toBeGreaterThan(10 * (good?.value ?? NaN));
    expect(collapsed?.detail?.["recall"]).toBeLessThan(0.6);
    expect(good?.detail?.["recall"]).toBeGreaterThan(0.8);
    expect(good?.detail?.["precision"]).toBeGreaterThan(0.8);
  });

  it("knows data as well in whatever units they are, wherever their 0 is", async () => {
    const loaded = loadModel(model("0.5"));
    const units: readonly ((v: number, entry: number) => number)[] = [
      (v) => v + 20_000,
      (v) => 1000 * v,
      (v) => v / 1000,
      (v, entry) => (entry === 0 ? 1990 + v : 300 + v / 50),
    ];
    for (const unit of units) {
      const moved = { x: x.map((v, i) => unit(v, i % 2)), y };
      const trained = await train(loaded.model, { data: datasetOf(loaded.model, { train: moved, test: moved }), seed: 1 });
      const { metrics } = await trained.evaluate({ terms: false });
      await trained.close();
      expect(metrics["test"]?.classifier?.accuracy).toBeGreaterThan(0.97);
      // what the model draws lies where the data were before
      expect(metrics["test"]?.value).toBeGreaterThan(1);
    }
  });

  it("standardises the channels of pictures too", async () => {
    const loaded = loadModel(`
model Stripes {
  data x : real[8, 8, 2], y : category[2]
  param w : real = 0
  density p(x) { x ~ Normal(w * ones(8, 8, 2), 1) }
  train { maximize log p(x)   batch = 10, steps = 1 }
  evaluate { test = classifier_test(p, y, rows = 50, steps = 60) }
}`);
    const across = Int32Array.from({ length: 200 }, (_, i) => i % 2);
    // stripes down or across, in one channel of two, each of its own units
    const pictures = Float32Array.from({ length: 200 * 128 }, (_, i) => {
      const [row, column, channel] = [(i >> 4) & 7, (i >> 1) & 7, i & 1];
      return channel === 1 ? 5e4 + random.normal() : 1e4 + ((across[i >> 7] === 1 ? row : column) & 2) + 0.3 * random.normal();
    });
    const data = datasetOf(loaded.model, { train: { x: pictures, y: across }, test: { x: pictures, y: across } });
    const trained = await train(loaded.model, { data, seed: 1 });
    const { metrics } = await trained.evaluate({ terms: false });
    await trained.close();
    expect(metrics["test"]?.classifier?.accuracy).toBeGreaterThan(0.97);
  });
});

describe("samples that are no numbers", () => {
  const model = `
model Sqrt {
  data x : real[4, 2], y : category[2]
  latent z : real[4, 2]
  param w : real = 0
  density p(x, z) {
    z ~ Normal(0, 1)
    x = sqrt(z + w)
  }
  train { minimize E[x ~ data](sum((x - w) ^ 2))   batch = 10, steps = 1 }
  evaluate {
    mmd = mmd_test(p)
    clouds = cloud_test(p, distance = emd)
    classes = classifier_test(p, y, steps = 5)
  }
}`;
  const random = hostStream(9, "roots");
  const y = Int32Array.from({ length: 20 }, (_, i) => i % 2);
  const x = Float32Array.from({ length: 160 }, () => random.uniform());

  it("have no distance to the data: they would lie within any ball, and be told from nothing", async () => {
    const loaded = loadModel(model);
    const trained = await train(loaded.model, { data: datasetOf(loaded.model, { train: { x, y }, test: { x, y } }), seed: 1 });
    const { metrics, warnings } = await trained.evaluate({ terms: false });
    // a single row has no other to be set beside
    await expect(trained.evaluate({ terms: false, rows: 1 })).rejects.toMatchObject({ code: "GM4041" });
    await trained.close();
    for (const name of ["mmd", "clouds", "classes"]) {
      expect(metrics[name]?.value).toBeNaN();
      expect(metrics[name]?.detail).toEqual({ "samples that are not finite": 20 });
    }
    expect(warnings.join()).toContain("clouds is no number");
  });
});

describe("classifier_test of training rows", () => {
  it("has no floor by training rows, which are what it measures", async () => {
    const random = hostStream(10, "train");
    const y = Int32Array.from({ length: 40 }, (_, i) => i % 2);
    const x = Float32Array.from({ length: 80 }, () => random.normal());
    const loaded = loadModel(`
model One {
  data x : real[2], y : category[2]
  param w : real[2] = 0
  density p(x) { x ~ Normal(w, 1) }
  train { maximize log p(x)   batch = 10, steps = 1 }
  evaluate { test = classifier_test(p, y, steps = 5) }
}`);
    for (const split of ["train", "test"] as const) {
      const trained = await train(loaded.model, { data: datasetOf(loaded.model, { train: { x, y }, test: { x, y } }), seed: 1 });
      const { metrics } = await trained.evaluate({ terms: false, split });
      await trained.close();
      expect(Object.hasOwn(metrics["test"]?.detail ?? {}, "training rows")).toBe(split === "test");
    }
  });
});
