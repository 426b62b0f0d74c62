/** What the webgpu engine says that programs take, against the buffers that it makes. */
import { afterEach, describe, expect, it, vi, type TestContext } from "vitest";
import type { HostTensor, HostTensors, Program, StateSpec } from "../../../src/runtime/engines/engine.js";
import { compileProgram } from "../../../src/runtime/engines/webgpu/compile.js";
import { Device, openDevice } from "../../../src/runtime/engines/webgpu/device.js";
import { webgpuEngine } from "../../../src/runtime/engines/webgpu/index.js";
import { memoryNeed, type MemoryNeed } from "../../../src/runtime/engines/webgpu/need.js";
import { openSession } from "../../../src/runtime/engines/webgpu/session.js";
import { hostZeros } from "../../../src/runtime/graph/host.js";
import * as g from "../../../src/runtime/graph/index.js";
import type { DType, Shape } from "../../../src/runtime/graph/types.js";
import type { ModelDefinition } from "../../../src/runtime/index.js";
import { leavesOf } from "../../../src/runtime/nn/spec.js";
import { planPhase } from "../../../src/runtime/train/plan.js";
import { LEARNING_RATE } from "../../../src/runtime/train/update-spec.js";

const exampleOf = async (name: string): Promise<ModelDefinition> =>
  ((await import(`../../../examples/${name}.gm.ts`)) as { model: ModelDefinition }).model;

async function missing(context: TestContext): Promise<boolean> {
  const info = await webgpuEngine.probe();
  if (!info.available) context.skip(`webgpu is not available: ${info.detail}`);
  return !info.available;
}

interface Count {
  /** Bytes of the buffers that are there, and of the most that were. */
  bytes: number;
  most: number;
}

/** Counts the buffers that a device makes and destroys. */
function watch(gpu: GPUDevice): Count {
  const count: Count = { bytes: 0, most: 0 };
  const create = gpu.createBuffer.bind(gpu);
  vi.spyOn(gpu, "createBuffer").mockImplementation((descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    count.bytes += descriptor.size;
    count.most = Math.max(count.most, count.bytes);
    buffer.destroy = () => {
      count.bytes -= descriptor.size;
      return destroy();
    };
    return buffer;
  });
  return count;
}

/** A device that makes buffers and computes nothing: what is read back are words of 1. */
function idleDevice(): Device {
  const nothing = (): undefined => undefined;
  const pass = { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing, end: nothing };
  const encoder = { copyBufferToBuffer: nothing, clearBuffer: nothing, beginComputePass: () => pass, finish: () => ({}) };
  const gpu = {
    limits: {
      maxComputeWorkgroupStorageSize: 16384,
      maxComputeInvocationsPerWorkgroup: 256,
      maxComputeWorkgroupsPerDimension: 65535,
      maxStorageBuffersPerShaderStage: 16,
      maxStorageBufferBindingSize: 2 ** 27,
      maxBufferSize: 2 ** 28,
    },
    lost: new Promise(nothing),
    queue: { submit: nothing, writeBuffer: nothing },
    addEventListener: nothing,
    createBuffer: ({ size }: GPUBufferDescriptor) => ({
      destroy: nothing,
      unmap: nothing,
      mapAsync: () => Promise.resolve(),
      getMappedRange: () => new Uint32Array(size / 4).fill(1).buffer,
    }),
    createBindGroupLayout: () => ({}),
    createBindGroup: () => ({}),
    createPipelineLayout: () => ({}),
    createShaderModule: () => ({}),
    createComputePipelineAsync: () => Promise.resolve({}),
    createCommandEncoder: () => encoder,
  };
  return new Device(gpu as unknown as GPUDevice, { adapter: undefined as unknown as GPUAdapter, name: "an idle card", software: false });
}

/** Ones for everything that the stages read from outside. */
function feedsOf({ stages }: Program): HostTensors {
  const ones = (dtype: DType, shape: Shape): HostTensor => {
    const zeros = hostZeros(dtype, shape);
    return { ...zeros, data: zeros.data.fill(1) };
  };
  const feeds: Record<string, HostTensor> = { [LEARNING_RATE]: ones("f32", []) };
  for (const stage of stages) {
    if (stage.kind === "update") continue;
    for (const { prim, params, dtype, shape } of stage.graph.nodes) if (prim === "input") feeds[params.name] = ones(dtype, shape);
  }
  return feeds;
}

/** The programs of a model's last phase, and the states that they run on. */
async function programsOf(name: string, batch: number): Promise<{ programs: Program[]; states: Map<string, StateSpec> }> {
  const model = await exampleOf(name);
  const plan = planPhase(model, model.train.length - 1, { dynamic: new Set(), batch });
  const states = new Map<string, StateSpec>(leavesOf(model.weights).map(({ path, spec }) => [path, { dtype: "f32", shape: spec.shape }]));
  for (const { name: state, dtype, shape } of plan.states) states.set(state, { dtype, shape });
  return { programs: plan.updates.map((update) => update.program), states };
}

const counted: Program = {
  name: "counted",
  stages: [
    {
      kind: "repeat",
      name: "sum",
      count: 3,
      graph: g.stage({ iteration: { shape: [], dtype: "i32" } }, ({ iteration }) => {
        const s = g.state("s", [300]);
        g.writeState(s, g.add(s, g.cast(iteration!, "f32")));
        return {};
      }),
    },
  ],
  fetch: ["s"],
};

/** Runs the programs twice; the bytes that they hold after a run, and the most that they took. */
async function taken(device: Device, programs: readonly Program[], states: ReadonlyMap<string, StateSpec>): Promise<Count> {
  const count = watch(device.gpu);
  const session = openSession(device);
  for (const [name, { dtype, shape }] of states) await session.write(name, hostZeros(dtype, shape));
  const executables = await Promise.all(programs.map((program) => session.compile(program)));
  const runs = async (): Promise<void> => {
    for (const [i, executable] of executables.entries()) await executable.run(feedsOf(programs[i]!));
  };
  await runs();
  const { bytes } = count;
  await runs();
  expect(count.bytes).toBe(bytes);
  const { most } = count;
  session.dispose();
  await vi.waitFor(() => expect(count.bytes).toBe(0));
  return { bytes, most };
}

function needed(device: Device, programs: readonly Program[], states: ReadonlyMap<string, StateSpec>): MemoryNeed {
  const compiled = programs.map((program) => compileProgram(program, device.limits, (name) => states.get(name)?.shape));
  return memoryNeed(compiled, states);
}

const examples = ["vae", "gan", "rbm", "dbm", "nade", "mog_em", "glow", "maf"];
const cases: Readonly<Record<string, () => Promise<{ programs: Program[]; states: Map<string, StateSpec> }>>> = {
  ...Object.fromEntries(examples.map((name) => [name, () => programsOf(name, 8)] as const)),
  "a repeat": () => Promise.resolve({ programs: [counted], states: new Map([["s", { dtype: "f32", shape: [300] }]]) }),
};

describe("the planned memory of programs", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(Object.entries(cases))("of %s is what its runs hold, and no moment takes more", async (_name, make) => {
    const { programs, states } = await make();
    const device = idleDevice();
    const { held, passing } = needed(device, programs, states);
    const { bytes, most } = await taken(device, programs, states);
    expect(bytes).toBe(held);
    expect(most).toBeGreaterThan(held);
    expect(most).toBeLessThanOrEqual(held + passing);
  });

  it("is what a device makes too", async (context) => {
    if (await missing(context)) return;
    const { programs, states } = await programsOf("mog", 8);
    const device = await openDevice();
    const { held, passing } = needed(device, programs, states);
    const { bytes, most } = await taken(device, programs, states);
    expect(bytes).toBe(held);
    expect(most).toBeLessThanOrEqual(held + passing);
  });
});
