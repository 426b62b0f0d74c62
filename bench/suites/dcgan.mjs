/** The training step of DCGAN. */
import { pictures } from "../pictures.mjs";

export default {
  title: "DCGAN of 28 x 28 pixels, 32 and 64 channels, batch normalisation, batch 100, Adam; a step of either player",
  unit: "ms a step",
  rounds: 9,
  steps: 10,
  last: "minus the critic's objective",
  data: () => pictures(40 * 100),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-dcgan.mjs" },
    torch: { label: "PyTorch", script: "peers/dcgan_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/dcgan_jax.py", needs: "jax" },
  },
};
