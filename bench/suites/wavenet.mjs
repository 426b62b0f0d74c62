/** The training step of a WaveNet. */
import { tones } from "../pictures.mjs";

export default {
  title: "WaveNet over 1,024 mu-law codes, ten gated layers of 32 channels with dilations 1 to 512, batch 4, Adam",
  unit: "ms a step",
  rounds: 9,
  steps: 10,
  last: "-log p(x)",
  data: () => tones(40, 1024),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-wavenet.mjs" },
    torch: { label: "PyTorch", script: "peers/wavenet_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/wavenet_jax.py", needs: "jax" },
  },
};
