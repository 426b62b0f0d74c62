/** Update rules and the schedules of their rates. */
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
