/** Log-densities of scaled data: what scaling changes, against the density of the values in the file in closed form; scaled bounds in chunks. */
import { describe, expect, it, test } from "vitest";
import { bindData, type DataArray, type FieldOptions } from "../../src/runtime/data/index.js";
import { evaluate, referenceEngine, train, type ModelDefinition, type Result } from "../../src/runtime/index.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { loadModel } from "../support/model.js";

const bytes: DataArray = {
  shape: [40, 2, 2],
  dtype: "u8",
  data: Uint8Array.from({ length: 160 }, (_, i) => 128 + 100 * Math.sin(1 + i * 1.7)),
};
const [mu, s] = [0.3, 1.4];

/** A normal density with known parameters. */
const normal = (domain: string, evaluations: string): ModelDefinition =>
  loadModel(`
model M(D = 4) {
  data x : ${domain}[D]
  param m : real[D] = ${mu}
  density p(x) { x ~ Normal(m, ${s}) }
  train { maximize log p(x) batch = 4, epochs = 1 }
  evaluate { ${evaluations} }
}`).model;

async function measured(
  model: ModelDefinition,
  array: DataArray,
  options: FieldOptions,
  k?: number,
): Promise<Readonly<Record<string, Result>>> {
  const field = { role: "values", splits: { train: array }, path: "a.idx", options, notes: [] } as const;
  const dataset = bindData({ name: "a", fields: { x: field }, assigned: new Set(), notes: [] }, model.streams);
  const session = await referenceEngine.open();
  await writeAll(session, initialWeights(model, 0, dataset));
  const { metrics } = await evaluate({ session, model, dataset, seed: 1, averaged: new Set(), terms: false, k });
  session.dispose();
  return metrics;
}

/** Mean over rows of -log p(v) of the values in the file, x = (v - shift) * factor entry by entry: no Jacobian is used, but densities of v. */
function inFile(shift: (j: number) => number, factor: (j: number) => number): number {
  let total = 0;
  bytes.data.forEach((v, i) => {
    const j = i % 4;
    // v is normal with this mean and deviation where x is
    const [mean, deviation] = [mu / factor(j) + shift(j), s / factor(j)];
    total += 0.5 * ((v - mean) / deviation) ** 2 + Math.log(deviation * Math.sqrt(2 * Math.PI));
  });
  return total / 40;
}

describe("densities of scaled values", () => {
  const text = "nll = -log p(x)  bits = -log p(x) / log(2)  bpd = -log p(x) / (D * log(2))  up = log p(x) / (D * log(2))";
  const moments = Array.from({ length: 4 }, (_, j) => {
    const own = Array.from(bytes.data).filter((_v, i) => i % 4 === j);
    const mean = own.reduce((a, b) => a + b, 0) / own.length;
    return { mean, deviation: Math.sqrt(own.reduce((a, b) => a + (b - mean) ** 2, 0) / own.length) };
  });
  const [low, high] = [Math.min(...bytes.data), Math.max(...bytes.data)];

  it.each<[string, FieldOptions, (j: number) => number, (j: number) => number]>([
    ["v/255", {}, () => 0, () => 1 / 255],
    ["a maximum", { maximum: 16 }, () => 0, () => 1 / 16],
    ["standardised", { scale: "standardize" }, (j) => moments[j]!.mean, (j) => 1 / moments[j]!.deviation],
    ["by the range", { scale: "minmax" }, () => low, () => 1 / (high - low)],
  ])("%s: bits are those of the file, nats say what is between", async (_, options, shift, factor) => {
    const { nll, bits, bpd, up } = await measured(normal("real", text), bytes, options);
    const exact = inFile(shift, factor);
    expect(bits!.value).toBeCloseTo(exact / Math.log(2), 4);
    expect(bpd!.value).toBeCloseTo(exact / (4 * Math.log(2)), 4);
    expect(up!.value).toBeCloseTo(-exact / (4 * Math.log(2)), 4);
    expect(bpd!.density).toMatchObject({ of: "file", variables: { x: { dequantisation: "none" } } });
    expect(nll!.density).toMatchObject({ of: "model", variables: { x: { dequantisation: "none" } } });
    expect([nll!.unit, bits!.unit, bpd!.unit]).toEqual(["nats", "differential bits", "differential bits per dim"]);
    expect(nll!.density!.variables["x"]!.logJacobian).toBeCloseTo(-nll!.density!.scaling, 8);
    expect(nll!.value + nll!.density!.scaling).toBeCloseTo(exact, 4);
    // one unit for all: what was added to bits is what is to be added to nats
    expect(bits!.density!.scaling * Math.log(2)).toBeCloseTo(nll!.density!.scaling, 8);
  });

  it("whitening: by the determinant of its matrix", async () => {
    const { nll, bpd } = await measured(normal("real", text), bytes, { scale: "whiten" });
    // after whitening the covariance is C (C + r I)^-1: half the log of its determinant is what became of that of the file
    const covariance = (rows: readonly (readonly number[])[]): number[][] => {
      const mean = [0, 1, 2, 3].map((j) => rows.reduce((a, r) => a + r[j]!, 0) / rows.length);
      return [0, 1, 2, 3].map((i) =>
        [0, 1, 2, 3].map((j) => rows.reduce((a, r) => a + (r[i]! - mean[i]!) * (r[j]! - mean[j]!), 0) / rows.length),
      );
    };
    const determinant = (m: number[][]): number =>
      m.length === 1
        ? m[0]![0]!
        : m[0]!.reduce((sum, v, j) => sum + (j % 2 ? -1 : 1) * v * determinant(m.slice(1).map((r) => r.filter((_r, k) => k !== j))), 0);
    const c = covariance(Array.from({ length: 40 }, (_, i) => Array.from(bytes.data.subarray(4 * i, 4 * i + 4))));
    const ridge = (0.01 * (c[0]![0]! + c[1]![1]! + c[2]![2]! + c[3]![3]!)) / 4;
    const ridged = c.map((row, i) => row.map((v, j) => v + (i === j ? ridge : 0)));
    expect(nll!.density!.scaling).toBeCloseTo(0.5 * Math.log(determinant(ridged)), 8);
    expect(bpd!.density!.scaling).toBeCloseTo((0.5 * Math.log(determinant(ridged))) / (4 * Math.log(2)), 8);
  });

  it("adds nothing where values are as in the file, and says nothing of probabilities", async () => {
    const floats: DataArray = { shape: [40, 4], dtype: "f32", data: Float32Array.from(bytes.data, (v) => v / 7.3) };
    const { nll, bpd } = await measured(normal("real", text), floats, {});
    const asIs = { scaling: 0, variables: { x: { preprocessing: "values as in the file", logJacobian: 0 } } };
    expect([nll!.density, bpd!.density]).toEqual([
      { of: "model", ...asIs },
      { of: "file", ...asIs },
    ]);
    expect(bpd!.value).toBeCloseTo(nll!.value / (4 * Math.log(2)), 5);
    const coded = loadModel(`
model B(D = 4) {
  data x : byte[D]
  param m : real[D] = 0
  density p(x) { x ~ DiscretizedLogistic(m, 1) }
  train { maximize log p(x) batch = 4, epochs = 1 }
  evaluate { bpd = -log p(x) / (D * log(2)) }
}`).model;
    const { bpd: probability } = await measured(coded, bytes, {});
    expect(probability!.density).toBeUndefined();
    expect(probability!.unit).toBe("bits per dim");
  });
});

test.each([
  ["-log p(x)", { x: -1 }],
  ["log p(x) / (D * log(2))", { x: 1 / (4 * Math.log(2)) }],
  ["-ELBO(p, q)", { x: -1 }],
  ["-IWAE(p, q, k = 5)", { x: -1 }],
  ["IWAE(p, q, k = 5) / log(2)", { x: 1 / Math.log(2) }],
  ["Rate(p, q)", undefined],
  ["Distortion(p, q)", { x: -1 }],
  ["log p(x) - ELBO(p, q)", undefined],
  ["log p(x) * ELBO(p, q)", undefined],
  ["log p(x, z = x)", { x: 1 }],
  ["log p(x = 2 * x)", undefined],
])("%s is a log-density of %j", (text, wanted) => {
  const { model } = loadModel(`
model M(D = 4) {
  data x : real[D]
  latent z : real[D]
  density p(x, z) { z ~ Normal(0, 1) x ~ Normal(z, 1) }
  density q(z | x) { z ~ Normal(x |> dense(D), 1) }
  train { maximize ELBO(p, q) batch = 4, epochs = 1 }
  evaluate { m = ${text} }
}`);
  const metric = model.evaluate["m"];
  const found = metric?.kind === "rows" ? metric.logDensityOf : undefined;
  if (wanted === undefined) expect(found).toBeUndefined();
  else expect(found!["x"]).toBeCloseTo(wanted.x, 12);
});

test("a scaled importance-weighted bound takes its samples in chunks", async () => {
  const { model, ts } = loadModel(`
model M(D = 4) {
  data x : real[D]
  latent z : real[D]
  density p(x, z) { z ~ Normal(0, 1) x ~ Normal(z, 1) }
  density q(z | x) { z ~ Normal(0.3 * x, 1) }
  train { maximize ELBO(p, q) batch = 4, epochs = 1 }
  evaluate { nll = -IWAE(p, q, k = 5)  per = -IWAE(p, q, k = 5) / 784  up = IWAE(p, q, k = 5) / (D * log(2)) }
}`);
  expect(ts).toMatch(/combine: "negLogMeanExp",\s*combineScale: 1\.2755/);
  const floats: DataArray = { shape: [10, 4], dtype: "f32", data: Float32Array.from({ length: 40 }, (_, i) => Math.sin(i)) };
  // three chunks, 50 + 50 + 30 samples: the same draws, so the same number but for the factor
  const { nll, per, up } = await measured(model, floats, {}, 130);
  expect(per!.value).toBeCloseTo(nll!.value / 784, 9);
  expect(up!.value).toBeCloseTo(-nll!.value / (4 * Math.log(2)), 6);
  expect(per!.standardError!).toBeCloseTo(nll!.standardError! / 784, 9);
});

test("training ends 30 epochs after the best validation likelihood, with its weights", async () => {
  const { model } = loadModel(`
model M(K = 12) {
  data x : real[2]
  latent c : category[K]
  param w : real[K] = 0
  param m : real[K, 2] init Normal(0, 1)
  param s : positive[K, 2] = 1
  density p(x, c) { c ~ Categorical(logits = w) x ~ Normal(m[c], s[c]) }
  train {
    maximize log p(x)
    optimizer = adam(lr = 0.05), batch = 8, epochs = 600, early_stopping = early_stopping(metric = nll, patience = 30)
  }
  evaluate { nll = -log p(x) }
}`);
  const rows = (n: number, from: number) => ({
    shape: [n, 2],
    data: Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(from + i * i * 1.3) + Math.cos(3 * i)),
  });
  const trained = await train(model, { data: { x: rows(16, 0) }, validation: { x: rows(60, 2) }, engine: referenceEngine, seed: 2 });
  const nll = trained.history.filter((r) => r.split === "validation").map((r) => r.values["nll"] ?? NaN);
  const best = Math.min(...nll);
  expect(nll.length).toBeLessThan(600);
  expect(nll.indexOf(best)).toBe(nll.length - 31);
  expect((await trained.evaluate({ split: "validation", terms: false })).metrics["nll"]!.value).toBeCloseTo(best, 5);
  trained.close();
});
