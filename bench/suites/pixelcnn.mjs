/** The training step of a PixelCNN. */
import { bits } from "../pictures.mjs";

export default {
  title: "PixelCNN of 28 x 28 bits, 7 x 7 of 32 channels and five residual blocks of 16, batch 50, Adam",
  unit: "ms a step",
  rounds: 9,
  steps: 10,
  last: "-log p(x)",
  data: () => bits(4000),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-pixelcnn.mjs" },
    torch: { label: "PyTorch", script: "peers/pixelcnn_torch.py", needs: "torch" },
    jax: { label: "JAX", script: "peers/pixelcnn_jax.py", needs: "jax" },
  },
};
