/** Files: scopes of the library, of imported files and of the root, names of imports beside the file's own; loading of imports. */
import { type Diagnostics, report } from "../base/report.js";
import type { SourceFile, Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import type { Context, Env } from "./env.js";
import { newOwner } from "./env.js";
import { type Entity, Scope } from "./scope.js";
import { requireStatic } from "./static.js";

interface Files {
  readonly root: ast.FileAst;
  readonly files: ReadonlyMap<string, ast.FileAst>;
  readonly std: readonly ast.FileAst[];
}

/** The scope of the root file: its declarations, those it imports, and the library behind them. */
export function fileScopes({ root, files, std }: Files, diagnostics: Diagnostics): Scope {
  const library = new Scope(undefined);
  for (const file of std) declareFile(file, library, library, true, diagnostics);
  const done = new Map<string, Scope>();
  const scopeOf = (file: ast.FileAst): Scope => {
    const known = done.get(file.file.path);
    if (known) return known;
    const scope = new Scope(library);
    done.set(file.file.path, scope);
    for (const item of file.imports) {
      const resolved = resolveImport(file.file.path, item.path);
      const imported = resolved === undefined ? undefined : files.get(resolved);
      if (imported) declareFile(imported, scope, scopeOf(imported), false, diagnostics, item.span);
    }
    declareFile(file, scope, scope, false, diagnostics);
    return scope;
  };
  return scopeOf(root);
}

/** Defines the file's declarations in `into`; their bodies see `scope`. */
function declareFile(file: ast.FileAst, into: Scope, scope: Scope, library: boolean, diagnostics: Diagnostics, importSpan?: Span): void {
  const imported = importSpan !== undefined;
  for (const decl of file.decls) {
    if (decl.kind === "model") continue;
    const name = decl.name.name;
    const own = into.own(name);
    if (own) {
      if (own.span.file.path === decl.name.span.file.path && own.span.start === decl.name.span.start) continue;
      report(
        diagnostics,
        "GM2002",
        importSpan ?? decl.name.span,
        { what: "name", name },
        {
          labels: [{ span: own.span, text: "first here" }, ...(imported ? [{ span: decl.name.span, text: "and imported from here" }] : [])],
        },
      );
      continue;
    }
    const entity = imported
      ? (scope.own(name) ?? entityOf(decl, scope, library, diagnostics))
      : entityOf(decl, scope, library, diagnostics);
    into.define(name, entity);
  }
}

function entityOf(decl: Exclude<ast.TopDecl, ast.ModelDecl>, scope: Scope, library: boolean, diagnostics: Diagnostics): Entity {
  const span = decl.name.span;
  switch (decl.kind) {
    case "net":
      return { kind: "net", decl, scope, template: true, span };
    case "objective":
      return { kind: "objective", decl: { ...decl, params: decl.params ?? [] }, scope, library, span };
    case "flow":
      report(diagnostics, "GM2049", span, { name: decl.name.name });
      return { kind: "poison", span };
    case "const": {
      const value = requireStatic(constantEnv(scope, diagnostics), decl.value, "a constant");
      return value
        ? {
            kind: "static",
            what: "constant",
            value: value.kind === "number" || value.kind === "list" ? { ...value, text: decl.name.name } : value,
            span,
          }
        : { kind: "poison", span };
    }
  }
}

/** Constants of a file are evaluated before there is a model. */
function constantEnv(scope: Scope, diagnostics: Diagnostics): Env {
  const cx: Context = {
    diagnostics,
    modelScope: scope,
    variables: new Map(),
    streams: [],
    params: [],
    nets: [],
    netByName: new Map(),
    instances: new Map(),
    open: [],
    headers: new Map(),
    densityByName: new Map(),
    objectives: new Map(),
    facts: new Map(),
    factsOfExpr: new WeakMap(),
    usedIds: new Set(),
    budget: { unrolled: 0 },
  };
  return { cx, scope, owner: newOwner(""), access: { read: () => undefined }, mode: "net", site: "", template: false };
}

// ---- loading ------------------------------------------------------------------------------------------

/** Reads a file of the project; undefined where there is none. */
export type ReadSource = (path: string) => string | undefined;

/**
 * All files that the root imports, and theirs, by resolved path. Paths are relative to the importing file, with forward slashes, and may not
 * leave the project's root. The files come from `read`: this half of gmc touches no disk.
 */
export function loadImports(
  root: ast.FileAst,
  read: ReadSource,
  parse: (file: SourceFile) => ast.FileAst,
  diagnostics: Diagnostics,
): ReadonlyMap<string, ast.FileAst> {
  const files = new Map<string, ast.FileAst>();
  const load = (file: ast.FileAst, chain: readonly string[]): void => {
    for (const item of file.imports) {
      const path = resolveImport(file.file.path, item.path);
      if (path === undefined) {
        report(
          diagnostics,
          "GM2015",
          item.span,
          { path: item.path },
          { help: ["a path is relative to the importing file and stays inside the project"] },
        );
        continue;
      }
      const at = chain.indexOf(path);
      if (at >= 0) {
        report(diagnostics, "GM2016", item.span, { cycle: [...chain.slice(at), path].join(" -> ") });
        continue;
      }
      if (files.has(path)) continue;
      const text = read(path);
      if (text === undefined) {
        report(
          diagnostics,
          "GM2014",
          item.span,
          { path: item.path, resolved: path },
          { help: item.path.endsWith(".gm") ? [] : [`did you mean \`${item.path}.gm\`?`] },
        );
        continue;
      }
      const imported = parse({ path, text });
      files.set(path, imported);
      load(imported, [...chain, path]);
    }
  };
  load(root, [root.file.path]);
  return files;
}

/** `models/vae.gm` imports `../nets.gm` -> `nets.gm`; undefined where it leaves the project, or is no relative path. */
export function resolveImport(from: string, path: string): string | undefined {
  if (path === "" || path.startsWith("/") || path.includes("\\") || path.includes("\0") || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(path))
    return undefined;
  const absolute = from.startsWith("/");
  const parts = from.split("/").slice(0, -1);
  const floor = absolute ? 1 : 0;
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > floor && parts[parts.length - 1] !== "..") parts.pop();
    else return undefined;
  }
  return parts.join("/");
}
