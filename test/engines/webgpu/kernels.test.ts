/** What `gmc explain --kernels` tells: against closed forms for bytes and operations, and against the compiled programs of examples. No device. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { kernelReport, type KernelReport } from "../../../src/cli/commands/explain-kernels.js";
import { printKernels } from "../../../src/cli/commands/kernels-text.js";
import type { Program } from "../../../src/runtime/engines/engine.js";
import { compileProgram } from "../../../src/runtime/engines/webgpu/compile.js";
import { describeProgram, usualLimits, type DispatchDescription } from "../../../src/runtime/engines/webgpu/describe.js";
import * as g from "../../../src/runtime/graph/index.js";
import type { ModelDefinition } from "../../../src/runtime/index.js";
import { leavesOf } from "../../../src/runtime/nn/spec.js";
import { loadModel } from "../../support/model.js";
import { planPhase } from "../../../src/runtime/train/plan.js";

const owner = { label: "maximize f", place: "m.gm:9" };
const described = (program: Program): ReturnType<typeof describeProgram> =>
  describeProgram(
    compileProgram(program, usualLimits(), () => undefined),
    owner,
  );

const exampleOf = async (name: string): Promise<ModelDefinition> =>
  ((await import(`../../../examples/${name}.gm.ts`)) as { model: ModelDefinition }).model;
const dispatchesOf = (report: KernelReport): readonly DispatchDescription[] =>
  report.phases.flatMap((phase) => phase.updates.flatMap(({ program }) => program.stages.flatMap((stage) => stage.dispatches)));

describe("a dispatch", () => {
  const graph = g.stage({ x: { shape: [64, 30] }, w: { shape: [30, 50] }, b: { shape: [50] } }, ({ x, w, b }) => {
    const product = g.origin("log p(x | z)", "m.gm:3", g.matmul(x!, w!));
    return { y: g.origin("log p(x | z)", "m.gm:4", g.tanh(g.add(product, b!))) };
  });
  const stage = { name: "c", graph };

  it("moves its operands and its result once, and does what its nodes do", () => {
    const told = described({ name: "p", stages: [{ kind: "call", ...stage }], fetch: ["y"] });
    expect(told.run).toEqual({
      dispatches: 1,
      host: 0,
      read: 4 * (64 * 30 + 30 * 50 + 50),
      written: 4 * (64 * 50),
      bytes: 4 * (64 * 30 + 30 * 50 + 50 + 64 * 50),
      // a product, a sum and a hyperbolic tangent an entry
      flops: 2 * 64 * 30 * 50 + 2 * 64 * 50,
    });
    const [part] = told.stages[0]!.dispatches[0]!.parts;
    expect(part).toMatchObject({ core: { prim: "matmul", shape: [64, 50] }, fused: { add: 1, tanh: 1 } });
    expect(part!.origins.map((o) => o.place)).toEqual(["m.gm:3", "m.gm:4"]);
  });

  it("what two of its parts read counts once", () => {
    const two = g.stage({ x: { shape: [64, 300] } }, ({ x }) => ({ rows: g.sum(x!, 1), columns: g.sum(x!, 0) }));
    const told = described({ name: "p", stages: [{ kind: "call", name: "c", graph: two }], fetch: ["rows", "columns"] });
    expect(told.stages[0]!.dispatches).toHaveLength(1);
    expect(told.stages[0]!.dispatches[0]!.parts).toHaveLength(2);
    expect(told.run).toMatchObject({ bytes: 4 * (64 * 300 + 64 + 300), flops: 2 * 64 * 300 });
  });

  it("of a repeated stage counts as often as it runs, and not where only the run knows", () => {
    const repeated = (count: number | string): ReturnType<typeof described> =>
      described({ name: "p", stages: [{ kind: "repeat", ...stage, count }], fetch: ["y"] });
    expect(repeated(7).run.flops).toBe(7 * (2 * 64 * 30 * 50 + 2 * 64 * 50));
    expect(repeated(7).run.dispatches).toBe(7);
    expect(repeated("k").run.dispatches).toBe(0);
    expect(repeated("k").stages[0]).toMatchObject({ times: "k", dispatches: [{ where: "device" }] });
  });
});

describe("a report", () => {
  it.each(["vae", "rbm", "gan", "nade", "dbm"])("of %s has a line and the text for every kernel", async (name) => {
    const model = await exampleOf(name);
    const report = kernelReport(model, { batch: 20 });
    const path = `examples/${name}.gm`;
    const text = printKernels(report, { path, text: readFileSync(path, "utf8") });
    for (const { where, wgsl, parts } of dispatchesOf(report)) {
      expect(parts.length).toBeGreaterThan(0);
      for (const part of parts) {
        expect(part.origins.length).toBeGreaterThan(0);
        for (const { label, place } of part.origins) {
          expect(place).toMatch(/\.gm:\d+$/u);
          expect(text).toContain(`${place}  ${label}`);
        }
      }
      expect(wgsl === undefined).toBe(where === "host");
      if (wgsl !== undefined) expect(text).toContain(wgsl.trimEnd());
    }
    expect(printKernels(kernelReport(model, { batch: 20 }), { path, text: readFileSync(path, "utf8") })).toBe(text);
  });

  it("of a flow in its sequential direction shows the passes, forward and of the gradient", () => {
    const { model } = loadModel(`
model M(D = 200) {
  data x : real[D]
  latent z : real[D]
  flow f on real[D] = inverse_autoregressive(made_values([8]))
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { maximize log p(x) }
}`);
    const report = kernelReport(model, { batch: 4 });
    const { stages } = report.phases[0]!.updates[0]!.program;
    expect(stages.filter(({ times }) => times === 201)).toHaveLength(2);
    expect(dispatchesOf(report).filter(({ where }) => where === "host")).toEqual([]);
  });

  it("of vae counts the dispatches that are compiled, and quotes the model", async () => {
    const model = await exampleOf("vae");
    const plan = planPhase(model, 0, { dynamic: new Set() });
    const shapes = new Map([
      ...leavesOf(model.weights).map(({ path, spec }) => [path, spec.shape] as const),
      ...plan.states.map((s) => [s.name, s.shape] as const),
    ]);
    const compiled = compileProgram(plan.updates[0]!.program, usualLimits(), (name) => shapes.get(name));
    const report = kernelReport(model, {});
    const count = compiled.stages.reduce((sum, stage) => sum + stage.steps.length, 0);
    expect(report.phases[0]!.step.dispatches).toBe(count);
    const text = printKernels(report, { path: "examples/vae.gm", text: readFileSync("examples/vae.gm", "utf8") });
    expect(text.match(/^dispatch \d+, /gmu)).toHaveLength(count);
    expect(text).toContain("vae.gm:16  log p(x | z)    | x ~ Bernoulli(logits = decoder(z))");
    // at least what the products of a forward and a backward pass cost; the first layer needs no gradient in x
    const sizes = [784 * 400, 400 * 400, 2 * 400 * 50, 50 * 400, 400 * 400, 400 * 784];
    const products = 2 * 100 * (3 * sizes.reduce((a, b) => a + b, 0) - 784 * 400);
    expect(report.phases[0]!.step.flops).toBeGreaterThan(products);
    expect(report.phases[0]!.step.flops).toBeLessThan(1.1 * products);
  });

  it("of vae plans the memory of a step, and prints it", async () => {
    const model = await exampleOf("vae");
    const parameters = leavesOf(model.weights).reduce((sum, { spec }) => sum + 4 * g.sizeOf(spec.shape), 0);
    const of = (batch: number) => kernelReport(model, { batch }).phases[0]!.memory;
    const { held, states, nextValues, gradients, results, inputs, largest } = of(100);
    expect(states + nextValues + gradients + results + inputs).toBe(held);
    // a weight, two slots of Adam's, an average; their places begin at multiples of 256 bytes
    const places = 256 * leavesOf(model.weights).length;
    expect(states).toBeGreaterThanOrEqual(4 * parameters);
    expect(states).toBeLessThan(4 * (parameters + places) + 100);
    expect(gradients).toBeGreaterThanOrEqual(parameters);
    expect(gradients).toBeLessThan(parameters + places);
    expect(largest).toBe(gradients);
    // the picture of a row more
    expect(of(101).inputs - inputs).toBe(4 * 784);
    expect(of(101).results).toBeGreaterThan(results);
    const text = printKernels(kernelReport(model, {}), { path: "examples/vae.gm", text: "" });
    expect(text).toMatch(
      /^ {2}memory: [\d.]+ MB \(states 16.2 MB, their next values .*\) and 4.0 MB in passing; the largest buffer is 4.0 MB$/mu,
    );
  });

  it("tells what runs on the host, and repeats", async () => {
    expect(kernelReport(await exampleOf("nade"), { batch: 20 }).phases[0]!.step.host).toBeGreaterThan(0);
    const deep = await exampleOf("dbm");
    const report = kernelReport(deep, { batch: 20 });
    const all = report.phases.at(-1)!;
    const stages = all.updates[0]!.program.stages;
    const repeated = stages.find((stage) => stage.times === 5)!;
    const others = stages.filter((stage) => stage !== repeated).reduce((sum, stage) => sum + stage.dispatches.length, 0);
    expect(all.updates).toHaveLength(1);
    expect(all.step.dispatches).toBe(5 * repeated.dispatches.length + others);
  });

  it("with fewer buffers a kernel takes more dispatches", async () => {
    const vae = await exampleOf("vae");
    const of = (buffers: number): number => kernelReport(vae, { buffers }).phases[0]!.step.dispatches;
    expect(of(8)).toBeGreaterThan(of(16));
  });
});
