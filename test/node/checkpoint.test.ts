/** Checkpoints: bitwise round trips, damage of every kind, other models, full disks, read-only folders, and a writer killed at random moments. */
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { HostTensors } from "../../src/runtime/engines/engine.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/runtime/data/safetensors.js";
import { checkCompatible, loadCheckpoint, saveCheckpoint, type CheckpointInfo } from "../../src/runtime/node/checkpoint.js";
import { diskOps, writeFileAtomic, type FileOps } from "../../src/runtime/node/files.js";
import { bundle } from "../support/bundle.js";
import { mistake, temporaryFolder } from "./support.js";

const info = (step: number): CheckpointInfo => ({
  model: { name: "VAE", source: "abc", compiler: "0.1.0", hyperparameters: { D: 784, Zs: [100, 50], deep: true } },
  step,
  epoch: step / 600,
  seed: 7,
  engine: { name: "onnx", detail: "1.30 cpu", threads: 2 },
  versions: { gmc: "0.1.0", node: "v20" },
  data: { spec: "mnist", provenance: ["MNIST"] },
  cursor: { draws: step, data: { streams: [{ epoch: 0, position: 100 * step }] } },
});

const tensors = (value: number): HostTensors => ({
  "decoder.dense1.kernel": { dtype: "f32", shape: [2, 3], data: Float32Array.of(value, -0, 1e-45, Infinity, NaN, Math.fround(0.1)) },
  counter: { dtype: "i32", shape: [], data: Int32Array.of(-5) },
  words: { dtype: "u32", shape: [2], data: Uint32Array.of(0xffffffff, 1) },
  flags: { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) },
  nothing: { dtype: "f32", shape: [0, 4], data: new Float32Array(0) },
});

const bits = (all: HostTensors): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(all).map(([name, t]) => [
      name,
      [t.dtype, t.shape, Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength).toString("hex")],
    ]),
  );

describe("the cursor of a manifest", () => {
  const cursor = {
    phase: 0,
    step: 3,
    total: 3,
    draws: 3,
    data: null,
    window: { count: 0, sums: [] },
    stopping: null,
    fresh: false,
    done: false,
  };

  it.each([
    ["draws", "3"],
    ["total", 2.5],
    ["done", "false"],
    ["window", { count: 0 }],
    ["draws", undefined],
  ])("with %s %j is damage, and the checkpoint before is taken", async (key, value) => {
    const folder = temporaryFolder();
    saveCheckpoint(folder, { ...info(1), cursor }, tensors(1));
    saveCheckpoint(folder, { ...info(2), cursor }, tensors(2));
    const path = join(folder, "step-000000002.json");
    const manifest = JSON.parse(fs.readFileSync(path, "utf8")) as { cursor: Record<string, unknown> };
    manifest.cursor[key] = value;
    fs.writeFileSync(path, JSON.stringify(manifest));
    const loaded = await loadCheckpoint(folder);
    expect(loaded.manifest.step).toBe(1);
    expect(loaded.skipped[0]).toContain("step-000000002.json: cursor");
  });
});

describe("safetensors", () => {
  it("round-trips every element type, bit by bit", () => {
    const file = encodeSafetensors(tensors(1), { format: "gmc" });
    const read = decodeSafetensors({ path: "a", bytes: file });
    expect(bits(read.tensors)).toEqual(bits(tensors(1)));
    expect(read.metadata).toEqual({ format: "gmc" });
  });

  it("is laid out as the format says: aligned header, sorted offsets without gaps", () => {
    const file = encodeSafetensors(tensors(1));
    const size = Number(new DataView(file.buffer).getBigUint64(0, true));
    expect(size % 8).toBe(0);
    const header = JSON.parse(Buffer.from(file.subarray(8, 8 + size)).toString()) as Record<
      string,
      { dtype: string; data_offsets: [number, number] }
    >;
    const offsets = Object.values(header).map((entry) => entry.data_offsets);
    offsets.reduce((end, [start, stop]) => {
      expect(start).toBe(end);
      return stop;
    }, 0);
    expect(8 + size + offsets.at(-1)![1]).toBe(file.length);
    expect(header["flags"]!.dtype).toBe("BOOL");
  });

  it("is an error wherever it is cut, and for headers that lie", async () => {
    const file = encodeSafetensors(tensors(1));
    for (let length = 0; length < file.length; length++) {
      expect((await mistake(() => decodeSafetensors({ path: "cut", bytes: file.subarray(0, length) }))).code).toBe("GM5211");
    }
    const lie = (header: object): Uint8Array => {
      const text = Buffer.from(JSON.stringify(header));
      const out = new Uint8Array(8 + text.length + 8);
      new DataView(out.buffer).setUint32(0, text.length, true);
      out.set(text, 8);
      return out;
    };
    for (const header of [
      { a: { dtype: "F32", shape: [2], data_offsets: [0, 4] } },
      { a: { dtype: "F32", shape: [2], data_offsets: [4, 12] } },
      { a: { dtype: "F32", shape: [-2], data_offsets: [0, 8] } },
      { a: { dtype: "F99", shape: [2], data_offsets: [0, 8] } },
      { a: { dtype: "F32", shape: [1e9], data_offsets: [0, 4e9] } },
      { a: { dtype: "F32", shape: [1], data_offsets: [0, 4] } },
      { a: null },
      [],
    ]) {
      expect((await mistake(() => decodeSafetensors({ path: "lie", bytes: lie(header) }))).code).toBe("GM5211");
    }
  });
});

describe("checkpoints", () => {
  it("come back bit by bit, the last two kept", async () => {
    const folder = join(temporaryFolder(), "checkpoints");
    for (const step of [600, 1200, 1800]) saveCheckpoint(folder, info(step), tensors(step));
    const loaded = await loadCheckpoint(folder);
    expect(bits(loaded.tensors)).toEqual(bits(tensors(1800)));
    expect(loaded.manifest).toMatchObject({ ...info(1800), format: "gmc-checkpoint", version: 1 });
    expect(loaded.skipped).toEqual([]);
    expect(fs.readdirSync(folder).filter((name) => name.endsWith(".json"))).toEqual(["step-000001200.json", "step-000001800.json"]);
    expect(fs.readdirSync(folder)).toHaveLength(4);
  });

  it("fall back to the one before where the newest is damaged, and say so", async () => {
    const damage: ((folder: string, manifest: string, file: string) => void)[] = [
      (folder, _, file) => fs.truncateSync(join(folder, file), 50),
      (folder, _, file) => {
        const bytes = fs.readFileSync(join(folder, file));
        bytes[bytes.length - 1]! ^= 1;
        fs.writeFileSync(join(folder, file), bytes);
      },
      (folder, _, file) => fs.rmSync(join(folder, file)),
      (folder, manifest) => fs.truncateSync(join(folder, manifest), 100),
      (folder, manifest) => fs.writeFileSync(join(folder, manifest), "{}"),
      (folder, manifest) =>
        fs.writeFileSync(join(folder, manifest), fs.readFileSync(join(folder, manifest), "utf8").replace(/"file": "/, '"file": "../')),
    ];
    for (const harm of damage) {
      const folder = temporaryFolder();
      saveCheckpoint(folder, info(1), tensors(1));
      saveCheckpoint(folder, info(2), tensors(2));
      const file = fs.readdirSync(folder).find((name) => name.startsWith("step-000000002-"))!;
      harm(folder, "step-000000002.json", file);
      const loaded = await loadCheckpoint(folder);
      expect(loaded.manifest.step).toBe(1);
      expect(loaded.skipped).toHaveLength(1);
      expect(loaded.skipped[0]).toContain("step-000000002");
      // The run goes on from there: what it writes replaces the damaged future.
      saveCheckpoint(folder, info(2), tensors(22));
      expect(bits((await loadCheckpoint(folder)).tensors)).toEqual(bits(tensors(22)));
    }
  });

  it("are an error where none is sound or there is none", async () => {
    const folder = temporaryFolder();
    expect((await mistake(() => loadCheckpoint(folder))).code).toBe("GM5201");
    expect((await mistake(() => loadCheckpoint(join(folder, "none")))).code).toBe("GM5201");
    saveCheckpoint(folder, info(1), tensors(1));
    fs.truncateSync(join(folder, "step-000000001.json"), 10);
    expect((await mistake(() => loadCheckpoint(folder))).code).toBe("GM5202");
  });

  it("of another model, or with other shapes, are refused; a changed text is a remark", async () => {
    const folder = temporaryFolder();
    saveCheckpoint(folder, info(1), tensors(1));
    const loaded = await loadCheckpoint(folder);
    const weights = { "decoder.dense1.kernel": { shape: [2, 3] } };
    expect(checkCompatible(loaded, { name: "VAE", source: "abc", weights })).toEqual([]);
    expect(checkCompatible(loaded, { name: "VAE", source: "xyz", weights })).toHaveLength(1);
    expect((await mistake(() => checkCompatible(loaded, { name: "IWAE", source: "abc", weights }))).code).toBe("GM5203");
    const error = await mistake(() =>
      checkCompatible(loaded, {
        name: "VAE",
        source: "abc",
        weights: { "decoder.dense1.kernel": { shape: [2, 4] }, other: { shape: [] } },
      }),
    );
    expect(error.code).toBe("GM5204");
    // neither eval nor resume takes --set
    expect(error.help.join()).not.toContain("--set");
    const { hyperparameters } = loaded.manifest.model;
    const [name = "", value] = Object.entries(hyperparameters)[0] ?? [];
    const another = { name: "VAE", source: "abc", hyperparameters: { ...hyperparameters, [name]: 999 }, weights: { other: { shape: [] } } };
    const { help } = await mistake(() => checkCompatible(loaded, another));
    expect(help[0]).toBe(`they were trained with ${name} = ${JSON.stringify(value)}, and the model has ${name} = 999`);
    expect(help[1]).toContain(`--set ${name}=${JSON.stringify(value)}`);
    expect(error.message).toContain("decoder.dense1.kernel is [2, 3], the model has [2, 4]; other [] is missing");
    for (const shape of [[2], [2, 3, 4], [3, 2]]) {
      const other = { name: "VAE", source: "abc", weights: { "decoder.dense1.kernel": { shape } } };
      expect((await mistake(() => checkCompatible(loaded, other))).code).toBe("GM5204");
    }
  });

  it("of abandoned later steps go away when an earlier run goes on", async () => {
    const folder = temporaryFolder();
    saveCheckpoint(folder, info(5), tensors(5));
    saveCheckpoint(folder, info(9), tensors(9));
    saveCheckpoint(folder, info(7), tensors(7));
    expect((await loadCheckpoint(folder)).manifest.step).toBe(7);
    expect(fs.readdirSync(folder).filter((name) => name.endsWith(".json"))).toEqual(["step-000000005.json", "step-000000007.json"]);
  });
});

/** File calls of which the n-th that matches fails with a code. */
function failing(call: keyof FileOps, code: string, at: number): FileOps {
  let seen = 0;
  return {
    ...diskOps,
    [call]: (...args: unknown[]) => {
      if (++seen === at) throw Object.assign(new Error(`${code}: injected`), { code });
      return (diskOps[call] as (...all: unknown[]) => unknown)(...args);
    },
  };
}

describe("disks that fail", () => {
  it("leave the checkpoint before intact at whatever call they do, and no litter", async () => {
    for (const [call, times] of [
      ["openSync", 4],
      ["writeSync", 2],
      ["fsyncSync", 2],
      ["renameSync", 2],
    ] as const) {
      for (let at = 1; at <= times; at++) {
        const folder = temporaryFolder();
        saveCheckpoint(folder, info(1), tensors(1));
        const before = fs.readdirSync(folder);
        // Opening the folder to sync it may fail without harm.
        const ops = failing(call, "ENOSPC", at);
        let error: Error | undefined;
        try {
          saveCheckpoint(folder, info(2), tensors(2), { ops });
        } catch (caught) {
          error = caught as Error;
        }
        const loaded = await loadCheckpoint(folder);
        if (error === undefined) expect(loaded.manifest.step).toBe(2);
        else {
          expect(error).toMatchObject({ code: "GM5205" });
          expect((error as unknown as { help: string[] }).help.join()).toContain("the checkpoint before is intact");
          expect(loaded.manifest.step).toBe(1);
          expect(fs.readdirSync(folder)).toEqual(expect.arrayContaining(before));
          expect(fs.readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
        }
        expect(loaded.skipped).toEqual([]);
      }
    }
  });

  it("at the first checkpoint leave no empty folder, which would be that of a run whose checkpoints were taken away", async () => {
    const run = temporaryFolder();
    const folder = join(run, "checkpoints");
    expect(await mistake(() => saveCheckpoint(folder, info(1), tensors(1), { ops: failing("writeSync", "ENOSPC", 1) }))).toMatchObject({
      code: "GM5205",
    });
    expect(fs.readdirSync(run)).toEqual([]);
  });

  it("are named: read-only file system, no permission", async () => {
    const folder = temporaryFolder();
    expect(await mistake(() => writeFileAtomic(join(folder, "a"), "x", failing("openSync", "EROFS", 1)))).toMatchObject({ code: "GM5206" });
    expect(await mistake(() => writeFileAtomic(join(folder, "a"), "x", failing("openSync", "EACCES", 1)))).toMatchObject({
      code: "GM5206",
    });
    expect(await mistake(() => writeFileAtomic(join(folder, "a"), "x", failing("fsyncSync", "EIO", 1)))).toMatchObject({ code: "GM5212" });
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("really fill up: a tmpfs of 256 kB", async ({ skip }) => {
    const folder = temporaryFolder();
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], { stdio: "ignore" });
    } catch {
      skip("mounting needs root");
    }
    try {
      const large = (value: number): HostTensors => ({ w: { dtype: "f32", shape: [25_000], data: new Float32Array(25_000).fill(value) } });
      saveCheckpoint(folder, info(1), large(1));
      saveCheckpoint(folder, info(2), large(2));
      const error = await mistake(() => saveCheckpoint(folder, info(3), large(3)));
      expect(error.code).toBe("GM5205");
      const loaded = await loadCheckpoint(folder);
      expect(loaded.manifest.step).toBe(2);
      expect(loaded.tensors["w"]!.data[24_999]).toBe(2);
    } finally {
      execFileSync("umount", [folder], { stdio: "ignore" });
    }
  });
});

describe("a writer killed at random moments", () => {
  it("always leaves a sound checkpoint at most one step old", async () => {
    const base = temporaryFolder();
    const script = await bundle(new URL("./checkpoint-writer.ts", import.meta.url).pathname, base, "writer");
    for (let round = 0; round < 12; round++) {
      const folder = join(base, `round-${round}`);
      const child = spawn(process.execPath, [script, folder], { stdio: ["ignore", "pipe", "inherit"] });
      let done = 0;
      await new Promise<void>((resolve, reject) => {
        child.stdout.on("data", (chunk: Buffer) => {
          const first = done === 0;
          done = Number(chunk.toString().trim().split("\n").at(-1));
          if (first) setTimeout(() => child.kill("SIGKILL"), 3 + 37 * Math.random());
        });
        child.on("exit", () => resolve());
        child.on("error", reject);
      });
      const loaded = await loadCheckpoint(folder);
      expect(loaded.skipped).toEqual([]);
      expect(loaded.manifest.step).toBeGreaterThanOrEqual(done);
      expect(loaded.manifest.step).toBeLessThanOrEqual(done + 1);
      const { data } = loaded.tensors["a"]!;
      expect(data.every((value) => value === loaded.manifest.step)).toBe(true);
      // The next writer cleans up what the killed one left.
      saveCheckpoint(folder, info(loaded.manifest.step + 1), tensors(0));
      expect(fs.readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
      fs.rmSync(folder, { recursive: true });
    }
  });
});
