/**
 * Finds a backend of TensorFlow.js: its packages are optional, and the best one that is installed and works is taken. Each is looked for by loading it;
 * why one cannot run is a line, never a stack trace.
 */
import type { TypedArray } from "../engine.js";
import { Device, kernelNames } from "./device.js";
import type { TfModule } from "./module.js";

/** In the order in which they are tried. */
export const backends = ["node-gpu", "node", "wasm", "cpu"] as const;
export type BackendName = (typeof backends)[number];

/** What is loaded, and where; tests give others. */
export interface Surroundings {
  readonly load: (name: string) => Promise<unknown>;
  /** `process.versions.node`; undefined in a browser */
  readonly node: string | undefined;
}

export type Found =
  | { readonly backend: BackendName; readonly device: Device; readonly detail: string }
  /** `absent`: a package is not installed, as opposed to one that does not work */
  | { readonly backend: BackendName; readonly device: undefined; readonly detail: string; readonly absent: boolean };

const core = "@tensorflow/tfjs";

/** Packages of a backend in the order in which they are loaded; the first of them is the module whose kernels run. */
const packages: Readonly<Record<BackendName, readonly [string, ...string[]]>> = {
  "node-gpu": ["@tensorflow/tfjs-node-gpu"],
  node: ["@tensorflow/tfjs-node"],
  wasm: [core, "@tensorflow/tfjs-backend-wasm"],
  cpu: [core],
};

/** What they register their backend as. */
const registered: Readonly<Record<BackendName, string>> = { "node-gpu": "tensorflow", node: "tensorflow", wasm: "wasm", cpu: "cpu" };

/** Node's helper that tfjs-node calls, util.isNullOrUndefined, is gone from here on; the package loads and then stops in its first kernel. */
const lastNode = 22;

class Missing extends Error {
  constructor(
    message: string,
    readonly absent = false,
  ) {
    super(message);
  }
}

/** A backend that works, or why it does not. Throws nothing. */
export async function findBackend(backend: BackendName, around: Surroundings): Promise<Found> {
  try {
    const device = await open(backend, around);
    return { backend, device, detail: describe(backend, device) };
  } catch (error) {
    const absent = error instanceof Missing && error.absent;
    return { backend, device: undefined, absent, detail: error instanceof Missing ? error.message : firstLine(error) };
  }
}

async function open(backend: BackendName, around: Surroundings): Promise<Device> {
  const modules: unknown[] = [];
  for (const name of packages[backend]) modules.push(await loaded(name, around));
  const tf = modules[0] as TfModule;
  const native = registered[backend] === "tensorflow";
  const major = Number(around.node?.split(".")[0] ?? 0);
  if (native && major > lastNode)
    throw new Missing(
      `${packages[backend][0]} does not run on Node ${around.node!}: it stops in its first kernel from Node 23 on. Use Node ${lastNode}`,
    );
  if (backend === "wasm") await locateWasm(modules[1] as WasmPackage);
  tf.enableProdMode();
  const device = new Device(tf, registered[backend]);
  if (!(await tf.setBackend(device.backend))) throw new Missing(`the ${backend} backend of TensorFlow.js does not start`);
  await tf.ready();
  const lacking = kernelNames.filter((kernel) => !device.has(kernel));
  if (lacking.length > 0)
    throw new Missing(`the ${backend} backend of this TensorFlow.js lacks kernels that gmc needs: ${lacking.join(", ")}`);
  if (backend === "node-gpu" && !usesGpu(tf))
    throw new Missing("@tensorflow/tfjs-node-gpu is installed and finds no GPU that it can use (it needs an NVIDIA GPU, CUDA and cuDNN)");
  tryOut(backend, device);
  return device;
}

async function loaded(name: string, { load }: Surroundings): Promise<unknown> {
  try {
    const module = (await load(name)) as { readonly default?: unknown };
    // a CommonJS module has its exports under the default one
    return typeof (module as Partial<TfModule>).engine === "function" || module.default === undefined ? module : module.default;
  } catch (error) {
    const code = (error as { readonly code?: string } | null)?.code;
    const absent = code === "ERR_MODULE_NOT_FOUND" && firstLine(error).includes(name);
    if (absent) throw new Missing(`${name} is not installed`, true);
    const said = firstLine(error).trim();
    const bare = /native addon|tfjs_binding|libtensorflow/iu.test(said);
    throw new Missing(
      bare
        ? `${name} is installed without its native library, which its install script downloads (npm rebuild ${name})`
        : `${name} does not load here: ${said}`,
    );
  }
}

/** Whether TensorFlow runs on a GPU; tfjs-node-gpu without one computes on the CPU. */
function usesGpu(tf: TfModule): boolean {
  return (tf.backend() as { readonly isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;
}

/** A product that can be checked: a library that loads may still not compute. */
function tryOut(backend: BackendName, device: Device): void {
  const numbers = (...values: number[]): TypedArray => Float32Array.from(values);
  const product = device.tf.tidy(() => {
    const [a, b] = [device.upload("f32", [2, 2], numbers(1, 2, 3, 4)), device.upload("f32", [2, 1], numbers(5, 6))];
    return device.run("BatchMatMul", { a, b }, { transposeA: false, transposeB: false });
  });
  const [x, y] = product.dataSync();
  product.dispose();
  if (x !== 17 || y !== 39) throw new Missing(`the ${backend} backend of TensorFlow.js computes wrong products here`);
}

function describe(backend: BackendName, { tf }: Device): string {
  const version = tf.version["tfjs-node"] ?? tf.version["tfjs"] ?? tf.version["tfjs-core"] ?? "?";
  switch (backend) {
    case "node-gpu":
      return `tfjs-node-gpu ${version}, TensorFlow on the GPU`;
    case "node":
      return `tfjs-node ${version}, TensorFlow on the CPU`;
    case "wasm":
      return `tfjs ${version}, wasm backend, one thread`;
    case "cpu":
      return `tfjs ${version}, cpu backend: plain JavaScript`;
  }
}

interface WasmPackage {
  readonly setWasmPaths: (folder: string) => void;
}

/** In Node its files lie beside it, wherever the working directory is; in a browser the page says where. */
async function locateWasm(wasm: WasmPackage): Promise<void> {
  if (typeof process === "undefined" || process.versions?.node === undefined) return;
  const [{ createRequire }, { dirname, sep }] = await Promise.all([import("node:module"), import("node:path")]);
  wasm.setWasmPaths(dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm")) + sep);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}

export const here: Surroundings = {
  load: (name) => import(/* @vite-ignore */ name),
  node: typeof process === "undefined" ? undefined : process.versions?.node,
};
