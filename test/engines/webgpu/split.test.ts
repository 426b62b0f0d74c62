/** Long sums in two stages: against plain sums in float64, by the reference interpreter and on a device, and where none is taken apart. */
import { describe, expect, it } from "vitest";
import type { Engine, HostTensor } from "../../../src/runtime/engines/engine.js";
import { referenceEngine } from "../../../src/runtime/engines/reference/index.js";
import { compileProgram } from "../../../src/runtime/engines/webgpu/compile.js";
import { describeProgram, usualLimits } from "../../../src/runtime/engines/webgpu/describe.js";
import { webgpuEngine } from "../../../src/runtime/engines/webgpu/index.js";
import { splitSums } from "../../../src/runtime/engines/webgpu/split.js";
import * as g from "../../../src/runtime/graph/index.js";
import { sizeOf } from "../../../src/runtime/graph/shape.js";

/** Numbers in [-1, 1). */
function numbers(size: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: size }, () => (state = (Math.imul(state, 1664525) + 1013904223) | 0) / 2 ** 31);
}

async function valuesOf(engine: Engine, graph: g.Graph, feeds: Readonly<Record<string, HostTensor>>): Promise<readonly number[]> {
  const session = await engine.open();
  try {
    const executable = await session.compile({ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: ["y"] });
    return [...(await executable.run(feeds))["y"]!.data];
  } finally {
    session.dispose();
  }
}

interface Case {
  readonly what: string;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly fn: (x: Readonly<Record<string, g.Tensor>>) => g.Tensor;
  /** Entry `i` of y from the operands, written out. */
  readonly entry: (x: Readonly<Record<string, Float32Array>>, i: number) => number;
  readonly dispatches: number;
}

const total = (size: number, at: (i: number) => number): number => {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += at(i);
  return sum;
};
const greatest = (size: number, at: (i: number) => number): number => {
  let most = -Infinity;
  for (let i = 0; i < size; i++) most = Math.max(most, at(i));
  return most;
};

const sums = (shape: readonly [number, number], axis: 0 | 1 | undefined): Case => ({
  what: `sum of [${shape.join()}] over ${axis ?? "all"}`,
  shapes: { x: shape },
  fn: ({ x }) => g.sum(g.square(x!), axis),
  entry: ({ x }, i) => {
    const [rows, columns] = shape;
    if (axis === undefined) return total(rows * columns, (j) => x![j]! ** 2);
    return axis === 0 ? total(rows, (r) => x![r * columns + i]! ** 2) : total(columns, (c) => x![i * columns + c]! ** 2);
  },
  dispatches: 2,
});

const product = (m: number, k: number, n: number, transposeA: boolean, transposeB: boolean): Case => ({
  what: `${m} x ${k} x ${n}, transposed ${String(transposeA)}, ${String(transposeB)}`,
  shapes: { a: transposeA ? [k, m] : [m, k], b: transposeB ? [n, k] : [k, n] },
  fn: ({ a, b }) => g.matmul(a!, b!, { transposeA, transposeB }),
  entry: ({ a, b }, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return total(k, (l) => a![transposeA ? l * m + i : i * k + l]! * b![transposeB ? j * k + l : l * n + j]!);
  },
  dispatches: 2,
});

const cases: readonly Case[] = [
  sums([1, 262_144], undefined),
  sums([129, 4099], undefined),
  sums([37_451, 7], 0),
  sums([7, 40_009], 1),
  {
    ...sums([30, 16_384], 1),
    what: "maximum of [30, 16384] over 1",
    fn: ({ x }) => g.reduceMax(x!, 1),
    entry: ({ x }, i) => greatest(16_384, (c) => x![i * 16_384 + c]!),
  },
  {
    // a prime number of columns: no pieces of equal length
    ...sums([8, 40_009], 1),
    what: "maximum of [8, 40009] over 1",
    fn: ({ x }) => g.reduceMax(x!, 1),
    entry: ({ x }, i) => greatest(40_009, (c) => x![i * 40_009 + c]!),
    dispatches: 1,
  },
  product(1, 4097, 7, false, false),
  product(7, 8192, 127, true, false),
  product(33, 5003, 9, true, true),
  product(20, 6400, 17, false, true),
  // many results, few entries, little depth: as they are
  { ...sums([65, 20_000], 1), dispatches: 1 },
  { ...sums([64, 8192], 1), dispatches: 1 },
  { ...sums([128, 784], undefined), dispatches: 1 },
  { ...product(400, 4096, 784, true, false), entry: () => NaN, dispatches: 1 },
  { ...product(20, 4095, 20, true, false), dispatches: 1 },
];

const graphOf = ({ shapes, fn }: Case): g.Graph =>
  g.stage(Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { shape }])), (x) => ({
    y: fn(x as Record<string, g.Tensor>),
  }));
const operandsOf = ({ shapes }: Case): Record<string, Float32Array> =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, numbers(sizeOf(shape), 5 + i)]));
const feedsOf = (given: Case): Record<string, HostTensor> =>
  Object.fromEntries(Object.entries(operandsOf(given)).map(([name, data]) => [name, { dtype: "f32", shape: given.shapes[name]!, data }]));

function expectRight(given: Case, got: readonly number[], tolerance: number): void {
  const operands = operandsOf(given);
  const want = got.map((_, i) => given.entry(operands, i));
  const size = Math.sqrt(total(want.length, (i) => want[i]! ** 2) / want.length);
  got.forEach((y, i) => expect(Math.abs(y - want[i]!), `${given.what}: ${i}`).toBeLessThan(tolerance * size));
}

describe("long sums", () => {
  it.each(cases)("$what: takes $dispatches", (given) => {
    const program = { name: "p", stages: [{ kind: "call" as const, name: "c", graph: graphOf(given) }], fetch: ["y"] };
    const compiled = compileProgram(program, usualLimits(), () => undefined);
    expect(describeProgram(compiled, { label: "p", place: "p" }).run.dispatches).toBe(given.dispatches);
  });

  const taken = cases.filter(({ dispatches }) => dispatches > 1);
  it.each(taken)("$what: the graph is equal", async (given) => {
    const split = splitSums.run(graphOf(given));
    expect(split.nodes.length).toBeGreaterThan(graphOf(given).nodes.length);
    expectRight(given, await valuesOf(referenceEngine, split, feedsOf(given)), 1e-6);
  });

  it.each(taken)("$what: right on a device", async (given) => {
    const info = await webgpuEngine.probe();
    if (!info.available) return console.warn(`webgpu is not available: ${info.detail}`);
    expectRight(given, await valuesOf(webgpuEngine, graphOf(given), feedsOf(given)), 2e-5);
  });
});
