/** What makes a model of a file, for every command alike: files that hold none, and hyperparameters that gmc.config.json sets. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFile } from "../../src/cli/sources.js";
import { gmcHere, root } from "../support/cli.js";

let folder = "";
const at = (name: string): string => join(folder, name);
const run = (...args: readonly string[]): ReturnType<typeof gmcHere> => gmcHere(args, { cwd: folder });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gmc-files-"));
  writeFileSync(at("package.json"), "{}");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a file without a model", () => {
  it("is checked as one that others import", async () => {
    writeFileSync(at("nets.gm"), "const H = 20\nnet f(x, n = H) = x |> dense(n) |> relu\n");
    writeFileSync(
      at("uses.gm"),
      'import "nets.gm"\nmodel M { data x : real[2]  density p(x) { x ~ Normal(f(zeros(2), n = 2), 1) }  train { maximize log p(x) } }\n',
    );
    const { code, stderr } = await run("check", "--strict", "nets.gm", "uses.gm");
    expect(stderr).toContain("nets.gm: no model; names and constants are checked");
    expect(stderr).not.toContain("uses.gm: no model");
    expect(code).toBe(0);
    const { stdout } = await run("check", "--json", "nets.gm");
    expect(JSON.parse(stdout)).toEqual({ ok: true, files: [{ file: "nets.gm", library: true, diagnostics: [] }] });
  });

  it.each<[string, string, string, string]>([
    ["a function", "net f(x) = x |> dense(3) |> rleu\n", "GM2029", "did you mean `relu`?"],
    ["a name", "const WIDTH = 3\nnet f(x) { h = x |> dense(WIDHT)  return h }\n", "GM2001", "did you mean `WIDTH`?"],
    ["a binding", "net f(x) { hidden = x |> dense(3)  return hiden + 1 }\n", "GM2001", "did you mean `hidden`?"],
    ["a name in a flow", "flow f(z | e) = coupling(mlp([hh])) |> reverse\n", "GM2001", "`hh`"],
    ["a constant", "const A = B + 1\n", "GM2001", "`B`"],
    ["a function of an objective", "objective O(p) = E[x ~ data](log(sigmiod(x)))\n", "GM2029", "did you mean `sigmoid`?"],
    ["a name of an objective", "objective O(p, beta = 1) = log p(x) + bta\n", "GM2001", "did you mean `beta`?"],
    ["a name of a default", "objective O(p, k = K) = k * log p(x)\n", "GM2001", "`K`"],
    ["a density of an objective", "objective O(p, q) = E[z ~ q(z | x)](log r(x, z))\n", "GM2001", "there is no density called `r`"],
    ["a net for a density", "net r(x) = sum(x)\nobjective O(p) = log r(x)\n", "GM2007", "`r`"],
    ["a distribution of an objective", "objective O(D) = E[u ~ Unifrom(0, 1)](D(u))\n", "GM2001", "did you mean `Uniform`?"],
    ["a draw of no call", "objective O(q) = E[z ~ q](sum(z))\n", "GM3036", "it draws from a density"],
    ["a draw of more names", "objective O(p) = E[x, z ~ p(x)](log p(x))\n", "GM3039", "p(x)"],
    ["a variable of a sum", "objective O(p) = sum[z](log p(x, z))\n", "GM3030", "a range, as in"],
    ["too many arguments", "objective O(p, D) = E[x ~ p(x)](sigmoid(D(x), 2))\n", "GM2025", "`sigmoid`"],
    [
      "an argument of another objective",
      "objective A(p, k = 2) = k * log p(x)\nobjective B(p) = A(p, kk = 3)\n",
      "GM2026",
      "did you mean `k`?",
    ],
    ["a missing argument", "objective B(p) = ELBO(p)\n", "GM2024", "`q`"],
    ["a name that stands twice", "net f(x) = x\nnet f(x) = x + 1\n", "GM2002", "first here"],
  ])("has its own mistakes told: %s", async (_, text, code, part) => {
    writeFileSync(at("wrong.gm"), text);
    const ran = await run("check", "wrong.gm");
    expect(ran.stderr).toContain(`error[${code}]`);
    expect(ran.stderr).toContain(part);
    expect(ran.code).toBe(1);
  });

  it("finds no mistake in what only a call can tell", () => {
    const text = [
      "const W = 2",
      "net features(x) = x |> dense(3) |> tanh",
      "objective Part(p, k = W) = k * log p(x)",
      "objective Named(p, D, weight) = Part(p) + E[u ~ Uniform(0, weight)](u * sum(D(u))) + log p(x = 2 * weight)",
      "objective Samples(p, q, k = 5) = E[z[1..k] ~ q(z | x)](mean[i in 1..k](log p(x, z[i]) + max(k, 3) * sum(z[i])))",
      "objective Chains(p, D) = E[x ~ data, xf ~ p(x)](FeatureMMD(p, clip(0, 1) |> dense(3)) + sum(xf |> repeat(2) { clip(-1, 1) |> D }))",
      "objective Streams(p) = E[a ~ data(b), c ~ p(c | b)](sum(grad[y = a](sum(y * c))^2))",
      "objective Best(p) = max[z](log p(x, z)) + min[i in 1..2](i)",
      "objective Roles(p, q, D) = E[z ~ q(z | x)](sum(D(x)) + sum(features(z)))",
      "objective Flows(f, q) = E[z ~ q(z | x)](sum(f(z | x)))",
    ];
    writeFileSync(at("objectives.gm"), `${text.join("\n")}\n`);
    expect(compileFile(at("objectives.gm"), { library: true }).diagnostics).toEqual([]);
  });

  it("finds no mistake in the standard library, whose files are such", () => {
    const std = readdirSync(join(root, "std")).filter((f) => f.endsWith(".gm"));
    expect(std.length).toBeGreaterThan(3);
    for (const file of std) expect(compileFile(join(root, "std", file), { library: true }).diagnostics).toEqual([]);
  });

  it("is passed over where generated files are compared", async () => {
    await run("compile", "uses.gm");
    const { code, stderr } = await run("compile", "--check", "nets.gm", "uses.gm");
    expect(stderr).toContain("nets.gm: no model, skipped");
    expect(code).toBe(0);
    writeFileSync(at("broken.gm"), "net f(x) = x |> rleu\n");
    expect((await run("compile", "--check", "broken.gm")).stderr).toContain("error[GM2029]");
    expect(JSON.parse((await run("compile", "--check", "--json", "nets.gm")).stdout)).toEqual({ ok: true, files: [], diagnostics: [] });
  });

  it("is still a mistake where there is nothing in it, or a model is asked for", async () => {
    writeFileSync(at("empty.gm"), "// nothing\n");
    expect((await run("check", "empty.gm")).stderr).toContain("error[GM2012]");
    expect((await run("check", "nets.gm", "--model", "M")).code).toBe(1);
    expect((await run("compile", "nets.gm")).stderr).toContain("error[GM2012]");
  });
});

describe("hyperparameters of gmc.config.json", () => {
  const inFolder = (config: string) => {
    mkdirSync(at("set"), { recursive: true });
    writeFileSync(
      at("set/m.gm"),
      "model M(Z = 2) { data x : real[Z]  param m : real[Z]  density p(x) { x ~ Normal(m, 1) }  train { maximize log p(x) batch = 2, steps = 1 }  evaluate { ll = log p(x) } }\n",
    );
    writeFileSync(at("set/gmc.config.json"), config);
  };

  it("hold for every command, and --set wins over them", async () => {
    inFolder('{ "models": { "m.gm": { "set": { "Z": 3 } } } }');
    const parameters = async (...more: readonly string[]): Promise<unknown> =>
      (JSON.parse((await run("explain", "set/m.gm", "--json", ...more)).stdout) as { readonly parameters: unknown }).parameters;
    expect(JSON.stringify(await parameters())).toContain("3");
    expect(JSON.stringify(await parameters("--set", "Z=5"))).toContain("5");
    expect((await run("compile", "set/m.gm")).code).toBe(0);
    const generated = readFileSync(at("set/m.gm.ts"), "utf8");
    expect(generated).toContain("real([3])");
    expect(generated).toContain("--set Z=3");
    expect((await run("compile", "--check", "set/m.gm")).code).toBe(0);
    writeFileSync(at("set/x.csv"), "1,2,3\n4,5,6\n7,8,9\n");
    const trained = await run("train", "set/m.gm", "--data", "x=set/x.csv", "--out", "set/run", "--engine", "reference");
    expect({ code: trained.code, stderr: trained.code === 0 ? "" : trained.stderr }).toEqual({ code: 0, stderr: "" });
  });

  it.each([
    ["check", '{ "set": { "Zz": 3 } }', "GM2008"],
    ["compile", '{\n  "models": { "m.gm": { "set": { "Zz": 3 } } }\n}', "GM2008"],
    ["explain", '{ "set": { "Z": [3] } }', "GM2010"],
    ["train", '{ "set": { "Zz": 3 } }', "GM2008"],
  ])("are told of where they are written: %s %s", async (command, config, code) => {
    inFolder(config);
    const { stderr, code: exit } = await run(command, "set/m.gm");
    expect(stderr).toContain(`error[${code}]`);
    const line = config.split("\n").findIndex((l) => l.includes('"Z'));
    expect(stderr).toContain(`set/gmc.config.json:${line + 1}:${config.split("\n")[line]!.indexOf('"Z') + 1}`);
    expect(exit).toBe(1);
  });

  it("are all that a command which only compiles reads of it", async () => {
    inFolder('{ "dta": "mnist" }');
    expect((await run("check", "set/m.gm")).code).toBe(0);
    inFolder('{ "dta": "mnist", "set": { "Z": 3 } }');
    expect((await run("check", "set/m.gm")).stderr).toContain("error[GM5102]");
  });
});
