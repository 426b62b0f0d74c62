/** Training: the staged programs of a model and the loop that runs them. */
export { datasetOf, type ArrayInput, type ArraysBySplit, type Nested } from "./arrays.js";
export type { CheckpointReason, Cursor, MetricRecord, StepReport } from "./loop.js";
