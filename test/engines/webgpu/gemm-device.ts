/** A WebGPU device for tests of generated kernels, where one can be had: runs a kernel over named arrays and reads the last one back. */
import type { GemmLimits } from "../../../src/runtime/engines/webgpu/gemm/types.js";

/* eslint-disable @typescript-eslint/no-explicit-any -- npm `webgpu` is optional: its types may be absent */
export interface TestDevice {
  readonly limits: GemmLimits;
  run(wgsl: string, workgroups: readonly number[], inputs: readonly ArrayBufferView[], outputs: number): Promise<Float32Array>;
  /** Milliseconds of the best of some runs. */
  time(wgsl: string, workgroups: readonly number[], inputs: readonly ArrayBufferView[], outputs: number): Promise<number>;
}

const kept: unknown[] = [];

/** The device, or a line that says why there is none. */
export async function openDevice(): Promise<TestDevice | string> {
  let module: any;
  try {
    module = await import("webgpu" as string);
  } catch {
    return "npm webgpu is not installed";
  }
  const gpu = module.create([]);
  kept.push(gpu); // collected while its device lives, it takes the process down
  const adapter = await gpu.requestAdapter();
  if (!adapter) return "no WebGPU adapter: scripts/setup-software-gpu.sh installs a software Vulkan device";
  const has = (feature: string): boolean => adapter.features.has(feature);
  const requiredFeatures = ["shader-f16", "subgroups"].filter(has);
  const device = await adapter.requestDevice({ requiredFeatures });
  const { GPUBufferUsage: usage, GPUMapMode: mode } = module.globals;
  const { info } = adapter;
  const subgroups = has("subgroups") && gpu.wgslLanguageFeatures.has("subgroup_id") && info.subgroupMinSize === info.subgroupMaxSize;
  const limits: GemmLimits = {
    workgroupStorage: device.limits.maxComputeWorkgroupStorageSize,
    invocations: device.limits.maxComputeInvocationsPerWorkgroup,
    workgroupsPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
    f16: has("shader-f16"),
    subgroupSize: subgroups ? info.subgroupMinSize : undefined,
  };

  const prepared = async (wgsl: string, inputs: readonly ArrayBufferView[], outputs: number) => {
    device.pushErrorScope("validation");
    const code = device.createShaderModule({ code: wgsl });
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module: code, entryPoint: "main" } });
    const buffers = inputs.map((data) => {
      const buffer = device.createBuffer({
        size: Math.ceil(data.byteLength / 16) * 16,
        usage: usage.STORAGE | usage.COPY_DST,
        mappedAtCreation: true,
      });
      new Uint8Array(buffer.getMappedRange()).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      buffer.unmap();
      return buffer;
    });
    const out = device.createBuffer({ size: Math.max(16, outputs * 4), usage: usage.STORAGE | usage.COPY_SRC });
    const entries = [...buffers, out].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const error = await device.popErrorScope();
    if (error)
      throw new Error(
        `${error.message}\n${wgsl
          .split("\n")
          .map((l, i) => `${i + 1} ${l}`)
          .join("\n")}`,
      );
    return { pipeline, group, buffers, out };
  };
  const encode = (encoder: any, p: any, workgroups: readonly number[]): void => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(p.pipeline);
    pass.setBindGroup(0, p.group);
    pass.dispatchWorkgroups(...workgroups);
    pass.end();
  };

  return {
    limits,
    async run(wgsl, workgroups, inputs, outputs) {
      const p = await prepared(wgsl, inputs, outputs);
      const back = device.createBuffer({ size: p.out.size, usage: usage.COPY_DST | usage.MAP_READ });
      const encoder = device.createCommandEncoder();
      encode(encoder, p, workgroups);
      encoder.copyBufferToBuffer(p.out, 0, back, 0, p.out.size);
      device.queue.submit([encoder.finish()]);
      await back.mapAsync(mode.READ);
      const result = new Float32Array(back.getMappedRange().slice(0)).subarray(0, outputs);
      back.unmap(); // destroyed while mapped, it makes the next wait last seconds
      for (const buffer of [...p.buffers, p.out, back]) buffer.destroy();
      return result;
    },
    async time(wgsl, workgroups, inputs, outputs) {
      const p = await prepared(wgsl, inputs, outputs);
      let best = Infinity;
      for (let i = 0; i < 4; i++) {
        const start = performance.now();
        const encoder = device.createCommandEncoder();
        encode(encoder, p, workgroups);
        device.queue.submit([encoder.finish()]);
        await device.queue.onSubmittedWorkDone();
        if (i > 0) best = Math.min(best, performance.now() - start);
      }
      for (const buffer of [...p.buffers, p.out]) buffer.destroy();
      return best;
    },
  };
}
