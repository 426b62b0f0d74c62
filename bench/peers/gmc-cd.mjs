/** gmc: models/rbm-bench.gm; conditionals, sweeps and gradients are derived from its energy. */
import { openTraining } from "./gmc-training.mjs";

export { version } from "./compiled.mjs";

export const open = ({ threads, data, steps }) => openTraining({ file: "rbm-bench.gm", variable: "v", rows: data, threads, steps });
