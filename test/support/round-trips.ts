import { leavesOf, referenceEngine } from "../../src/runtime/index.js";
import { evaluateInit } from "../../src/runtime/nn/init.js";
import { checkRoundTrips } from "../../src/runtime/train/round-trip.js";
import { loadModel } from "./model.js";

/** The flows of a model, there and back, as a training tries them before its first step. */
export async function tryRoundTrips(text: string): Promise<void> {
  const loaded = loadModel(text);
  const session = await referenceEngine.open();
  for (const { path, spec } of leavesOf(loaded.weights))
    await session.write(path, {
      dtype: "f32",
      shape: spec.shape,
      data: Float32Array.from(evaluateInit(spec.init, spec.shape, { path, seed: 1 })),
    });
  await checkRoundTrips(session, loaded.model, 1);
}
