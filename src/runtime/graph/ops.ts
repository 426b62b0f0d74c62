/** The operations on Tensors, by kind. Everything that is not a primitive is composed here of primitives. */
export * from "./ops/elementwise.js";
export * from "./ops/structure.js";
export * from "./ops/reduce.js";
export * from "./ops/linear.js";
