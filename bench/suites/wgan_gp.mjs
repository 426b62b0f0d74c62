/** The training step of a WGAN of images with a gradient penalty. */
import { pictures } from "../pictures.mjs";

export default {
  title: "WGAN-GP of 28 x 28 pixels, 32 and 64 channels, batch 50, Adam; five steps of the critic and one of the generator",
  unit: "ms a step",
  rounds: 9,
  steps: 4,
  last: "minus the critic's objective",
  data: () => pictures(40 * 50),
  peers: {
    gmc: { label: "gmc, `onnx` engine", module: "peers/gmc-wgan-gp.mjs" },
    torch: { label: "PyTorch", script: "peers/wgan_gp_torch.py", needs: "torch" },
  },
};
