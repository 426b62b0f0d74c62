/** The training step of a neural autoregressive density estimator. */
import { bits } from "../pictures.mjs";

export default {
  title: "NADE 784-500-784, batch 100, Adam; fixed binary pixels",
  unit: "ms a step",
  rounds: 5,
  steps: 5,
  last: "-log p(x)",
  data: () => bits(4000),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-nade.mjs" },
    torch: { label: "PyTorch", script: "peers/nade_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/nade_jax.py", needs: "jax" },
  },
};
