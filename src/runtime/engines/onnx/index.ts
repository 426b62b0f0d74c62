/**
 * The onnx engine: forward and backward of a step as one ONNX graph in onnxruntime on the CPU; optimisers and draws as WebAssembly kernels in
 * place over the same memory. onnxruntime-node is loaded when the engine is asked for, not before. `onnx:cuda` and the like run the graph on another
 * execution provider (providers.ts), and all else as before.
 */
import type { Engine } from "../engine.js";
import { loadOrt } from "./ort.js";
import { tryProvider, type ProviderName } from "./providers.js";
import { withFixedPoints } from "../fixed-points.js";
import { notAvailable } from "../not-available.js";
import { openSession } from "./session.js";

export const onnxEngine: Engine = {
  name: "onnx",
  async probe() {
    try {
      const ort = await loadOrt();
      const providers = ort.listSupportedBackends().map((backend) => backend.name);
      return {
        name: "onnx",
        available: true,
        detail: `onnxruntime-node ${ort.env.versions.node ?? "?"}, CPU (built with ${providers.join(", ")})`,
      };
    } catch (error) {
      return notAvailable("onnx", error);
    }
  },
  async open(options = {}) {
    return withFixedPoints(openSession(await loadOrt(), options));
  },
};

/** The engine on one of the other providers. */
export function onnxOn(provider: ProviderName): Engine {
  const name = `onnx:${provider}`;
  return {
    name,
    async probe() {
      try {
        const ort = await loadOrt();
        return { name, available: true, detail: `onnxruntime-node ${ort.env.versions.node ?? "?"}, ${await tryProvider(ort, provider)}` };
      } catch (error) {
        return notAvailable(name, error);
      }
    },
    async open(options = {}) {
      const ort = await loadOrt();
      await tryProvider(ort, provider);
      return withFixedPoints(openSession(ort, options, provider));
    },
  };
}
