/** A step of contrastive divergence. */
import { pictures } from "../pictures.mjs";

export default {
  title: "RBM 784-500, CD-25, batch 100, plain gradient ascent; pixels drawn in the step; 3.3 million uniforms a step",
  unit: "ms a step",
  rounds: 9,
  steps: 10,
  last: "F(v) - F(v~)",
  data: () => pictures(4000),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-cd.mjs" },
    torch: { label: "PyTorch by hand", script: "peers/cd_torch.py", needs: "torch" },
    jax: { label: "JAX by hand", script: "peers/cd_jax.py", needs: "jax" },
  },
};
