/**
 * The training steps of a few examples on the tfjs engine: nets, convolutions both ways, chains, flows, masks, importance weights, games, a net
 * mapped over rows.
 */
import { describe, it } from "vitest";
import { tfjsEngine } from "../../src/runtime/engines/tfjs/index.js";
import { expectSameSteps } from "./example-steps.js";

/** Sums of the wasm backend are plain float32 sums, so those that nearly cancel keep fewer digits than with onnxruntime. */
const examples: readonly (readonly [file: string, tolerance: number])[] = [
  ["vae.gm", 1e-4],
  ["iwae.gm", 3e-4],
  ["vamp_vae.gm", 1e-4],
  ["conv_vae.gm", 1e-4],
  ["dcgan.gm", 3e-4],
  ["pixelcnn.gm", 1e-4],
  ["realnvp.gm", 1e-4],
  ["rbm.gm", 1e-4],
  ["wgan_gp.gm", 1e-4],
];

describe("training steps of examples on tfjs:wasm", () => {
  it.each(examples)("%s", (file, tolerance) => expectSameSteps(tfjsEngine("wasm"), file, tolerance));
});
