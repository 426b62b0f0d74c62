/** Kernels of matrix products on a WebGPU device, where one can be had, against the plain float64 product; see gemm.test.ts for the rest. */
import { afterAll, describe, expect, it } from "vitest";
import { gemmCandidates, gemmVariants } from "../../../src/runtime/engines/webgpu/gemm/candidates.js";
import { choiceName, gemmKernel } from "../../../src/runtime/engines/webgpu/gemm/kernel.js";
import type { GemmChoice } from "../../../src/runtime/engines/webgpu/gemm/types.js";
import { convolutions, kinds, prepareConvolution } from "./gemm-convolution-cases.js";
import { prepare, type Case, type Layout, type Prepared } from "./gemm-cases.js";
import { openDevice, type TestDevice } from "./gemm-device.js";

const base: Case = { m: 1, n: 1, k: 1, batch: 1, a: "rows", b: "rows", vectors: false };
const odd = [1, 7, 127, 129];
const layouts: readonly Layout[] = ["rows", "columns", "apart", "shared", "function", "functionAlongRows", "vectorFunction"];

const opened = await openDevice();
if (typeof opened === "string") console.warn(`kernels are not run: ${opened}`);
const device = opened as TestDevice;
/** A software device takes 0.2 s and more to compile a kernel: a few are run, and all with GMC_EVERY_KERNEL=1 (many minutes). */
const every = process.env.GMC_EVERY_KERNEL !== undefined;
let ran = 0;
afterAll(() => {
  if (typeof opened !== "string") expect(ran).toBeGreaterThan(every ? 400 : 14);
});

/** Sums of k products in float32, in any order, with some slack. */
const tolerance = (k: number): number => 6e-8 * (4 + Math.sqrt(k));

async function expectRight(prepared: Prepared, choice: GemmChoice, groupLimit?: number): Promise<void> {
  const { wgsl, workgroups } = gemmKernel(prepared.spec, choice, groupLimit);
  const c = await device.run(wgsl, workgroups, prepared.inputs, prepared.outputs);
  const { error, strayed } = prepared.errorOf(c);
  const { m, n, k, batch } = prepared.spec;
  const what = `${m} x ${n} x ${k}, batch ${batch}: ${choiceName(choice)}`;
  expect({ what, strayed, error: error <= tolerance(k) ? "small" : error }).toEqual({ what, strayed: false, error: "small" });
  ran++;
}

/** Some of a list, the same at every run, others for another seed. */
const some = <T>(list: readonly T[], few: number, many: number, seed: number): T[] => pick(list, every ? many : few, seed);
const pick = <T>(list: readonly T[], count: number, seed: number): T[] =>
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

describe.skipIf(typeof opened === "string")("kernels", () => {
  it("are right for every odd size, in changing layouts", async () => {
    let seed = 0;
    for (const m of odd)
      for (const n of odd)
        for (const k of odd) {
          const [a, b] = [layouts[seed % layouts.length]!, layouts[(seed * 3 + 1) % layouts.length]!];
          const prepared = prepare({ m, n, k, batch: 1, a, b, vectors: seed % 2 === 0 });
          if (every || seed % 32 === 3)
            for (const choice of some(gemmVariants(prepared.spec, device.limits), 1, 2, seed)) await expectRight(prepared, choice);
          seed++;
        }
  });

  it.each([
    { ...base, m: 150, n: 140, k: 70 },
    { ...base, m: 132, n: 136, k: 100, vectors: true },
    { ...base, m: 132, n: 136, k: 36, a: "columns", b: "columns", vectors: true },
  ] satisfies Case[])("are right for every tile and split ($m x $n x $k, $a and $b)", async (given) => {
    const prepared = prepare(given);
    const tiled = gemmVariants(prepared.spec, device.limits).filter((c) => c.form === "tiled");
    const seed = given.k;
    for (const choice of some(oneOfEach(tiled, tileAndSplit, seed), 1, 100, 0)) await expectRight(prepared, choice);
  });

  it.each([
    { ...base, m: 20, n: 24, k: 132, vectors: true },
    { ...base, m: 20, n: 24, k: 132, a: "columns", b: "columns", vectors: true },
    { ...base, m: 20, n: 24, k: 132, a: "columns", b: "vectorFunction" },
  ] satisfies Case[])("are right for every way to load and split K ($a and $b)", async (given) => {
    const prepared = prepare(given);
    const tiled = gemmVariants(prepared.spec, device.limits).filter((c) => c.form === "tiled");
    for (const choice of some(oneOfEach(tiled, loading, given.n), given.b === "vectorFunction" ? 1 : 0, 40, 1))
      await expectRight(prepared, choice);
  });

  it.each(layouts)("are right in batches: $0 times others", async (a) => {
    for (const b of some(layouts, layouts.indexOf(a) % 3 === 0 ? 1 : 0, layouts.length, layouts.indexOf(a))) {
      const prepared = prepare({ m: 36, n: 12, k: 44, batch: 3, a, b, vectors: a === b });
      for (const choice of some(gemmVariants(prepared.spec, device.limits), 1, 2, layouts.indexOf(a))) await expectRight(prepared, choice);
    }
  });

  it.each([
    { ...base, m: 1, n: 300, k: 260, b: "columns", vectors: true },
    { ...base, m: 8, n: 132, k: 700, batch: 2, vectors: true },
    { ...base, m: 300, n: 1, k: 129 },
    { ...base, m: 129, n: 3, k: 400, a: "columns", b: "shared", batch: 2 },
    { ...base, m: 64, n: 6, k: 30, a: "vectorFunction", b: "function" },
    { ...base, m: 2, n: 2, k: 600, a: "apart", b: "columns" },
  ] satisfies Case[])("are right for few rows or columns ($m x $n x $k)", async (given) => {
    const prepared = prepare(given);
    const skinny = gemmVariants(prepared.spec, device.limits).filter((c) => c.form === "skinny");
    expect(skinny.length).toBeGreaterThan(4);
    for (const choice of some(skinny, given.n % 3 === 0 ? 1 : 0, 12, given.n)) await expectRight(prepared, choice);
    const subgroups = skinny.filter((c) => c.subgroup);
    for (const choice of some(subgroups, given.k % 2, 9, 0)) await expectRight(prepared, choice);
  });

  it.each([
    { ...base, m: 128, n: 784, k: 400, vectors: true },
    { ...base, m: 128, n: 400, k: 784 },
    { ...base, m: 400, n: 784, k: 128, a: "columns", vectors: true },
    { ...base, m: 2048, n: 64, k: 64, b: "columns", vectors: true },
    { ...base, m: 6400, n: 50, k: 20 },
    { ...base, m: 20, n: 400, k: 6400, a: "columns" },
  ] satisfies Case[])("that the cost model prefers are right at models' sizes ($m x $n x $k)", async (given) => {
    const prepared = prepare(given);
    for (const choice of some(gemmCandidates(prepared.spec, device.limits), given.m > 100 && given.k > 100 ? 1 : 0, 6, 0))
      await expectRight(prepared, choice);
  });

  it("are right where the grid takes two dimensions", async () => {
    const prepared = prepare({ ...base, m: 70, n: 50, k: 9, batch: 2 });
    const variants = gemmVariants(prepared.spec, device.limits);
    for (const choice of some(
      variants.filter((c) => every || c.form === "direct"),
      1,
      9,
      3,
    ))
      await expectRight(prepared, choice, 3);
  });

  it("are right for float16 operands", async (context) => {
    if (!device.limits.f16) return context.skip();
    const pairs = [
      ["halves", "halves"],
      ["halves", "columns"],
      ["rows", "halves"],
    ] as const;
    for (const [a, b] of some(pairs, 1, 3, 0))
      for (const vectors of every ? [false, true] : [true]) {
        const prepared = prepare({ m: 12, n: 16, k: 20, batch: 2, a, b, vectors });
        const [tiled, skinny] = (["tiled", "skinny"] as const).map((form) =>
          gemmVariants({ ...prepared.spec, m: form === "skinny" ? 4 : 12 }, device.limits).filter((c) => c.form === form),
        );
        for (const choice of some(tiled!, 1, 6, 2)) await expectRight(prepared, choice);
        const thin = prepare({ m: 4, n: 16, k: 20, batch: 2, a, b, vectors });
        for (const choice of some(skinny!, 1, 4, 2)) await expectRight(thin, choice);
      }
  });

  it("give the same bits at every run", async () => {
    const prepared = prepare({ ...base, m: 20, n: 24, k: 100 });
    for (const choice of some(gemmCandidates(prepared.spec, device.limits), 1, 16, 0)) {
      const { wgsl, workgroups } = gemmKernel(prepared.spec, choice);
      const [first, second] = [
        await device.run(wgsl, workgroups, prepared.inputs, prepared.outputs),
        await device.run(wgsl, workgroups, prepared.inputs, prepared.outputs),
      ];
      expect(second).toEqual(first);
    }
  });

  it("sum nothing to zero", async () => {
    const prepared = prepare({ ...base, m: 9, n: 9, k: 0 });
    for (const choice of some(gemmCandidates(prepared.spec, device.limits), 1, 16, 0)) await expectRight(prepared, choice);
  });

  it.each(convolutions)("are right for convolutions: $what", async (given) => {
    const place = convolutions.indexOf(given);
    for (const kind of every ? kinds : kinds.filter((_, i) => place === 4 * i + 1)) {
      const { spec, inputs, outputs, expected } = prepareConvolution(given, kind, place % 2 === 0 ? "array" : "vectors");
      for (const choice of some(gemmCandidates(spec, device.limits), 1, 2, place)) {
        const { wgsl, workgroups } = gemmKernel(spec, choice);
        const c = await device.run(wgsl, workgroups, inputs, outputs);
        const worst = c.reduce((most, v, i) => Math.max(most, Math.abs(v - expected[i]!)), 0);
        expect({ choice: choiceName(choice), worst: worst < 2e-6 * Math.sqrt(spec.k) ? "small" : worst }).toEqual({
          choice: choiceName(choice),
          worst: "small",
        });
        ran++;
      }
    }
  });
});
