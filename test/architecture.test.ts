/** The layers import one way, and only the outermost touch Node. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../src/", import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((f) => f.endsWith(".ts"))
  .map((f) => f.replaceAll("\\", "/"));

/** Folder -> folders it may import from, besides itself. */
const compilerLayers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  math: [],
  parser: ["base"],
  ir: ["parser", "base", "math"],
  codegen: ["ir", "base"],
  "compile.ts": ["codegen", "ir", "parser", "base", "version.ts"],
  "version.ts": [],
  cli: ["compile.ts", "codegen", "ir", "parser", "base", "runtime", "version.ts"],
  lsp: ["compile.ts", "ir", "parser", "base", "version.ts"],
  runtime: ["math"],
};

/** Within the runtime; `model.ts` and `index.ts` are named by themselves. */
const runtimeLayers: Readonly<Record<string, readonly string[]>> = {
  graph: [],
  nn: ["graph"],
  prob: ["graph", "model.ts"],
  adversarial: ["graph"],
  energy: ["graph", "prob"],
  estimate: ["graph", "prob"],
  flow: ["graph", "nn", "prob"],
  map: ["graph", "nn", "energy", "model.ts"],
  optim: ["graph", "engines"],
  "model.ts": ["graph", "nn", "optim"],
  engines: ["graph"],
  data: ["graph", "model.ts"],
  train: ["graph", "nn", "prob", "estimate", "optim", "data", "engines", "model.ts"],
  eval: ["graph", "nn", "prob", "energy", "optim", "data", "engines", "model.ts", "train"],
  "training.ts": ["graph", "nn", "data", "engines", "model.ts", "train", "eval"],
  node: ["graph", "nn", "prob", "optim", "data", "engines", "model.ts", "train", "eval", "training.ts"],
  "index.ts": [
    ...["graph", "nn", "prob", "energy", "estimate", "flow", "adversarial", "map"],
    ...["optim", "data", "engines", "model.ts", "train", "eval", "training.ts"],
  ],
};

/** Without block comments: their examples import what a user's program would. */
const importsOf = (file: string): readonly string[] =>
  [
    ...readFileSync(join(root, file), "utf8")
      .replaceAll(/\/\*[\s\S]*?\*\//gu, "")
      .matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/gu),
  ].map((m) => m[1] ?? "");

const layerOf = (path: string): string => path.split("/")[0] ?? path;

describe("layers", () => {
  it("finds the source", () => {
    expect(files.length).toBeGreaterThan(50);
  });

  it.each(files)("%s", (file) => {
    const broken: string[] = [];
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith("node:")) {
        if (!/^(cli|lsp|runtime\/node)\//u.test(file) && !/^runtime\/engines\/[^/]+\//u.test(file))
          broken.push(`${specifier}: only cli, lsp and runtime/node touch Node`);
        continue;
      }
      if (!specifier.startsWith(".")) continue;
      const target = relative(root, resolve(root, dirname(file), specifier))
        .replaceAll("\\", "/")
        .replace(/\.js$/u, ".ts");
      const [from, to] = [layerOf(file), layerOf(target)];
      if (from !== to && !compilerLayers[from]?.includes(to)) broken.push(`${from} imports ${to} (${specifier})`);
      if (from === "runtime" && to === "runtime") {
        const [a, b] = [layerOf(file.slice(8)), layerOf(target.slice(8))];
        if (a !== b && !runtimeLayers[a]?.includes(b)) broken.push(`runtime/${a} imports runtime/${b} (${specifier})`);
      }
    }
    expect(broken).toEqual([]);
  });

  it("imports no node: module in an engine except lazily", () => {
    const eager = files.filter(
      (f) => f.startsWith("runtime/engines/") && /^import [^;]*"node:/mu.test(readFileSync(join(root, f), "utf8")),
    );
    expect(eager).toEqual([]);
  });
});

describe("exports", () => {
  const text = (file: string): string => readFileSync(file, "utf8");
  const repository = fileURLToPath(new URL("../", import.meta.url));
  const readers = ["src", "test", "scripts", "bench"].flatMap((folder) =>
    readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" })
      .filter((f) => /\.(?:ts|mjs)$/u.test(f))
      .map((f) => join(repository, folder, f)),
  );
  /** What users' programs import is exported for them: files that an index hands on whole. */
  const handedOn = new Set(
    files.flatMap((file) =>
      [...text(join(root, file)).matchAll(/^export \* from "([^"]+)"/gmu)].map((m) =>
        resolve(root, dirname(file), m[1] ?? "").replace(/\.js$/u, ".ts"),
      ),
    ),
  );

  it("are functions and constants that some other file reads", () => {
    const seenIn = new Map<string, number>();
    for (const file of readers) for (const word of new Set(text(file).match(/[\w$]+/gu))) seenIn.set(word, (seenIn.get(word) ?? 0) + 1);
    const alone = files
      .map((file) => join(root, file))
      .filter((path) => !handedOn.has(path))
      .flatMap((path) =>
        [...text(path).matchAll(/^export (?:async )?(?:function\*?|const) ([\w$]+)/gmu)]
          .filter((m) => seenIn.get(m[1] ?? "") === 1)
          .map((m) => `${relative(root, path)}: ${m[1]}`),
      );
    expect(handedOn.size).toBeGreaterThan(5);
    expect(alone).toEqual([]);
  });
});
