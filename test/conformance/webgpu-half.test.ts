/** Results kept as float16: asked for, planned and right; against the reference, with what is kept rounded to 11 bits. */
import { afterEach, describe, expect, it, vi, type TestContext } from "vitest";
import { kernelReport } from "../../src/cli/commands/explain-kernels.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import type { Engine, HostTensor, HostTensors, Program } from "../../src/runtime/engines/engine.js";
import { compileProgram, type CompiledProgram } from "../../src/runtime/engines/webgpu/compile.js";
import { usualLimits } from "../../src/runtime/engines/webgpu/describe.js";
import { checkHalf, wantsHalf } from "../../src/runtime/engines/webgpu/half.js";
import { webgpuEngine } from "../../src/runtime/engines/webgpu/index.js";
import * as g from "../../src/runtime/graph/index.js";
import type { ModelDefinition } from "../../src/runtime/index.js";
import { expectNear, expectSame, tensor } from "./compare.js";
import { expectSameSteps } from "./example-steps.js";

const halfEngine: Engine = { ...webgpuEngine, open: (options) => webgpuEngine.open({ ...options, storage: "f16" }) };

async function missing(context: TestContext): Promise<boolean> {
  const info = await webgpuEngine.probe();
  if (!info.available) context.skip(`webgpu is not available: ${info.detail}`);
  const error = info.available ? await halfEngine.open().then((session) => session.dispose(), String) : undefined;
  if (error !== undefined) context.skip(error);
  return !info.available || error !== undefined;
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("float16", () => {
  it("is taken only where it is asked for", () => {
    vi.stubEnv("GMC_GPU_STORAGE", "");
    expect(wantsHalf({})).toBe(false);
    expect(wantsHalf({ storage: "f16" })).toBe(true);
    vi.stubEnv("GMC_GPU_STORAGE", "f16");
    expect(wantsHalf({})).toBe(true);
    expect(wantsHalf({ storage: "f32" })).toBe(false);
    vi.stubEnv("GMC_GPU_STORAGE", "bf16");
    expect(() => wantsHalf({})).toThrow("GMC_GPU_STORAGE must be f32 or f16, found bf16");
    expect(() => wantsHalf({ storage: "f64" as "f16" })).toThrow("storage must be f32 or f16, found f64");
  });

  it("is refused with a line where an adapter has none", () => {
    expect(() => checkHalf(true, "a card")).not.toThrow();
    expect(() => checkHalf(false, "a card")).toThrow(
      expect.objectContaining({ code: "GM5439", message: expect.stringContaining("a card") as string }),
    );
  });
});

/** relu(relu(x v) w), with what lies between: [m, k] x [k, h] x [h, n]. */
function twoLayers(m: number, k: number, h: number, n: number, transposed = false): Program {
  const graph = g.stage({ x: { shape: [m, k] }, v: { shape: [k, h] }, w: { shape: transposed ? [n, h] : [h, n] } }, ({ x, v, w }) => ({
    y: g.matmul(g.relu(g.matmul(x!, v!)), w!, { transposeB: transposed }),
  }));
  return { name: "layers", stages: [{ kind: "call", name: "forward", graph }], fetch: ["y"] };
}

const compiled = (program: Program, half: boolean): CompiledProgram => compileProgram(program, usualLimits(16, half), () => undefined);
const kernels = (program: CompiledProgram): string[] =>
  program.stages.flatMap(({ steps }) => steps.flatMap((step) => (step.kind === "dispatch" ? [step.dispatch.wgsl] : [])));

describe("plans with float16", () => {
  it("keep what products read in half of the room, and nothing else", () => {
    const [full, half] = [false, true].map((h) => compiled(twoLayers(64, 32, 33, 16), h));
    expect(full!.slots.map(({ bytes }) => bytes)).toEqual([4 * 64 * 33]);
    expect(half!.slots.map(({ bytes }) => bytes)).toEqual([2 * 64 * 33]);
    expect(kernels(full!).join("")).not.toContain("f16");
    const [first, second] = kernels(half!);
    expect(first).toMatch(/^enable f16;\n/u);
    expect(first!.match(/array<f16>; \/\/ .*/gu)).toEqual(["array<f16>; // slot:0"]);
    expect(second!.match(/array<f16>; \/\/ .*/gu)).toEqual(["array<f16>; // slot:0"]);
    expect(second).toContain("array<f32>; // out:0:");
  });

  it("take no more dispatches for an example, and fewer bytes", async () => {
    const { model } = (await import("../../examples/vae.gm.ts")) as { model: ModelDefinition };
    const step = (storage: string) => {
      vi.stubEnv("GMC_GPU_STORAGE", storage);
      return kernelReport(model, {}).phases[0]!.step;
    };
    const [full, half] = [step("f32"), step("f16")];
    expect(half.dispatches).toBe(full.dispatches);
    expect(half.flops).toBe(full.flops);
    expect(half.bytes).toBeLessThan(full.bytes);
  });
});

/** A number of 11 bits near by, for those between 2^-14 and 65504: WGSL lets a device take the nearest one, or the next one towards 0. */
function rounded(value: number, round: (x: number) => number): number {
  if (value === 0) return 0;
  const step = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 10);
  return round(value / step) * step;
}

async function run(engine: Engine, program: Program, feeds: HostTensors): Promise<HostTensor> {
  const session = await engine.open();
  try {
    return (await (await session.compile(program)).run(feeds)).y!;
  } finally {
    session.dispose();
  }
}

/** Numbers in [-1, 1). */
function numbers(size: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: size }, () => (state = (Math.imul(state, 1664525) + 1013904223) | 0) / 2 ** 31);
}

describe("results with float16", () => {
  it.each([
    [64, 32, 33, 16, false],
    [129, 7, 127, 65, true],
    [1, 127, 129, 7, false],
    [300, 260, 128, 4, true],
    [256, 64, 512, 256, false],
  ])("are those of a layer rounded to 11 bits and of sums that are not (%i x %i x %i x %i)", async (m, k, h, n, transposed) => {
    const context = { skip: (why?: string): void => console.warn(why) } as TestContext;
    if (await missing(context)) return;
    const feeds = {
      x: tensor([m, k], numbers(m * k, 7)),
      v: tensor([k, h], numbers(k * h, 13)),
      w: tensor(transposed ? [n, h] : [h, n], numbers(h * n, 21)),
    };
    const program = twoLayers(m, k, h, n, transposed);
    const [got, exact] = [await run(halfEngine, program, feeds), await run(referenceEngine, program, feeds)];
    // by hand, in float64
    const [x, v, w] = [feeds.x.data, feeds.v.data, feeds.w.data];
    const wanted = (round: (x: number) => number): Float64Array => {
      const y = new Float64Array(m * n);
      for (let i = 0; i < m; i++)
        for (let j = 0; j < h; j++) {
          let sum = 0;
          for (let l = 0; l < k; l++) sum += x[i * k + l]! * v[l * h + j]!;
          const kept = rounded(Math.max(0, sum), round);
          for (let l = 0; l < n; l++) y[i * n + l]! += kept * (transposed ? w[l * h + j]! : w[j * n + l]!);
        }
      return y;
    };
    // a sum in float32 that lies between two numbers of 11 bits may fall to the other one: what is kept differs in few places
    const off = (a: ArrayLike<number>): number =>
      Math.min(
        ...[Math.round, Math.trunc].map((round) => {
          const want = wanted(round);
          const norm = (of: (y: number, i: number) => number): number => Math.sqrt(want.reduce((sum, y, i) => sum + of(y, i) ** 2, 0));
          return norm((y, i) => y - a[i]!) / norm((y) => y);
        }),
      );
    expect(off(exact.data)).toBeGreaterThan(1e-4);
    expect(off(got.data)).toBeLessThan(off(exact.data) / 5);
    expectNear(got, exact, "y", 5e-3);
  });

  it("are right for convolutions and their gradients", async (context) => {
    if (await missing(context)) return;
    const graph = g.stage({ x: { shape: [3, 9, 9, 3] }, v: { shape: [3, 3, 3, 5] }, w: { shape: [3, 3, 5, 4] } }, ({ x, v, w }) => {
      const y = g.conv(g.relu(g.conv(x!, v!, { stride: 2, padding: "same" })), w!, { padding: "same" });
      const [dx, dv, dw] = g.grad(g.sum(g.square(y)), [x!, v!, w!]);
      return { y, dx: dx!, dv: dv!, dw: dw! };
    });
    const program: Program = { name: "convs", stages: [{ kind: "call", name: "c", graph }], fetch: ["y", "dx", "dv", "dw"] };
    expect(kernels(compiled(program, true)).join("")).toContain("array<f16>");
    const feeds = {
      x: tensor([3, 9, 9, 3], numbers(729, 7)),
      v: tensor([3, 3, 3, 5], numbers(135, 13)),
      w: tensor([3, 3, 5, 4], numbers(180, 21)),
    };
    await expectSame(halfEngine, {
      programs: [program],
      runs: [{ program: "convs", feeds }],
      tolerance: 3e-3,
      norm: "root mean square",
    });
  });

  // a relu's gate at a threshold may fall to the other side: entries differ, tensors do not
  it.each(["vae.gm", "gan.gm", "made.gm"])("are those of the reference to 11 bits: a step of %s", async (file) => {
    const context = { skip: (why?: string): void => console.warn(why) } as TestContext;
    if (await missing(context)) return;
    await expectSameSteps(halfEngine, file, 3e-2, "root mean square");
  });
});
