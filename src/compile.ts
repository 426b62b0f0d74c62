/**
 * The compiler as one straight line: text -> syntax tree -> model IR -> derived model -> TypeScript. Pure: it reads no files.
 *
 *     parse -> elaborate -> derive -> emit -> print
 */
import { choiceOptions } from "./base/command-line.js";
import { Diagnostics } from "./base/report.js";
import type { Diagnostic } from "./base/diagnostic.js";
import type { SourceFile, Span } from "./base/source.js";
import { sha256 } from "./base/sha256.js";
import { emitModel, type SourceInfo } from "./codegen/emit-model.js";
import { printFile } from "./codegen/print-file.js";
import type { Flavour } from "./codegen/print-js.js";
import { derive } from "./ir/derive/derive.js";
import type { DerivedModel } from "./ir/derived-model.js";
import { elaborate } from "./ir/elaborate.js";
import { loadImports, type ReadSource } from "./ir/files.js";
import { standardLibrary } from "./ir/std.js";
import type { ModelIr, StaticValue } from "./ir/types.js";
import type { FileAst } from "./parser/ast.js";
import { parse } from "./parser/parse.js";
import { version } from "./version.js";

export { Diagnostics } from "./base/report.js";
export type { Diagnostic } from "./base/diagnostic.js";
export { version } from "./version.js";

export interface CompileOptions {
  /** `--set H=400` */
  readonly set?: Readonly<Record<string, StaticValue>>;
  /** Where entries of `set` are written, of those that a file holds: what is wrong with them is told there. */
  readonly setAt?: Readonly<Record<string, Span>>;
  /** Which model of a file with several. */
  readonly model?: string;
  /** A file without a model is no mistake: what it holds for others to import is checked. */
  readonly library?: boolean;
  /** Text of an imported file, by its path from where the root file's path starts; undefined where there is none. Without it there are no imports. */
  readonly readImport?: ReadSource;
  /** Folder that imports may not leave, from where the root file's path starts: `..`, `/home/me/models`. Default: where that path starts. */
  readonly project?: string;
  /** Module that generated code imports: `gmc/runtime`. */
  readonly runtime?: string;
}

export interface Compiled {
  /** Undefined after errors. */
  readonly derived: DerivedModel | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** What each pass made, for `--dump`. */
  readonly passes: { readonly ast: FileAst; readonly ir: ModelIr | undefined };
  /** The generated file in a flavour; throws where there were errors. */
  readonly print: (flavour: Flavour) => string;
}

/** Compiles one `.gm` file. Never throws for a mistake of its author: see `diagnostics`. */
export function compile(file: SourceFile, options: CompileOptions = {}): Compiled {
  const diagnostics = new Diagnostics();
  const ast = parse(file, diagnostics);
  const read = options.readImport ?? (() => undefined);
  const files = loadImports(ast, read, (imported) => parse(imported, diagnostics), diagnostics, options.project);
  const ir = elaborate(
    {
      root: ast,
      files,
      std: standardLibrary(),
      set: options.set ?? {},
      setAt: options.setAt ?? {},
      model: options.model,
      library: options.library,
    },
    diagnostics,
  );
  const derived = ir && !diagnostics.hasErrors ? derive(ir, diagnostics) : undefined;
  const source: SourceInfo = { file: file.path.split("/").at(-1) ?? file.path, sha256: sha256(file.text), compiler: version };
  return {
    derived,
    diagnostics: diagnostics.list,
    passes: { ast, ir },
    print: (flavour) => {
      if (!derived) throw new Error("the model has errors");
      const runtime = options.runtime ?? "gmc/runtime";
      return printFile(emitModel(derived, source), source, derived.model.doc, { flavour, runtime, choices: choiceOptions(options) });
    },
  };
}
