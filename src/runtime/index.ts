/** What generated code and users import: `gmc/runtime`. */
export * from "./graph/index.js";
export * from "./nn/index.js";
export * from "./prob/index.js";
