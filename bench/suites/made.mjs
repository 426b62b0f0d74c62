/** The training step of a masked autoencoder. */
import { bits } from "../pictures.mjs";

export default {
  title: "MADE 784-500-784, batch 100, Adam; fixed binary pixels",
  unit: "ms a step",
  rounds: 15,
  steps: 40,
  last: "-log p(x)",
  data: () => bits(4000),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-made.mjs" },
    torch: { label: "PyTorch", script: "peers/made_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/made_jax.py", needs: "jax" },
  },
};
