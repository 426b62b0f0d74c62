/** Takes a graph, gives an equal one in which a sum or maximum over many axes starts from one over fewer of the same values, where there is one. */
export { reuseReductions as shareReductions } from "../onnx/reuse.js";
