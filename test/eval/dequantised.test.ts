/** Bits of dequantised whole numbers against closed forms, whatever the file's scaling options; what the protocol says of noise and Jacobians. */
import { describe, expect, it } from "vitest";
import { bindData, type DataArray, type FieldOptions } from "../../src/runtime/data/index.js";
import { evaluate, referenceEngine, type Evaluation, type ModelDefinition } from "../../src/runtime/index.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { loadModel } from "../support/model.js";

const rowsOf = (levels: number): DataArray => ({
  shape: [50, 3],
  dtype: "u8",
  data: Uint8Array.from({ length: 150 }, (_, i) => (i * 37 + Math.floor(i / 3)) % levels),
});

/** z = logit((x + u) / levels) is logistic exactly where all levels are equally likely. */
const uniform = (step: string, flows = ""): ModelDefinition =>
  loadModel(`
model M(D = 3) {
  data x : byte[D]
  latent z : unit[D]
  ${flows}
  flow f on unit[D] -> byte[D] = ${step}
  density p(x, z) { z ~ Uniform(0, 1) x = f(z) }
  train { maximize log p(x) batch = 4, epochs = 1 }
  evaluate { nll = -log p(x)  bpd = -log p(x) / (D * log(2)) }
}`).model;

async function measured(model: ModelDefinition, array: DataArray, options: FieldOptions = {}): Promise<Evaluation> {
  const field = { role: "values", splits: { train: array }, path: "a.idx", options, notes: [] } as const;
  const dataset = bindData({ name: "a", fields: { x: field }, assigned: new Set(), notes: [] }, model.streams);
  const session = await referenceEngine.open();
  await writeAll(session, initialWeights(model, 0, dataset));
  const found = await evaluate({ session, model, dataset, seed: 1, averaged: new Set(), terms: false });
  session.dispose();
  return found;
}

describe("equally likely levels", () => {
  it.each([2, 8, 100, 256])("of which there are %i cost log2 of that many bits", async (levels) => {
    const { metrics, protocol } = await measured(uniform(`dequantize(levels = ${levels})`), rowsOf(levels));
    expect(metrics["bpd"]!.value).toBeCloseTo(Math.log2(levels), 4);
    expect(metrics["bpd"]!.unit).toBe("bits per dim");
    expect(metrics["bpd"]!.bound).toBe("upper bound");
    expect(metrics["nll"]!.value).toBeCloseTo(3 * Math.log(levels), 3);
    expect(metrics["bpd"]!.density).toEqual({
      of: "file",
      scaling: 0,
      variables: { x: { preprocessing: "values as in the file", logJacobian: 0, dequantisation: { noise: "uniform", levels } } },
    });
    expect(protocol.densities).toEqual([
      `x: values as in the file (no change of density); uniform dequantisation of ${levels} levels; their log-Jacobians are part of log p`,
    ]);
  });

  it.each([
    [0.05, "0.9"],
    [1e-6, "0.999998"],
  ])(
    "of which %s is left free at both ends cost that much more, whatever a logit does with them, and the protocol says so",
    async (alpha, width) => {
      const { metrics, protocol } = await measured(uniform(`logit |> sigmoid |> dequantize(levels = 8, alpha = ${alpha})`), rowsOf(8));
      expect(metrics["bpd"]!.value).toBeCloseTo(3 - Math.log2(1 - 2 * alpha), 4);
      expect(metrics["bpd"]!.bound).toBe("upper bound");
      expect(metrics["bpd"]!.density!.variables["x"]).toMatchObject({ dequantisation: { noise: "uniform", levels: 8, alpha } });
      expect(protocol.densities![0]).toContain(`uniform dequantisation of 8 levels, to ${alpha} + ${width} (x + u) / 8; then logit`);
    },
  );

  it("cost the same through a logit and back, and with noise that a flow makes uniform", async () => {
    const through = await measured(uniform("logit |> sigmoid |> dequantize(levels = 8)"), rowsOf(8));
    expect(through.metrics["bpd"]!.value).toBeCloseTo(3, 3);
    expect(through.metrics["bpd"]!.density!.variables["x"]).toMatchObject({
      dequantisation: { noise: "uniform", levels: 8 },
      through: ["logit", "sigmoid"],
    });
    // standard normal noise through its own distribution function is uniform; through a sigmoid it is not, and costs the divergence
    const noise = "flow u(e | x) on real[D] -> unit[D] = sigmoid";
    const { metrics, protocol } = await measured(uniform("dequantize(u, levels = 8)", noise), rowsOf(8));
    expect(metrics["bpd"]!.density!.variables["x"]!.dequantisation).toEqual({ noise: "variational", levels: 8 });
    expect(protocol.densities[0]).toContain("variational dequantisation of 8 levels");
    expect(Math.abs(metrics["bpd"]!.value - (3 + divergence() / Math.log(2)))).toBeLessThan(4 * metrics["bpd"]!.standardError!);
  });

  it("cost the divergence of noise that a flow makes of uniform numbers", async () => {
    // u = (e^2 + e) / 2: E log q(u) = -∫ log(e + 1/2) de from 0 to 1
    const inside = -(1.5 * Math.log(1.5) - 1.5 - (0.5 * Math.log(0.5) - 0.5));
    const own = "flow u(e | x) on unit[D] { forward(z) = z^2 * 0.5 + 0.5 * z  inverse(x) = -0.5 + sqrt(0.25 + 2 * x) }";
    const { metrics } = await measured(uniform("dequantize(u, levels = 8)", own), rowsOf(8));
    expect(metrics["bpd"]!.bound).toBe("upper bound");
    expect(Math.abs(metrics["bpd"]!.value - (3 + inside / Math.log(2)))).toBeLessThan(4 * metrics["bpd"]!.standardError!);
    expect(metrics["bpd"]!.standardError).toBeLessThan(0.05);
    const back = await measured(uniform("dequantize(u, levels = 8)", "flow u(e | x) on unit[D] = logit |> sigmoid"), rowsOf(8));
    expect(back.metrics["bpd"]!.value).toBeCloseTo(3, 3);
  });

  it("are what they are whatever the options of the file say of scales", async () => {
    for (const options of [{ maximum: 16 }, { scale: "minmax" }, { scale: "standardize" }] as const) {
      const model = uniform("dequantize(levels = 8)");
      const found = await measured(model, rowsOf(8), options).catch((error: unknown) => error);
      // refused, or without an effect: never another number
      if (found instanceof Error) expect(found.message).toMatch(/scale|max/);
      else expect((found as Evaluation).metrics["bpd"]!.value).toBeCloseTo(3, 4);
    }
  });
});

it("refuses a level that the dequantisation does not have", async () => {
  const error = await measured(uniform("dequantize(levels = 8)"), rowsOf(9)).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "GM5022" });
  expect((error as Error).message).toContain("a whole number in 0..7, since `dequantize` has 8 levels");
});

it("refuses values at the ends of the unit interval, which a logit takes to infinity", async () => {
  const logit = loadModel(`
model M(D = 3) {
  data x : unit[D]
  latent z : real[D]
  flow s on real[D] -> unit[D] = affine |> sigmoid
  flow f on real[D] -> unit[D] = s |> reverse
  density p(x, z) { z ~ Normal(0, 1) x = f(z) }
  train { maximize log p(x) batch = 4, epochs = 1 }
  evaluate { nll = -log p(x) }
}`).model;
  const zeros: DataArray = { shape: [50, 3], dtype: "f32", data: Float32Array.from({ length: 150 }, (_, i) => (i % 5) / 8) };
  expect(await measured(logit, zeros).catch((e: unknown) => e)).toMatchObject({ code: "GM5022" });
  const inside = { ...zeros, data: Float32Array.from(zeros.data, (v) => v + 0.1) };
  const { metrics } = await measured(logit, inside);
  expect(Number.isFinite(metrics["nll"]!.value)).toBe(true);
  expect(metrics["nll"]!.density!.variables["x"]).toEqual({ preprocessing: "values as in the file", logJacobian: 0, through: ["logit"] });
});

/** KL of sigmoid(epsilon), epsilon standard normal, from the uniform distribution, by quadrature: E log q(u) = E[log φ(e) - log σ'(e)]. */
function divergence(): number {
  let sum = 0;
  const width = 1e-3;
  for (let e = -9; e < 9; e += width) {
    const density = Math.exp(-0.5 * e * e) / Math.sqrt(2 * Math.PI);
    const slope = 1 / (1 + Math.exp(-e)) / (1 + Math.exp(e));
    sum += width * density * (Math.log(density) - Math.log(slope));
  }
  return sum;
}
