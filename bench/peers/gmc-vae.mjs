/** gmc: models/vae-bench.gm through the compiler, staging, differentiation and simplification. */
import { openTraining } from "./gmc-training.mjs";

export { version } from "./compiled.mjs";

export const open = ({ threads, data, steps }) => openTraining({ file: "vae-bench.gm", variable: "x", rows: data, threads, steps });
