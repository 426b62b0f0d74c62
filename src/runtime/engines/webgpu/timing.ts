/** Times dispatches for tuning.ts and roofline.ts, over buffers of their own that hold zeros: no state is touched. */
import type { Assembled } from "./assemble.js";
import type { Slot } from "./bindings.js";
import { uniformStride, usage, type Device } from "./device.js";

/** Rounds, of which the fastest counts, and about how long one is to take: less is lost in what a submission costs. */
const ROUNDS = 3;
const MILLISECONDS = 4;
const MOST = 64;

/** What it takes to run a kernel. */
export type Runnable = Pick<Assembled, "wgsl" | "workgroups" | "iteration"> & { readonly slots: readonly Pick<Slot, "access">[] };

/** Milliseconds of one dispatch; `bytes` are those of its buffers. */
export async function timeDispatch(device: Device, dispatch: Runnable, bytes: readonly number[]): Promise<number> {
  if (dispatch.workgroups[0] === 0) return 0;
  const { gpu } = device;
  const { wgsl, slots, iteration, workgroups } = dispatch;
  const access = slots.map((slot) => slot.access);
  const { pipeline, layout } = await device.pipeline(wgsl, access, iteration);
  const buffers = bytes.map((size) => gpu.createBuffer({ size: Math.max(4, size), usage: usage.storage }));
  const number = gpu.createBuffer({ size: uniformStride, usage: usage.uniform });
  const group = gpu.createBindGroup({ layout, entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })) });
  const numbers = iteration
    ? gpu.createBindGroup({ layout: device.iterationLayout, entries: [{ binding: 0, resource: { buffer: number, size: 16 } }] })
    : undefined;
  const run = async (times: number): Promise<number> => {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    if (numbers !== undefined) pass.setBindGroup(1, numbers, [0]);
    for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...workgroups);
    pass.end();
    const start = performance.now();
    gpu.queue.submit([encoder.finish()]);
    await gpu.queue.onSubmittedWorkDone();
    return (performance.now() - start) / times;
  };
  try {
    await run(1);
    const once = await run(1);
    const times = Math.max(1, Math.min(MOST, Math.ceil(MILLISECONDS / once)));
    let best = Infinity;
    for (let round = 0; round < ROUNDS; round++) best = Math.min(best, await run(times));
    device.check();
    return best;
  } finally {
    for (const buffer of [...buffers, number]) buffer.destroy();
  }
}
