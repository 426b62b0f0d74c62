/** `constrain`: ranges and norms hold after every step, on every engine, in the space in which a parameter is meant. */
import { describe, expect, it } from "vitest";
import { train } from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { loadModel } from "../support/model.js";

const here = (await onnxEngine.probe()).available;
const rows = Array.from({ length: 40 }, (_, i) => [3 * Math.sin(i), 3 * Math.cos(2 * i), 5 + Math.sin(3 * i)]);

const model = (constraints: string): string => `model Constrained {
  data x : real[3]
  param A : real[3, 4] init Normal(0, 2)
  param m : real[3] = 0, s : positive[3] = 3, u : unit = 0.5
  net f(v) = v |> dense(4) |> tanh |> dense(3)
  objective fit = sum((x - m - u * f(x) - (x @ A) @ transpose(A))^2 / s) + sum(log(s))
  train {
    minimize fit
    ${constraints}
    optimizer = adam(lr = 0.05), batch = 20, steps = 60
  }
}`;

async function weights(text: string, engine: typeof referenceEngine, steps?: number): Promise<Record<string, number[]>> {
  const trained = await train(loadModel(text).model, { data: { x: rows }, engine, seed: 1, ...(steps && { steps }) });
  const found = await trained.weights();
  trained.close();
  return Object.fromEntries(Object.entries(found).map(([name, t]) => [name, Array.from(t.data)]));
}

/** Norms of the columns (along axis 1) or rows (along axis 2) of a matrix. */
function norms(data: readonly number[], [height, width]: readonly [number, number], axis: 1 | 2): number[] {
  const of = (index: number): number => Math.hypot(...data.filter((_, i) => (axis === 2 ? Math.floor(i / width) : i % width) === index));
  return Array.from({ length: axis === 2 ? height : width }, (_, i) => of(i));
}

const softplus = (v: number): number => Math.log1p(Math.exp(v));
const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));

describe.each([
  ["reference", referenceEngine],
  ["onnx", onnxEngine],
] as const)("on %s", (name, engine) => {
  const possible = it.skipIf(name === "onnx" && !here);

  possible("a range holds for parameters and for all weights of a net, after the first step already", async () => {
    const text = model("constrain m in [-0.1, 0.2]\n    constrain f in [-0.05, 0.05]");
    for (const steps of [1, 60]) {
      const w = await weights(text, engine, steps);
      const net = Object.entries(w).flatMap(([path, data]) => (path.startsWith("f.") ? data : []));
      expect(Math.max(...net.map(Math.abs))).toBeCloseTo(0.05, 6);
      expect(Math.min(...w["m"]!)).toBeGreaterThanOrEqual(-0.1 - 1e-6);
      expect(Math.max(...w["m"]!)).toBeLessThanOrEqual(0.2 + 1e-6);
    }
    const free = await weights(model(""), engine);
    expect(Math.max(...free["m"]!)).toBeGreaterThan(0.5);
  });

  possible("a range of a positive or a unit parameter is one of its values, not of what is stored", async () => {
    const w = await weights(model("constrain s in [0.5, 2]\n    constrain u in [0, 0.4]"), engine);
    const s = w["s"]!.map(softplus);
    expect(Math.min(...s)).toBeGreaterThanOrEqual(0.5 - 1e-5);
    expect(Math.max(...s)).toBeLessThanOrEqual(2 + 1e-5);
    expect(s.some((v) => Math.abs(v - 2) < 1e-5 || Math.abs(v - 0.5) < 1e-5)).toBe(true);
    expect(sigmoid(w["u"]![0]!)).toBeLessThanOrEqual(0.4 + 1e-6);
  });

  possible.each([1, 2] as const)("a norm along axis %i is cut to its limit, and left alone below it", async (axis) => {
    const w = await weights(model(`constrain norm(A, axis = ${axis}) <= 0.5`), engine);
    const found = norms(w["A"]!, [3, 4], axis);
    expect(Math.max(...found)).toBeCloseTo(0.5, 5);
    const roomy = await weights(model(`constrain norm(A, axis = ${axis}) <= 100`), engine);
    const free = await weights(model(""), engine);
    expect(roomy["A"]).toEqual(free["A"]);
    expect(Math.max(...norms(free["A"]!, [3, 4], axis))).toBeGreaterThan(0.6);
  });
});

it.skipIf(!here)("both engines come to the same weights", async () => {
  const text = model("constrain m in [-0.1, 0.2]\n    constrain s in [0.5, 2]\n    constrain norm(A, axis = 1) <= 0.5");
  const [a, b] = [await weights(text, referenceEngine), await weights(text, onnxEngine)];
  for (const [path, data] of Object.entries(a)) data.forEach((v, i) => expect(b[path]![i]!).toBeCloseTo(v, 2));
});

it("the norm of what is stored is not that of a positive parameter: an error says so", async () => {
  await expect(weights(model("constrain norm(s, axis = 1) <= 1"), referenceEngine)).rejects.toThrow();
});
