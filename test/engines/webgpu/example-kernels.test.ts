/** What the kernels of every example ask of a device, from their plan and their text. No device. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { kernelReport, type KernelReport } from "../../../src/cli/commands/explain-kernels.js";
import type { DeviceLimits } from "../../../src/runtime/engines/webgpu/assemble.js";
import { usualLimits, type DispatchDescription } from "../../../src/runtime/engines/webgpu/describe.js";
import type { ModelDefinition } from "../../../src/runtime/index.js";
import { loadModel } from "../../support/model.js";

const names = readdirSync(new URL("../../../examples", import.meta.url)).flatMap((file) => /^(\w+)\.gm\.ts$/u.exec(file)?.[1] ?? []);
const exampleOf = async (name: string): Promise<ModelDefinition> =>
  ((await import(`../../../examples/${name}.gm.ts`)) as { model: ModelDefinition }).model;
const dispatchesOf = (report: KernelReport): readonly DispatchDescription[] =>
  report.phases.flatMap((phase) => phase.updates.flatMap(({ program }) => program.stages.flatMap((stage) => stage.dispatches)));

/** The least that WebGPU grants, and what integrated cards and lavapipe do. */
const granted = [16_384, 32_768] as const;
const withStorage = (workgroupStorage: number): DeviceLimits => {
  const usual = usualLimits();
  return { ...usual, gemm: { ...usual.gemm, workgroupStorage } };
};

/** Bytes of workgroup memory by the text: sizes from the table of WGSL, each variable rounded up to 16 as the limit of WebGPU is defined. */
function storageOf(wgsl: string): number {
  const sizes: Readonly<Record<string, number>> = { f32: 4, u32: 4, i32: 4, vec2f: 8, "vec4<f16>": 8, vec4f: 16 };
  return wgsl.split("\n").reduce((sum, line) => {
    if (!line.includes("var<workgroup>")) return sum;
    const [, type, count] = /array<(.+), (\d+)>;/u.exec(line)!;
    expect(sizes[type!], line).toBeDefined();
    return sum + Math.ceil((sizes[type!]! * Number(count)) / 16) * 16;
  }, 0);
}

const largestOf = (report: KernelReport): number => Math.max(...dispatchesOf(report).map(({ wgsl }) => storageOf(wgsl ?? "")));

describe("the workgroup memory of a dispatch, all its parts together,", () => {
  it.each(names)("keeps within what a device grants: %s", async (name) => {
    const model = await exampleOf(name);
    for (const bytes of granted) expect(largestOf(kernelReport(model, {}, { limits: withStorage(bytes) }))).toBeLessThanOrEqual(bytes);
  });

  it("does so where reductions stand beside products that would fill it", () => {
    const { model } = loadModel(`
model Big(D = 784, H = 2000) {
  data x : binary[D]
  latent z : real[50]
  net dec(z) = z |> dense(H) |> tanh |> dense(D)
  net enc(x) { h = x |> dense(H) |> tanh
    return (loc = h |> dense(50), scale = exp(h |> dense(50))) }
  density p(x, z) { z ~ Normal(0, 1)  x ~ Bernoulli(logits = dec(z)) }
  density q(z | x) { e = enc(x)  z ~ Normal(e.loc, e.scale) }
  train { maximize IWAE(p, q, k = 50)  optimizer = adam(lr = 1e-3), batch = 58 }
}`);
    for (const bytes of granted) {
      const largest = largestOf(kernelReport(model, {}, { limits: withStorage(bytes) }));
      expect(largest).toBeLessThanOrEqual(bytes);
      // tiles as large as they may be
      expect(largest).toBeGreaterThan(bytes / 2);
    }
  });
});
