/** What the webgpu engine says that programs take, against the buffers that it makes. */
import { totalmem } from "node:os";
import { afterEach, describe, expect, it, vi, type TestContext } from "vitest";
import type { Engine, HostTensor, HostTensors, Program, StateSpec } from "../../../src/runtime/engines/engine.js";
import { showBytes } from "../../../src/runtime/engines/shortage.js";
import { budgetOf, type Budget } from "../../../src/runtime/engines/webgpu/budget.js";
import { Compilations } from "../../../src/runtime/engines/webgpu/compilations.js";
import { compileProgram } from "../../../src/runtime/engines/webgpu/compile.js";
import { openDevice, type Device } from "../../../src/runtime/engines/webgpu/device.js";
import { webgpuEngine } from "../../../src/runtime/engines/webgpu/index.js";
import { memoryNeed, type MemoryNeed } from "../../../src/runtime/engines/webgpu/need.js";
import { openSession } from "../../../src/runtime/engines/webgpu/session.js";
import { InternalError, type GmcError } from "../../../src/runtime/graph/errors.js";
import { hostZeros } from "../../../src/runtime/graph/host.js";
import * as g from "../../../src/runtime/graph/index.js";
import { sizeOf } from "../../../src/runtime/graph/shape.js";
import type { DType, Shape } from "../../../src/runtime/graph/types.js";
import type { ModelDefinition } from "../../../src/runtime/index.js";
import { leavesOf } from "../../../src/runtime/nn/spec.js";
import { planPhase } from "../../../src/runtime/train/plan.js";
import { train, type TrainOptions } from "../../../src/runtime/training.js";
import { LEARNING_RATE } from "../../../src/runtime/train/update-spec.js";
import { idleDevice, type Listener } from "../../support/idle-device.js";

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

/** Training on an idle device that may take so much: what it threw, and what it had taken by then. */
async function refused(model: ModelDefinition, data: TrainOptions["data"], batch: number | undefined, device: Device, budget?: Budget) {
  const count = watch(device.gpu);
  const engine: Engine = {
    name: "idle",
    probe: () => Promise.resolve({ name: "idle", available: true, detail: "" }),
    open: () => Promise.resolve(openSession(device, { budget })),
  };
  const error = await train(model, { data, engine, batch, steps: 1 }).then(
    () => undefined,
    (thrown: unknown) => thrown as GmcError,
  );
  return { error: error!, most: count.most };
}

const fitsAt = ({ help }: GmcError): number => Number(/^It fits at batch (\d+): --batch \1\.$/u.exec(help[0]!)![1]);

describe("more than there is memory for", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  const pictures = { x: new Float32Array(128 * 784) };

  it("is told before anything but the weights is there, with the batch that fits", async () => {
    const model = await exampleOf("vae");
    const weights = leavesOf(model.weights).reduce((sum, { spec }) => sum + 4 * sizeOf(spec.shape), 0);
    const at = async (batch: number): Promise<MemoryNeed> => {
      const { programs, states } = await programsOf("vae", batch);
      return needed(idleDevice(), programs, states);
    };
    const room = await at(20);
    const bytes = room.held + room.passing + 100;
    const { error, most } = await refused(model, pictures, 64, idleDevice(), { bytes, source: "the test says so" });
    expect(error.code).toBe("GM5427");
    // Adam's slots and the average lie next to each other and are updated in place
    expect(error.help[1]).toMatch(/^The largest: .* gradients side by side; .* state pack of \d+ from encoder/u);
    const told = await at(64);
    expect(error.message).toBe(
      `a step of train needs ${showBytes(told.held + told.passing)} of memory at batch 64, and the device (an idle card) has ${showBytes(bytes)} to give: the test says so`,
    );
    expect(most).toBe(weights);
    const batch = fitsAt(error);
    const [within, beyond] = [await at(batch), await at(batch + 1)];
    expect(within.held + within.passing).toBeLessThanOrEqual(bytes);
    expect(beyond.held + beyond.passing).toBeGreaterThan(bytes);
  });

  it("in one piece is told too", async () => {
    const model = await exampleOf("iwae");
    // the largest are k = 50 draws of 784 pixels for each row
    const row = 4 * 50 * 784;
    const { error } = await refused(model, pictures, 100, idleDevice(37 * row + 100));
    expect(error).toMatchObject({
      code: "GM5423",
      message: expect.stringContaining(`needs ${showBytes(100 * row)} in one piece at batch 100`),
    });
    expect(fitsAt(error)).toBe(37);
    expect(error.help[1]).toMatch(/^The largest: .*f32 \[50, 100, 784\] for .*iwae\.gm:\d+/u);
  });

  it("where no batch fits, or the batch is all rows, gives no batch", async () => {
    const weights = 4 * 784 * 400;
    const vae = await refused(await exampleOf("vae"), pictures, 64, idleDevice(weights));
    expect(vae.error).toMatchObject({ code: "GM5423", help: expect.arrayContaining(["Not even a batch of one row fits."]) });
    const data = { x: Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i)) };
    const { error } = await refused(await exampleOf("mog_em"), data, undefined, idleDevice(), { bytes: 20_000, source: "a test" });
    expect(error.code).toBe("GM5427");
    expect(error.help.join()).not.toContain("batch");
  });

  it("of a program is told before its buffers are there, beside what other sessions and programs hold", async () => {
    const { programs, states } = await programsOf("rbm", 8);
    const device = idleDevice();
    const { held, passing } = needed(device, programs, states);
    const opened = async (budget: Budget | undefined) => {
      const session = openSession(device, { budget });
      for (const [name, { dtype, shape }] of states) await session.write(name, hostZeros(dtype, shape));
      return session;
    };
    const first = await opened({ bytes: held + passing, source: "a test" });
    const executable = await first.compile(programs[0]!);
    await executable.run(feedsOf(programs[0]!));
    const count = watch(device.gpu);
    await expect(first.compile(programs[0]!)).rejects.toMatchObject({ code: "GM5427" });
    const second = openSession(device, { budget: { bytes: held + passing, source: "a test" } });
    expect(() => second.write("w", hostZeros("f32", [passing]))).toThrow(expect.objectContaining({ code: "GM5427" }));
    expect(count.bytes).toBe(0);
    executable.dispose();
    await first.compile(programs[0]!);
    const third = await opened({ bytes: 2 * (held + passing), source: "a test" });
    await third.compile(programs[0]!);
  });

  it("is what the caller says, else the environment, else the machine of a software adapter", async () => {
    const [card, software] = [{ software: false }, { software: true }];
    vi.stubEnv("GMC_GPU_MEMORY", "");
    expect(await budgetOf({}, card)).toBeUndefined();
    const machine = await budgetOf({}, software);
    expect(machine!.bytes).toBeGreaterThan(1e8);
    expect(machine!.bytes).toBeLessThanOrEqual(totalmem());
    for (const [text, bytes] of Object.entries({ "8GB": 8e9, "1.5 gb": 1.5e9, "512MiB": 2 ** 29, "1000": 1000 })) {
      vi.stubEnv("GMC_GPU_MEMORY", text);
      expect((await budgetOf({}, software))!.bytes).toBe(bytes);
      expect((await budgetOf({ memory: 7 }, card))!.bytes).toBe(7);
    }
    for (const text of ["lots", "8 G", "-1GB", "0"]) {
      vi.stubEnv("GMC_GPU_MEMORY", text);
      await expect(budgetOf({}, card)).rejects.toMatchObject({ code: "GM4008" });
    }
    await expect(budgetOf({ memory: 0 }, card)).rejects.toMatchObject({ code: "GM4008" });
  });

  it("which only the device finds is no bug", () => {
    class GPUOutOfMemoryError extends Error {}
    let told: Listener | undefined;
    const device = idleDevice(2 ** 27, (listener) => (told = listener));
    told!({ error: new GPUOutOfMemoryError("no room for a buffer") });
    expect(() => device.check()).toThrow(
      expect.objectContaining({ code: "GM5427", message: expect.stringContaining("no room for a buffer") }),
    );
    device.check();
    told!({ error: new Error("another") });
    expect(() => device.check()).toThrow(InternalError);
  });
});

describe("a program that was compiled to see whether it fits", () => {
  it("is not compiled again, unless a state that it was compiled for has another shape", async () => {
    const { programs, states } = await programsOf("vae", 8);
    // without the stage that makes its gradients it asks for the shapes of weights
    const program = { ...programs[0]!, stages: programs[0]!.stages.filter(({ kind }) => kind === "update") };
    const compilations = new Compilations(idleDevice().limits);
    const shapeOf = (name: string): Shape | undefined => states.get(name)?.shape;
    const first = compilations.of(program, shapeOf);
    expect(compilations.of(program, (name) => [...shapeOf(name)!])).toBe(first);
    expect(compilations.of(program, (name) => [...shapeOf(name)!, 2])).not.toBe(first);
  });
});
