/**
 * A project of one's own: `npm install` of the packed package, a model, its generated module, a script that trains it on the script's own arrays.
 * Dependencies come from a registry on this machine that serves what is installed here, so nothing is fetched.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ensureBuilt, root } from "../support/cli.js";
import { serveInstalled } from "../support/registry.js";
import { tinyModel } from "../support/tiny.js";

let project = "";
/** Runs to the end without blocking: the registry answers from this process. */
async function run(command: string, args: readonly string[], cwd = project): Promise<string> {
  const child = spawn(command, args, { cwd, env: { ...process.env, NO_COLOR: "1" } });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const status = await new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}:\n${stdout}\n${stderr}`);
  return stdout;
}

beforeAll(async () => {
  ensureBuilt();
  project = mkdtempSync(join(tmpdir(), "gmc-pack-"));
  const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", project], root);
  const [{ filename = "" } = {}] = JSON.parse(packed) as { filename?: string }[];
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "mine", type: "module", private: true }));
  writeFileSync(join(project, "tiny.gm"), tinyModel);
  const registry = await serveInstalled();
  // onnxruntime-node is optional: 280 MB, left out
  const options = ["--omit=optional", "--no-audit", "--no-fund", "--registry", registry.url, "--cache", join(project, ".npm")];
  await run("npm", ["install", ...options, `./${filename}`, "@types/node"]);
  registry.close();
}, 120_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

it("installs, compiles, and trains from a script on its own arrays", async () => {
  await run("npx", ["--no-install", "gmc", "compile", "tiny.gm", "--emit", "js"]);
  writeFileSync(
    join(project, "train.js"),
    `import { loadTrained, train } from "gmc/node";
import { model } from "./tiny.gm.js";

const rows = Array.from({ length: 100 }, (_, i) => [Math.cos(i), Math.sin(i)]);
const test = new Float32Array(20).map((_, i) => Math.cos(i));
const trained = await train(model, { data: { x: rows }, test: { x: test }, engine: "reference", epochs: 10, seed: 1 });
const { metrics, protocol } = await trained.evaluate();
const path = await trained.save("saved");
const again = await loadTrained(model, "saved", { data: trained.dataset, engine: "reference" });
const { metrics: loaded } = await again.evaluate();
const samples = await trained.sample(3);
console.log(JSON.stringify({ nll: metrics.nll, same: loaded.nll.value === metrics.nll.value, rows: protocol.rows, shape: samples.values.x.shape, path }));
trained.close();
again.close();
`,
  );
  const result = JSON.parse(await run(process.execPath, ["train.js"])) as Record<string, unknown>;
  expect(result).toMatchObject({ same: true, rows: 10, shape: [3, 2], nll: { k: 20, unit: "nats" } });
});

it("type-checks against the declarations of the package", async () => {
  writeFileSync(
    join(project, "use.ts"),
    `import { train, type TrainedModel } from "gmc/node";
import { referenceEngine, type Evaluation } from "gmc/runtime";
import { compile } from "gmc";
import { model } from "./tiny.gm.js";

export async function main(): Promise<Evaluation> {
  const trained: TrainedModel = await train(model, { data: { x: [[0, 1]] }, engine: referenceEngine, steps: 1 });
  const text: string = compile({ path: "a.gm", text: "model A {}" }).print("ts");
  if (text === "") throw new Error("nothing was generated");
  return trained.evaluate({ k: 5 });
}
`,
  );
  const config = {
    compilerOptions: {
      strict: true,
      noEmit: true,
      module: "NodeNext",
      moduleResolution: "NodeNext",
      target: "ES2023",
      skipLibCheck: true,
      types: ["node"],
    },
    files: ["use.ts"],
  };
  // with types of Node, and without them but with the package's declarations checked too
  for (const options of [{}, { types: [], skipLibCheck: false }]) {
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ ...config, compilerOptions: { ...config.compilerOptions, ...options } }),
    );
    expect(await run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "."])).toBe("");
  }
});

it("runs no install script of a dependency, which might fetch from elsewhere than the registry", () => {
  const { allowScripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { allowScripts: Record<string, boolean> };
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { hasInstallScript?: boolean; os?: string[] }>;
  };
  const scripted = Object.entries(lock.packages).filter(([path, p]) => path !== "" && p.hasInstallScript && p.os?.join() !== "darwin");
  expect(scripted.map(([path]) => path.replace(/^.*node_modules\//, "")).sort()).toEqual(Object.keys(allowScripts).sort());
  expect(Object.values(allowScripts)).not.toContain(true);
  // what npm 10 goes by, and npm 11 is not to complain of
  const settings = readFileSync(join(root, ".npmrc"), "utf8");
  expect(settings).toContain("\nonnxruntime-node-install=skip\n");
  expect(settings).toContain("\nloglevel=error\n");
});

it("ships what it needs and no more", () => {
  const files = readdirSync(join(project, "node_modules", "gmc"), { recursive: true, encoding: "utf8" });
  expect(files).toEqual(
    expect.arrayContaining([
      "package.json",
      "LICENSE",
      join("dist", "cli", "main.js"),
      join("dist", "runtime", "index.d.ts"),
      join("std", "objectives.gm"),
    ]),
  );
  expect(files.filter((name) => /^(src|test|bench|runs|node_modules)\b/.test(name))).toEqual([]);
  const { bin } = JSON.parse(readFileSync(join(project, "node_modules", "gmc", "package.json"), "utf8")) as { bin: Record<string, string> };
  expect(files).toContain(join(...(bin["gmc"] ?? "").split("/")));
});
