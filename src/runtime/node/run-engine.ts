/**
 * Engines by name for Node. Each is loaded when it is asked for, so a missing optional package costs nothing until then.
 */
import type { Engine, EngineInfo } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { closest } from "../data/suggest.js";

/** In the order in which `auto` prefers them. */
const loaders: Readonly<Record<string, () => Promise<Engine>>> = {
  onnx: async () => (await import("../engines/onnx/index.js")).onnxEngine,
  reference: async () => (await import("../engines/reference/index.js")).referenceEngine,
};

export const engineNames: readonly string[] = Object.keys(loaders);

export interface PickedEngine {
  readonly engine: Engine;
  readonly info: EngineInfo;
  /** "onnxruntime-node 1.30.0, CPU; chosen: the first of onnx, reference that is here" */
  readonly why: string;
}

/** What every engine found here. */
export async function probeEngines(): Promise<readonly EngineInfo[]> {
  return Promise.all(Object.values(loaders).map(async (load) => (await load()).probe()));
}

/** The engine of a name, or for `auto` the first that is available. GM5307 for an unknown name, GM5308 for one that is not available. */
export async function pickEngine(name = "auto"): Promise<PickedEngine> {
  if (name === "auto") {
    const passed: string[] = [];
    for (const load of Object.values(loaders)) {
      const engine = await load();
      const info = await engine.probe();
      if (info.available) {
        const because = passed.length === 0 ? `the first choice of ${engineNames.join(", ")}` : `not available: ${passed.join("; ")}`;
        return { engine, info, why: because };
      }
      passed.push(`${engine.name} (${info.detail})`);
    }
    throw new GmcError("GM5308", `no engine is available: ${passed.join("; ")}`);
  }
  const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
  if (load === undefined) {
    const meant = closest(name, engineNames);
    throw new GmcError("GM5307", `there is no engine \`${name}\``, [meant === undefined ? `engines: auto, ${engineNames.join(", ")}` : `did you mean \`${meant}\`?`]);
  }
  const engine = await load();
  const info = await engine.probe();
  if (!info.available) throw new GmcError("GM5308", `the engine ${name} is not available: ${info.detail}`, ["gmc doctor shows what is; --engine auto takes it"]);
  return { engine, info, why: "asked for" };
}
