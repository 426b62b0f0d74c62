/**
 * `.gm` files from disk: read as UTF-8, named as the user named them with forward slashes; imports stay inside the project.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import type { Diagnostic } from "../base/diagnostic.js";
import type { SourceFile } from "../base/source.js";
import { compile, type Compiled, type CompileOptions } from "../compile.js";
import { CompileFailure } from "./errors.js";

/** A mistake that concerns a file of the command line. */
export class FileError extends Error {
  override readonly name = "GmcError";
  readonly code = "GM5303";
  constructor(
    message: string,
    readonly help: readonly string[] = [],
  ) {
    super(message);
  }
}

export function readSource(path: string): SourceFile {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR")
      throw new FileError(`${path}: there is no such file`, [
        existsSync(`${path}.gm`) ? `did you mean ${path}.gm?` : "paths are relative to the current folder",
      ]);
    if (code === "EISDIR")
      throw new FileError(`${path}: is a folder, expected a .gm file`, [`name its files: ${path.replace(/\/$/, "")}/*.gm`]);
    throw new FileError(`${path}: cannot be read (${code ?? String(error)})`);
  }
  try {
    return { path: path.split(sep).join("/"), text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    throw new FileError(`${path}: is not UTF-8 text`, ["a model is a text file; save it as UTF-8"]);
  }
}

/** The folder that imports may not leave: the nearest one at or above `path` with package.json or .git, else the file's own. */
function projectFolder(path: string): string {
  const start = dirname(resolve(path));
  for (let folder = start; ;) {
    if (existsSync(resolve(folder, "package.json")) || existsSync(resolve(folder, ".git"))) return folder;
    const parent = dirname(folder);
    if (parent === folder) return start;
    folder = parent;
  }
}

export interface Loaded extends Compiled {
  readonly file: SourceFile;
  /** Absolute paths of the file and what it imports. */
  readonly paths: readonly string[];
}

/** Reads and compiles a file, or another text in its place. Diagnostics are the caller's to print. */
export function compileFile(path: string, options: Omit<CompileOptions, "readImport"> = {}, file: SourceFile = readSource(path)): Loaded {
  const folder = projectFolder(path);
  const root = realpathSync(folder);
  const paths = [resolve(path)];
  const compiled = compile(file, {
    ...options,
    project: (isAbsolute(path) ? folder : relative("", folder)).split(sep).join("/"),
    readImport: (imported: string) => {
      const target = resolve(imported);
      if (!existsSync(target)) return undefined;
      // a link may lead out of the project as well as a path
      const real = realpathSync(target);
      if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) return { kind: "outside" };
      paths.push(target);
      return readSource(imported).text;
    },
  });
  return { ...compiled, file, paths };
}

/** As `compileFile`; throws what is wrong with the model. */
export function compileOrFail(path: string, options: Omit<CompileOptions, "readImport"> = {}): Loaded {
  const loaded = compileFile(path, options);
  if (hasErrors(loaded.diagnostics) || loaded.derived === undefined) throw new CompileFailure(loaded.diagnostics);
  return loaded;
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((d) => d.severity === "error");
}
