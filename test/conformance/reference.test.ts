/**
 * The suite on the reference engine itself: that every scenario runs, and that the interpreter of single graphs and the engine agree.
 * What the reference means is tested apart (test/numeric: gradients by differences, updates by their papers, draws by published vectors).
 */
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { conformance } from "./suite.js";

conformance(referenceEngine);
