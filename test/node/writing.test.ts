/** Writing where a file cannot be: a full disk, a device, a pipe, a folder, a file in the place of a folder, a place that may not be written to. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, type PathLike } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { GmcError } from "../../src/runtime/graph/errors.js";
import { saveCheckpoint } from "../../src/runtime/node/checkpoint.js";
import { diskOps, makeFolder, writeFileAtomic } from "../../src/runtime/node/files.js";
import { openMetrics } from "../../src/runtime/node/metrics.js";
import { createRun } from "../../src/runtime/node/run-folder.js";
import { mistake, temporaryFolder, write } from "./support.js";

const root = process.getuid?.() === 0;
const full = existsSync("/dev/full");
const pipes = spawnSync("mkfifo", ["--version"]).status === 0;

const info = {
  model: { name: "M", source: "0", compiler: "0", hyperparameters: {} },
  step: 1,
  epoch: 0,
  seed: 0,
  engine: { name: "reference", detail: "", threads: null },
  versions: {},
  data: { spec: "x", provenance: [] },
  cursor: {},
};
const tensors = { w: { dtype: "f32" as const, shape: [2], data: Float32Array.of(1, 2) } };

describe("a file that is written whole", () => {
  it.skipIf(!full)("says that a device is full, and leaves the device where it is", async () => {
    expect(await mistake(() => writeFileAtomic("/dev/full", "text"))).toMatchObject({
      code: "GM5205",
      message: "/dev/full: the disk is full",
    });
    expect(lstatSync("/dev/full").isCharacterDevice()).toBe(true);
    expect(readdirSync("/dev").filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it.skipIf(!pipes)("goes through a pipe, and is an error where nobody reads it", async () => {
    const base = temporaryFolder();
    const pipe = join(base, "pipe");
    spawnSync("mkfifo", [pipe]);
    expect(await mistake(() => writeFileAtomic(pipe, "text"))).toMatchObject({
      code: "GM5212",
      message: `${pipe}: nobody reads from this pipe`,
    });
    const reader = spawn("cat", [pipe]);
    let text = "";
    reader.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    const long = "0123456789".repeat(30_000);
    for (let error: GmcError | undefined, wrote = false; !wrote;) {
      try {
        writeFileAtomic(pipe, long);
        wrote = true;
      } catch (e) {
        error = e as GmcError;
        expect(error.message).toContain("nobody reads");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    await new Promise((resolve) => reader.on("close", resolve));
    expect(text).toBe(long);
    expect(lstatSync(pipe).isFIFO()).toBe(true);
  });

  it("does not take the place of a folder", async () => {
    const base = temporaryFolder();
    mkdirSync(join(base, "d"));
    expect(await mistake(() => writeFileAtomic(join(base, "d"), "text"))).toMatchObject({ code: "GM5212" });
    expect(readdirSync(base)).toEqual(["d"]);
    const file = write(base, "f", "kept");
    expect((await mistake(() => writeFileAtomic(join(file, "x"), "text"))).message).toContain("in the place of the folder");
    expect((await mistake(() => makeFolder(file))).message).toBe(`${file}: a file is in the place of the folder`);
    expect((await mistake(() => makeFolder(join(file, "a", "b")))).code).toBe("GM5212");
    expect(readFileSync(file, "utf8")).toBe("kept");
  });

  it("goes where a link leads, with the permissions of the file there", () => {
    const base = temporaryFolder();
    const file = write(base, "f", "old");
    chmodSync(file, 0o640);
    symlinkSync("f", join(base, "link"));
    writeFileAtomic(join(base, "link"), "new");
    expect(lstatSync(join(base, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(file, "utf8")).toBe("new");
    expect(statSync(file).mode & 0o777).toBe(0o640);
  });

  it.skipIf(root)("says where it may not write (skipped for root, who may write anywhere)", async () => {
    const base = temporaryFolder();
    chmodSync(base, 0o555);
    expect(await mistake(() => writeFileAtomic(join(base, "x"), "text"))).toMatchObject({ code: "GM5206" });
    expect(await mistake(() => makeFolder(join(base, "x")))).toMatchObject({ code: "GM5206" });
    expect(await mistake(() => createRun({ name: "x", root: join(base, "runs") }, {}))).toMatchObject({ code: "GM5206" });
    chmodSync(base, 0o755);
  });

  it.skipIf(!existsSync("/sys/kernel"))("says it of a place where nobody may write", async () => {
    expect((await mistake(() => writeFileAtomic("/sys/gmc-test", "text"))).code).toBe("GM5206");
    expect((await mistake(() => createRun({ name: "x", out: "/sys/gmc-test" }, {}))).code).toBe("GM5206");
  });

  it.skipIf(!existsSync("/proc/self"))("ends where the file system makes no folders", async () => {
    expect(await mistake(() => createRun({ name: "x", out: "/proc/gmc-test/run" }, {}))).toMatchObject({
      code: "GM5212",
      message: "/proc/gmc-test/run: the file system makes no folder there",
    });
  });

  it("makes the folders above it too, beside those that another process made meanwhile", () => {
    const base = temporaryFolder();
    const path = join(base, "a", "b", "c");
    makeFolder(path);
    makeFolder(path);
    expect(statSync(path).isDirectory()).toBe(true);
    const quicker = (folder: PathLike): undefined => {
      mkdirSync(folder);
      throw Object.assign(new Error("EEXIST"), { code: "EEXIST" });
    };
    makeFolder(join(base, "x", "y"), { ...diskOps, mkdirSync: quicker });
    expect(statSync(join(base, "x", "y")).isDirectory()).toBe(true);
  });
});

describe("the files of a run", () => {
  it.skipIf(!full)("tell of a full disk, each by its name", async () => {
    const base = temporaryFolder();
    for (const name of ["metrics.jsonl", "config.json", "results.json"]) symlinkSync("/dev/full", join(base, name));
    const metrics = openMetrics(base);
    expect(await mistake(() => metrics.append({ step: 1, loss: 2 }))).toMatchObject({
      code: "GM5205",
      message: `${join(base, "metrics.jsonl")}: the disk is full`,
    });
    metrics.close();
  });

  it("tell what stands in their way", async () => {
    const base = temporaryFolder();
    write(base, "checkpoints", "a file");
    const blocked = await mistake(() => saveCheckpoint(join(base, "checkpoints"), info, tensors));
    expect(blocked).toMatchObject({ code: "GM5212", message: `${join(base, "checkpoints")}: a file is in the place of the folder` });
    mkdirSync(join(base, "folder", "step-000000001.json"), { recursive: true });
    expect((await mistake(() => saveCheckpoint(join(base, "folder"), info, tensors))).message).toContain("is a folder");
    mkdirSync(join(base, "run", "metrics.csv"), { recursive: true });
    expect((await mistake(() => openMetrics(join(base, "run")))).message).toContain("is a folder");
    write(base, "runs", "a file");
    expect((await mistake(() => createRun({ name: "x", root: join(base, "runs") }, {}))).code).toBe("GM5212");
  });
});
