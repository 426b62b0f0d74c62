/** gmc: examples/iwae.gm through the compiler, as `gmc train` runs it. */
import { openTraining } from "./gmc-training.mjs";

export { version } from "./compiled.mjs";

export const open = ({ threads, data, steps }) =>
  openTraining({ file: "../../examples/iwae.gm", variable: "x", rows: data, threads, steps });
