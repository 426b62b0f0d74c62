/**
 * Execution providers of onnxruntime besides the CPU's: what they are called, what they need, and whether one works here, which is found out by running a
 * small model on it. State and updates stay on the host: what a model reads and gives crosses to the device and back at each run.
 */
import { GmcError } from "../../graph/errors.js";
import { ModelBuilder } from "./builder.js";
import type { OrtModule } from "./ort.js";
import { encodeModel } from "./proto.js";

export type ProviderName = "cuda" | "dml" | "coreml" | "webgpu";

const titles: Readonly<Record<ProviderName, { readonly title: string; readonly needs: string }>> = {
  cuda: {
    title: "CUDA",
    needs:
      "an NVIDIA GPU, CUDA 12, cuDNN 9 and onnxruntime's CUDA libraries, which the install script of onnxruntime-node fetches on x64 Linux",
  },
  dml: { title: "DirectML", needs: "Windows" },
  coreml: { title: "CoreML", needs: "macOS" },
  webgpu: { title: "WebGPU", needs: "a GPU with a Vulkan, Direct3D 12 or Metal driver; there is no build for Linux on arm64" },
};

/** "CUDA, with the CPU for what it lacks", once a model ran on it. Throws a GmcError (GM5455) that says what is offered here and what it needs. */
export async function tryProvider(ort: OrtModule, provider: ProviderName): Promise<string> {
  const { title, needs } = titles[provider];
  const offered = ort.listSupportedBackends().map((backend) => backend.name);
  const refused = (why: string): GmcError =>
    new GmcError("GM5455", `onnxruntime has no ${title} provider here: ${why}`, [`It needs ${needs}.`]);
  if (!offered.includes(provider)) throw refused(`this build offers ${offered.join(", ")}`);
  // onnxruntime writes of a missing library to the console before it throws
  if (provider === "cuda" && !(await hasCudaLibrary())) throw refused("its libraries are not installed");
  try {
    await runOn(ort, provider);
  } catch (error) {
    throw refused((error instanceof Error ? error.message : String(error)).split("\n")[0]!);
  }
  return `${title}, with the CPU for what it lacks; state on the host`;
}

async function hasCudaLibrary(): Promise<boolean> {
  const [{ createRequire }, { dirname, join }, { existsSync }] = await Promise.all([
    import("node:module"),
    import("node:path"),
    import("node:fs"),
  ]);
  const folder = join(dirname(createRequire(import.meta.url).resolve("onnxruntime-node")), "..", "bin", "napi-v6", "linux", process.arch);
  return existsSync(join(folder, "libonnxruntime_providers_cuda.so"));
}

/** x + 1 of [1, 2, 3, 4], by the provider alone. */
async function runOn(ort: OrtModule, provider: ProviderName): Promise<void> {
  const b = new ModelBuilder("try");
  b.input("x", "f32", [4]);
  b.label = "try";
  b.output("y", "f32", [4], b.op("Add", ["x", b.f32([1])]));
  const session = await ort.InferenceSession.create(encodeModel(b.finish()), { executionProviders: [provider], logSeverityLevel: 4 });
  try {
    const { y } = await session.run({ x: new ort.Tensor("float32", Float32Array.of(1, 2, 3, 4), [4]) });
    if ((y!.data as Float32Array).join() !== "2,3,4,5") throw new Error("it computes wrong sums");
  } finally {
    await session.release();
  }
}
