/** Mistakes around a run, in the built program: each ends with its code and a way out, never with a stack. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { otherSplit } from "../../src/cli/run/other-split.js";
import { ensureBuilt, gmc, type Ran } from "../support/cli.js";
import { tinyModel } from "../support/tiny.js";

let folder = "";
beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-mistakes-"));
  writeFileSync(join(folder, "tiny.gm"), tinyModel);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Values of a table of that many columns. */
const rows = (columns: number, count = 40): string =>
  Array.from({ length: count }, (_, i) => Array.from({ length: columns }, (_, j) => ((i * 7 + j * 3) % 11) / 5).join(",")).join("\n");

/** Parts that the message has, and no part that only a bug has. */
function expectMistake(ran: Ran, code: string, ...parts: readonly string[]): void {
  expect({ code: ran.code, stderr: ran.stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(`error[${code}]`) as string });
  for (const part of parts) expect(ran.stderr).toContain(part);
  expect(ran.stderr).not.toContain("    at ");
  expect(ran.stderr).not.toContain("bug of gmc");
}

describe("data of another size", () => {
  it("are told with the size of the model that would fit, and by the file that is wrong", async () => {
    writeFileSync(join(folder, "four.csv"), rows(4));
    writeFileSync(join(folder, "three.csv"), rows(3));
    writeFileSync(
      join(folder, "sized.gm"),
      "model Sized(D = 2, H = 1) {\n  data x : real[D]\n  param m : real[D]\n  density p(x) { x ~ Normal(m, 1) }\n  train { maximize log p(x) batch = 20, epochs = 1 }\n  evaluate { ll = log p(x) }\n}\n",
    );
    const train = (file: string, data: string, ...more: readonly string[]): Promise<Ran> =>
      gmc(["train", file, "--data", data, ...more], { cwd: folder });
    expectMistake(await train("sized.gm", "x=four.csv"), "GM5021", "--set D=4 makes");
    const test = await train("sized.gm", "x=four.csv,x.test=three.csv", "--set", "D=4");
    expectMistake(test, "GM5021", "three.csv has test rows of shape [3]", "the training rows (four.csv) fit");
    expect(test.stderr).not.toContain("--set");
    expectMistake(await train("tiny.gm", "x=four.csv"), "GM5021", "the size 2 would have to be 4");
    expect(
      (await train("sized.gm", "x=four.csv", "--set", "D=4", "--steps", "2", "--out", "sized", "--k", "9", "--chains", "5")).stderr,
    ).toContain("note: --k 9 changes nothing: no measured line of Sized takes a number of samples\nnote: --chains 5 changes nothing");
    const other = await gmc(["eval", "sized", "--data", "x=three.csv"], { cwd: folder });
    expectMistake(other, "GM5021", "name data of that shape", "gmc train sized.gm");
    expect(other.stderr).not.toContain("--set");
    expect((await gmc(["eval", "sized", "--temperatures", "3"], { cwd: folder })).stderr).toContain(
      "note: --temperatures 3 changes nothing",
    );
  });

  it("are told once where both sides of a square have it", async () => {
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (20, 3, 3), }".padEnd(117) + "\n";
    const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length % 256, header.length >> 8]);
    writeFileSync(join(folder, "square.npy"), Buffer.concat([start, Buffer.from(header), Buffer.alloc(20 * 9 * 4)]));
    writeFileSync(
      join(folder, "square.gm"),
      "model Square(S = 2) {\n  data x : real[S, S]\n  param m : real\n  density p(x) { x ~ Normal(m, 1) }\n  train { maximize log p(x) batch = 20, epochs = 1 }\n}\n",
    );
    expectMistake(
      await gmc(["train", "square.gm", "--data", "x=square.npy"], { cwd: folder }),
      "GM5021",
      " --set S=3 makes the model take rows of that shape",
    );
    expect((await gmc(["train", "square.gm", "--data", "x=square.npy"], { cwd: folder })).stderr).not.toContain("S=3 --set");
  });

  it("and a folder for temporary files that takes none, by the variable that names another", async () => {
    const ran = await gmc(["train", "sized.gm", "--data", "x=three.csv", "--set", "D=3", "--steps", "1", "--out", "temporary"], {
      cwd: folder,
      env: { TMPDIR: join(folder, "three.csv") },
    });
    expectMistake(ran, "GM5212", "three.csv", "TMPDIR");
    expect(ran.stderr).not.toContain("--out");
  });

  it("in a run whose parts are damaged or gone, with a way back", async () => {
    const [generated, config] = [join(folder, "sized", "model.gm.js"), join(folder, "sized", "config.json")];
    const [text, kept] = [readFileSync(generated, "utf8"), readFileSync(config, "utf8")];
    const { files: _files, ...before } = JSON.parse(kept) as Record<string, unknown>;
    writeFileSync(config, JSON.stringify(before));
    for (const [content, why] of [
      ["garbage", "garbage is not defined"],
      ["", "it has no model"],
    ] as const) {
      writeFileSync(generated, content);
      expectMistake(
        await gmc(["eval", "sized"], { cwd: folder }),
        "GM5209",
        `model.gm.js, which the run was made with, is damaged (${why})`,
      );
    }
    writeFileSync(config, kept);
    const told = /gmc (compile .*)/.exec((await gmc(["eval", "sized"], { cwd: folder })).stderr)?.[1]?.split(" ") ?? [];
    expect((await gmc(told, { cwd: folder })).code).toBe(0);
    expect(readFileSync(generated, "utf8")).toBe(text);
    expect((await gmc(["eval", "sized"], { cwd: folder })).code).toBe(0);
    rmSync(join(folder, "sized", "checkpoints"), { recursive: true });
    for (const command of ["eval", "sample", "resume"])
      expectMistake(
        await gmc([command, "sized"], { cwd: folder }),
        "GM5201",
        "sized/checkpoints holds no checkpoint any more",
        "back from a copy",
      );
  });
});

describe("a run whose model was edited", () => {
  const run = (...args: readonly string[]): Promise<Ran> => gmc([...args, "--engine", "reference"], { cwd: folder });

  it("is run by nobody where that is its JavaScript, and is told where that is its text", async () => {
    await run("train", "tiny.gm", "--data", "pinwheel:rows=60", "--steps", "2", "--no-eval", "--out", "edited");
    const [js, gm, config] = ["model.gm.js", "model.gm", "config.json"].map((name) => join(folder, "edited", name)) as [
      string,
      string,
      string,
    ];
    const [program, text, kept] = [js, gm, config].map((path) => readFileSync(path, "utf8")) as [string, string, string];
    const sum = (of: string): string => createHash("sha256").update(of).digest("hex");
    expect(JSON.parse(kept)).toMatchObject({ files: { "model.gm": sum(text), "model.gm.js": sum(program) } });
    expect((await run("eval", "edited")).stderr).not.toContain("GM542");

    // a program that runs as well as the first, and is another
    writeFileSync(js, program.replaceAll("0.5", "0.25"));
    for (const command of ["eval", "sample", "resume"])
      expectMistake(await run(command, "edited"), "GM5424", "edited/model.gm.js is not the JavaScript", "gmc train tiny.gm", "`files`");
    const { files, ...before } = JSON.parse(kept) as { files: Record<string, string> };
    writeFileSync(config, JSON.stringify({ ...before, files: { "model.gm": files["model.gm"] } }));
    expect(await run("eval", "edited")).toMatchObject({ code: 0 });
    writeFileSync(config, JSON.stringify({ ...before, files: { "model.gm.js": "?" } }));
    expectMistake(await run("eval", "edited"), "GM5209", "config.json: files.model.gm.js: ");
    writeFileSync(config, kept);
    writeFileSync(js, program);

    writeFileSync(gm, `${text}\n// mine\n`);
    const warned = await run("resume", "edited", "--steps", "3");
    expect(warned.code).toBe(0);
    expect(warned.stderr.match(/warning\[GM5425\]: edited\/model\.gm was changed/g)).toHaveLength(1);
    expect(warned.stderr).toContain("gmc train edited/model.gm");
    // a run of before there were checksums
    writeFileSync(config, JSON.stringify(before));
    const old = await run("eval", "edited");
    expect(old.code).toBe(0);
    expect(old.stderr).not.toContain("GM542");
  });
});

describe("more rows than there are", () => {
  const train = (...args: readonly string[]): Promise<Ran> => gmc(["train", ...args, "--engine", "reference"], { cwd: folder });

  it("are refused before there is a run, for each phase", async () => {
    writeFileSync(join(folder, "few.csv"), rows(2, 3));
    const ran = await train("tiny.gm", "--data", "few.csv", "--batch", "100000");
    expectMistake(ran, "GM5024", "few.csv: the batch size is 100000, and x has 3 training rows", "--batch 3");
    expect(ran.stderr).not.toContain("run runs");
    expect(ran.stderr).not.toContain("engine reference");
    expect(existsSync(join(folder, "runs"))).toBe(false);
    const phases = ["one", "two"].map(
      (name, i) => `phase "${name}" { maximize ELBO(p, q)  optimizer = adam(lr = 1e-2), batch = ${[20, 40][i]}, epochs = 1 }`,
    );
    writeFileSync(join(folder, "phases.gm"), tinyModel.replace(/train \{[^}]*\}/, `train { ${phases.join("\n")} }`));
    expectMistake(await train("phases.gm", "--data", "pinwheel:rows=30"), "GM5024", "the batch size is 40, and x has 30 training rows");
    expect(existsSync(join(folder, "runs"))).toBe(false);
    await train("tiny.gm", "--data", "few.csv", "--batch", "2", "--steps", "1", "--no-eval", "--out", "few");
    writeFileSync(join(folder, "one.csv"), "0.5,0.25\n");
    const resumed = await gmc(["resume", "few", "--data", "one.csv", "--steps", "2"], { cwd: folder });
    expectMistake(resumed, "GM5024", "the batch size is 2, and x has 1 training row\n");
    expect(resumed.stderr).not.toContain("run few");
  });

  it("that hold text where numbers are asked for are told by file, line, column and cell", async () => {
    writeFileSync(join(folder, "slip.csv"), "a,b\n1,2\n3,4\n5,6x\n7,8x\n");
    writeFileSync(join(folder, "one-slip.csv"), "a,b\n1,2\n3,4\n5,6x\n7,8\n");
    const half = await train("tiny.gm", "--data", "x=slip.csv");
    expectMistake(
      half,
      "GM5006",
      'slip.csv:4, column 2: expected a number, found "6x"; column b holds text (2, 4, 6x)',
      "x=slip.csv#a",
      "y=slip.csv#b",
    );
    const most = await train("tiny.gm", "--data", "x=one-slip.csv");
    expectMistake(most, "GM5006", 'one-slip.csv:4, column 2: expected a number as in most of the column, found "6x"', "leave the row out");
    // a column that is named: its labels' codes are no values
    writeFileSync(
      join(folder, "number.gm"),
      "model Number { data x : real  param m : real  density p(x) { x ~ Normal(m, 1) }  train { maximize log p(x) batch = 2, epochs = 1 } }\n",
    );
    const named = await train("number.gm", "--data", "x=one-slip.csv#b");
    expectMistake(named, "GM5006", 'one-slip.csv:4, column 2: expected numbers for x : real, found "6x"');
  });

  it("of a split that is not there are told with the numbers and a way to them", async () => {
    writeFileSync(join(folder, "few.csv"), rows(2, 3));
    const stopping = tinyModel.replace("epochs = 4", "epochs = 4, early_stopping = early_stopping(metric = nll, patience = 2)");
    writeFileSync(join(folder, "stopping.gm"), stopping);
    expectMistake(
      await train("stopping.gm", "--data", "few.csv", "--batch", "1"),
      "GM4004",
      "cut one from the 3 training rows: add :validation=0.1",
    );
    expectMistake(
      await train("tiny.gm", "--data", "few.csv#validation"),
      "GM5007",
      "the validation rows are cut from 3 rows by few.csv:validation=0.1",
    );
    expectMistake(await train("tiny.gm", "--data", "few.csv#1-9"), "GM5007", "few.csv has columns 1 to 2, not 1-9", "few.csv#1-2");
  });
});

describe("folders", () => {
  it("that was removed under a command's feet", async () => {
    const gone = join(folder, "gone");
    mkdirSync(gone);
    const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;
    const script = `process.chdir(${JSON.stringify(gone)}); (await import("node:fs")).rmdirSync(${JSON.stringify(gone)});
      process.argv = [process.argv[0], ${JSON.stringify(main)}, "train", ${JSON.stringify(join(folder, "tiny.gm"))}, "--data", "pinwheel:rows=50"];
      await import(${JSON.stringify(main)});`;
    const ran = await gmc([], { node: ["--input-type=module", "-e", script] });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("error[GM5001]: the current folder is no longer there");
    expect(ran.stderr).not.toContain("    at ");
  });
});

describe("a run that goes on or is measured by other means than its own", () => {
  it("says that its rows are cut otherwise, keeps its seed, and speaks of no --out", async () => {
    writeFileSync(join(folder, "cut.csv"), rows(2));
    const run = (...args: readonly string[]): Promise<Ran> => gmc([...args, "--engine", "reference"], { cwd: folder });
    const trained = await run(
      "train",
      "tiny.gm",
      "--data",
      "x=cut.csv:test=10",
      "--steps",
      "1",
      "--seed",
      "9",
      "--no-eval",
      "--out",
      "cut",
    );
    expect(trained.code).toBe(0);
    const other = await run("eval", "cut", "--data", "x=cut.csv:test=10:split-seed=4");
    expect(other.code).toBe(0);
    expect(other.stderr).toContain(
      "warning: the run cut these data by :test=10:split-seed=0, and now they are cut by :test=10:split-seed=4",
    );
    expectMistake(await run("resume", "cut", "--seed", "4", "--steps", "2"), "GM4008", "a run goes on with its seed, 9", "--seed 4");
    // a finished run takes them no more than another
    expectMistake(await run("resume", "cut", "--seed", "4"), "GM4008", "a run goes on with its seed, 9", "--seed 4");
    expectMistake(await run("resume", "cut", "--batch", "3"), "GM4008", "a run goes on with batches of");
    expectMistake(await run("sample", "cut", "--count", "1000000000"), "GM4008", "--count is at most 1,000,000 here");
    writeFileSync(join(folder, "cut", ".lock"), JSON.stringify({ pid: process.pid, host: hostname(), started: null }));
    const locked = await run("resume", "cut", "--steps", "2", "--seed", "9");
    expectMistake(locked, "GM5208", "wait for it or stop it\n");
    expect(locked.stderr).not.toContain("--out");
  }, 120_000);

  it("is told apart from one that cuts its rows the same way", () => {
    const warned = (before: string, now: string): boolean =>
      otherSplit({ spec: before, base: "/a" }, { spec: now, base: "/a" }) !== undefined;
    expect(warned("x=t.npy:test=10", "x=./t.npy:test=10:split-seed=0")).toBe(false);
    expect(warned("x=t.npy:test=10", "x=t.npy:test=11")).toBe(true);
    expect(warned("x=t.npy:test=10", "x=t.npy:test=10:split=tail")).toBe(true);
    expect(warned("x=t.npy:validation=10", "x=t.npy:test=10")).toBe(true);
    expect(warned("x=t.npy:test=10", "x=t.npy")).toBe(true);
    expect(warned("mnist", "mnist:validation=0.1")).toBe(true);
    // other rows altogether, and those of a file that the run did not train on
    expect(warned("x=t.npy:test=10", "x=u.npy:test=11")).toBe(false);
    expect(warned("x=t.npy,x.test=v.npy", "x=v.npy:test=10")).toBe(false);
    expect(otherSplit({ spec: "x=t.npy:test=10", base: "/a" }, { spec: "x=t.npy:test=9", base: "/b" })).toBeUndefined();
    expect(otherSplit({ spec: "x=t.npy", base: "/a" }, { spec: "x=../a/t.npy:test=9", base: "/b" })).toContain("by nothing");
  });
});
