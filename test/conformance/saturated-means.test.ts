/** Entropies of means that float32 rounds to 0 and 1, or (a sigmoid of onnxruntime at 17.844) past 1 by its last bit. */
import { expect, it } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { entropyOfMean } from "../../src/runtime/energy/conditional.js";
import { sigmoid, stage, type Tensor } from "../../src/runtime/index.js";

it("are finite and not negative on onnx", async () => {
  const n = 400_001;
  const graph = stage({ x: { shape: [n], dtype: "f32" } }, (inputs) => {
    const { x } = inputs as Readonly<Record<string, Tensor>>;
    return { h: entropyOfMean({ kind: "bernoulli", shape: [] }, sigmoid(x!))! };
  });
  const session = await onnxEngine.open();
  const program = await session.compile({ name: "entropy", stages: [{ kind: "call", name: "entropy", graph }], fetch: ["h"] });
  const data = Float32Array.from({ length: n }, (_, i) => (i - 200_000) / 4000);
  const { h } = await program.run({ x: { dtype: "f32", shape: [n], data } });
  session.dispose();
  expect(Array.from(h!.data).filter((v) => !(v >= 0 && v <= Math.log(2) + 1e-6))).toEqual([]);
});
