/** The standard library, parsed once: the `.gm` files of `std/`, embedded so that the compiler needs no disk. */
import { Diagnostics } from "../base/report.js";
import { InternalError } from "../base/internal-error.js";
import type { SourceFile } from "../base/source.js";
import type { FileAst } from "../parser/ast.js";
import { parse } from "../parser/parse.js";
import { stdSources } from "./std.generated.js";

let parsed: readonly FileAst[] | undefined;

export function standardLibrary(): readonly FileAst[] {
  parsed ??= stdSources.map((file) => {
    const diagnostics = new Diagnostics();
    const ast = parse(file, diagnostics);
    if (diagnostics.hasErrors) throw new InternalError(`std/${file.path}: ${diagnostics.errors[0]?.message ?? ""}`);
    return ast;
  });
  return parsed;
}

/** Whether a text is one of the library's: the same object, as a file of the project may have the same path. */
export function isOfLibrary(file: SourceFile): boolean {
  return stdSources.includes(file);
}
