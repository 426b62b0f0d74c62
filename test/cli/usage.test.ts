/** Help texts, exit codes and messages of the command line, in the built program. */
import { mkdtempSync, rmSync, writeFileSync, readFileSync, existsSync, statSync, mkdirSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { wholeNumber } from "../../src/cli/options.js";
import { bin, ensureBuilt, gmc, gmcHere } from "../support/cli.js";
import { expectGolden } from "../support/golden.js";
import { tinyModel } from "../support/tiny.js";

let folder = "";
beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-usage-"));
  writeFileSync(join(folder, "tiny.gm"), tinyModel);
  writeFileSync(join(folder, "tiny.txt"), tinyModel);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const commands = [
  ...["compile", "check", "explain", "train", "resume", "eval"],
  ...["sample", "reconstruct", "interpolate", "filters", "topics", "doctor", "fmt"],
];

describe("help", () => {
  it("of gmc and of each command is as committed", async () => {
    const texts = [(await gmcHere(["--help"])).stdout];
    for (const command of commands) {
      const { code, stdout } = await gmcHere([command, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples:\n {2}gmc /);
      texts.push(stdout);
    }
    // what commander does not wrap
    const examplesOf = (text: string): string => text.slice(text.indexOf("\nExamples:"));
    expect(texts.flatMap((text) => examplesOf(text).split("\n")).filter((line) => line.length > 80)).toEqual([]);
    expectGolden("cli/help.txt", texts.join("\n=====\n"));
  });

  it("is what a bare gmc prints, as a mistake", async () => {
    const { code, stdout, stderr } = await gmcHere([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Usage: gmc");
  });

  it("tells the version of package.json", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
    expect((await gmc(["--version"])).stdout.trim()).toBe(version);
  });

  it("comes from an executable file", () => {
    expect(statSync(bin).mode & 0o111).toBe(0o111);
    expect(readFileSync(bin, "utf8").startsWith("#!/usr/bin/env node\n")).toBe(true);
  });
});

describe("wrong usage ends with 2 and a way out", () => {
  it.each([
    [["trian", "x.gm"], "GM5301", "did you mean `gmc train`?"],
    [["help", "nosuch"], "GM5301", "unknown command `nosuch`"],
    [["help", "trian"], "GM5301", "did you mean `gmc train`?"],
    [["train", "x.gm", "--epoch", "3"], "GM5301", "did you mean `--epochs`?"],
    [["eval", "--splt=test"], "GM5301", "did you mean `--split`?"],
    [["train"], "GM5302", "gmc train --help"],
    [["train", "x.gm", "--steps", "many"], "GM5302", "expected a whole number from 1 on"],
    [["train", "x.gm", "--lr", "-1"], "GM5302", "expected a positive number"],
    [["train", "x.gm", "--seed", "1.5"], "GM5302", "expected a whole number from 0 on"],
    [["train", "x.gm", "--seed", "1e-3"], "GM5302", "expected a whole number from 0 on"],
    [["train", "x.gm", "--seed", "1e17"], "GM5302", "expected a whole number from 0 on"],
    [["train", "x.gm", "--seed", "0x10"], "GM5302", "expected a whole number from 0 on"],
    [["train", "x.gm", "--engine", "onyx"], "GM5302", "expected one of auto, webgpu, tfjs:node-gpu, onnx"],
    [["compile", "x.gm", "--set", "H"], "GM5302", "NAME=VALUE"],
    [["compile", "x.gm", "--set", "H=1", "--set", "Z=3", "--set", "H=2"], "GM5302", "`H` is set to 1 already"],
    [["train", "x.gm", "--set", "Zs=[3,4]", "--set", "Zs=[3,4]"], "GM5302", "`Zs` is set to [3,4] already"],
    [["compile", "x.gm", "--check", "--watch"], "GM5302", "leave one of them out"],
    [["compile", "x.gm", "y.gm", "--out", "one.ts"], "GM5302", "name a folder: --out one.ts/"],
    [["compile", "x.gm", "--emit", "wasm"], "GM5302", "ts, js"],
    [["doctor", "now"], "GM5302", "gmc doctor --help"],
  ])("%j", async (args, code, text) => {
    const ran = await gmcHere(args, { cwd: folder });
    expect(ran.code).toBe(2);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain(`error[${code}]`);
    expect(ran.stderr).toContain(text);
    expect(ran.stderr).not.toContain("    at ");
  });
});

describe("code and JSON do not share standard output", () => {
  it.each([
    ["--out", "-"],
    ["--dump", "js"],
  ])("compile %s %s --json", async (option, value) => {
    const { code, stdout } = await gmcHere(["compile", "tiny.gm", option, value, "--json"], { cwd: folder });
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: "GM5302", message: expect.stringContaining(`--json and ${option} ${value} both want standard output`) as string },
    });
    expect((await gmcHere(["compile", "tiny.gm", option, value], { cwd: folder })).stdout).toContain("export const model");
  });
});

describe("what is wrong with model or run ends with 1", () => {
  it.each([
    [["check", "nosuch.gm"], "GM5303"],
    [["compile", "."], "GM5303"],
    [["compile", "tiny.txt"], "GM5303"],
    [["train", "tiny.gm"], "GM5309"],
    [["train", "tiny.gm", "--data", "mnits"], "GM50"],
    [["train", "tiny.gm", "--data", "x=nosuch.npy"], "GM5001"],
    [["train", "tiny.gm", "--data", "pinwheel:rows=50", "--batch", "60"], "GM5024"],
    [["eval", "nosuch"], "GM5209"],
    [["sample"], "GM5310"],
    [["resume", "tiny.gm"], "GM5310"],
  ])("%j", async (args, code) => {
    const ran = await (args.includes("pinwheel:rows=50") || args.includes("mnits") || args.includes("x=nosuch.npy") ? gmc : gmcHere)(args, {
      cwd: folder,
    });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`error[${code}`);
    expect(ran.stderr).not.toContain("    at ");
    expect(ran.stderr).not.toContain("bug of gmc");
  });

  it("as JSON too", async () => {
    const ran = await gmc(["train", "tiny.gm", "--json"], { cwd: folder });
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: "GM5309", severity: "error" } });
    expect(ran.stderr).toBe("");
  });
});

describe("compile", () => {
  it("writes, then changes no byte; --check knows a stale file", async () => {
    const first = await gmc(["compile", "tiny.gm"], { cwd: folder });
    expect(first).toMatchObject({ code: 0, stdout: "" });
    const output = join(folder, "tiny.gm.ts");
    const text = readFileSync(output, "utf8");
    const { mtimeMs } = statSync(output);
    expect((await gmcHere(["compile", "tiny.gm"], { cwd: folder })).stderr).toContain("unchanged");
    expect(statSync(output).mtimeMs).toBe(mtimeMs);
    expect((await gmcHere(["compile", "--check", "tiny.gm"], { cwd: folder })).code).toBe(0);
    writeFileSync(output, `${text}\n`);
    const stale = await gmcHere(["compile", "--check", "tiny.gm"], { cwd: folder });
    expect(stale.code).toBe(1);
    expect(stale.stderr).toContain("error[GM5304]");
    expect(readFileSync(output, "utf8")).toBe(`${text}\n`);
    rmSync(output);
    expect((await gmcHere(["compile", "--check", "--json", "tiny.gm"], { cwd: folder })).stdout).toContain('"state":"stale"');
  });

  it("says in the file and of a stale one how it was compiled, so that following it makes it fresh", async () => {
    const options = ["--set", "H=5", "--out", "set.gm.js", "--emit", "js"];
    expect((await gmcHere(["compile", "tiny.gm", ...options], { cwd: folder })).code).toBe(0);
    expect(readFileSync(join(folder, "set.gm.js"), "utf8")).toContain("run `gmc compile tiny.gm --emit js --set H=5`.");
    writeFileSync(join(folder, "set.gm.js"), "");
    const stale = await gmcHere(["compile", "tiny.gm", "--check", ...options], { cwd: folder });
    const told = /run `gmc (compile [^`]*)`/.exec(stale.stderr)?.[1]?.split(" ") ?? [];
    expect(told).toContain("H=5");
    expect((await gmcHere(told, { cwd: folder })).code).toBe(0);
    expect((await gmcHere(["compile", "tiny.gm", "--check", ...options], { cwd: folder })).code).toBe(0);
    expect((await gmcHere(["compile", "tiny.txt", "--out", "-"], { cwd: folder })).code).toBe(0);
    expect(existsSync(join(folder, "tiny.txt.ts"))).toBe(false);
  });

  it("writes JavaScript with declarations, elsewhere, with other hyperparameters, to stdout", async () => {
    const ran = await gmcHere(["compile", "tiny.gm", "--emit", "js", "--out", "build/", "--set", "H=5"], { cwd: folder });
    expect(ran.code).toBe(0);
    expect(readFileSync(join(folder, "build/tiny.gm.js"), "utf8")).toContain("dense.spec(2, 5)");
    expect(existsSync(join(folder, "build/tiny.gm.d.ts"))).toBe(true);
    const out = await gmcHere(["compile", "tiny.gm", "--out", "-"], { cwd: folder });
    expect(out.stdout).toContain("export const model");
    expect(JSON.parse((await gmcHere(["compile", "tiny.gm", "--dump", "ast"], { cwd: folder })).stdout)).toBeTypeOf("object");
    expect((await gmcHere(["compile", "tiny.gm", "--verify", "--out", "-"], { cwd: folder })).code).toBe(0);
  });

  it("notes where a package takes the JavaScript that it writes for CommonJS, and writes .mjs with its own declarations", async () => {
    const place = mkdtempSync(join(folder, "package-"));
    writeFileSync(join(place, "tiny.gm"), tinyModel);
    const compiled = async (...more: string[]) => (await gmcHere(["compile", "tiny.gm", ...more], { cwd: place })).stderr;
    writeFileSync(join(place, "package.json"), '{ "type": "commonjs" }');
    expect(await compiled("--emit", "js")).toMatch(/note: .*package\.json says that \.js files are CommonJS.*npm pkg set type=module/u);
    expect(await compiled()).not.toContain("CommonJS");
    expect(await compiled("--emit", "js", "--out", "tiny.mjs")).not.toContain("CommonJS");
    expect(existsSync(join(place, "tiny.d.mts"))).toBe(true);
    writeFileSync(join(place, "package.json"), '{ "type": "module" }');
    expect(await compiled("--emit", "js")).not.toContain("CommonJS");
  });

  it("checks, and with --strict fails for a warning", async () => {
    writeFileSync(join(folder, "away.gm"), tinyModel.replace("maximize ELBO(p, q)", "minimize ELBO(p, q)"));
    const lenient = await gmcHere(["check", "away.gm"], { cwd: folder });
    expect(lenient).toMatchObject({ code: 0, stderr: expect.stringContaining("warning[GM3533]") as string });
    expect((await gmcHere(["check", "--strict", "away.gm"], { cwd: folder })).code).toBe(1);
    expect(JSON.parse((await gmcHere(["check", "--strict", "--json", "away.gm"], { cwd: folder })).stdout)).toMatchObject({ ok: false });
    expect((await gmcHere(["check", "--strict", "tiny.gm"], { cwd: folder })).code).toBe(0);
  });

  it("dumps the model IR as text, as JSON with --json, and nothing of a model that has none", async () => {
    const text = (await gmcHere(["compile", "tiny.gm", "--dump", "ir", "--set", "H=5"], { cwd: folder })).stdout;
    expect(text.startsWith("model Tiny(H = 5)\n")).toBe(true);
    expect(text).toContain("  data x : real[2] [2]\n");
    expect(text).toContain("    z ~ Normal(loc = e.loc, scale = e.scale)\n");
    const tree = JSON.parse((await gmcHere(["compile", "tiny.gm", "--dump", "ir", "--json"], { cwd: folder })).stdout) as object;
    expect(tree).toMatchObject({ name: "Tiny", streams: [["x"]] });
    writeFileSync(join(folder, "none.gm"), "model M {");
    expect(await gmcHere(["compile", "none.gm", "--dump", "ir"], { cwd: folder })).toMatchObject({ code: 1, stdout: "" });
  });

  it("shows what is wrong with a model, in frames and as JSON", async () => {
    writeFileSync(join(folder, "bad.gm"), tinyModel.replace("decoder(z), 0.5", "decodr(z), 0.5"));
    const ran = await gmcHere(["compile", "bad.gm"], { cwd: folder });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("bad.gm:12");
    expect(ran.stderr).toContain("did you mean");
    const asJson = await gmcHere(["check", "--json", "bad.gm"], { cwd: folder });
    expect(asJson.code).toBe(1);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ ok: false, files: [{ file: "bad.gm" }] });
    expect(existsSync(join(folder, "bad.gm.ts"))).toBe(false);
    expect((await gmcHere(["train", "bad.gm", "--data", "pinwheel"], { cwd: folder })).code).toBe(1);
  });

  it.skipIf(process.getuid?.() === 0)("says where it may not write (skipped for root, who may write anywhere)", async () => {
    const locked = join(folder, "locked");
    mkdirSync(locked);
    writeFileSync(join(locked, "tiny.gm"), tinyModel);
    chmodSync(locked, 0o555);
    const ran = await gmcHere(["compile", "locked/tiny.gm"], { cwd: folder });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("error[GM5305]");
  });
});

describe("fmt and explain", () => {
  it("formats in place once", async () => {
    writeFileSync(join(folder, "ugly.gm"), tinyModel.replace("decoder(z) = z |> dense(H)", "decoder( z )=z|>dense( H )"));
    expect((await gmcHere(["fmt", "--check", "ugly.gm"], { cwd: folder })).code).toBe(1);
    expect((await gmcHere(["fmt", "ugly.gm"], { cwd: folder })).code).toBe(0);
    expect(readFileSync(join(folder, "ugly.gm"), "utf8")).toContain("net decoder(z) = z |> dense(H)");
    expect((await gmcHere(["fmt", "--check", "ugly.gm"], { cwd: folder })).code).toBe(0);
    writeFileSync(join(folder, "broken.gm"), "model M {");
    expect((await gmcHere(["fmt", "broken.gm"], { cwd: folder })).code).toBe(1);
    expect(readFileSync(join(folder, "broken.gm"), "utf8")).toBe("model M {");
  });

  it("draws which variables of each energy interact", async () => {
    writeFileSync(
      join(folder, "deep.gm"),
      `model Deep(D = 6, H = 3) {
  data v : binary[D]
  latent h1 : binary[H], h2 : binary[H]
  param W1 : real[D, H], W2 : real[H, H]
  density p(v, h1, h2) { energy -(v @ W1 @ h1) - h1 @ W2 @ h2 }
  density r(v, h1) { energy -(v @ W1 @ h1) }
  train { maximize log p(v) }
}
`,
    );
    const text = await gmc(["explain", "deep.gm", "--svg", "graph.svg"], { cwd: folder });
    expect(text.stdout).toMatch(/energy of p[^]*graph-interactions-p\.svg\n.*graph-interactions-r\.svg\n$/);
    const svg = readFileSync(join(folder, "graph-interactions-p.svg"), "utf8");
    expect(svg.startsWith("<svg ")).toBe(true);
    expect(svg.match(/<path /gu)).toHaveLength(2);
    const asJson = JSON.parse((await gmc(["explain", "deep.gm", "--json", "--svg", "pictures/"], { cwd: folder })).stdout) as {
      readonly pictures: readonly { readonly density: string; readonly path: string }[];
    };
    expect(asJson.pictures.map((p) => p.density)).toEqual(["p", "r"]);
    for (const { path } of asJson.pictures) expect(existsSync(join(folder, path))).toBe(true);
    const none = await gmc(["explain", "tiny.gm", "--svg", "none.svg"], { cwd: folder });
    expect(none.code).toBe(1);
    expect(none.stderr).toContain("error[GM5311]");
    const other = await gmc(["explain", "deep.gm", "--svg", "graph.png"], { cwd: folder });
    expect(other.stderr).toContain("graph.svg");
  });

  it("explains in text and JSON", async () => {
    const text = await gmc(["explain", "tiny.gm"], { cwd: folder });
    expect(text.code).toBe(0);
    expect(text.stdout).toContain("KL(q(z | x), p(z))");
    const asJson = JSON.parse((await gmc(["explain", "--json", "--batch", "7", "tiny.gm"], { cwd: folder })).stdout) as {
      parameters: number;
      steps: { flops: number; batch: number }[];
    };
    // decoder 2-8-2, encoder 2-8-(2, 2)
    expect(asJson.parameters).toBe(2 * 8 + 8 + 8 * 2 + 2 + (2 * 8 + 8) + 2 * (8 * 2 + 2));
    // at least forward and both gradients of each matrix product
    expect(asJson.steps[0]?.batch).toBe(7);
    expect(asJson.steps[0]?.flops).toBeGreaterThan(2 * 7 * (2 * 8 + 8 * 2 + 2 * 8 + 2 * 8 * 2) * 2);
  });

  it("explains kernels in text and JSON, with or without a device", async () => {
    const text = await gmc(["explain", "--kernels", "tiny.gm"], { cwd: folder });
    expect(text.code).toBe(0);
    expect(text.stdout).toContain("@compute @workgroup_size(");
    expect(text.stdout).toMatch(
      /\na step of train at batch \d+: \d+ dispatches, [^\n]* floating-point operations, [\d.]+ a byte\n {2}memory: [^\n]*the largest buffer is [^\n]*B\n$/u,
    );
    const least = JSON.parse((await gmc(["explain", "--json", "--buffers", "8", "--batch", "7", "tiny.gm"], { cwd: folder })).stdout) as {
      readonly buffers: number;
      readonly phases: readonly { readonly batch: number; readonly step: { readonly dispatches: number } }[];
    };
    expect(least).toMatchObject({ buffers: 8, phases: [{ batch: 7 }] });
    expect(least.phases[0]?.step.dispatches).toBeGreaterThan(0);
    expect(await gmc(["explain", "--buffers", "7", "tiny.gm"], { cwd: folder })).toMatchObject({ code: 2 });
  });

  it("doctor tells of engines and data", async () => {
    const found = JSON.parse((await gmcHere(["doctor", "--json"])).stdout) as {
      auto: string;
      engines: { name: string }[];
      datasets: { name: string }[];
    };
    expect(found.engines.map((e) => e.name)).toContain(found.auto);
    expect(found.datasets.map((d) => d.name)).toContain("mnist");
    const text = (await gmcHere(["doctor"])).stdout;
    expect(text).toContain("reference");
    expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });
});

it("takes whole numbers as they are written elsewhere", () => {
  expect(["7", "1e3", "1.5e3", "1E+10"].map(wholeNumber(0))).toEqual([7, 1000, 1500, 10_000_000_000]);
});
