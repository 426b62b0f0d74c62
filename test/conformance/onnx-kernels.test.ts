import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { loadOrt } from "../../src/runtime/engines/onnx/ort.js";
import { describe, expect, it } from "vitest";
import { bernoulliKernel, hostKernel } from "../../src/runtime/engines/onnx/host.js";
import { Arena, type Region } from "../../src/runtime/engines/onnx/memory.js";
import { evaluate } from "../../src/runtime/engines/reference/evaluate.js";
import { normalQuantile } from "../../src/math/special.js";
import { input, randomBits, randomUniform, rootKey, stage, type DrawShape, type NodeOf } from "../../src/runtime/graph/index.js";

const ort = await loadOrt();
const rng = [0x9e3779b9, 0x7f4a7c15, 41, 0xfffffffe];

function drawn(shape: DrawShape, kind: "bits" | "uniform", iteration?: number): { node: NodeOf<"random">; want: readonly number[] } {
  const graph = stage({}, () => {
    const key = rootKey().at("site").fold(3);
    const at = iteration === undefined ? key : key.iterate(input("iteration", [], "i32"));
    return { y: kind === "bits" ? randomBits(at, shape) : randomUniform(at, shape) };
  });
  const want = evaluate(graph, { rng, iteration: iteration ?? 0 });
  return { node: graph.nodes[graph.outputs["y"]!] as NodeOf<"random">, want: Array.from(want["y"]!.data) };
}

function operands(arena: Arena, iteration?: number): Region[] {
  const state = arena.copyOf({ dtype: "u32", shape: [4], data: Uint32Array.from(rng) });
  if (iteration === undefined) return [state];
  return [state, arena.copyOf({ dtype: "i32", shape: [], data: Int32Array.of(iteration) })];
}

const rows = (size: number): { kind: "rows"; size: number } => ({ kind: "rows", size });

describe("the WebAssembly module", () => {
  it("is what kernels.wat compiles to", () => {
    const script = fileURLToPath(new URL("../../scripts/build-wasm.mjs", import.meta.url));
    expect(() => execFileSync(process.execPath, [script, "--check"], { stdio: "pipe" })).not.toThrow();
  });

  const shapes: readonly DrawShape[] = [
    [],
    [1],
    [7],
    [129],
    [rows(5), 1],
    [rows(3), 17],
    [rows(127), 20],
    [3, rows(5), 2],
    [2, 2, rows(4), 3, 7],
    [4, rows(3)],
  ];
  for (const shape of shapes) {
    const said = JSON.stringify(shape.map((entry) => (typeof entry === "number" ? entry : `rows ${entry.size}`)));
    for (const iteration of [undefined, 12]) {
      it(`draws the host's words for ${said}${iteration === undefined ? "" : " of an iteration"}`, () => {
        const arena = new Arena(ort);
        const { node, want } = drawn(shape, "bits", iteration);
        const out = arena.region("u32", node.shape);
        hostKernel(arena, node)(operands(arena, iteration), out);
        expect(Array.from(out.data())).toEqual(want);
      });
    }
    it(`draws Bernoulli variables for ${said} as comparing uniforms does`, () => {
      const arena = new Arena(ort);
      const { node, want } = drawn(shape, "uniform");
      const p = arena.region("f32", node.shape);
      // long runs of zeros, with single entries that are not, and the borders of the comparison among numbers
      const probability = (u: number, i: number): number =>
        (i % 80 < 40 ? [0, -1, NaN][i % 3]! : [0.5, 1, u, NaN, 0, u + 2 ** -24, 0.9][i % 7]!) + (i % 37 === 0 ? 0.8 : 0);
      p.data().set(want.map(probability));
      const out = arena.region("f32", node.shape);
      bernoulliKernel(arena, node)([...operands(arena), p], out);
      expect(Array.from(out.data())).toEqual(want.map((u, i) => (u < p.data()[i]! ? 1 : 0)));
    });
  }

  it("leaves alone what lies behind a region", () => {
    const arena = new Arena(ort);
    const { node } = drawn([rows(3), 5], "bits");
    const out = arena.region("u32", node.shape);
    const next = arena.copyOf({ dtype: "f32", shape: [4], data: Float32Array.of(1, 2, 3, 4) });
    hostKernel(arena, node)(operands(arena), out);
    expect(Array.from(next.data())).toEqual([1, 2, 3, 4]);
  });

  it("inverts the normal distribution function over its whole range", () => {
    const arena = new Arena(ort);
    const n = 1 << 16;
    const x = arena.region("u32", [n]);
    const words = Uint32Array.from({ length: n }, (_, i) => {
      if (i < 4096) return i << 8; // the lower end, word by word
      if (i < 8192) return (0xffffff - (i - 4096)) << 8; // the upper end
      if (i < 12288) return (0x7ff800 + (i - 8192)) << 8; // the middle
      return Math.imul(i, 0x9e3779b1);
    });
    x.data().set(words);
    arena.kernels.normal(x.address, n);
    const got = new Float32Array(arena.buffer, x.address, n);
    let worst = 0;
    words.forEach((word, i) => {
      const want = normalQuantile(((word >>> 8) + 0.5) * 2 ** -24);
      worst = Math.max(worst, Math.abs(got[i]! - want) / Math.abs(want));
    });
    expect(worst).toBeLessThan(5e-7);
  });

  it("finds a gradient entry that is not finite, wherever it is", () => {
    const arena = new Arena(ort);
    for (const n of [1, 3, 16, 17, 129]) {
      const x = arena.region("f32", [n]);
      x.data().fill(3.4028234663852886e38);
      expect(arena.kernels.finite(x.address, n)).toBe(1);
      for (let i = 0; i < n; i++) {
        for (const bad of [NaN, Infinity, -Infinity]) {
          x.data().fill(-1);
          x.data()[i] = bad;
          expect(arena.kernels.finite(x.address, n)).toBe(0);
        }
      }
    }
  });

  it("sums squares in float64", () => {
    const arena = new Arena(ort);
    const x = arena.copyOf({ dtype: "f32", shape: [7], data: Float32Array.of(1e10, 1, -3, 0.5, 1e-10, 2, -2) });
    expect(arena.kernels.squares(x.address, 7, Infinity)).toBeCloseTo(1e20 + 18.25, -4);
    expect(arena.kernels.squares(x.address, 7, 2)).toBe(4 + 1 + 4 + 0.25 + Math.fround(1e-10) ** 2 + 4 + 4);
  });
});

describe("the arena", () => {
  it("reuses freed memory, cleared, and keeps contents when it grows", () => {
    const arena = new Arena(ort);
    const kept = arena.copyOf({ dtype: "f32", shape: [3], data: Float32Array.of(1, 2, 3) });
    const tensor = kept.tensor();
    const first = arena.region("f32", [1000]);
    first.data().fill(7);
    first.free();
    const again = arena.region("f32", [500]);
    expect(again.address).toBe(first.address);
    expect(again.data().every((x) => x === 0)).toBe(true);
    const before = arena.buffer;
    arena.region("f32", [1_000_000]);
    expect(arena.buffer === before).toBe(false);
    expect(Array.from(kept.data())).toEqual([1, 2, 3]);
    expect(kept.tensor() === tensor).toBe(false);
    expect(Array.from(kept.tensor().data as Float32Array)).toEqual([1, 2, 3]);
  });

  it("says when 4 GiB are not enough", () => {
    const arena = new Arena(ort);
    expect(() => arena.region("f32", [2 ** 15, 2 ** 15, 2])).toThrow(expect.objectContaining({ code: "GM5403" }));
    // and goes on working
    expect(arena.region("f32", [3]).data().length).toBe(3);
  });
});

describe("the logistic kernel", () => {
  it("is right to f32 from end to end, and keeps NaN", () => {
    const ends = [NaN, Infinity, -Infinity, 0, -0, 1e30, -1e30, 87, -87, 88, -88, 1e-40, 0.5 * Math.LN2, -0.5 * Math.LN2];
    const values = Float32Array.from({ length: 400 }, (_, i) => ends[i] ?? (i - 200) / 2.3);
    const arena = new Arena(ort);
    const [x, out] = [arena.copyOf({ dtype: "f32", shape: [400], data: values }), arena.region("f32", [400])];
    arena.kernels.logistic(out.address, x.address, 400);
    const got = out.data();
    values.forEach((value, i) => {
      // exp(-87) is the least that it gives
      const want = 1 / (1 + Math.exp(-Math.max(-87, Math.min(87, value))));
      if (Number.isNaN(value)) expect(got[i]).toBeNaN();
      else expect(Math.abs(got[i]! - want), `at ${value}`).toBeLessThan(3e-7 * want);
    });
  });
});
