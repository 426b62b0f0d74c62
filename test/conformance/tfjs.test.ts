/** The tfjs engine does what the reference engine does: the suite, on the wasm backend. */
import { tfjsEngine } from "../../src/runtime/engines/tfjs/index.js";
import { conformance } from "./suite.js";

conformance(tfjsEngine("wasm"));
