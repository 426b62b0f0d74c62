/** What an evaluation computes of the weights alone is computed once, whatever the batches: exact log Z above all. */
import { expect, it } from "vitest";
import { evaluate, referenceEngine, type EngineSession } from "../../src/runtime/index.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { splitInvariant } from "../../src/runtime/eval/invariant.js";
import { stageRowMetric } from "../../src/runtime/eval/metrics.js";
import { sizeOf } from "../../src/runtime/graph/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { loadModel } from "../support/model.js";

const [D, ROWS] = [10, 24];
const { model } = loadModel(`model M(D = ${D}) {
  data v : binary[D]
  param A : real[D, D] init Normal(0, 0.3), b : real[D] init Normal(0, 0.5)
  density p(v) { energy -(v @ A @ v) - b @ v }
  train { maximize log p(v)  batch = 4, epochs = 1 }
  evaluate { nll = -log p(v) }
}`);
const v = Float32Array.from({ length: ROWS * D }, (_, i) => +(Math.sin(7 * i) > 0.1));
const dataset = datasetOf(model, { train: { v } });
const weights = initialWeights(model, 4, dataset);
const [A, b] = [weights.get("A")!.data, weights.get("b")!.data];

function minusE(x: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < D; i++) {
    total += x(i) * b[i]!;
    for (let j = 0; j < D; j++) total += x(i) * x(j) * A[i * D + j]!;
  }
  return total;
}

it("exact log Z is summed for the first batch, and fed to the others", async () => {
  const session = await referenceEngine.open();
  // operations of every run, by the largest value that its program holds
  const largest: number[] = [];
  const counted: EngineSession = new Proxy(session, {
    get: (target, name) =>
      name === "compile"
        ? async (program: Parameters<EngineSession["compile"]>[0]) => {
            const compiled = await target.compile(program);
            const size = program.stages.reduce(
              (most, s) => (s.kind === "update" ? most : s.graph.nodes.reduce((m, n) => Math.max(m, sizeOf(n.shape)), most)),
              0,
            );
            return { ...compiled, dispose: () => compiled.dispose(), run: (feeds: never) => (largest.push(size), compiled.run(feeds)) };
          }
        : (Reflect.get(target, name) as unknown),
  });
  await writeAll(session, weights);
  const options = { session: counted, model, dataset, seed: 1, averaged: new Set<string>(), terms: false, reconstruction: false, batch: 3 };
  const { metrics } = await evaluate(options);
  let Z = 0;
  for (let s = 0; s < 2 ** D; s++) Z += Math.exp(minusE((i) => (s >> i) & 1));
  let nll = 0;
  for (let r = 0; r < ROWS; r++) nll += (Math.log(Z) - minusE((i) => v[r * D + i]!)) / ROWS;
  expect(metrics["nll"]!.value).toBeCloseTo(nll, 4);
  expect(largest.filter((n) => n >= 2 ** D)).toHaveLength(1);
  expect(largest.filter((n) => n < 2 ** D)).toHaveLength(ROWS / 3);
  session.dispose();
});

it("leaves a program alone that computes little without its rows", () => {
  const small = loadModel(`model M {
  data x : real[3]
  param m : real[3], s : positive
  density p(x) { x ~ Normal(m, s) }
  train { maximize log p(x) }
  evaluate { nll = -log p(x) }
}`).model;
  const metric = small.evaluate["nll"];
  if (metric?.kind !== "rows") throw new Error("no rows");
  expect(splitInvariant(stageRowMetric({ model: small, batch: 4, averaged: new Set() }, metric, 1).program)).toBeUndefined();
});

it.each([referenceEngine, onnxEngine])("a condition on the weights alone is looked at all the same, on $name", async (engine) => {
  const size = 80;
  const joint = loadModel(`model M {
  data x : real[${size}]
  param A : real[${size}, ${size}], c : real
  density p(x) { energy x @ A @ x / 2 + sum(x^2) }
  train { maximize log p(x)  batch = 2, epochs = 1 }
  evaluate { nll = -log p(x) }
}`).model;
  const rows = datasetOf(joint, { train: { x: Float32Array.from({ length: 6 * size }, (_, i) => Math.sin(i)) } });
  const session = await engine.open();
  const at = async (diagonal: number): Promise<number> => {
    const start = initialWeights(joint, 1, rows);
    const A = new Float32Array(size * size);
    for (let i = 0; i < size; i++) A[i * size + i] = diagonal;
    await writeAll(session, new Map([...start].map(([path, t]) => [path, path === "A" ? { ...t, data: A } : t])));
    const options = {
      session,
      model: joint,
      dataset: rows,
      seed: 1,
      averaged: new Set<string>(),
      terms: false,
      reconstruction: false,
      batch: 2,
    };
    return (await evaluate(options)).metrics["nll"]!.value;
  };
  // of each entry a Normal of precision 3
  const squares = Array.from({ length: 6 * size }, (_, i) => Math.sin(i) ** 2).reduce((a, b) => a + b, 0) / 6;
  expect(await at(1)).toBeCloseTo((3 * squares) / 2 + (size / 2) * Math.log((2 * Math.PI) / 3), 3);
  await expect(at(-2.5)).rejects.toThrow("is not positive in every direction");
  session.dispose();
});
