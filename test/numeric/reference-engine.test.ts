/** The reference engine as an engine, and the choice among engines. */
import { describe, expect, it } from "vitest";
import { chooseEngine, engineNames, probeEngines } from "../../src/runtime/engines/registry.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import * as g from "../../src/runtime/graph/index.js";
import type { Program } from "../../src/runtime/graph/program.js";

const f32 = (...data: number[]): { dtype: "f32"; shape: number[]; data: Float32Array } => ({
  dtype: "f32",
  shape: [data.length],
  data: Float32Array.from(data),
});
const program = (graph: g.Graph, ...fetch: string[]): Program => ({ name: "p", stages: [{ kind: "call", name: "p", graph }], fetch });

describe("a session", () => {
  it("reads copies and keeps what was written apart from the caller's array", async () => {
    const session = await referenceEngine.open();
    const value = f32(1, 2);
    await session.write("s", value);
    value.data[0] = 9;
    const read = await session.read("s");
    expect(Array.from(read.data)).toEqual([1, 2]);
    read.data[1] = 9;
    expect(Array.from((await session.read("s")).data)).toEqual([1, 2]);
    expect([session.has("s"), session.has("t")]).toEqual([true, false]);
  });

  it("says what is missing or does not fit", async () => {
    const session = await referenceEngine.open();
    const graph = g.stage({ x: { shape: [2] } }, ({ x }) => ({ y: g.add(x, g.state("s", [2])) }));
    const run = (await session.compile(program(graph, "y"))).run;
    await expect(session.read("s")).rejects.toThrow(/no state entry s/);
    await expect(run({})).rejects.toThrow(/input x has no value/);
    await expect(run({ x: f32(1, 2) })).rejects.toThrow(/state entry s has no value/);
    await session.write("s", f32(1, 2));
    await expect(run({ x: f32(1, 2, 3) })).rejects.toThrow(/is f32 \[3\], the graph was staged for f32 \[2\]/);
    await expect((await session.compile(program(graph, "z"))).run({ x: f32(1, 2) })).rejects.toThrow(/no stage gave z/);
    expect(Array.from((await run({ x: f32(1, 2) }))["y"]!.data)).toEqual([2, 4]);
  });

  it("holds state as a checkpoint would, so that a resumed run is bitwise the same", async () => {
    const graph = g.stage({}, () => {
      const s = g.state("s", [1]);
      g.writeState(s, g.sin(g.mul(s, 1.37)));
      return {};
    });
    const steps = async (session: Awaited<ReturnType<typeof referenceEngine.open>>, n: number): Promise<void> => {
      const executable = await session.compile(program(graph));
      for (let i = 0; i < n; i++) await executable.run({});
    };
    const [whole, first, second] = [await referenceEngine.open(), await referenceEngine.open(), await referenceEngine.open()];
    await whole.write("s", f32(0.7));
    await first.write("s", f32(0.7));
    await steps(whole, 20);
    await steps(first, 9);
    await second.write("s", await first.read("s"));
    await steps(second, 11);
    expect((await second.read("s")).data).toEqual((await whole.read("s")).data);
  });
});

describe("the registry", () => {
  it("knows auto and the engines, and refuses others with a list", async () => {
    expect(engineNames).toEqual(expect.arrayContaining(["auto", "onnx", "reference"]));
    await expect(chooseEngine("tensorflow")).rejects.toThrow(/no engine tensorflow/);
    await expect(chooseEngine("constructor")).rejects.toThrow(/no engine constructor/);
  });
  it("chooses by name and says why", async () => {
    const { engine, why } = await chooseEngine("reference");
    expect(engine.name).toBe("reference");
    expect(why).toContain("as asked");
  });
  it("auto takes the first that is available and no software adapter", async () => {
    const first = (await probeEngines()).find((info) => info.available && info.software !== true);
    expect((await chooseEngine()).engine.name).toBe(first!.name);
  });
});
