/**
 * Kernels of matrix products, run on the CPU by a strict reader of their WGSL (no index outside, no race, each element stored once) against the
 * plain float64 product, and convolutions against the reference engine's kernels. Devices: gemm-on-device.test.ts.
 */
import { describe, expect, it } from "vitest";
import { gemmCandidates, gemmVariants } from "../../../src/runtime/engines/webgpu/gemm/candidates.js";
import { choiceName, gemmKernel, measuresOf } from "../../../src/runtime/engines/webgpu/gemm/kernel.js";
import { leastLimits, type GemmChoice, type GemmLimits, type GemmSpec } from "../../../src/runtime/engines/webgpu/gemm/types.js";
import { runOnCpu } from "../../support/wgsl.js";
import { prepare, type Case, type Layout, type Prepared } from "./gemm-cases.js";
import { convolutions, kinds, prepareConvolution } from "./gemm-convolution-cases.js";

const base: Case = { m: 1, n: 1, k: 1, batch: 1, a: "rows", b: "rows", vectors: false };
const odd = [1, 7, 127, 129];
const layouts: readonly Layout[] = ["rows", "columns", "apart", "shared", "function", "functionAlongRows", "vectorFunction"];
const generous: GemmLimits = { ...leastLimits, workgroupStorage: 32768, f16: true, subgroupSize: 32 };

/** Sums of k products in float32, in any order, with some slack. */
const tolerance = (k: number): number => 6e-8 * (4 + Math.sqrt(k));

function expectRight(prepared: Prepared, choice: GemmChoice, groupLimit?: number): void {
  const { m, n, k, batch } = prepared.spec;
  const { wgsl, workgroups } = gemmKernel(prepared.spec, choice, groupLimit);
  const c = new Float32Array(prepared.outputs);
  const what = `${m} x ${n} x ${k}, batch ${batch}: ${choiceName(choice)}`;
  const [aData, bData] = prepared.numbers;
  try {
    runOnCpu(wgsl, workgroups, { aData, bData, cData: c }, { free: [prepared.outputs - 1], subgroup: generous.subgroupSize! });
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
  const { error, strayed } = prepared.errorOf(c);
  expect({ what, strayed, error: error <= tolerance(k) ? "small" : error }).toEqual({ what, strayed: false, error: "small" });
}

/** Some of a list, spread over it; the same at every run, others for another seed. */
const some = <T>(list: readonly T[], count: number, seed: number): T[] =>
  list.length <= count
    ? [...list]
    : Array.from({ length: count }, (_, i) => list[(Math.floor((i * list.length) / count) + seed * 7) % list.length]!);

/** One of each class, the seed says which. */
function oneOfEach(choices: readonly GemmChoice[], classOf: (choice: GemmChoice) => string, seed: number): GemmChoice[] {
  const classes = new Map<string, GemmChoice[]>();
  for (const choice of choices) classes.set(classOf(choice), [...(classes.get(classOf(choice)) ?? []), choice]);
  return [...classes.values()].map((list, i) => list[(seed + i * 5) % list.length]!);
}

const tileAndSplit = (c: GemmChoice): string =>
  c.form === "tiled" ? `${c.tileM} ${c.tileN} ${c.threadM} ${c.threadN} ${c.splitK}` : choiceName(c);
const loading = (c: GemmChoice): string =>
  c.form === "tiled" ? `${c.tileK} ${c.splitK} ${c.stages} ${c.widthA} ${c.widthB}` : choiceName(c);

describe("limits", () => {
  const limits: readonly GemmLimits[] = [
    leastLimits,
    { ...leastLimits, workgroupStorage: 49152, invocations: 1024, f16: true, subgroupSize: 32 },
    { ...leastLimits, workgroupStorage: 4096, invocations: 64 },
  ];
  const cases: readonly Case[] = [
    { ...base, m: 1 },
    { ...base, m: 7, n: 129, k: 127 },
    { ...base, m: 128, n: 400, k: 784, vectors: true },
    { ...base, m: 8, n: 4096, k: 4096, b: "columns", vectors: true },
    { ...base, m: 512, n: 512, k: 64, a: "halves", b: "halves", vectors: true },
  ];
  it.each(limits)("are respected by every kernel: %o", (limit) => {
    for (const { m, n, k, a, b, vectors } of cases) {
      const { spec } = prepare({ m: Math.min(m, 16), n: Math.min(n, 16), k: Math.min(k, 16), batch: 1, a, b, vectors });
      const sized = { ...spec, m, n, k };
      const variants = gemmVariants(sized, limit);
      expect(variants.length).toBeGreaterThan(0);
      for (const choice of variants) {
        const { wgsl } = gemmKernel(sized, choice, limit.workgroupsPerDimension);
        const said = wgsl.matchAll(/var<workgroup> \w+: array<(f32|vec2f|vec4f|vec4<f16>), (\d+)>/gu);
        const sizes = { f32: 4, vec2f: 8, vec4f: 16, "vec4<f16>": 8 } as const;
        const storage = [...said].reduce((sum, [, type, count]) => sum + sizes[type as keyof typeof sizes] * Number(count), 0);
        const threads = Number(/@workgroup_size\((\d+)\)/u.exec(wgsl)![1]);
        expect(storage, choiceName(choice)).toBe(measuresOf(sized, choice).storage);
        expect(storage, choiceName(choice)).toBeLessThanOrEqual(limit.workgroupStorage);
        expect(threads, choiceName(choice)).toBeLessThanOrEqual(Math.min(256, limit.invocations));
      }
    }
  });

  it("of a dimension of the grid are kept to for any count of tiles", () => {
    const { spec } = prepare({ ...base, m: 16, n: 16, k: 16 });
    for (const m of [65535 * 8, 65535 * 8 + 1, 20_000_000]) {
      const sized = { ...spec, m, n: 20 };
      for (const choice of gemmCandidates(sized, leastLimits)) {
        const { workgroups } = gemmKernel(sized, choice);
        expect(Math.max(...workgroups)).toBeLessThanOrEqual(65535);
        expect(workgroups[0] * workgroups[1] * workgroups[2]).toBeGreaterThanOrEqual(measuresOf(sized, choice).groups);
      }
    }
  });
});

describe("names and texts", () => {
  it("tell kernels apart, and are the same at every call", () => {
    const { spec } = prepare({ ...base, m: 8, n: 64, k: 64, vectors: true });
    const variants = gemmVariants(spec, { ...leastLimits, subgroupSize: 32 });
    expect(new Set(variants.map(choiceName)).size).toBe(variants.length);
    expect(new Set(variants.map((v) => gemmKernel(spec, v).wgsl)).size).toBe(variants.length);
    for (const v of variants) expect(gemmKernel(spec, v)).toEqual(gemmKernel(spec, JSON.parse(JSON.stringify(v)) as GemmChoice));
  });
});

describe("kernels", () => {
  it("are right for every odd size, in changing layouts", () => {
    let seed = 0;
    for (const m of odd)
      for (const n of odd)
        for (const k of m * n > 1000 ? [1, 7] : odd) {
          const [a, b] = [layouts[seed % layouts.length]!, layouts[(seed * 3 + 1) % layouts.length]!];
          const prepared = prepare({ m, n, k, batch: 1, a, b, vectors: seed % 2 === 0 });
          for (const choice of some(gemmVariants(prepared.spec, generous), 1, seed)) expectRight(prepared, choice);
          seed++;
        }
  });

  it.each([
    { ...base, m: 66, n: 68, k: 9 },
    { ...base, m: 68, n: 66, k: 8, a: "columns", b: "columns", vectors: true },
  ] satisfies Case[])("are right for every tile and split ($m x $n x $k, $a and $b)", (given) => {
    const prepared = prepare(given);
    const tiled = gemmVariants(prepared.spec, generous).filter((c) => c.form === "tiled");
    for (const choice of oneOfEach(tiled, tileAndSplit, given.k)) expectRight(prepared, choice);
  });

  it.each([
    { ...base, m: 12, n: 20, k: 68, vectors: true },
    { ...base, m: 12, n: 20, k: 68, a: "columns", b: "columns", vectors: true },
    { ...base, m: 12, n: 20, k: 68, a: "columns", b: "vectorFunction" },
  ] satisfies Case[])("are right for every way to load and split K ($a and $b)", (given) => {
    const prepared = prepare(given);
    const tiled = gemmVariants(prepared.spec, generous).filter((c) => c.form === "tiled");
    for (const choice of some(oneOfEach(tiled, loading, given.n), 30, 1)) expectRight(prepared, choice);
  });

  it.each(layouts)("are right in batches: %s times each", (a) => {
    for (const b of layouts) {
      const prepared = prepare({ m: 12, n: 8, k: 20, batch: 3, a, b, vectors: a === b });
      for (const choice of some(gemmVariants(prepared.spec, generous), 1, layouts.indexOf(a) + layouts.indexOf(b)))
        expectRight(prepared, choice);
    }
  });

  it.each([
    { ...base, m: 1, n: 30, k: 260, b: "columns", vectors: true },
    { ...base, m: 8, n: 132, k: 20, batch: 2, vectors: true },
    { ...base, m: 70, n: 1, k: 129 },
    { ...base, m: 69, n: 3, k: 40, a: "columns", b: "shared", batch: 2 },
    { ...base, m: 64, n: 6, k: 30, a: "vectorFunction", b: "function" },
    { ...base, m: 2, n: 2, k: 600, a: "apart", b: "columns" },
  ] satisfies Case[])("are right for few rows or columns ($m x $n x $k)", (given) => {
    const prepared = prepare(given);
    const skinny = gemmVariants(prepared.spec, generous).filter((c) => c.form === "skinny");
    expect(skinny.length).toBeGreaterThan(4);
    for (const choice of some(skinny, 6, given.n)) expectRight(prepared, choice);
    for (const choice of skinny.filter((c) => c.subgroup).slice(0, 2)) expectRight(prepared, choice);
  });

  it("are right where the grid takes two dimensions", () => {
    const prepared = prepare({ ...base, m: 30, n: 26, k: 9, batch: 2 });
    const variants = gemmVariants(prepared.spec, generous);
    for (const choice of [...some(variants, 4, 3), ...variants.filter((c) => c.form === "direct")]) expectRight(prepared, choice, 3);
  });

  it.each([
    { ...base, m: 12, n: 16, k: 20, a: "halves", b: "halves", vectors: true },
    { ...base, m: 12, n: 16, k: 20, a: "halves", b: "columns", batch: 2 },
    { ...base, m: 4, n: 16, k: 20, a: "rows", b: "halves", vectors: true },
  ] satisfies Case[])("are right for float16 operands ($a and $b)", (given) => {
    const prepared = prepare(given);
    for (const choice of some(gemmVariants(prepared.spec, generous), 12, 1)) expectRight(prepared, choice);
  });

  it("sum nothing to zero", () => {
    const prepared = prepare({ ...base, m: 9, n: 9, k: 0 });
    for (const choice of some(gemmVariants(prepared.spec, generous), 6, 0)) expectRight(prepared, choice);
  });

  it("are found out where a barrier is missing or a check is dropped", () => {
    const prepared = prepare({ ...base, m: 9, n: 10, k: 40, b: "function" });
    const [aData, bData] = prepared.numbers;
    const broken = (choice: GemmChoice, from: RegExp, to: string): (() => void) => {
      const { wgsl, workgroups } = gemmKernel(prepared.spec, choice);
      expect(wgsl).toMatch(from);
      return () => {
        const c = new Float32Array(prepared.outputs);
        runOnCpu(wgsl.replace(from, to), workgroups, { aData, bData, cData: c }, { free: [prepared.outputs - 1] });
        if (prepared.errorOf(c).strayed) throw new Error("strayed");
      };
    };
    for (const choice of gemmVariants(prepared.spec, leastLimits)
      .filter((c) => c.form === "tiled" && c.stages === 1)
      .slice(0, 3)) {
      expect(broken(choice, /workgroupBarrier\(\);(?=\n +for \(var at)/u, "")).toThrow("race");
      expect(broken(choice, /if \(outer >= 10u \|\| depth >= 40u\)|if \(outer >= 10u\)/u, "if (false)")).toThrow();
    }
  });
});

describe("convolutions as products", () => {
  it.each(convolutions.flatMap((c) => kinds.map((kind) => ({ ...c, kind }))))("$kind of $what is the reference's", (given) => {
    for (const reading of ["array", "vectors", "read"] as const) {
      const { spec, inputs, outputs, expected } = prepareConvolution(given, given.kind, reading);
      const choice = some(gemmVariants(spec, generous), 1, outputs + reading.length)[0]!;
      const { wgsl, workgroups } = gemmKernel(spec, choice);
      const c = new Float32Array(outputs);
      runOnCpu(wgsl, workgroups, { aData: inputs[0]!, bData: inputs[1]!, cData: c }, { subgroup: 32 });
      const worst = c.reduce((most, v, i) => Math.max(most, Math.abs(v - expected[i]!)), 0);
      expect({ choice: choiceName(choice), worst: worst < 2e-6 * Math.sqrt(spec.k) ? "small" : worst }).toEqual({
        choice: choiceName(choice),
        worst: "small",
      });
    }
  });

  it("multiply by no zeros that a stride puts in", () => {
    const given = convolutions.find((c) => c.what.includes("DCGAN"))!;
    const forward = prepareConvolution(given, "conv", "array").spec;
    const back = prepareConvolution(given, "convInputGrad", "array").spec;
    const products = ({ m, n, k, batch }: GemmSpec): number => m * n * k * batch;
    // Odd padding: each phase has one place too many an axis, (5 / 4)^2 at this size.
    expect(products(back)).toBeLessThanOrEqual(products(forward) * (25 / 16));
  });
});
