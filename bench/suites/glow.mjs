/** The training step of a flow of images. */
import { colours } from "../pictures.mjs";

export default {
  title: "Glow over 32 x 32 RGB, two levels of four steps, conditioners of 128 channels, batch 16, Adam",
  unit: "ms a step",
  rounds: 9,
  steps: 10,
  last: "-log p(x)",
  data: () => colours(20 * 16),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-glow.mjs" },
    torch: { label: "PyTorch", script: "peers/glow_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/glow_jax.py", needs: "jax" },
  },
};
