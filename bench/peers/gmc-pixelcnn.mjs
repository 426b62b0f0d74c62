/** gmc: examples/pixelcnn.gm through the compiler, as `gmc train` runs it. */
import { openTraining } from "./gmc-training.mjs";

export { version } from "./compiled.mjs";

export const open = ({ threads, data, steps }) =>
  openTraining({ file: "../../examples/pixelcnn.gm", variable: "x", rows: data, event: [28, 28, 1], threads, steps });
