/**
 * The engines by name, loaded when asked for; `auto` takes the first that is there and says why.
 * To add one: a loader here, and its conformance test.
 */
import { notAvailable } from "./not-available.js";
import { GmcError } from "../graph/errors.js";
import type { Engine, EngineInfo } from "./engine.js";
import type { ProviderName } from "./onnx/providers.js";
import type { BackendName } from "./tfjs/load.js";

const tfjs = async (backend?: BackendName): Promise<Engine> => (await import("./tfjs/index.js")).tfjsEngine(backend);
const onnx = async (provider: ProviderName): Promise<Engine> => (await import("./onnx/index.js")).onnxOn(provider);

/**
 * In the order in which `auto` tries them: a hardware GPU, then the CPU, then what runs anywhere. TensorFlow.js without a GPU comes after onnx, which
 * runs a step as one graph; its wasm backend comes before the reference, which takes six times as long and more. Its cpu backend is no faster than the
 * reference and has half of the digits, so it is for those who ask for it.
 */
const automatic: Readonly<Record<string, () => Promise<Engine>>> = {
  webgpu: async () => (await import("./webgpu/index.js")).webgpuEngine,
  "tfjs:node-gpu": () => tfjs("node-gpu"),
  onnx: async () => (await import("./onnx/index.js")).onnxEngine,
  "tfjs:node": () => tfjs("node"),
  "tfjs:wasm": () => tfjs("wasm"),
  reference: async () => (await import("./reference/index.js")).referenceEngine,
};

/** Taken where they are asked for, and not otherwise. */
const asked: Readonly<Record<string, () => Promise<Engine>>> = {
  "onnx:cuda": () => onnx("cuda"),
  "onnx:dml": () => onnx("dml"),
  "onnx:coreml": () => onnx("coreml"),
  "onnx:webgpu": () => onnx("webgpu"),
  tfjs: () => tfjs(),
  "tfjs:cpu": () => tfjs("cpu"),
};

const loaders: Readonly<Record<string, () => Promise<Engine>>> = { ...automatic, ...asked };

/** What `--engine` takes. */
export const engineNames: readonly string[] = ["auto", ...Object.keys(loaders)];

export interface ChosenEngine {
  readonly engine: Engine;
  readonly info: EngineInfo;
  /** One line: which engine, and why not those before it. */
  readonly why: string;
}

/** What each engine finds on this machine, those that `auto` tries first and in its order. */
export async function probeEngines(): Promise<readonly EngineInfo[]> {
  // one after the other: backends of TensorFlow.js share one state
  const found: EngineInfo[] = [];
  for (const name of Object.keys(loaders)) found.push((await probe(name)).info);
  return found;
}

/** The one of `found` that `auto` takes. */
export function automaticAmong(found: readonly EngineInfo[]): EngineInfo | undefined {
  return Object.keys(automatic)
    .map((name) => found.find((info) => info.name === name))
    .find((info) => info !== undefined && suitsAuto(info));
}

/** Whether `auto` may take it: a software adapter only stands in for a card, and the other engines are faster on a processor. */
export const suitsAuto = (info: EngineInfo): boolean => info.available && info.software !== true;

/** The engine of that name, or the best one for `auto`. Throws GM4910 for an unknown name, GM4911 where it cannot run here. */
export async function chooseEngine(name = "auto"): Promise<ChosenEngine> {
  if (name !== "auto") {
    if (!Object.hasOwn(loaders, name)) throw new GmcError("GM4910", `there is no engine ${name}`, [`Engines: ${engineNames.join(", ")}.`]);
    const { engine, info } = await probe(name);
    if (engine === undefined || !info.available)
      throw new GmcError("GM4911", `the engine ${name} cannot run here: ${info.detail}`, [
        ...(info.help ?? []),
        "`gmc doctor` shows what each engine found.",
      ]);
    return { engine, info, why: `${name} (${info.detail}), as asked` };
  }
  const passed: string[] = [];
  for (const candidate of Object.keys(automatic)) {
    const { engine, info } = await probe(candidate, true);
    if (engine !== undefined && suitsAuto(info)) return { engine, info, why: [`${candidate} (${info.detail})`, ...passed].join("; ") };
    if (info.absent !== true) passed.push(`not ${candidate}: ${info.detail}${info.available ? `, which --engine ${candidate} takes` : ""}`);
  }
  throw new GmcError("GM4911", "no engine can run here", passed);
}

/** Loading and probing, neither of which may throw: an optional package may be missing or broken. */
async function probe(name: string, automatic = false): Promise<{ readonly engine: Engine | undefined; readonly info: EngineInfo }> {
  try {
    const engine = await loaders[name]!();
    return { engine, info: await engine.probe({ automatic }) };
  } catch (error) {
    return { engine: undefined, info: notAvailable(name, error) };
  }
}
