/** The training step of a GAN of two hidden layers. */
import { pictures } from "../pictures.mjs";

export default {
  title: "GAN 64-256-256-784 against 784-256-256-1, batch 100, Adam; a step of either player",
  unit: "ms a step",
  rounds: 15,
  steps: 40,
  last: "minus the critic's objective",
  data: () => pictures(40 * 100),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-gan.mjs" },
    torch: { label: "PyTorch", script: "peers/gan_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/gan_jax.py", needs: "jax" },
  },
};
