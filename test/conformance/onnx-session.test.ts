/** The onnx session beyond the suite: mistakes in what it is fed, runs that overlap, memory that comes back, a missing onnxruntime. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import type { EngineSession, HostTensor, Program } from "../../src/runtime/engines/engine.js";
import * as g from "../../src/runtime/graph/index.js";

const f32 = (shape: readonly number[], ...data: number[]): HostTensor => ({ dtype: "f32", shape, data: Float32Array.from(data) });
const i32 = (value: number): HostTensor => ({ dtype: "i32", shape: [], data: Int32Array.of(value) });
const call = (name: string, graph: g.Graph): Program => ({
  name,
  stages: [{ kind: "call", name: "graph", graph }],
  fetch: Object.keys(graph.outputs),
});

const open: EngineSession[] = [];
async function session(): Promise<EngineSession> {
  const made = await onnxEngine.open({ threads: 1 });
  open.push(made);
  return made;
}
afterEach(() => {
  for (const made of open.splice(0)) made.dispose();
});

const doubled = g.stage({ x: { shape: [2] } }, ({ x }) => ({ y: g.mul(x!, 2) }));

describe("mistakes", () => {
  it("are named: a feed that is missing, of another shape or another type", async () => {
    const executable = await (await session()).compile(call("p", doubled));
    await expect(executable.run({})).rejects.toThrow(expect.objectContaining({ code: "GM4906", message: "the input x has no value" }));
    await expect(executable.run({ x: f32([1, 2], 1, 2) })).rejects.toThrow("the input x is f32 [1, 2], the graph was staged for f32 [2]");
    await expect(executable.run({ x: { dtype: "i32", shape: [2], data: Int32Array.of(1, 2) } })).rejects.toThrow("the input x is i32 [2]");
    expect((await executable.run({ x: f32([2], 1, 2) }))["y"]!.data).toEqual(Float32Array.of(2, 4));
  });

  it("are named: state that is missing or of another shape", async () => {
    const s = await session();
    const executable = await s.compile(
      call(
        "p",
        g.stage({}, () => ({ y: g.exp(g.state("w", [2])) })),
      ),
    );
    await expect(executable.run({})).rejects.toThrow("there is no state entry w");
    await s.write("w", f32([3], 1, 2, 3));
    await expect(executable.run({})).rejects.toThrow("the state entry w is f32 [3], the graph was staged for f32 [2]");
    await expect(s.read("v")).rejects.toThrow("there is no state entry v");
  });

  it("are named: an index outside its axis", async () => {
    const graph = g.stage({ x: { shape: [3] }, i: { shape: [2], dtype: "i32" } }, ({ x, i }) => ({ y: g.take(x!, i!, 0) }));
    const executable = await (await session()).compile(call("p", graph));
    const feeds = { x: f32([3], 1, 2, 3), i: { dtype: "i32" as const, shape: [2], data: Int32Array.of(0, 3) } };
    await expect(executable.run(feeds)).rejects.toThrow(expect.objectContaining({ code: "GM4907" }));
  });
});

describe("a session", () => {
  it.each([
    ["onnx", onnxEngine],
    ["reference", referenceEngine],
  ] as const)("of %s forgets state that is dropped, and takes it anew", async (_, engine) => {
    const s = await engine.open();
    open.push(s);
    await s.write("w", f32([2], 1, 2));
    const graph = g.stage({}, () => {
      const w = g.state("w", [2]);
      g.writeState(w, g.mul(w, 2));
      return { y: w };
    });
    const executable = await s.compile(call("p", graph));
    await executable.run({});
    executable.dispose();
    s.drop("w");
    s.drop("never");
    expect(s.has("w")).toBe(false);
    await expect(s.read("w")).rejects.toMatchObject({ code: "GM4906" });
    await s.write("w", f32([3], 4, 5, 6));
    expect((await s.read("w")).data).toEqual(Float32Array.of(4, 5, 6));
  });

  it("runs one after the other what is started at once", async () => {
    const s = await session();
    const count = g.stage({ by: { shape: [] } }, ({ by }) => {
      const total = g.state("total", []);
      g.writeState(total, g.add(total, by!));
      return { before: total };
    });
    await s.write("total", f32([], 0));
    const executable = await s.compile(call("count", count));
    const runs = await Promise.all([1, 2, 3, 4].map((by) => executable.run({ by: f32([], by) })));
    expect(runs.map((run) => run["before"]!.data[0])).toEqual([0, 1, 3, 6]);
    expect((await s.read("total")).data[0]).toBe(10);
  });

  it("goes on after a run that failed, with its state as it was", async () => {
    const s = await session();
    await s.write("total", f32([], 5));
    const graph = g.stage({ i: { shape: [1], dtype: "i32" } }, ({ i }) => {
      const total = g.state("total", []);
      g.writeState(total, g.add(total, g.sum(g.take(g.constant([1, 2, 3]), i!, 0))));
      return {};
    });
    const executable = await s.compile(call("p", graph));
    const at = (i: number): Record<string, HostTensor> => ({ i: { dtype: "i32", shape: [1], data: Int32Array.of(i) } });
    await expect(executable.run(at(9))).rejects.toThrow();
    expect((await s.read("total")).data[0]).toBe(5);
    await executable.run(at(2));
    expect((await s.read("total")).data[0]).toBe(8);
  });

  it("spreads a number over a large state that a condition guards", async () => {
    const s = await session();
    const graph = g.stage({}, () => {
      const big = g.state("big", [40, 50]);
      g.writeState(big, g.select(g.less(g.state("flag", []), 1), 0.5, big));
      return {};
    });
    await s.write("big", f32([40, 50], ...Array.from({ length: 2000 }, (_, i) => i)));
    await s.write("flag", f32([], 0));
    const executable = await s.compile(call("p", graph));
    await executable.run({});
    await executable.run({});
    const { shape, data } = await s.read("big");
    expect(shape).toEqual([40, 50]);
    expect(Array.from(data).every((v) => v === 0.5)).toBe(true);
  });

  it("takes the feeds as they are at the run, also where a kernel reads them", async () => {
    const s = await session();
    const graph = g.stage({ p: { shape: [40] } }, ({ p }) => ({
      x: g.cast(g.less(g.randomUniform(g.rootKey().at("u"), [40]), p!), "f32"),
    }));
    const executable = await s.compile(call("p", graph));
    const rng: HostTensor = { dtype: "u32", shape: [4], data: Uint32Array.of(1, 2, 3, 0) };
    const sum = async (p: number): Promise<number> => {
      const { x } = await executable.run({ rng, p: f32([40], ...new Array<number>(40).fill(p)) });
      return Array.from(x!.data).reduce((a, b) => a + b, 0);
    };
    expect([await sum(0), await sum(1), await sum(0)]).toEqual([0, 40, 0]);
  });

  it("gives back copies that later runs leave alone", async () => {
    const executable = await (await session()).compile(call("p", doubled));
    const first = await executable.run({ x: f32([2], 1, 2) });
    await executable.run({ x: f32([2], 5, 6) });
    expect(first["y"]!.data).toEqual(Float32Array.of(2, 4));
  });

  it("keeps what stages give, large enough to move the memory between runs", async () => {
    const s = await session();
    await s.write("w", f32([2], 1, 2));
    const executable = await s.compile(
      call(
        "p",
        g.stage({}, () => ({ y: g.mul(g.state("w", [2]), 2) })),
      ),
    );
    await executable.run({});
    await s.write("big", { dtype: "f32", shape: [3_000_000], data: new Float32Array(3_000_000) });
    expect((await executable.run({}))["y"]!.data).toEqual(Float32Array.of(2, 4));
    expect((await s.read("w")).data).toEqual(Float32Array.of(1, 2));
  });

  it("replaces an entry that is written under another shape", async () => {
    const s = await session();
    await s.write("w", f32([2], 1, 2));
    await s.write("w", f32([3], 3, 4, 5));
    expect((await s.read("w")).shape).toEqual([3]);
    await s.write("n", i32(7));
    expect((await s.read("n")).data).toEqual(Int32Array.of(7));
  });

  it("hands its memory back", async () => {
    const s = await session();
    const graph = g.stage({}, () => ({ y: g.exp(g.randomNormal(g.rootKey().at("n"), [500, 500])) }));
    const rng: HostTensor = { dtype: "u32", shape: [4], data: new Uint32Array(4) };
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 60; i++) {
      const executable = await s.compile(call("p", graph));
      await executable.run({ rng });
      executable.dispose();
      executable.dispose();
    }
    // 60 programs of 2 MB each, were they kept
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(80);
  });
});

describe("without onnxruntime", () => {
  afterEach(() => {
    vi.doUnmock("onnxruntime-node");
    vi.resetModules();
  });

  it("says so, and how to get it", async () => {
    vi.resetModules();
    vi.doMock("onnxruntime-node", () => {
      throw Object.assign(new Error("Cannot find package 'onnxruntime-node'"), { code: "ERR_MODULE_NOT_FOUND" });
    });
    const { onnxEngine: alone } = await import("../../src/runtime/engines/onnx/index.js");
    const info = await alone.probe();
    expect(info.available).toBe(false);
    expect(info.help?.join(" ")).toContain("npm install --ignore-scripts onnxruntime-node");
    expect(info.detail).toMatch(/^onnxruntime-node does not load here/u);
    await expect(alone.open()).rejects.toMatchObject({
      code: "GM5401",
      help: [expect.stringContaining("npm install --ignore-scripts onnxruntime-node")],
    });
  });
});
