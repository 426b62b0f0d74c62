/** Annealed importance sampling of an RBM's log Z. */
import { firstKernel } from "../peers/rbm.mjs";

export default {
  title: "AIS of an RBM 784-500 with given weights: 100 chains, 10,000 temperatures, from the uniform distribution",
  unit: "ms a run",
  rounds: 1,
  steps: 1,
  last: "log Z",
  data: firstKernel,
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-ais.mjs" },
    torch: { label: "PyTorch by hand", script: "peers/ais_torch.py", needs: "torch" },
    jax: { label: "JAX by hand", script: "peers/ais_jax.py", needs: "jax" },
  },
};
