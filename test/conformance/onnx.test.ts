/** The onnx engine does what the reference engine does: the suite, on the CPU. */
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { conformance } from "./suite.js";

conformance(onnxEngine);
