/** The comparison finds an engine that is a little wrong: each fault here must be reported. */
import { describe, expect, it } from "vitest";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import type { Engine, EngineSession, HostTensor, HostTensors } from "../../src/runtime/engines/engine.js";
import * as g from "../../src/runtime/graph/index.js";
import { expectSame, tensor, type Scenario } from "./compare.js";

function faulty(change: (session: EngineSession) => Partial<EngineSession>): Engine {
  return {
    ...referenceEngine,
    open: async () => {
      const session = await referenceEngine.open();
      return { ...session, ...change(session) };
    },
  };
}

const changed = (value: HostTensor, fn: (x: number) => number): HostTensor => ({
  ...value,
  data: value.data.map(fn) as HostTensor["data"],
});
const withOutputs = (fn: (outputs: HostTensors) => HostTensors): Engine =>
  faulty((session) => ({
    compile: async (program) => {
      const executable = await session.compile(program);
      return { ...executable, run: async (feeds) => fn(await executable.run(feeds)) };
    },
  }));

const graph = g.stage({ x: { shape: [5] } }, ({ x }) => {
  const s = g.state("s", [5]);
  g.writeState(s, g.add(s, x));
  return { y: g.exp(x), i: g.argMax(x, 0), u: g.randomBits(g.rootKey().at("u"), [3]) };
});
const scenario: Scenario = {
  programs: [{ name: "p", stages: [{ kind: "call", name: "p", graph }], fetch: ["y", "i", "u"] }],
  state: { s: tensor([5], [1]) },
  runs: [{ program: "p", feeds: { x: tensor([5], [1, 2, 3, 4, 0]), rng: tensor([4], [1, 2, 3, 4], "u32") } }],
};

describe("expectSame", () => {
  it("accepts the reference", () => expectSame(referenceEngine, scenario));
  it.each<[string, Engine]>([
    ["a float off by a thousandth", withOutputs((o) => ({ ...o, y: changed(o["y"]!, (x) => x * 1.001) }))],
    ["NaN for a number", withOutputs((o) => ({ ...o, y: changed(o["y"]!, () => NaN) }))],
    ["an index off by one", withOutputs((o) => ({ ...o, i: changed(o["i"]!, (x) => x + 1) }))],
    ["one bit of a word", withOutputs((o) => ({ ...o, u: changed(o["u"]!, (x) => x ^ 1) }))],
    ["another shape", withOutputs((o) => ({ ...o, y: { ...o["y"]!, shape: [5, 1] } }))],
    ["an output too few", withOutputs(({ y: _, ...rest }) => rest)],
    ["a state off by a thousandth", faulty((session) => ({ read: async (name) => changed(await session.read(name), (x) => x * 1.001) }))],
    [
      "a write that is lost",
      faulty((session) => ({
        write: (name, value) =>
          session.write(
            name,
            changed(value, (x) => x + 1),
          ),
      })),
    ],
  ])("finds %s", async (_name, engine) => {
    await expect(expectSame(engine, scenario)).rejects.toThrow();
  });
});
