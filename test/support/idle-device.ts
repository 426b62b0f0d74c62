/** A WebGPU device for tests of what is allocated and refused, where no card is needed. */
import { Device } from "../../src/runtime/engines/webgpu/device.js";

export type Listener = (event: { readonly error: Error }) => void;

export interface IdleOptions {
  /** Of the adapter. */
  readonly features?: readonly string[];
  /** Timestamps that a query set holds, for one submission after the other. */
  readonly timestamps?: () => readonly bigint[];
}

/** A device that makes buffers and computes nothing: what is read back are words of 1, or what timestamps are told. */
export function idleDevice(
  maxBufferSize = 2 ** 27,
  listen: (listener: Listener) => void = () => undefined,
  { features = [], timestamps }: IdleOptions = {},
): Device {
  const nothing = (): undefined => undefined;
  const pass = { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing, end: nothing };
  const encoder = {
    copyBufferToBuffer: nothing,
    clearBuffer: nothing,
    resolveQuerySet: nothing,
    beginComputePass: () => pass,
    finish: () => ({}),
  };
  const gpu = {
    limits: {
      maxComputeWorkgroupStorageSize: 16384,
      maxComputeInvocationsPerWorkgroup: 256,
      maxComputeWorkgroupsPerDimension: 65535,
      maxStorageBuffersPerShaderStage: 16,
      maxStorageBufferBindingSize: 2 ** 27,
      maxBufferSize,
    },
    lost: new Promise(nothing),
    queue: { submit: nothing, writeBuffer: nothing, onSubmittedWorkDone: () => Promise.resolve() },
    addEventListener: (_kind: string, listener: Listener) => listen(listener),
    createBuffer: ({ size }: GPUBufferDescriptor) => ({
      destroy: nothing,
      unmap: nothing,
      mapAsync: () => Promise.resolve(),
      size,
      getMappedRange: () => (timestamps === undefined ? new Uint32Array(size / 4).fill(1) : BigUint64Array.from(timestamps())).buffer,
    }),
    createQuerySet: () => ({ destroy: nothing }),
    createBindGroupLayout: () => ({}),
    createBindGroup: () => ({}),
    createPipelineLayout: () => ({}),
    createShaderModule: () => ({}),
    createComputePipelineAsync: () => Promise.resolve({}),
    createCommandEncoder: () => encoder,
  };
  return new Device(gpu as unknown as GPUDevice, {
    adapter: { features: new Set(features) } as unknown as GPUAdapter,
    name: "an idle card",
    software: false,
  });
}
