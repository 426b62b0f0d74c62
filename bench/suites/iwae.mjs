/** The training step of an importance-weighted autoencoder. */
import { pictures } from "../pictures.mjs";

export default {
  title: "IWAE 784-400-400-50-400-400-784, 50 samples, batch 100, Adam; pixels and noise drawn in the step",
  unit: "ms a step",
  rounds: 9,
  steps: 10,
  last: "bound",
  data: () => pictures(4000),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-iwae.mjs" },
    torch: { label: "PyTorch", script: "peers/iwae_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/iwae_jax.py", needs: "jax" },
  },
};
