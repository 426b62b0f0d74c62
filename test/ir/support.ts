/** Elaboration of texts and of example files, for tests. */
import { readdirSync, readFileSync } from "node:fs";
import { Diagnostics } from "../../src/base/report.js";
import { renderDiagnostic } from "../../src/base/render.js";
import { elaborate } from "../../src/ir/elaborate.js";
import { loadImports } from "../../src/ir/files.js";
import type { ModelIr, StaticValue } from "../../src/ir/types.js";
import type { FileAst } from "../../src/parser/ast.js";
import { parse } from "../../src/parser/parse.js";

export interface Elaborated {
  readonly ir: ModelIr | undefined;
  readonly diagnostics: Diagnostics;
  readonly codes: readonly string[];
  /** Frames of all findings. */
  readonly text: string;
}

/** A warning of a declaration that nothing uses: texts that tests share declare more than each of them needs. */
export const isOfUnused = ({ code }: { readonly code: string }): boolean => code === "GM2087" || code === "GM3858";

export interface Options {
  readonly set?: Readonly<Record<string, StaticValue>>;
  readonly model?: string;
  readonly path?: string;
  /** Other files by path. */
  readonly files?: Readonly<Record<string, string>>;
}

export function stdFiles(): readonly FileAst[] {
  const diagnostics = new Diagnostics();
  const files = readdirSync("std")
    .filter((name) => name.endsWith(".gm"))
    .sort()
    .map((name) => parse({ path: `std/${name}`, text: readFileSync(`std/${name}`, "utf8") }, diagnostics));
  if (diagnostics.list.length > 0) throw new Error(frames(diagnostics));
  return files;
}

let std: readonly FileAst[] | undefined;

export function elaborateText(text: string, options: Options = {}): Elaborated {
  std ??= stdFiles();
  const diagnostics = new Diagnostics();
  const root = parse({ path: options.path ?? "test.gm", text }, diagnostics);
  const files = loadImports(
    root,
    (path) => options.files?.[path],
    (file) => parse(file, diagnostics),
    diagnostics,
  );
  const ir = elaborate({ root, files, std, set: options.set ?? {}, setAt: {}, model: options.model }, diagnostics);
  return { ir, diagnostics, codes: diagnostics.list.map((d) => d.code), text: frames(diagnostics) };
}

export function elaborateExample(name: string, options: Options = {}): ModelIr {
  const path = `examples/${name}.gm`;
  const result = elaborateText(readFileSync(path, "utf8"), { ...options, path: `${name}.gm` });
  if (!result.ir || result.diagnostics.list.length > 0) throw new Error(result.text);
  return result.ir;
}

function frames(diagnostics: Diagnostics): string {
  return diagnostics.list.map((d) => renderDiagnostic(d)).join("\n");
}
