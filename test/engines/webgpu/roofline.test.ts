/** What a device reaches, and what kernels take on it: by fakes with and without timestamps, then on a device where one can be had. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { measuredReport } from "../../../src/cli/commands/explain-kernels.js";
import { printKernels } from "../../../src/cli/commands/kernels-text.js";
import type { Program } from "../../../src/runtime/engines/engine.js";
import { compileProgram, type CompiledProgram } from "../../../src/runtime/engines/webgpu/compile.js";
import { usualLimits } from "../../../src/runtime/engines/webgpu/describe.js";
import { openDevice, type Device } from "../../../src/runtime/engines/webgpu/device.js";
import { webgpuEngine } from "../../../src/runtime/engines/webgpu/index.js";
import { boundOf, peaksOf } from "../../../src/runtime/engines/webgpu/roofline.js";
import { timeProgram } from "../../../src/runtime/engines/webgpu/stopwatch.js";
import { Choices } from "../../../src/runtime/engines/webgpu/tuning-file.js";
import * as g from "../../../src/runtime/graph/index.js";
import { idleDevice, type Listener } from "../../support/idle-device.js";
import { loadModel } from "../../support/model.js";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gmc-roofline-"));
  file = join(folder, "gmc", "kernels.json");
  vi.stubEnv("XDG_CACHE_HOME", folder);
  vi.stubEnv("GMC_GPU_TUNE", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const text = `
model Small(D = 12) {
  data x : binary[D]
  latent z : real[3]
  net dec(z) = z |> dense(D)
  net enc(x) { h = x |> dense(7) |> tanh
    return (loc = h |> dense(3), scale = exp(h |> dense(3))) }
  density p(x, z) { z ~ Normal(0, 1)  x ~ Bernoulli(logits = dec(z)) }
  density q(z | x) { e = enc(x)  z ~ Normal(e.loc, e.scale) }
  train { maximize ELBO(p, q)  optimizer = adam(lr = 1e-3), batch = 5 }
}`;

/** Two dispatches: a product, and one of what it gives. */
function twoProducts(device?: Device): CompiledProgram {
  const graph = g.stage({ x: { shape: [64, 96] }, w: { shape: [96, 72] }, u: { shape: [72, 8] } }, ({ x, w, u }) => ({
    y: g.matmul(g.tanh(g.matmul(x!, w!)), u!),
  }));
  const program: Program = { name: "two", stages: [{ kind: "call", name: "forward", graph }], fetch: ["y"] };
  return compileProgram(program, device?.limits ?? usualLimits(), () => undefined);
}

const dispatchesOf = (program: CompiledProgram) =>
  program.stages.flatMap(({ steps }) => steps.flatMap((step) => (step.kind === "dispatch" ? [step.dispatch] : [])));

describe("a roofline", () => {
  it("is the longer of what bytes and operations take", () => {
    const peaks = { flops: 10e12, bytes: 1e12 };
    expect(boundOf({ flops: 2e9, bytes: 1e8 }, peaks)).toEqual({ ms: 0.2, by: "arithmetic" });
    expect(boundOf({ flops: 2e9, bytes: 4e8 }, peaks)).toEqual({ ms: 0.4, by: "bandwidth" });
  });

  it("is measured once for each device, and kept beside what tuning found", async () => {
    const choices = await Choices.open();
    choices.set("a card", "8x8x8", { choice: "direct", time: 1, usual: 2 });
    const device = idleDevice();
    const pipelines = vi.spyOn(device, "pipeline");
    const peaks = await peaksOf(device, choices);
    expect(pipelines.mock.calls.length).toBeGreaterThan(1);
    expect(peaks.flops).toBeGreaterThan(0);
    expect(peaks.bytes).toBeGreaterThan(0);
    pipelines.mockClear();
    const again = await Choices.open();
    expect(await peaksOf(device, again)).toEqual(peaks);
    expect(pipelines).not.toHaveBeenCalled();
    expect(again.get("a card", "8x8x8")).toEqual({ choice: "direct", time: 1, usual: 2 });
  });

  it.each([
    ["another calibration's", (kept: string) => kept.replace('"calibration": 1', '"calibration": 0'), 0],
    ["one of no rate", (kept: string) => kept.replace(/"flops": .*,/u, '"flops": 0,'), 1],
  ])("is measured again in place of %s", async (_, change, warnings) => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const device = idleDevice();
    await peaksOf(device, await Choices.open());
    const kept = readFileSync(file, "utf8");
    expect(change(kept)).not.toBe(kept);
    writeFileSync(file, change(kept));
    const pipelines = vi.spyOn(device, "pipeline");
    await peaksOf(device, await Choices.open());
    expect(pipelines.mock.calls.length).toBeGreaterThan(1);
    expect(warn).toHaveBeenCalledTimes(warnings);
  });
});

describe("times of a program's kernels", () => {
  it("are medians of what the device's timestamps say", async () => {
    // nanoseconds of both dispatches, run after run; the first warms up
    const runs = [[9e9, 9e9], [5e6, 1e6], [1e6, 2e6], [3e6, 9e6], [2e6, 3e6], [4e6, 4e6], [7e6, 5e6], [6e6, 6e6]]; // prettier-ignore
    let run = 0;
    const device = idleDevice(undefined, undefined, {
      features: ["timestamp-query"],
      timestamps: () => {
        const [first, second] = runs[run++]!;
        return [1000n, 1000n + BigInt(first!), 5n, 5n + BigInt(second!)];
      },
    });
    const program = twoProducts();
    const times = await timeProgram(device, program);
    expect(run).toBe(runs.length);
    expect(dispatchesOf(program).map((dispatch) => times!.get(dispatch))).toEqual([4, 4]);
  });

  it("are none where the device offers no timestamps", async () => {
    expect(await timeProgram(idleDevice(), twoProducts())).toBeUndefined();
  });
});

describe("explain --kernels on a device", () => {
  const { model } = loadModel(text);
  const source = { path: "small.gm", text };
  const steps = 17;

  it("tells roofline, bound, time and share of each kernel and of a step", async () => {
    const ms = 3;
    const timestamps = (): readonly bigint[] => Array.from({ length: 2 * steps }, (_, i) => BigInt(i % 2) * BigInt(ms * 1e6));
    const device = idleDevice(undefined, undefined, { features: ["timestamp-query"], timestamps });
    const choices = await Choices.open();
    choices.setPeaks(device.adapter.name, { flops: 2e9, bytes: 1e9 });
    const { report, present } = await measuredReport(model, {}, device, choices);
    expect(present).toEqual({ name: "an idle card", software: false, buffers: 16, timed: true, peaks: { flops: 2e9, bytes: 1e9 } });
    const { updates, step } = report.phases[0]!;
    const dispatches = updates.flatMap(({ program }) => program.stages.flatMap((stage) => stage.dispatches));
    for (const { bytes, read, written, flops, intensity, roofline, ms: took } of dispatches) {
      expect(read + written).toBe(bytes);
      expect(intensity).toBeCloseTo(flops / bytes, 12);
      expect(roofline!.ms).toBeCloseTo(Math.max(flops / 2e6, bytes / 1e6), 12);
      expect(roofline!.by).toBe(flops / bytes > 2 ? "arithmetic" : "bandwidth");
      expect(took).toBe(ms);
    }
    expect(step.ms).toBe(ms * step.dispatches);
    expect(step.roofline).toBeCloseTo(
      dispatches.reduce((sum, { roofline }) => sum + roofline!.ms, 0),
      12,
    );
    expect(step.read + step.written).toBe(step.bytes);
    const printed = printKernels(report, source, present);
    expect(printed).toContain("compiled for an idle card, which lets a kernel bind 16\n");
    expect(printed).toContain("roofline, measured on it: 2.00 GFLOP/s by multiply-adds, 1.00 GB/s by a copy; below 2.0 operations a byte");
    expect(printed.match(/^ {2}roofline \S+ ms, bound by (?:bandwidth|arithmetic); took 3.00 ms, of which that is \d+ %$/gmu)).toHaveLength(
      step.dispatches,
    );
    expect(printed).toMatch(/roofline {2}bound by +time {2}share {2}computes/u);
  });

  it("says where the device offers no timestamps, and tells the roofline", async () => {
    const { report, present } = await measuredReport(model, {}, idleDevice(), await Choices.open());
    const printed = printKernels(report, source, present);
    expect(printed.match(/no kernel was timed: the device does not offer timestamp-query/gu)).toHaveLength(1);
    expect(printed).toMatch(/^ {2}roofline \S+ ms, bound by \w+$/mu);
    expect(printed).not.toContain("took");
    expect(report.phases[0]!.step.ms).toBeUndefined();
  });

  it("prints the rest where the device has no room to measure, or binds too few buffers", async () => {
    class GPUOutOfMemoryError extends Error {}
    let fail: Listener = () => undefined;
    const device = idleDevice(undefined, (listener) => (fail = listener));
    vi.spyOn(device.gpu.queue, "onSubmittedWorkDone").mockImplementation(() => {
      fail({ error: new GPUOutOfMemoryError("no room") });
      return Promise.resolve(undefined);
    });
    const full = await measuredReport(model, {}, device, await Choices.open());
    expect(printKernels(full.report, source, full.present)).toContain(
      "nothing was measured: the device (an idle card) has no memory left: no room",
    );
    expect(existsSync(file)).toBe(false);
    const wide = await measuredReport(model, { buffers: 32 }, idleDevice(), await Choices.open());
    expect(wide.present.unmeasured).toBe("no kernel was timed: the device lets one bind 16 buffers, and 32 were asked for");
    expect(wide.report.buffers).toBe(32);
  });

  it("prints schedule, WGSL, bytes and operations without any", async () => {
    const { report } = await measuredReport(model, {}, idleDevice(), await Choices.open());
    const printed = printKernels(report, source);
    expect(printed).toContain("bytes and operations are counted, nothing is measured");
    expect(printed).toMatch(/moved \(\S+ k?B read, \S+ k?B written\), [\d,]+ floating-point operations, \S+ a byte/u);
  });
});

const info = await webgpuEngine.probe();
if (!info.available) console.warn(`no roofline is measured: ${info.detail}`);

describe.skipIf(!info.available)("on the device that is here", () => {
  it("a roofline is finite, and kernels take no longer than the run that they are of", { timeout: 240_000 }, async (context) => {
    const device = await openDevice();
    const peaks = await peaksOf(device, await Choices.open());
    // between a slow processor and ten times the fastest card of today
    expect(peaks.flops).toBeGreaterThan(1e7);
    expect(peaks.flops).toBeLessThan(1e15);
    expect(peaks.bytes).toBeGreaterThan(1e7);
    expect(peaks.bytes).toBeLessThan(1e14);
    if (!device.timestamps) return context.skip("the device offers no timestamps");
    const program = twoProducts(device);
    const begun = performance.now();
    const times = await timeProgram(device, program);
    const whole = performance.now() - begun;
    const all = dispatchesOf(program).map((dispatch) => times!.get(dispatch)!);
    for (const ms of all) expect(ms).toBeGreaterThan(0);
    expect(all.reduce((a, b) => a + b, 0)).toBeLessThan(whole);
  });
});
