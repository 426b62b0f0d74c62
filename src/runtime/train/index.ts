/** Training: optimisers, schedules, the staged programs of a model and the loop that runs them. */
export * from "./optimizers.js";
export * from "./schedules.js";
