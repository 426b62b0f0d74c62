/**
 * The engines by name, loaded when asked for; `auto` takes the first that is there and says why.
 * To add one: a loader here, and its conformance test.
 */
import { GmcError } from "../graph/errors.js";
import type { Engine, EngineInfo } from "./engine.js";

/** In the order in which `auto` tries them: a hardware GPU, then the CPU, then what runs anywhere. */
const loaders: Readonly<Record<string, () => Promise<Engine>>> = {
  webgpu: async () => (await import("./webgpu/index.js")).webgpuEngine,
  onnx: async () => (await import("./onnx/index.js")).onnxEngine,
  reference: async () => (await import("./reference/index.js")).referenceEngine,
};

/** What `--engine` takes. */
export const engineNames: readonly string[] = ["auto", ...Object.keys(loaders)];

export interface ChosenEngine {
  readonly engine: Engine;
  readonly info: EngineInfo;
  /** One line: which engine, and why not those before it. */
  readonly why: string;
}

/** What each engine finds on this machine, in the order of `auto`. */
export async function probeEngines(): Promise<readonly EngineInfo[]> {
  return Promise.all(Object.keys(loaders).map(async (name) => (await probe(name)).info));
}

/** Whether `auto` may take it: a software adapter only stands in for a card, and the other engines are faster on a processor. */
export const suitsAuto = (info: EngineInfo): boolean => info.available && info.software !== true;

/** The engine of that name, or the best one for `auto`. Throws GM4910 for an unknown name, GM4911 where it cannot run here. */
export async function chooseEngine(name = "auto"): Promise<ChosenEngine> {
  if (name !== "auto") {
    if (!Object.hasOwn(loaders, name)) throw new GmcError("GM4910", `there is no engine ${name}`, [`Engines: ${engineNames.join(", ")}.`]);
    const { engine, info } = await probe(name);
    if (engine === undefined || !info.available)
      throw new GmcError("GM4911", `the engine ${name} cannot run here: ${info.detail}`, ["`gmc doctor` shows what each engine found."]);
    return { engine, info, why: `${name} (${info.detail}), as asked` };
  }
  const passed: string[] = [];
  for (const candidate of Object.keys(loaders)) {
    const { engine, info } = await probe(candidate);
    if (engine !== undefined && suitsAuto(info)) return { engine, info, why: [`${candidate} (${info.detail})`, ...passed].join("; ") };
    passed.push(`not ${candidate}: ${info.detail}${info.available ? `, which --engine ${candidate} takes` : ""}`);
  }
  throw new GmcError("GM4911", "no engine can run here", passed);
}

/** Loading and probing, neither of which may throw: an optional package may be missing or broken. */
async function probe(name: string): Promise<{ readonly engine: Engine | undefined; readonly info: EngineInfo }> {
  try {
    const engine = await loaders[name]!();
    return { engine, info: await engine.probe() };
  } catch (error) {
    return { engine: undefined, info: { name, available: false, detail: error instanceof Error ? error.message : String(error) } };
  }
}
