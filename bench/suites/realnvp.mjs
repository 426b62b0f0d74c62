/** The training step of a flow of vectors. */
import { patches } from "../pictures.mjs";

export default {
  title: "RealNVP over 64 entries, eight affine couplings with conditioners 32-256-256-64, batch 256, Adam",
  unit: "ms a step",
  rounds: 15,
  steps: 40,
  last: "-log p(x)",
  data: () => patches(40 * 256),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-realnvp.mjs" },
    torch: { label: "PyTorch", script: "peers/realnvp_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/realnvp_jax.py", needs: "jax" },
  },
};
