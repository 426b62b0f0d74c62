/** The training step of a VAE. */
import { pictures } from "../pictures.mjs";
import { vae } from "../vae.mjs";

export default {
  title: "VAE 784-400-20-400-784, batch 128, Adam; pixels drawn and noise drawn in the step",
  unit: "ms a step",
  rounds: 15,
  steps: 40,
  last: "loss",
  data: () => pictures(40 * vae.batch),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-vae.mjs" },
    naive: { label: "one ONNX graph by hand", module: "peers/onnx-naive.mjs" },
    tfjs: { label: "TensorFlow.js by hand", module: "peers/tfjs-wasm.mjs" },
    torch: { label: "PyTorch", script: "peers/vae_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/vae_jax.py", needs: "jax" },
  },
};
