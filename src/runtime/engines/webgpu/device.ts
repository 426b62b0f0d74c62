/**
 * The device: `navigator.gpu` where there is one, else Dawn through the optional package webgpu. One device a process, shared by all sessions, with
 * its pipelines kept by source. Types of WebGPU come with that package; its constants are written out, so that nothing global is needed.
 */
import type { create } from "webgpu";
import { GmcError, InternalError } from "../../graph/errors.js";
import { showBytes } from "../shortage.js";
import { leastLimits, type GemmLimits } from "./gemm/types.js";
import type { DeviceLimits } from "./assemble.js";
import type { Access } from "./bindings.js";

/** GPUBufferUsage and GPUMapMode, from the standard. */
export const usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, uniform: 0x40, storage: 0x80, queryResolve: 0x200 } as const;
const computeStage = 0x4;
export const mapRead = 0x1;

/** Bytes between the numbers of iterations in their uniform: the least alignment that every device takes. */
export const uniformStride = 256;

const install = "npm install --ignore-scripts webgpu@0.6.2";

export interface Adapter {
  readonly adapter: GPUAdapter;
  /** `NVIDIA H100 (vulkan)` */
  readonly name: string;
  /** It computes on the processor. */
  readonly software: boolean;
  /** Lanes of its subgroups; nothing where kernels cannot count on a number, or cannot ask which subgroup they are in. */
  readonly subgroupSize?: number;
}

let found: Promise<Adapter> | undefined;
/** Dawn's instance must outlive its devices. */
let instance: GPU | undefined;

/** The adapter; GM5420 where webgpu is missing or does not load, GM5421 where there is no adapter. */
export function findAdapter(): Promise<Adapter> {
  found ??= searchAdapter().catch((error: unknown) => {
    found = undefined;
    throw error;
  });
  return found;
}

async function searchAdapter(): Promise<Adapter> {
  instance ??= await loadGpu();
  const adapter = await instance.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    throw new GmcError("GM5421", "the webgpu engine cannot run: there is no adapter, that is, no graphics driver that it could use", [
      "Install the driver of the graphics card (Vulkan on Linux, Metal comes with macOS, D3D12 with Windows), or choose another engine with --engine.",
      "For tests without a card, a software adapter will do: scripts/setup-software-gpu.sh installs one on Debian.",
    ]);
  }
  const { info } = adapter;
  const software = info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|software|basic render/iu.test(`${info.architecture} ${info.device} ${info.description}`); // prettier-ignore
  const name = [info.vendor, info.description || info.device || info.architecture].filter((text) => text !== "").join(" ");
  return { adapter, name: name === "" ? "an unnamed adapter" : name, software, ...subgroupsOf(instance, adapter) };
}

function subgroupsOf({ wgslLanguageFeatures }: GPU, { features, info }: GPUAdapter): Pick<Adapter, "subgroupSize"> {
  const { subgroupMinSize: least, subgroupMaxSize: most } = info;
  return features.has("subgroups") && wgslLanguageFeatures.has("subgroup_id") && least === most ? { subgroupSize: least } : {};
}

async function loadGpu(): Promise<GPU> {
  const { navigator } = globalThis as unknown as { readonly navigator?: { readonly gpu?: GPU } };
  if (navigator?.gpu !== undefined) return navigator.gpu;
  let dawn: { readonly create: typeof create };
  try {
    dawn = await import("webgpu");
  } catch (error) {
    const absent = (error as { readonly code?: string } | null)?.code === "ERR_MODULE_NOT_FOUND";
    const why = absent ? "the package webgpu is not installed" : `the package webgpu does not load here: ${String(error).split("\n")[0]}`;
    throw new GmcError("GM5420", `the webgpu engine cannot run: ${why}`, [
      `Install it with \`${install}\`, or choose another engine with --engine.`,
    ]);
  }
  // Dawn rounds timestamps to a tenth of a millisecond unless told otherwise, which is longer than most kernels take
  return dawn.create(["disable-dawn-features=timestamp_quantization"]);
}

/** What kernels are written for; `granted`: the device's, which are the adapter's but for the number of workgroups, for which nobody asks. */
function limitsOf({ adapter, software, subgroupSize }: Adapter, granted: GPUSupportedLimits): DeviceLimits {
  const gemm: GemmLimits = {
    workgroupStorage: granted.maxComputeWorkgroupStorageSize,
    invocations: Math.min(256, granted.maxComputeInvocationsPerWorkgroup),
    workgroupsPerDimension: Math.min(leastLimits.workgroupsPerDimension, granted.maxComputeWorkgroupsPerDimension),
    f16: adapter.features.has("shader-f16"),
    subgroupSize,
  };
  return { gemm, maxBuffers: granted.maxStorageBuffersPerShaderStage, simpleProducts: software ? 2 ** 24 : 0 };
}

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What an engine session asks of a device. */
export class Device {
  readonly limits: DeviceLimits;
  readonly maxBytes: number;
  /** Whether it tells when a pass began and ended. */
  readonly timestamps: boolean;
  /** Bytes that the sessions of this device hold. */
  held = 0;
  lost: string | undefined;
  private readonly pipelines = new Map<string, Promise<Pipeline>>();
  private readonly layouts = new Map<string, GPUBindGroupLayout>();
  readonly iterationLayout: GPUBindGroupLayout;
  private failure: GPUError | undefined;

  constructor(
    readonly gpu: GPUDevice,
    readonly adapter: Adapter,
  ) {
    const { limits } = gpu;
    this.limits = limitsOf(adapter, limits);
    this.timestamps = adapter.adapter.features.has("timestamp-query");
    this.maxBytes = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
    this.iterationLayout = gpu.createBindGroupLayout({
      entries: [{ binding: 0, visibility: computeStage, buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: 16 } }],
    });
    gpu.addEventListener("uncapturederror", (event) => {
      this.failure ??= (event as GPUUncapturedErrorEvent).error;
    });
    void gpu.lost.then(({ message, reason }) => {
      this.lost = message || reason;
    });
  }

  /** GM5422 where the device is gone, GM5427 where its memory is full; a bug where it refused something else since the last look. */
  check(): void {
    if (this.lost !== undefined) {
      throw new GmcError("GM5422", `the webgpu engine lost its device: ${this.lost}`, [
        "`gmc resume` goes on from the last checkpoint, `gmc resume --engine onnx` on the processor; a run that has none begins anew.",
      ]);
    }
    const { failure } = this;
    this.failure = undefined;
    if (failure === undefined) return;
    // the class is a global in browsers alone
    if (failure.constructor.name === "GPUOutOfMemoryError") {
      throw new GmcError("GM5427", `the device (${this.adapter.name}) has no memory left: ${failure.message.split("\n")[0]}`, [
        `The engine holds ${showBytes(this.held)}. A smaller batch needs less; so does a device that nothing else works on.`,
        "GMC_GPU_MEMORY=8GB, with what this device has, makes gmc say so before a run begins, and at which batch it fits.",
      ]);
    }
    throw new InternalError(`WebGPU: ${failure.message}`);
  }

  pipeline(wgsl: string, access: readonly Access[], iteration: boolean): Promise<Pipeline> {
    let known = this.pipelines.get(wgsl);
    if (known === undefined) {
      known = this.makePipeline(wgsl, access, iteration);
      this.pipelines.set(wgsl, known);
    }
    return known;
  }

  private async makePipeline(wgsl: string, access: readonly Access[], iteration: boolean): Promise<Pipeline> {
    const key = access.join();
    let layout = this.layouts.get(key);
    if (layout === undefined) {
      layout = this.gpu.createBindGroupLayout({
        entries: access.map((a, binding) => ({
          binding,
          visibility: computeStage,
          buffer: { type: a === "read" ? "read-only-storage" : "storage" },
        })),
      });
      this.layouts.set(key, layout);
    }
    const module = this.gpu.createShaderModule({ code: wgsl });
    try {
      const pipeline = await this.gpu.createComputePipelineAsync({
        layout: this.gpu.createPipelineLayout({ bindGroupLayouts: iteration ? [layout, this.iterationLayout] : [layout] }),
        compute: { module, entryPoint: "main" },
      });
      return { pipeline, layout };
    } catch (error) {
      this.check();
      throw new InternalError(`a kernel does not compile: ${String(error)}\n${wgsl}`);
    }
  }
}

let opened: Promise<Device> | undefined;

/** The device of this process; a new one where the last was lost. */
export async function openDevice(): Promise<Device> {
  const before = await opened?.catch(() => undefined);
  if (before === undefined || before.lost !== undefined) opened = requestDevice();
  return opened!;
}

async function requestDevice(): Promise<Device> {
  const adapter = await findAdapter();
  const { limits } = adapter.adapter;
  const asked = [
    "maxStorageBuffersPerShaderStage",
    "maxStorageBufferBindingSize",
    "maxBufferSize",
    "maxComputeWorkgroupStorageSize",
    "maxComputeInvocationsPerWorkgroup",
  ] as const;
  // an adapter gives one device
  found = undefined;
  const gpu = await adapter.adapter.requestDevice({
    requiredFeatures: [
      ...(adapter.subgroupSize === undefined ? [] : (["subgroups"] as const)),
      ...(["shader-f16", "timestamp-query"] as const).filter((name) => adapter.adapter.features.has(name)),
    ],
    requiredLimits: Object.fromEntries(asked.map((name) => [name, limits[name]])),
  });
  return new Device(gpu, adapter);
}
