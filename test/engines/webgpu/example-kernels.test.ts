/** What the kernels of every example ask of a device, from their plan and their text. No device. */
import { readdirSync, readFileSync } from "node:fs";
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

/** Two slots a weight, without a bound on the gradient's norm, which needs all of the gradient before any of it is used. */
function expectOneUpdate(report: KernelReport, source: string): void {
  if (/clip_norm|max_norm/u.test(source)) return;
  const stages = report.phases.flatMap((phase) => phase.updates.flatMap(({ program }) => program.stages));
  for (const { optimiser, dispatches } of stages) {
    if (optimiser === undefined || optimiser.least < 24) continue;
    expect(dispatches).toHaveLength(1);
    // tensors of a pack begin at multiples of 256 bytes: of packs of a few hundred numbers that is most
    const written = dispatches[0]!.parts.flatMap(({ writes }) => writes).reduce((sum, { bytes }) => sum + bytes, 0);
    expect(optimiser.moved * optimiser.parameters).toBeLessThanOrEqual(1.25 * 2 * written + 64);
    if (optimiser.parameters > 1e5) expect(optimiser.moved / optimiser.least).toBeLessThanOrEqual(1.25);
  }
}

describe("an update of Adam", () => {
  it("is one kernel where weights share a gradient, as biases that are added do", () => {
    const text = `
model Two(D = 784, Z = 20) {
  data x : binary[D], y : category[10]
  latent z : real[Z]
  net dec(z, y) = (z |> dense(400)) + (onehot(y) |> dense(400)) |> tanh |> dense(D)
  net enc(x) { h = x |> dense(400) |> tanh
    return (loc = h |> dense(Z), scale = exp(h |> dense(Z))) }
  density p(x, z | y) { z ~ Normal(0, 1)  x ~ Bernoulli(logits = dec(z, y)) }
  density q(z | x) { e = enc(x)  z ~ Normal(e.loc, e.scale) }
  train { maximize ELBO(p, q)  optimizer = adam(lr = 1e-3), batch = 100 }
}`;
    const report = kernelReport(loadModel(text).model, {});
    expectOneUpdate(report, text);
    expect(report.phases[0]!.step.dispatches).toBeLessThanOrEqual(9);
  });
});

describe("an update where a kernel may bind 8 buffers", () => {
  it("reads and writes what Adam needs once", async () => {
    const report = kernelReport(await exampleOf("gan"), { buffers: 8 });
    const optimisers = report.phases.flatMap(({ updates }) =>
      updates.flatMap(({ program }) => program.stages.flatMap(({ optimiser }) => optimiser ?? [])),
    );
    expect(optimisers).toHaveLength(2);
    for (const { moved, least } of optimisers) {
      expect(least).toBe(24);
      expect(moved / least).toBeLessThanOrEqual(1.25);
    }
  });
});

describe("the workgroup memory of a dispatch, all its parts together,", () => {
  it.each(names)("keeps within what a device grants, and Adam is one kernel: %s", async (name) => {
    const [least] = granted;
    const report = kernelReport(await exampleOf(name), {}, { limits: withStorage(least) });
    expect(largestOf(report)).toBeLessThanOrEqual(least);
    expectOneUpdate(report, readFileSync(new URL(`../../../examples/${name}.gm`, import.meta.url), "utf8"));
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
