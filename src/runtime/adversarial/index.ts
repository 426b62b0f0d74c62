/** Minimax games and moment matching: gradients as values, independent rows, discrepancies between batches. */
export { batchMean, mmd, squaredDistances, type MmdOptions } from "./batch.js";
export { gradientIn, leaf, leafAlong } from "../graph/gradients.js";
export { rollRows, rowFamily } from "./rows.js";
