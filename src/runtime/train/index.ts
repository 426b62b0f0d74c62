/** Training: optimisers, schedules, the staged programs of a model and the loop that runs them. */
export { adam, adamax, adamw, momentum, rmsprop, sgd, type OptimizerOptions, type OptimizerSpec } from "./optimizers.js";
export {
  constantSchedule,
  cosine,
  describeSchedule,
  exponentialSchedule,
  iwaeSchedule,
  linear,
  piecewise,
  stepDecay,
  valueAt,
  warmup,
  type Progress,
  type Schedule,
} from "./schedules.js";
export { train, trainOn, type RunHooks, type RunOptions, type TrainedModel, type TrainOptions } from "./train.js";
export { datasetOf, type ArrayInput, type ArraysBySplit, type Nested } from "./arrays.js";
export type { CheckpointReason, Cursor, MetricRecord, StepReport } from "./loop.js";
