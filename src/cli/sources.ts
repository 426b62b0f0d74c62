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

/** GM5303 */
export function readSource(path: string): SourceFile {
  const text = readText(path);
  if (typeof text !== "string") throw new FileError(`${path}: ${text.problem}`, text.help);
  return { path: path.split(sep).join("/"), text };
}

interface Problem {
  readonly problem: string;
  readonly help: readonly string[];
}

function readText(path: string): string | Problem {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return whyNot(path, error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { problem: "is not UTF-8 text", help: ["a model is a text file; save it as UTF-8"] };
  }
}

function whyNot(path: string, error: unknown): Problem {
  const { code, message = String(error) } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return {
        problem: "there is no such file",
        help: [existsSync(`${path}.gm`) ? `did you mean ${path}.gm?` : "paths are relative to the current folder"],
      };
    case "EISDIR":
      return { problem: "is a folder, expected a .gm file", help: [`name its files: ${path.replace(/\/$/, "")}/*.gm`] };
    case "EACCES":
    case "EPERM":
      return { problem: "no permission to read it", help: ["check the permissions of the file and its folders"] };
    case "ELOOP":
      return { problem: "is a link that leads back to itself", help: ["name the file that the link was meant for"] };
    default:
      return { problem: `cannot be read (${code ?? message})`, help: ["see whether other programs can read it"] };
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
      const text = readText(imported);
      return typeof text === "string"
        ? text
        : { kind: "unreadable", problem: text.problem, help: imported.endsWith(".gm") ? text.help : [] };
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
