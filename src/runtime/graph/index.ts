/** The graph core: tensors, staging, operations, randomness. */
export type { DType, Graph, Node, NodeOf, Origin, Prim, PrimParams, Shape } from "./types.js";
export { GmcError, InternalError } from "./errors.js";
export type { Mode, Tensor, TensorLike } from "./trace.js";
export {
  currentMode,
  inline,
  input,
  iterationInput,
  stage,
  state,
  writeState,
  type InputSpec,
  type InputSpecs,
  type StageOptions,
} from "./stage.js";
export { origin, term, terms } from "./term.js";
export { TermNames } from "./term-names.js";
export {
  randomBits,
  randomCounts,
  randomNormal,
  randomUniform,
  resolveShape,
  rootKey,
  rowsOf,
  type DrawShape,
  type Key,
  type Rows,
} from "./key.js";
export { foldStage, hostStream, permutation, rngState, seedWords, threefry2x32, type HostStream } from "./random.js";
export { sizeOf } from "./shape.js";
export * from "./ops.js";
export { grad, gradGraph, vjp } from "./vjp.js";
export { slotNames, updateDefaults, updateGraph } from "./updates.js";
export { optimize, passes, type Pass } from "./passes/index.js";
export { verify } from "./verify.js";
export { printGraph } from "./print.js";
export { graphCost, nodeCost, type Cost } from "./cost.js";
