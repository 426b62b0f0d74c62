/** Run folders, locks, metrics, configuration. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig, readConfig } from "../../src/runtime/node/config.js";
import { parseLocated } from "../../src/runtime/node/json-place.js";
import { lockFolder } from "../../src/runtime/node/lock.js";
import { openMetrics, readMetrics } from "../../src/runtime/node/metrics.js";
import { createRun, listRuns, readRunConfig, reopenRun } from "../../src/runtime/node/run-folder.js";
import { parseCsv } from "../../src/runtime/data/index.js";
import { mistake, temporaryFolder, write } from "./support.js";

describe("run folders", () => {
  it("never take a folder that is taken", async () => {
    const root = join(temporaryFolder(), "runs");
    const names = ["VAE", "VAE", "VAE"].map((name) => {
      const run = createRun({ name, root }, { seed: 1 });
      run.release();
      return run.name;
    });
    expect(names).toEqual(["VAE", "VAE-2", "VAE-3"]);
    expect(createRun({ name: "../x y/..", root }, {}).name).toBe("x-y");
    const out = join(root, "mine");
    createRun({ name: "VAE", out }, {}).release();
    expect(await mistake(() => createRun({ name: "VAE", out }, {}))).toMatchObject({
      code: "GM5207",
      help: [`go on with it: gmc resume ${out}`, expect.any(String)],
    });
    const foreign = join(root, "foreign");
    fs.mkdirSync(foreign);
    write(foreign, "thesis.txt", "do not lose");
    expect((await mistake(() => createRun({ name: "VAE", out: foreign }, {}))).code).toBe("GM5207");
    expect(fs.readdirSync(foreign)).toEqual(["thesis.txt"]);
  });

  it("are whole or no run: config.json comes last, and a folder that was not finished is taken again", async () => {
    const root = join(temporaryFolder(), "runs");
    const out = join(root, "mine");
    const files = { "model.gm": "model M { }", "model.gm.js": "export {}" };
    createRun({ name: "M", out }, {}, files).release();
    expect(fs.readdirSync(out).sort()).toEqual(["config.json", "model.gm", "model.gm.js"]);
    const config = fs.statSync(join(out, "config.json")).mtimeMs;
    for (const name of Object.keys(files)) expect(fs.statSync(join(out, name)).mtimeMs).toBeLessThanOrEqual(config);
    // killed between two files, and within one
    fs.rmSync(join(out, "config.json"));
    fs.rmSync(join(out, "model.gm.js"));
    write(out, ".config.json.1.2.tmp", "{");
    expect(listRuns(root)).toEqual([]);
    expect(await mistake(() => createRun({ name: "M", out }, {}))).toMatchObject({ code: "GM5207" });
    createRun({ name: "M", out }, {}, files).release();
    expect(listRuns(root)).toEqual([out]);
    expect(fs.readFileSync(join(out, "model.gm.js"), "utf8")).toBe("export {}");
  });

  it("are found, read and reopened", async () => {
    const root = join(temporaryFolder(), "runs");
    const run = createRun({ name: "VAE", root }, { seed: 3, options: { lr: 0.1 } });
    run.writeJson("results.json", { nll: 86.1, bad: NaN });
    expect(fs.readFileSync(run.file("results.json"), "utf8")).toBe('{\n  "nll": 86.1,\n  "bad": null\n}\n');
    expect(await mistake(() => reopenRun(run.path))).toMatchObject({ code: "GM5208" });
    run.release();
    const again = reopenRun(run.path);
    expect(again.config).toEqual({ seed: 3, options: { lr: 0.1 } });
    again.folder.release();
    expect(listRuns(root)).toEqual([run.path]);
    expect(listRuns(join(root, "none"))).toEqual([]);
    expect((await mistake(() => readRunConfig(join(root, "none")))).code).toBe("GM5209");
    expect((await mistake(() => readRunConfig(root))).code).toBe("GM5209");
    write(root, "config.json", '{"other": "tool"}');
    expect((await mistake(() => readRunConfig(root))).code).toBe("GM5209");
  });

  it("say that a path is no folder", async () => {
    const base = temporaryFolder();
    const file = write(base, "file", "x");
    expect((await mistake(() => createRun({ name: "VAE", root: join(file, "runs") }, {}))).code).toMatch(/GM5206|GM5212/);
  });
});

describe("locks", () => {
  it("hold off others while their process lives, and are taken over after it died", async () => {
    const folder = temporaryFolder();
    const lock = lockFolder(folder);
    expect((await mistake(() => lockFolder(folder))).message).toContain(`process ${process.pid}`);
    lock.release();
    lock.release();
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    const exited = new Promise((resolve) => child.on("exit", resolve));
    const started = fs.readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19]!;
    const { hostname } = await import("node:os");
    write(folder, ".lock", JSON.stringify({ pid: child.pid, host: hostname(), started }));
    expect((await mistake(() => lockFolder(folder))).code).toBe("GM5208");
    // Another process that got the number of a dead one.
    write(folder, ".lock", JSON.stringify({ pid: child.pid, host: hostname(), started: "1" }));
    lockFolder(folder).release();
    write(folder, ".lock", JSON.stringify({ pid: child.pid, host: hostname(), started }));
    child.kill("SIGKILL");
    await exited;
    lockFolder(folder).release();
  });

  it("are taken over of a process that has ended and whose parent never asked for it", async () => {
    const folder = temporaryFolder();
    // the shell becomes a process that knows of no children
    const parent = spawn("sh", ["-c", "sleep 0.5 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    const pid = Number(await new Promise<string>((resolve) => parent.stdout.once("data", (text) => resolve(String(text)))));
    const stat = (): readonly string[] => fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    while (stat()[0] !== "Z") await new Promise((resolve) => setTimeout(resolve, 10));
    const { hostname } = await import("node:os");
    write(folder, ".lock", JSON.stringify({ pid, host: hostname(), started: stat()[19] }));
    lockFolder(folder).release();
    parent.kill("SIGKILL");
    write(folder, ".lock", "cut sho");
    lockFolder(folder).release();
    write(folder, ".lock", JSON.stringify({ pid: 1, host: "elsewhere", started: null }));
    expect((await mistake(() => lockFolder(folder))).help.join()).toContain("remove");
    expect(fs.readdirSync(folder)).toEqual([".lock"]);
  });
});

describe("metrics", () => {
  it("are the same rows in JSONL and CSV, new columns included", () => {
    const folder = temporaryFolder();
    const log = openMetrics(folder);
    log.append({ step: 1, split: "train", elbo: -540.25 });
    log.append({ step: 2, split: "train", elbo: NaN });
    log.append({ step: 2, split: "validation, held", elbo: -1e-7, kl: 3 });
    log.sync();
    log.close();
    expect(readMetrics(folder)).toEqual([
      { step: 1, split: "train", elbo: -540.25 },
      { step: 2, split: "train", elbo: null },
      { step: 2, split: "validation, held", elbo: -1e-7, kl: 3 },
    ]);
    const csv = fs.readFileSync(join(folder, "metrics.csv"));
    expect(csv.toString()).toBe('step,split,elbo,kl\n1,train,-540.25,\n2,train,,\n2,"validation, held",-1e-7,3\n');
    expect(parseCsv({ path: "metrics.csv", bytes: csv }).columns.map((column) => column.name)).toEqual(["step", "split", "elbo", "kl"]);
  });

  it("read after a resume as if the run had never stopped", () => {
    const rows = (from: number, to: number): { step: number; elbo: number }[] =>
      Array.from({ length: to - from + 1 }, (_, i) => ({ step: from + i, elbo: -(from + i) }));
    const whole = temporaryFolder();
    const all = openMetrics(whole);
    rows(1, 9).forEach(all.append);
    all.close();
    const folder = temporaryFolder();
    const log = openMetrics(folder);
    rows(1, 7).forEach(log.append);
    log.close();
    // Killed in the middle of a line, at step 8; the checkpoint is of step 5.
    fs.appendFileSync(join(folder, "metrics.jsonl"), '{"step":8,"el');
    fs.appendFileSync(join(folder, "metrics.csv"), "8,-");
    const resumed = openMetrics(folder, 5);
    expect(resumed.rows()).toEqual(rows(1, 5));
    rows(6, 9).forEach(resumed.append);
    resumed.close();
    for (const name of ["metrics.jsonl", "metrics.csv"]) {
      expect(fs.readFileSync(join(folder, name), "utf8").replace("step,elbo", "")).toBe(
        fs.readFileSync(join(whole, name), "utf8").replace("step,elbo", ""),
      );
    }
  });
});

describe("JSON with places", () => {
  it("agrees with JSON.parse on legal text", () => {
    const text = '{ "a": [1, -2.5e3, true, null, "x\\n\\u00e9"],\n "b": { "c": {} }, "d": [] }';
    const located = parseLocated(text);
    expect(located.ok && located.value).toEqual(JSON.parse(text));
    expect(located.ok && located.placeOf(["b", "c"])).toEqual({ line: 2, column: 14, offset: 58 });
    expect(located.ok && located.placeOf(["b"], "c")).toMatchObject({ line: 2, column: 9 });
  });

  it("says what is wrong and where", () => {
    const wrong = (text: string): string => {
      const located = parseLocated(text);
      return located.ok ? "fine" : `${located.place.line}:${located.place.column} ${located.message}`;
    };
    expect(wrong('{\n  "a": 1,\n}')).toBe('3:1 expected a key in double quotes, found "}"');
    expect(wrong('{"a": 1 "b": 2}')).toBe('1:9 expected "," or "}", found "\\""');
    expect(wrong('{"a": tru}')).toBe('1:7 expected a value, found "t"');
    expect(wrong('{"a": 1, "a": 2}')).toBe('1:10 the key "a" is given twice');
    expect(wrong("")).toBe("1:1 expected a value, found the end of the file");
    expect(wrong("[1] x")).toBe('1:5 expected the end of the file, found "x"');
    expect(wrong("[".repeat(10_000))).toContain("nested more than 100 deep");
    expect(wrong('{"a": "b')).toContain("not closed");
  });
});

describe("configuration", () => {
  it("is found beside the model or above it, and resolves per model", async () => {
    const base = temporaryFolder();
    write(base, "package.json", "{}");
    fs.mkdirSync(join(base, "models"));
    const model = write(base, "models/vae.gm", "");
    write(
      base,
      "gmc.config.json",
      JSON.stringify({
        data: "mnist",
        seed: 1,
        set: { H: 100, Z: 2 },
        models: { "models/vae.gm": { epochs: 3, seed: 2, set: { H: 400 } } },
      }),
    );
    expect(await loadConfig(model)).toMatchObject({
      path: join(base, "gmc.config.json"),
      base,
      options: { data: "mnist", seed: 2, epochs: 3, set: { H: 400, Z: 2 } },
    });
    write(base, "models/gmc.config.json", '{ "data": "digits" }');
    expect((await loadConfig(model)).options).toEqual({ data: "digits" });
    const alone = temporaryFolder();
    write(alone, "package.json", "{}");
    expect((await loadConfig(write(alone, "a.gm", ""))).options).toEqual({});
  });

  it("a folder of its name is none", async () => {
    const base = temporaryFolder();
    fs.mkdirSync(join(base, "gmc.config.json"));
    const error = await mistake(() => loadConfig(write(base, "vae.gm", "")));
    expect(`${error.code} ${error.message}`).toMatch(/^GM5001 \S*gmc\.config\.json: expected a configuration file, found a folder$/u);
    expect(error.help).toEqual(["rename the folder, or put a file in its place: {}"]);
  });

  it("names line, column and the key that was meant", async () => {
    const check = async (text: string): Promise<string> => {
      const base = temporaryFolder();
      write(base, "vae.gm", "");
      const error = await mistake(() => readConfig(write(base, "gmc.config.json", text)));
      // the path is told from where one stands
      return `${error.code} ${error.message.replace(/\S*gmc\.config\.json:/u, "./gmc.config.json:")} | ${error.help.join(" ")}`;
    };
    expect(await check('{\n  "data": "mnist",\n  "epoch": 3\n}')).toBe(
      'GM5102 ./gmc.config.json:3:3: there is no key "epoch" here | did you mean epochs?',
    );
    expect(await check('{\n  "models": { "vae.gm": { "epochs": "many" } }\n}')).toBe(
      'GM5103 ./gmc.config.json:2:37: models.vae.gm.epochs: expected a number, found "many" | ',
    );
    expect(await check('{ "seed": -1 }')).toContain("GM5103 ./gmc.config.json:1:11: seed: expected a number >= 0, found -1");
    expect(await check('{ "models": { "vea.gm": {} } }')).toBe(
      "GM5103 ./gmc.config.json:1:15: models: there is no model file vea.gm | did you mean vae.gm?".replace("models: ", ""),
    );
    expect(await check("{ data: 1 }")).toMatch(
      /^GM5101 \.\/gmc\.config\.json:1:3: not JSON: expected a key in double quotes.* \| a configuration is JSON without comments/u,
    );
    expect(await check('{ "set": { "H": "x", "K": [1, "y"] } }')).toBe(
      'GM5103 ./gmc.config.json:1:17: set.H: expected a number or a list or true or false, found "x" | and 1 more in this file',
    );
    expect(await check('{ "set": { "K": [1, "y"] } }')).toBe('GM5103 ./gmc.config.json:1:21: set.K.1: expected a number, found "y" | ');
    expect(await check('{ "engine": "refrence" }')).toBe(
      'GM5103 ./gmc.config.json:1:13: engine: expected one of auto, webgpu, tfjs:node-gpu, onnx, tfjs:node, tfjs:wasm, reference, onnx:cuda, onnx:dml, onnx:coreml, onnx:webgpu, tfjs, tfjs:cpu, found "refrence" | did you mean reference?',
    );
    expect(await check('{ "models": { "vae.gm": { "data": 3, "btch": 2 } } }')).toContain("and 1 more in this file");
    expect(await check("[]")).toContain("GM5103");
  });
});
