/** The webgpu engine does what the reference engine does: the suite, on whatever adapter there is. */
import { webgpuEngine } from "../../src/runtime/engines/webgpu/index.js";
import { conformance } from "./suite.js";

conformance(webgpuEngine);
