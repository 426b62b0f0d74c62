/** gmc: models/wgan-gp-bench.gm through the compiler, as `gmc train` runs it. */
import { openTraining } from "./gmc-training.mjs";

export { version } from "./compiled.mjs";

export const open = ({ threads, data, steps }) =>
  openTraining({ file: "wgan-gp-bench.gm", variable: "x", rows: data, event: [28, 28, 1], threads, steps });
