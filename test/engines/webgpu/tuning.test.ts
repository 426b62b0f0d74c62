/** Kernels chosen by measuring: what is kept and believed, without a device; then each choice on a device, where one can be had, against `reference`. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { kernelReport } from "../../../src/cli/commands/explain-kernels.js";
import { printKernels } from "../../../src/cli/commands/kernels-text.js";
import { interrupted, onInterrupt } from "../../../src/cli/interrupt.js";
import { tuningProgress } from "../../../src/cli/run/evaluating.js";
import type { Engine, HostTensors, Program } from "../../../src/runtime/engines/engine.js";
import { referenceEngine } from "../../../src/runtime/engines/reference/index.js";
import type { DeviceLimits } from "../../../src/runtime/engines/webgpu/assemble.js";
import { compileProgram, type CompiledProgram } from "../../../src/runtime/engines/webgpu/compile.js";
import { usualLimits } from "../../../src/runtime/engines/webgpu/describe.js";
import { openDevice } from "../../../src/runtime/engines/webgpu/device.js";
import { webgpuEngine } from "../../../src/runtime/engines/webgpu/index.js";
import { Choices } from "../../../src/runtime/engines/webgpu/tuning-file.js";
import { Tuning, wantsTuning, type Timer } from "../../../src/runtime/engines/webgpu/tuning.js";
import { GmcError } from "../../../src/runtime/graph/errors.js";
import * as g from "../../../src/runtime/graph/index.js";
import type { ModelDefinition } from "../../../src/runtime/index.js";
import { expectClose, tensor } from "../../conformance/compare.js";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gmc-tuning-"));
  file = join(folder, "gmc", "kernels.json");
  vi.stubEnv("XDG_CACHE_HOME", folder);
  vi.stubEnv("GMC_GPU_TUNE", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** tanh(x w + b); `transposed`: w has a row for each output. */
function dense(m: number, k: number, n: number, transposed = false): Program {
  const graph = g.stage({ x: { shape: [m, k] }, w: { shape: transposed ? [n, k] : [k, n] }, b: { shape: [n] } }, ({ x, w, b }) => ({
    y: g.tanh(g.add(g.matmul(x!, w!, { transposeB: transposed }), b!)),
  }));
  return { name: "dense", stages: [{ kind: "call", name: "forward", graph }], fetch: ["y"] };
}

const compiled = (program: Program, limits: DeviceLimits = usualLimits()): CompiledProgram =>
  compileProgram(program, limits, () => undefined);
const productsOf = (program: CompiledProgram) =>
  program.stages.flatMap(({ steps }) => steps.flatMap((step) => (step.kind === "dispatch" && step.dispatch.products) || []));
const choiceOf = (program: CompiledProgram): string => productsOf(program)[0]!.choice;
const candidatesOf = (program: CompiledProgram): string[] => [
  choiceOf(program),
  ...productsOf(program)[0]!
    .others()
    .map(({ choice }) => choice),
];

/** A clock by which one kernel is the fastest. */
function favours(fastest: string, gain = 0.5): Timer & { calls: number } {
  const time = (dispatch: Parameters<Timer>[0]): Promise<number> => {
    timer.calls++;
    return Promise.resolve(dispatch.products!.choice === fastest ? 2 * gain : 2);
  };
  const timer = Object.assign(time, { calls: 0 });
  return timer;
}

const never: Timer = () => Promise.reject(new Error("measured again"));

describe("tuning", () => {
  const program = compiled(dense(64, 96, 72));
  const candidates = candidatesOf(program);

  it("is done only where it is asked for", () => {
    expect(wantsTuning({})).toBe(false);
    vi.stubEnv("GMC_GPU_TUNE", "1");
    expect(wantsTuning({})).toBe(true);
    expect(wantsTuning({ tune: false })).toBe(false);
    vi.stubEnv("GMC_GPU_TUNE", "0");
    expect(wantsTuning({})).toBe(false);
    expect(wantsTuning({ tune: true })).toBe(true);
    vi.stubEnv("GMC_GPU_TUNE", "yes");
    expect(() => wantsTuning({})).toThrow("GMC_GPU_TUNE must be 1 or 0, found yes");
  });

  it("takes the fastest, keeps it in the file, and measures a kernel once for each device", async () => {
    const time = favours(candidates[2]!);
    const tuned = await new Tuning("a card", await Choices.open()).fastest(program, time);
    expect(choiceOf(tuned)).toBe(candidates[2]);
    expect(productsOf(tuned)[0]!.measured).toEqual({ device: "a card", time: 1, usual: 2 });
    expect(time.calls).toBe(8);
    expect(readdirSync(dirname(file))).toEqual(["kernels.json"]);

    const later = new Tuning("a card", await Choices.open());
    expect(choiceOf(later.known(program))).toBe(candidates[2]);
    expect(choiceOf(await later.fastest(program, never))).toBe(candidates[2]);
    const other = new Tuning("another card", await Choices.open());
    expect(choiceOf(other.known(program))).toBe(candidates[0]);
    expect(choiceOf(await other.fastest(program, favours(candidates[1]!)))).toBe(candidates[1]);
    expect(choiceOf(new Tuning("a card", await Choices.open()).known(program))).toBe(candidates[2]);
  });

  it("keeps the cost model's choice where another is hardly faster", async () => {
    const tuned = await new Tuning("a card", await Choices.open()).fastest(program, favours(candidates[3]!, 0.97));
    expect(choiceOf(tuned)).toBe(candidates[0]);
  });

  it("keeps what another process found meanwhile", async () => {
    const first = await Choices.open();
    const wide = compiled(dense(4, 200, 300));
    await new Tuning("a card", await Choices.open()).fastest(wide, favours(candidatesOf(wide)[1]!));
    await new Tuning("a card", first).fastest(program, favours(candidates[1]!));
    const both = new Tuning("a card", await Choices.open());
    expect([choiceOf(both.known(wide)), choiceOf(both.known(program))]).toEqual([candidatesOf(wide)[1], candidates[1]]);
  });

  it.each(["{", "null", "[]", '{"kernels":1}', '{"kernels":1,"devices":{"a card":{"x":{"choice":3}}}}'])(
    "ignores a damaged file with a line, and writes it anew: %s",
    async (text) => {
      const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
      mkdirSync(dirname(file));
      writeFileSync(file, text);
      await new Tuning("a card", await Choices.open()).fastest(program, favours(candidates[1]!));
      expect(warn.mock.calls).toEqual([[`${file} is damaged: what it says of kernels is ignored, and it is written anew`]]);
      expect(choiceOf(new Tuning("a card", await Choices.open()).known(program))).toBe(candidates[1]);
      expect(warn).toHaveBeenCalledOnce();
    },
  );

  it("does not believe another version, or a kernel that it does not have", async () => {
    const warn = vi.spyOn(console, "warn");
    await new Tuning("a card", await Choices.open()).fastest(program, favours(candidates[1]!));
    const text = readFileSync(file, "utf8");
    for (const changed of [text.replace('"kernels": 1', '"kernels": 0'), text.replace(candidates[1]!, "tiled 3x3x3")]) {
      expect(changed).not.toBe(text);
      writeFileSync(file, changed);
      const tuning = new Tuning("a card", await Choices.open());
      expect(choiceOf(tuning.known(program))).toBe(candidates[0]);
      expect(choiceOf(await tuning.fastest(program, favours(candidates[2]!)))).toBe(candidates[2]);
    }
    expect(warn).not.toHaveBeenCalled();
  });

  it("goes on where the folder cannot be written to", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    writeFileSync(join(folder, "gmc"), "");
    const tuned = await new Tuning("a card", await Choices.open()).fastest(program, favours(candidates[1]!));
    expect(choiceOf(tuned)).toBe(candidates[1]);
    expect(warn.mock.calls).toEqual([[expect.stringContaining("what was measured is not kept: ")]]);
  });

  describe("told on the way", () => {
    /** Two products in a row, kernels of their own. */
    const graph = g.stage({ x: { shape: [64, 96] }, w: { shape: [96, 72] }, v: { shape: [72, 9] } }, ({ x, w, v }) => ({
      y: g.matmul(g.tanh(g.matmul(x!, w!)), v!),
    }));
    const two = compiled({ name: "two", stages: [{ kind: "call", name: "forward", graph }], fetch: ["y"] });
    const kernels = productsOf(two).length;
    const measuredOf = async (): Promise<(boolean | undefined)[]> =>
      productsOf(new Tuning("a card", await Choices.open()).known(two)).map(({ measured }) => measured !== undefined);

    it("counts the kernels that are measured, and none that is known", async () => {
      expect(kernels).toBe(2);
      const told: number[][] = [];
      const onTuning = (done: number, total: number): unknown => told.push([done, total]);
      await new Tuning("a card", await Choices.open(), onTuning).fastest(two, favours(""));
      expect(told).toEqual([[0, 2], [1, 2], [2, 2]]); // prettier-ignore
      await new Tuning("a card", await Choices.open(), onTuning).fastest(two, never);
      expect(told).toHaveLength(3);
    });

    it("keeps what was found where it is stopped, and measures the rest another time", async () => {
      const time = favours("");
      const stopped = await new Tuning("a card", await Choices.open(), (done) => done < 1).fastest(two, time);
      expect(time.calls).toBe(8);
      expect(productsOf(stopped).map(({ measured }) => measured !== undefined)).toEqual([true, false]);
      expect(readdirSync(dirname(file))).toEqual(["kernels.json"]);
      expect(await measuredOf()).toEqual([true, false]);
      await new Tuning("a card", await Choices.open()).fastest(two, time);
      expect(time.calls).toBe(16);
      expect(await measuredOf()).toEqual([true, true]);
    });

    it("keeps what was found where the device is lost", async () => {
      const time = favours("");
      const dying: Timer = (...of) => (time.calls < 10 ? time(...of) : Promise.reject(new GmcError("GM5422", "lost")));
      await expect(new Tuning("a card", await Choices.open()).fastest(two, dying)).rejects.toMatchObject({ code: "GM5422" });
      expect(await measuredOf()).toEqual([true, false]);
    });

    /** The lines of a tuning of two programs whose kernels take `seconds` each on the command line. */
    const lines = (seconds: number, { json = false, isTTY = false } = {}): string => {
      vi.stubEnv("TERM", "xterm");
      let clock = 0;
      let text = "";
      const stream = { isTTY, write: (more: string) => (text += more) };
      const tell = tuningProgress(stream, json, interrupted, () => clock);
      for (const total of [24, 1])
        for (let done = 0; done <= total; done++, clock += 1000 * seconds) expect(tell(done, total)).toBe(done < total);
      return text;
    };

    it("has a line once it takes more than a second", () => {
      expect(lines(0.04)).toBe("");
      expect(lines(1)).toBe("kernels tuned: 1/24, 23 s left\nkernels tuned: 11/24, 13 s left\nkernels tuned: 21/24, 3.0 s left\n");
      expect(lines(1, { json: true })).toBe("");
      expect(lines(0.4, { isTTY: true })).toMatch(/^\rkernels tuned: 3\/24, 8\.4 s left\r.+\r +\r$/su);
    });

    it("ends by an interrupt between two kernels, and goes on with what it has", async () => {
      vi.spyOn(process.stderr, "write").mockReturnValue(true);
      const interrupt = onInterrupt("saving");
      try {
        const time = favours("");
        const asked: Timer = (...of) => {
          if (time.calls === 3) process.emit("SIGINT");
          return time(...of);
        };
        const onTuning = tuningProgress({ write: () => true }, false, interrupted);
        const stopped = await new Tuning("a card", await Choices.open(), onTuning).fastest(two, asked);
        expect(time.calls).toBe(8);
        expect(productsOf(stopped).map(({ measured }) => measured !== undefined)).toEqual([true, false]);
        expect(await measuredOf()).toEqual([true, false]);
      } finally {
        interrupt.release();
      }
      expect(interrupted()).toBe(false);
    });
  });

  it("is told by explain --kernels, with every program of a model", async () => {
    const { model } = (await import(`../../../examples/${"vae"}.gm.ts`)) as { model: ModelDefinition };
    const tuned = { limits: usualLimits(), tuning: new Tuning("a card", await Choices.open()) };
    const source = { path: "vae.gm", text: "" };
    const before = printKernels(kernelReport(model, {}, tuned), source);
    expect(before).toBe(printKernels(kernelReport(model, {}), source, undefined));
    // the last that is tried is the fastest
    let calls = 0;
    const time: Timer = (_, bytes) => {
      expect(bytes.every((size) => size > 0)).toBe(true);
      return Promise.resolve(1 / ++calls);
    };
    const known = vi.spyOn(tuned.tuning, "known");
    kernelReport(model, {}, tuned);
    for (const [asked] of [...known.mock.calls]) await tuned.tuning.fastest(asked, time);
    const after = printKernels(kernelReport(model, {}, tuned), source);
    expect(after.match(/^ {2}tuned on a card: .+; \S+ ms, where the cost model's choice takes \S+$/gmu)!.length).toBeGreaterThan(3);
  });
});

const info = await webgpuEngine.probe();
if (!info.available) console.warn(`tuned kernels are not run: ${info.detail}`);

async function ran(engine: Engine, program: Program, feeds: HostTensors, tune: boolean): Promise<HostTensors> {
  const session = await engine.open({ tune });
  try {
    return await (await session.compile(program)).run(feeds);
  } finally {
    session.dispose();
  }
}

describe.skipIf(!info.available)("tuned kernels on a device", () => {
  const filled = (shape: readonly number[], seed: number) =>
    tensor(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + 1.7 * i)),
    );
  const feedsOf = (m: number, k: number, n: number): HostTensors => ({ x: filled([m, k], 1), w: filled([k, n], 2), b: filled([n], 3) });

  it.each([
    [33, 70, 41],
    [4, 260, 50],
    [1, 129, 7],
  ])("run as the file says, with the reference's results (%i x %i x %i)", { timeout: 120_000 }, async (m, k, n) => {
    const program = dense(m, k, n);
    const device = await openDevice();
    const plan = compiled(program, device.limits);
    const expected = await ran(referenceEngine, program, feedsOf(m, k, n), false);
    const pipelines = vi.spyOn(device, "pipeline");
    for (const choice of candidatesOf(plan).slice(0, 8)) {
      rmSync(file, { force: true });
      await new Tuning(device.adapter.name, await Choices.open()).fastest(plan, favours(choice));
      const text = readFileSync(file, "utf8");
      pipelines.mockClear();
      const found = await ran(webgpuEngine, program, feedsOf(m, k, n), true);
      expectClose(found.y, expected.y!, choice);
      expect(pipelines.mock.calls.filter(([wgsl]) => wgsl.includes(`; ${choice}\n`))).toHaveLength(1);
      expect(readFileSync(file, "utf8")).toBe(text);
    }
  });

  it("are measured once, and none without being asked for", { timeout: 120_000 }, async () => {
    const program = dense(5, 40, 30);
    const feeds = feedsOf(5, 40, 30);
    const device = await openDevice();
    const plain = await ran(webgpuEngine, program, feeds, false);
    expect(readdirSync(folder)).toEqual([]);
    const first = await ran(webgpuEngine, program, feeds, true);
    expectClose(first.y, plain.y!, "tuned");
    const [measured] = Object.values(
      (JSON.parse(readFileSync(file, "utf8")) as { devices: Record<string, Record<string, { time: number; usual: number }>> }).devices[
        device.adapter.name
      ]!,
    );
    expect(measured!.time).toBeGreaterThan(0);
    expect(measured!.usual).toBeGreaterThanOrEqual(measured!.time);
    const pipelines = vi.spyOn(device, "pipeline");
    expect((await ran(webgpuEngine, program, feeds, true)).y!.data).toEqual(first.y!.data);
    expect(pipelines).toHaveBeenCalledOnce();
  });

  it("add up within subgroups where the device offers them, and without them where it does not", { timeout: 120_000 }, async (context) => {
    const program = dense(2, 260, 30, true);
    const device = await openDevice();
    const { subgroupSize } = device.limits.gemm;
    const without = { ...device.limits, gemm: { ...device.limits.gemm, subgroupSize: undefined } };
    expect(candidatesOf(compiled(program, without)).filter((name) => name.includes("subgroups"))).toEqual([]);
    if (subgroupSize === undefined) return context.skip("the device has no subgroups of a fixed size");
    const feeds = { x: filled([2, 260], 1), w: filled([30, 260], 2), b: filled([30], 3) };
    const expected = await ran(referenceEngine, program, feeds, false);
    const plan = compiled(program, device.limits);
    const choices = candidatesOf(plan).filter((name) => name.includes(`split ${subgroupSize} (subgroups)`));
    expect(choices.length).toBeGreaterThan(0);
    const pipelines = vi.spyOn(device, "pipeline");
    for (const choice of choices) {
      vi.spyOn(Choices.prototype, "get").mockReturnValue({ choice, time: 1, usual: 2 });
      pipelines.mockClear();
      expectClose((await ran(webgpuEngine, program, feeds, true)).y, expected.y!, choice);
      expect(pipelines.mock.calls.map(([wgsl]) => wgsl.startsWith("enable subgroups;") && wgsl.includes("subgroupAdd("))).toEqual([true]);
    }
  });

  it("add up within subgroups in some parts of a dispatch and not in others", { timeout: 120_000 }, async (context) => {
    const graph = g.stage({ x: { shape: [2, 260] }, w: { shape: [30, 260] }, v: { shape: [9, 40] }, u: { shape: [40, 12] } }, (of) => ({
      y: g.matmul(of.x!, of.w!, { transposeB: true }),
      z: g.matmul(of.v!, of.u!),
    }));
    const program: Program = { name: "two", stages: [{ kind: "call", name: "forward", graph }], fetch: ["y", "z"] };
    const device = await openDevice();
    if (device.limits.gemm.subgroupSize === undefined) return context.skip("the device has no subgroups of a fixed size");
    const feeds = { x: filled([2, 260], 1), w: filled([30, 260], 2), v: filled([9, 40], 3), u: filled([40, 12], 4) };
    const expected = await ran(referenceEngine, program, feeds, false);
    const choice = candidatesOf(compiled(program, device.limits)).find((name) => /\(subgroups\).*;|;.*\(subgroups\)/u.test(name))!;
    vi.spyOn(Choices.prototype, "get").mockReturnValue({ choice, time: 1, usual: 2 });
    const pipelines = vi.spyOn(device, "pipeline");
    const found = await ran(webgpuEngine, program, feeds, true);
    for (const name of ["y", "z"]) expectClose(found[name], expected[name]!, `${name}: ${choice}`);
    expect(pipelines.mock.calls.map(([wgsl]) => wgsl.startsWith("enable subgroups;"))).toEqual([true]);
  });
});
