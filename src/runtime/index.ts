/** What generated code and users import: `gmc/runtime`. */
export * from "./graph/index.js";
export * from "./nn/index.js";
export * from "./prob/index.js";
export * from "./flow/index.js";
export * from "./adversarial/index.js";
export * from "./estimate/index.js";
export * from "./energy/index.js";
export * from "./map/index.js";
export * from "./model.js";
export * from "./optim/index.js";
export * from "./train/index.js";
export * from "./eval/index.js";
export { train, trainOn, type RunHooks, type RunOptions, type TrainedModel, type TrainOptions } from "./training.js";
export type * from "./engines/engine.js";
export { referenceEngine } from "./engines/reference/index.js";
