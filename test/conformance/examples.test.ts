/** The training step of every example on onnx, and of some on webgpu, against the float64 reference: objective, terms and every gradient. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, it } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { expectSameSteps } from "./example-steps.js";
import { webgpuEngine } from "../../src/runtime/engines/webgpu/index.js";

const folder = fileURLToPath(new URL("../../examples/", import.meta.url));
const examples = readdirSync(folder).filter((f) => f.endsWith(".gm"));

const tolerances: Readonly<Record<string, number>> = {
  // a chain of many flows over few rows: gradients are sums that nearly cancel, and 0.4 squared in the energy's denominator
  "planar_density.gm": 1e-3,
  "radial_density.gm": 1e-3,
  "planar_density2.gm": 1e-3,
  "radial_density1.gm": 1e-3,
  "planar_density3.gm": 1e-2,
  "planar_density4.gm": 1e-3,
  "radial_density3.gm": 1e-3,
  "radial_density4.gm": 1e-3,
  // Weights of importance samples are exponentials of log-densities of some hundreds, each of which f32 holds to 3e-5.
  "iwae.gm": 3e-4,
  // Behind a batch normalisation the gradient of log p(z) by its scale is 1 - mean z^2: nothing, but for the eps in its variance.
  "maf.gm": 5e-2,
  // Nets of eleven convolutions behind one another, each behind a normalisation over 4 x 4 places and a relu: an entry at a gate falls to either side.
  "cyclegan.gm": 3e-3,
  // A bias of a convolution is moved by the difference of two sums over hundreds of places, a hundredth of either.
  "conv_dbn.gm": 1e-3,
};

/** One of each kind: a kernel costs a software adapter more to compile than to run. */
const onCards = ["vae.gm", "rbm.gm", "gan.gm", "realnvp.gm", "made.gm", "dcgan.gm", "iwae.gm"].filter((file) => examples.includes(file));

describe("training steps of the examples", () => {
  it.each(examples)("%s", (file) => expectSameSteps(onnxEngine, file, tolerances[file]));
  for (const file of onCards) {
    it(`${file} on webgpu`, async (context) => {
      const info = await webgpuEngine.probe();
      if (!info.available) return context.skip(`webgpu is not available: ${info.detail}`);
      await expectSameSteps(webgpuEngine, file, tolerances[file]);
    });
  }
});
