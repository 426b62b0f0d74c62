import { referenceEngine } from "../../src/runtime/index.js";
import { checkRoundTrips } from "../../src/runtime/train/round-trip.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { loadModel } from "./model.js";

/** The flows of a model, there and back, as a training tries them before its first step. */
export async function tryRoundTrips(text: string): Promise<void> {
  const { model } = loadModel(text);
  const session = await referenceEngine.open();
  await writeAll(session, initialWeights(model, 1));
  await checkRoundTrips(session, model, 1);
}
