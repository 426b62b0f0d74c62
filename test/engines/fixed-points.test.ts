/** How engines find values entry after entry: parts of programs, passes that end early, nets that overflow at a guess, progress and signals. */
import { describe, expect, it } from "vitest";
import type { EngineSession, HostTensor, HostTensors, Program, Stage } from "../../src/runtime/engines/engine.js";
import { withFixedPoints } from "../../src/runtime/engines/fixed-points.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { loadOrt } from "../../src/runtime/engines/onnx/ort.js";
import { openSession } from "../../src/runtime/engines/onnx/session.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { solveInOrder } from "../../src/runtime/graph/fixed-point.js";
import * as g from "../../src/runtime/graph/index.js";
import { inOrder, numbers } from "../numeric/vjp-cases.js";

const f32 = (shape: readonly number[], data: ArrayLike<number>): HostTensor => ({ dtype: "f32", shape, data: Float32Array.from(data) });
const places = (n: number): number[] => [...Array(n).keys()];

/** An engine that is not handed fixed points, with the parts of `withFixedPoints`, and how often the bodies of repeats ran. */
async function counted(): Promise<{
  readonly session: EngineSession;
  readonly passes: () => number;
  readonly names: () => readonly string[];
}> {
  const inner = openSession(await loadOrt(), { threads: 1 });
  let passes = 0;
  const names = new Set<string>();
  const session = withFixedPoints({
    ...inner,
    write: (name, value) => {
      names.add(name);
      return inner.write(name, value);
    },
    drop: (name) => {
      names.delete(name);
      inner.drop(name);
    },
    compile: async (program) => {
      for (const s of program.stages)
        if (s.kind !== "update") expect(s.graph.nodes.filter((node) => node.prim === "fixedPoint")).toEqual([]);
      const compiled = await inner.compile(program);
      const repeats = program.stages.some((s) => s.kind === "repeat");
      return {
        ...compiled,
        run: (feeds) => {
          if (repeats) passes += Number(feeds["passes:count"]?.data[0] ?? 0);
          return compiled.run(feeds);
        },
      };
    },
  });
  return { session, passes: () => passes, names: () => [...names] };
}

const call = (name: string, graph: g.Graph): Stage => ({ kind: "call", name, graph });
const programOf = (stages: readonly Stage[], fetch: readonly string[]): Program => ({ name: "p", stages, fetch });

async function runs(session: EngineSession, program: Program, feeds: HostTensors): Promise<HostTensors> {
  const executable = await session.compile(program);
  try {
    return await executable.run(feeds);
  } finally {
    executable.dispose();
  }
}

/** The same program by the definition, on the engine that has the primitive itself, and cut. */
async function expectAlike(
  program: Program,
  feeds: HostTensors,
  states: Readonly<Record<string, HostTensor>> = {},
): Promise<{ readonly cut: HostTensors; readonly passes: number }> {
  const [whole, cut] = [await referenceEngine.open(), await counted()];
  for (const session of [whole, cut.session])
    for (const [name, value] of Object.entries(states)) await session.write(name, { ...value, data: value.data.slice() });
  const [expected, found] = [await runs(whole, program, feeds), await runs(cut.session, program, feeds)];
  for (const name of program.fetch) expected[name]!.data.forEach((v, i) => expect(found[name]!.data[i], `${name}[${i}]`).toBeCloseTo(v, 4));
  expect(cut.names().filter((name) => name.startsWith("fixed:"))).toEqual([]);
  return { cut: found, passes: cut.passes() };
}

const c = numbers([3, 20]);
const w = numbers([20, 20], -0.4, 0.4);
const given = { c: f32(c.shape, c.data), w: f32(w.shape, w.data) };
const inputs = { c: { shape: c.shape }, w: { shape: w.shape } };

describe("programs with fixed points", () => {
  it("are cut at each, values between kept", async () => {
    const graph = g.stage(inputs, ({ c: from, w: by }) => {
      const early = g.exp(g.mul(from!, 0.1));
      const first = inOrder(from!, by!, places(20));
      const second = inOrder(g.mul(first, early), by!, places(20).reverse());
      const beside = inOrder(early, by!, places(20));
      return { all: g.add(g.mul(second, early), beside), first, none: g.sum(early) };
    });
    await expectAlike(programOf([call("c", graph)], ["all", "first", "none"]), given);
  });

  it("hand what stages gave from part to part, and write states at the end", async () => {
    const first = g.stage(inputs, ({ c: from, w: by }) => {
      const s = g.state("s", [3, 20]);
      const found = inOrder(g.add(from!, s), by!, places(20));
      g.writeState(s, g.mul(found, 0.5));
      return { grad: g.sum(g.mul(found, s), 0), found };
    });
    const between = g.stage({ found: { shape: [3, 20] } }, ({ found }) => ({ twice: g.mul(found!, 2) }));
    const last = g.stage({ ...inputs, twice: { shape: [3, 20] } }, ({ twice, w: by }) => ({
      out: inOrder(g.add(twice!, g.state("s", [3, 20])), by!, places(20)),
    }));
    const update: Stage = {
      kind: "update",
      name: "u",
      update: {
        rule: "sgd",
        constants: {},
        learningRate: "lr",
        counter: "count",
        sign: 1,
        targets: [{ weight: "v", gradient: "grad", slots: [], ema: null, clip: null, maxNorm: null }],
        clipNorm: null,
        clipValue: null,
        weightDecay: 0,
        ema: null,
        fault: "fault",
      },
    };
    const program = programOf([call("a", first), call("b", between), call("c", last), update], ["twice", "out", "s", "v"]);
    const number = { dtype: "i32" as const, shape: [], data: Int32Array.of(0) };
    await expectAlike(program, { ...given, lr: f32([], [0.1]) }, { s: f32([3, 20], c.data.map((v) => v / 3)), v: f32([20], places(20)), count: number, fault: number }); // prettier-ignore
  });

  it("may have one in what is repeated, and one within another", async () => {
    const graph = g.stage(inputs, ({ c: from, w: by }) => {
      const s = g.state("s", [3, 20]);
      const i = g.cast(g.iterationInput(), "f32");
      const found = solveInOrder([3, 20], places(20), (x) => {
        const before = g.pad(g.sin(g.sliceAxis(x, -1, 0, 19)), [0, 1], [0, 0]);
        return inOrder(g.add(from!, before), by!, places(20));
      });
      g.writeState(s, g.add(g.mul(found, g.add(i, 1)), g.mul(s, 0.25)));
      return { last: found };
    });
    const stages: Stage[] = [{ kind: "repeat", name: "r", graph, count: 3, first: 2 }];
    await expectAlike(programOf(stages, ["last", "s"]), given, { s: f32([3, 20], c.data) });
  });

  it("do as many passes as entries follow from one another, not as there are", async () => {
    const n = 1000;
    // each entry reads the one five hundred before it: two generations
    const graph = g.stage({ c: { shape: [2, n] } }, ({ c: from }) => ({
      x: solveInOrder([2, n], places(n), (x) => g.add(from!, g.pad(g.sin(g.sliceAxis(x, -1, 0, n - 500)), [0, 500], [0, 0]))),
    }));
    const operand = numbers([2, n]);
    const { session, passes } = await counted();
    const { x } = await runs(session, programOf([call("c", graph)], ["x"]), { c: f32([2, n], operand.data) });
    for (let i = 0; i < 2 * n; i++) {
      const own = operand.data[i]!;
      expect(x!.data[i]).toBeCloseTo(i % n < 500 ? own : own + Math.sin(operand.data[i - 500]!), 5);
    }
    // two that find them, one that sees it, and what was begun in the same piece
    expect(passes()).toBeLessThan(16);
  });

  it("are found where the net overflows at a guess", async () => {
    const n = 12;
    const graph = g.stage({ c: { shape: [3, n] } }, ({ c: from }) => {
      const before = g.constant(
        Array.from({ length: n * n }, (_, i) => (Math.floor(i / n) < i % n ? 0.5 : 0)),
        [n, n],
      );
      // with every later entry at its guess, exp(100 x) is infinite, and 0 times it no number
      return { x: solveInOrder([3, n], places(n), (x) => g.sub(from!, g.matmul(g.exp(g.mul(100, x)), before))) };
    });
    const values = Array.from({ length: 3 * n }, (_, i) => (i < n ? -0.01 * (i + 1) : i < 2 * n ? (i % 2 === 0 ? 2 : -0.03) : 0.3));
    const program = programOf([call("c", graph)], ["x"]);
    const feeds = { c: f32([3, n], values) };
    const { cut } = await expectAlikeOrInfinite(program, feeds);
    // the first row has a solution all along
    expect(Array.from(cut["x"]!.data.slice(0, n)).every(Number.isFinite)).toBe(true);
  });
});

/** As `expectAlike`, where what is not finite may be of another kind. */
async function expectAlikeOrInfinite(program: Program, feeds: HostTensors): Promise<{ readonly cut: HostTensors }> {
  const expected = await runs(await referenceEngine.open(), program, feeds);
  const engine = await onnxEngine.open({ threads: 1 });
  const found = await runs(engine, program, feeds);
  engine.dispose();
  for (const name of program.fetch)
    expected[name]!.data.forEach((v, i) => {
      const other = found[name]!.data[i]!;
      if (Math.abs(v) < 1e30) expect(Math.abs(other - v) / Math.max(1, Math.abs(v)), `${name}[${i}]: ${other}, ${v}`).toBeLessThan(1e-4);
      else expect(Number.isFinite(other) && Math.abs(other) < 1e30).toBe(false);
    });
  return { cut: found };
}

describe("a run of many passes", () => {
  const n = 400;
  const graph = g.stage({ c: { shape: [1, n] } }, ({ c: from }) => ({
    // each entry follows from the one before
    x: solveInOrder([1, n], places(n), (x) => g.add(from!, g.pad(g.sin(g.sliceAxis(x, -1, 0, n - 1)), [0, 1], [0, 0]))),
  }));
  const program = programOf([call("c", graph)], ["x"]);
  const feeds = { c: f32([1, n], numbers([1, n]).data) };

  it("tells how far it is, up to all", async () => {
    const session = await onnxEngine.open({ threads: 1 });
    const executable = await session.compile(program);
    const told: (readonly [number, number])[] = [];
    await executable.run(feeds, { onProgress: (done, total) => told.push([done, total]) });
    session.dispose();
    expect(told.at(-1)).toEqual([n + 1, n + 1]);
    expect(told.every(([done], i) => i === 0 || done > told[i - 1]![0])).toBe(true);
  });

  it("hears a signal", async () => {
    const session = await onnxEngine.open({ threads: 1 });
    const executable = await session.compile(program);
    await expect(executable.run(feeds, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    const { x } = await executable.run(feeds);
    session.dispose();
    expect(x!.data.every(Number.isFinite)).toBe(true);
  });
});
