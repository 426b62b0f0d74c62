/** The webgpu engine beside the others: what is trained on it goes on elsewhere, `auto` passes a software adapter over, mistakes are told. */
import { afterEach, describe, expect, it, vi, type TestContext } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { chooseEngine, suitsAuto } from "../../src/runtime/engines/registry.js";
import type { Engine, HostTensor, HostTensors, Program } from "../../src/runtime/engines/engine.js";
import { openDevice } from "../../src/runtime/engines/webgpu/device.js";
import { mayHaveCard } from "../../src/runtime/engines/webgpu/card.js";
import { webgpuEngine } from "../../src/runtime/engines/webgpu/index.js";
import { openSession } from "../../src/runtime/engines/webgpu/session.js";
import { Memory, Store } from "../../src/runtime/engines/webgpu/store.js";
import * as g from "../../src/runtime/graph/index.js";
import { idleDevice } from "../support/idle-device.js";
import { expectClose, scalarOf, tensor } from "./compare.js";
import { updateScenarios } from "./update-scenarios.js";

async function missing(context: TestContext): Promise<boolean> {
  const info = await webgpuEngine.probe();
  if (!info.available) context.skip(`webgpu is not available: ${info.detail}`);
  return !info.available;
}

async function trained(engine: Engine, program: Program, state: HostTensors, runs: readonly HostTensors[]): Promise<HostTensors> {
  const session = await engine.open();
  try {
    for (const [name, value] of Object.entries(state)) await session.write(name, value);
    const executable = await session.compile(program);
    for (const feeds of runs) await executable.run(feeds);
    const read = await Promise.all(Object.keys(state).map(async (name) => [name, await session.read(name)] as const));
    return Object.fromEntries(read);
  } finally {
    session.dispose();
  }
}

describe("webgpu among the engines", () => {
  for (const rule of ["adam", "momentum", "rmsprop with momentum"]) {
    it(`a run of ${rule} goes on on another engine, and back`, async (context) => {
      if (await missing(context)) return;
      const { programs, state, runs } = updateScenarios[rule]!();
      const feeds = runs.map((run) => run.feeds);
      const whole = await trained(referenceEngine, programs[0]!, state!, feeds);
      const begun = await trained(webgpuEngine, programs[0]!, state!, feeds.slice(0, 2));
      const onwards = await trained(onnxEngine, programs[0]!, begun, feeds.slice(2, 4));
      const ended = await trained(webgpuEngine, programs[0]!, onwards, feeds.slice(4));
      for (const [name, value] of Object.entries(whole)) expectClose(ended[name], value, name);
    });
  }

  it("auto takes no software adapter, and says so where it had to look", async (context) => {
    if (await missing(context)) return;
    const info = await webgpuEngine.probe();
    if (info.software !== true) return context.skip("this adapter is a card");
    expect(suitsAuto(info)).toBe(false);
    const { engine, why } = await chooseEngine("auto");
    expect(engine.name).not.toBe("webgpu");
    if (await mayHaveCard()) expect(why).toMatch(/not webgpu: .*software adapter, which --engine webgpu takes/u);
    else expect(why).not.toContain("webgpu:");
    expect((await chooseEngine("webgpu")).engine.name).toBe("webgpu");
  });

  it("a Linux without the device of a card is told without Dawn, which would write to the console", async () => {
    expect(await mayHaveCard(["null", "tty", "shm"])).toBe(false);
    for (const name of ["dri", "nvidia0", "dxg"]) expect(await mayHaveCard(["null", name])).toBe(true);
    const { platform } = process;
    const none = { name: "webgpu", available: false, absent: true };
    if (platform === "linux" && !(await mayHaveCard())) expect(await webgpuEngine.probe({ automatic: true })).toMatchObject(none);
  });

  it("too large a tensor is refused before anything is allocated", async (context) => {
    if (await missing(context)) return;
    const memory = new Memory(await openDevice());
    expect(() => memory.tensor("f32", [2 ** 15, 2 ** 15, 2])).toThrow(expect.objectContaining({ code: "GM5423" }));
    expect(memory.held).toBe(0);
  });

  it("entries keep their values when they are brought next to each other, and taken apart", async (context) => {
    if (await missing(context)) return;
    const session = await webgpuEngine.open();
    const memory = new Memory(await openDevice());
    const store = new Store(memory);
    const names = ["a", "b", "c"];
    names.forEach((name, i) => store.write(name, tensor([3 + i], [1 + i])));
    const first = store.pack(names);
    expect(store.pack(names)).toBe(first);
    const second = store.pack(["a", "b"]);
    expect(second).not.toBe(first);
    expect(store.current("b").buffer).toBe(second.region.buffer);
    expect(store.current("c").buffer).toBe(first.region.buffer);
    store.clear();
    expect(memory.held).toBe(0);
    session.dispose();
  });

  it("says which input or state is missing or of another shape", async (context) => {
    if (await missing(context)) return;
    const session = await webgpuEngine.open();
    const graph = g.stage({ x: { shape: [3] } }, ({ x }) => ({ y: g.add(x!, g.state("s", [3])) }));
    const program: Program = { name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: ["y"] };
    const executable = await session.compile(program);
    const x: HostTensor = tensor([3], [1]);
    await expect(executable.run({ x })).rejects.toThrow("there is no state entry s");
    await session.write("s", scalarOf(1));
    await expect(executable.run({ x })).rejects.toThrow(/state entry s is f32 \[\]/u);
    await session.write("s", x);
    await expect(executable.run({})).rejects.toThrow("the input x has no value");
    expect((await executable.run({ x }))["y"]!.data[0]).toBe(2);
    session.dispose();
  });
});

describe("an index that is fed", () => {
  const indices = (n: number, last: number): HostTensor => tensor([n], [...new Array<number>(n - 1).fill(0), last], "i32");
  // few go with the scalars, many have a buffer of their own
  it.each([2, 100])("outside its axis is refused, %i of them", async (n) => {
    const session = openSession(idleDevice());
    const graph = g.stage({ x: { shape: [3] }, i: { shape: [n], dtype: "i32" } }, ({ x, i }) => ({
      y: g.take(g.exp(x!), g.reshape(i!, [n, 1]), 0),
    }));
    const executable = await session.compile({ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: ["y"] });
    const feeds = (last: number): HostTensors => ({ x: tensor([3], [1, 2, 3]), i: indices(n, last) });
    await executable.run(feeds(2));
    for (const last of [3, -1]) {
      const message = `gather: index ${last} lies outside 0..2`;
      await expect(executable.run(feeds(last))).rejects.toMatchObject({ code: "GM4907", message });
    }
    await executable.run(feeds(0));
    session.dispose();
  });

  it("and what a graph or an earlier stage computes of it is clamped", async () => {
    const session = openSession(idleDevice());
    const before = g.stage({ k: { shape: [2], dtype: "i32" } }, ({ k }) => ({ i: g.add(k!, 1) }));
    const graph = g.stage({ x: { shape: [3] }, i: { shape: [2], dtype: "i32" }, j: { shape: [2], dtype: "i32" } }, ({ x, i, j }) => ({
      y: g.add(g.take(g.exp(x!), i!, 0), g.take(x!, g.sub(j!, 1), 0)),
    }));
    const executable = await session.compile({
      name: "p",
      stages: [
        { kind: "call", name: "a", graph: before },
        { kind: "call", name: "b", graph },
      ],
      fetch: ["y"],
    });
    await executable.run({ x: tensor([3], [1, 2, 3]), k: indices(2, 5), j: indices(2, 3) });
    session.dispose();
  });
});

describe("a device that is lost", () => {
  it("is told to whoever waits for a run, and to nobody of one that was given up", async () => {
    const device = idleDevice();
    const session = openSession(device);
    const graph = g.stage({ x: { shape: [3] } }, ({ x }) => ({ y: g.exp(x!) }));
    const executable = await session.compile({ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: ["y"] });
    const feeds = { x: tensor([3], [1, 2, 3]) };
    const unheard: unknown[] = [];
    const hear = (error: unknown): unknown => unheard.push(error);
    process.on("unhandledRejection", hear);
    try {
      const { results } = await executable.start!(feeds);
      await executable.start!(feeds);
      device.lost = "the card was removed";
      session.flush!();
      await expect(results).rejects.toMatchObject({ code: "GM5422" });
      await expect(executable.run(feeds)).rejects.toMatchObject({ code: "GM5422" });
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(unheard).toEqual([]);
    } finally {
      process.off("unhandledRejection", hear);
      session.dispose();
    }
  });
});

describe("where there is no device", () => {
  afterEach(() => {
    vi.doUnmock("webgpu");
    vi.resetModules();
  });

  const alone = async (module: () => object): Promise<Engine> => {
    vi.resetModules();
    vi.doMock("webgpu", module);
    return (await import("../../src/runtime/engines/webgpu/index.js")).webgpuEngine;
  };

  it("a missing package is told, with the way to get it", async () => {
    const engine = await alone(() => {
      throw Object.assign(new Error("Cannot find package 'webgpu'"), { code: "ERR_MODULE_NOT_FOUND" });
    });
    expect(await engine.probe()).toMatchObject({
      available: false,
      help: [expect.stringContaining("npm install --ignore-scripts webgpu@0.6.2")],
    });
    await expect(engine.open()).rejects.toMatchObject({ code: "GM5420" });
  });

  it("a missing adapter is told", async () => {
    const engine = await alone(() => ({ create: () => ({ requestAdapter: () => Promise.resolve(null) }) }));
    expect(await engine.probe()).toMatchObject({ available: false, detail: expect.stringContaining("no adapter") });
    await expect(engine.open()).rejects.toMatchObject({ code: "GM5421" });
  });

  it("a lost device is told, with the way on", async () => {
    const { Device } = await import("../../src/runtime/engines/webgpu/device.js");
    const lost = Promise.resolve({ message: "the card was removed", reason: "unknown" });
    const gpu = { limits: {}, lost, createBindGroupLayout: () => ({}), addEventListener: () => undefined } as unknown as GPUDevice;
    const device = new Device(gpu, { adapter: { features: new Set() } as unknown as GPUAdapter, name: "a card", software: false });
    await lost;
    await Promise.resolve();
    expect(() => device.check()).toThrow(expect.objectContaining({ code: "GM5422", help: [expect.stringContaining("gmc resume")] }));
  });
});
