/**
 * How long each kernel of a program takes, by the device's own timestamps: all dispatches in the order of a run, each in a pass of its own, over
 * buffers of their own, so that no state is touched and caches are as in a run. Weights, slots and data are numbers between 0 and 1. A repeated stage
 * runs once; steps of the host are left out, and what they would give is 0.
 */
import type { Assembled } from "./assemble.js";
import type { CompiledProgram, CompiledStage } from "./compile.js";
import { mapRead, uniformStride, usage, type Device } from "./device.js";
import { sizeOfBuffer } from "./need.js";

/** Runs that are timed, of which the median counts; fewer where they take longer than so many milliseconds. */
const RUNS = 7;
const LONG = 3000;
/** Dispatches of a query set, each with a timestamp before and after: WebGPU's sets have up to 4096. */
const SET = 2048;

interface Prepared {
  readonly dispatch: Assembled;
  readonly encode: (pass: GPUComputePassEncoder) => void;
}

/** Median milliseconds of each dispatch; nothing where the device offers no timestamps. GM5427 where there is no room for the buffers. */
export async function timeProgram(device: Device, program: CompiledProgram): Promise<ReadonlyMap<Assembled, number> | undefined> {
  if (!device.timestamps) return undefined;
  const buffers = new Map<string, GPUBuffer>();
  const made: (GPUBuffer | GPUQuerySet)[] = [];
  try {
    const prepared = await prepare(device, program, buffers);
    const times = new Map<Assembled, number[]>(prepared.map(({ dispatch }) => [dispatch, []]));
    const [resolved, read] = [usage.queryResolve | usage.copySource, usage.mapRead | usage.copyTarget].map((of) => {
      const buffer = device.gpu.createBuffer({ size: 16 * SET, usage: of });
      made.push(buffer);
      return buffer;
    });
    const querySet = device.gpu.createQuerySet({ type: "timestamp", count: 2 * SET });
    made.push(querySet);
    const begun = performance.now();
    // the first run warms up
    for (let run = 0; run <= RUNS && (run < 2 || performance.now() - begun < LONG); run++) {
      for (let first = 0; first < prepared.length; first += SET) {
        const some = prepared.slice(first, first + SET);
        const taken = await timed(device, some, querySet, resolved!, read!);
        if (run > 0) some.forEach(({ dispatch }, i) => times.get(dispatch)!.push(taken[i]!));
      }
    }
    return new Map([...times].map(([dispatch, all]) => [dispatch, median(all)]));
  } finally {
    for (const each of [...buffers.values(), ...made]) each.destroy();
  }
}

/** Milliseconds of each. */
async function timed(
  device: Device,
  all: readonly Prepared[],
  querySet: GPUQuerySet,
  resolved: GPUBuffer,
  read: GPUBuffer,
): Promise<readonly number[]> {
  const { gpu } = device;
  const encoder = gpu.createCommandEncoder();
  all.forEach(({ encode }, i) => {
    const pass = encoder.beginComputePass({
      timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
    });
    encode(pass);
    pass.end();
  });
  const bytes = 16 * all.length;
  encoder.resolveQuerySet(querySet, 0, 2 * all.length, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, read, 0, bytes);
  gpu.queue.submit([encoder.finish()]);
  await read.mapAsync(mapRead, 0, bytes).catch((error: unknown) => {
    device.check();
    throw error;
  });
  const nanoseconds = new BigUint64Array(read.getMappedRange(0, bytes).slice(0));
  read.unmap();
  device.check();
  return all.map((_, i) => Number(nanoseconds[2 * i + 1]! - nanoseconds[2 * i]!) / 1e6);
}

async function prepare(device: Device, program: CompiledProgram, buffers: Map<string, GPUBuffer>): Promise<readonly Prepared[]> {
  const { gpu } = device;
  const bufferOf = (stage: CompiledStage, ref: string, floats: boolean): GPUBuffer => {
    const known = buffers.get(ref);
    if (known !== undefined) return known;
    const buffer = gpu.createBuffer({ size: sizeOfBuffer(program, stage, ref), usage: usage.storage | usage.copyTarget });
    buffers.set(ref, buffer);
    const content = contentOf(program, ref, floats, buffer.size);
    if (content !== undefined) gpu.queue.writeBuffer(buffer, 0, content.buffer as ArrayBuffer, content.byteOffset, content.byteLength);
    return buffer;
  };
  const number = gpu.createBuffer({ size: uniformStride, usage: usage.uniform });
  buffers.set("the number of an iteration", number);
  const numbers = gpu.createBindGroup({
    layout: device.iterationLayout,
    entries: [{ binding: 0, resource: { buffer: number, size: 16 } }],
  });
  const prepared: Prepared[] = [];
  for (const stage of program.stages) {
    for (const step of stage.steps) {
      if (step.kind !== "dispatch" || step.dispatch.workgroups[0] === 0) continue;
      const { dispatch } = step;
      const { wgsl, slots, iteration, workgroups } = dispatch;
      const { pipeline, layout } = await device.pipeline(
        wgsl,
        slots.map(({ access }) => access),
        iteration,
      );
      const entries = slots.map(({ ref, type }, binding) => ({ binding, resource: { buffer: bufferOf(stage, ref, type === "f32") } }));
      const group = gpu.createBindGroup({ layout, entries });
      const encode = (pass: GPUComputePassEncoder): void => {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        if (iteration) pass.setBindGroup(1, numbers, [0]);
        pass.dispatchWorkgroups(...workgroups);
      };
      prepared.push({ dispatch, encode });
    }
  }
  device.check();
  return prepared;
}

/** What a buffer holds before the first run; nothing where it is 0, or where a kernel writes it. */
function contentOf(program: CompiledProgram, ref: string, floats: boolean, bytes: number): Float32Array | Uint32Array | undefined {
  if (ref === "constants") return program.constants;
  if (ref === "scalars") return scalarsOf(program);
  if (!floats || !/^(?:state|feed):/u.test(ref)) return undefined;
  return Float32Array.from({ length: bytes / 4 }, (_, i) => ((i * 40503) % 65521) / 65521);
}

/** Rates are a half, and counts 1: a first step. */
function scalarsOf({ scalars, scalarWords }: CompiledProgram): Uint32Array {
  const words = new Uint32Array(scalarWords).fill(1);
  const floats = new Float32Array(words.buffer);
  for (const { dtype, shape, offset } of scalars.values()) {
    if (dtype === "f32") floats.fill(0.5, offset, offset + shape.reduce((a, b) => a * b, 1));
  }
  return words;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
