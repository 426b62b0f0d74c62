/** Files: scopes of the library, of imported files and of the root, names of imports beside the file's own; loading of imports. */
import { type Diagnostics, report } from "../base/report.js";
import type { SourceFile, Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { constantOf, inOrder } from "./declaration-order.js";
import type { Context, Env } from "./env.js";
import { newOwner } from "./env.js";
import { type Entity, Scope } from "./scope.js";

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
      if (!imported) continue;
      declareFile(imported, scope, scopeOf(imported), false, diagnostics, item.span);
      scope.passOver(scopeOf(imported), imported.file.path);
    }
    declareFile(file, scope, scope, false, diagnostics);
    return scope;
  };
  return scopeOf(root);
}

/** Defines the file's declarations in `into`; their bodies see `scope`. */
function declareFile(file: ast.FileAst, into: Scope, scope: Scope, library: boolean, diagnostics: Diagnostics, importSpan?: Span): void {
  const imported = importSpan !== undefined;
  const decls = file.decls.filter((d) => d.kind !== "model");
  for (const { decl, circular } of inOrder(decls, into, diagnostics)) {
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
    const entity: Entity = circular
      ? { kind: "poison", span: decl.name.span }
      : ((imported ? scope.own(name) : undefined) ?? entityOf(decl, scope, library, diagnostics));
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
      return { kind: "flow", decl, scope, template: true, span };
    case "const":
      return constantOf(constantEnv(scope, diagnostics), decl);
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
    starts: [],
    constrained: new Set(),
    nets: [],
    netByName: new Map(),
    instances: new Map(),
    leastCalls: new Map(),
    fewerAxes: new Map(),
    flows: [],
    flowByName: new Map(),
    flowInstances: new Map(),
    open: [],
    headers: new Map(),
    densityByName: new Map(),
    objectives: new Map(),
    expansions: new Map(),
    facts: new Map(),
    factsOfExpr: new Map(),
    usedIds: new Map(),
    vectorCritics: new Set(),
    told: new Set(),
    disordered: new Set(),
    budget: { unrolled: 0 },
  };
  return { cx, scope, owner: newOwner(""), access: { read: () => undefined }, mode: "net", site: "", template: false };
}

// ---- loading ------------------------------------------------------------------------------------------

/** A file that a link leads out of the project to. */
export interface Outside {
  readonly kind: "outside";
}

/** A file that is there and no text: a folder, bytes of something else, without permission. */
export interface Unreadable {
  readonly kind: "unreadable";
  readonly problem: string;
  readonly help: readonly string[];
}

/** Reads a file of the project; undefined where there is none. */
export type ReadSource = (path: string) => string | Outside | Unreadable | undefined;

/**
 * All files that the root imports, and theirs, by resolved path. Paths are relative to the importing file, with forward slashes, and may not
 * leave the folder `project`. The files come from `read`: this half of gmc touches no disk.
 */
export function loadImports(
  root: ast.FileAst,
  read: ReadSource,
  parse: (file: SourceFile) => ast.FileAst,
  diagnostics: Diagnostics,
  project: string = startOf(root.file.path),
): ReadonlyMap<string, ast.FileAst> {
  const files = new Map<string, ast.FileAst>();
  const outside = (item: ast.ImportDecl): void => {
    const folder = project === "" ? "the current folder" : `\`${project}\``;
    const help = `a path is relative to the importing file and stays inside the project, which is ${folder}`;
    report(diagnostics, "GM2015", item.span, { path: item.path }, { help: [help] });
  };
  const load = (file: ast.FileAst, chain: readonly string[]): void => {
    for (const item of file.imports) {
      const path = resolveImport(file.file.path, item.path);
      if (path === undefined || !isInside(project, path)) {
        outside(item);
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
          { path: item.path, problem: `there is no file ${path}` },
          { help: item.path.endsWith(".gm") ? [] : [`did you mean \`${item.path}.gm\`?`] },
        );
        continue;
      }
      if (typeof text !== "string") {
        if (text.kind === "outside") outside(item);
        else report(diagnostics, "GM2014", item.span, { path: item.path, problem: text.problem }, { help: text.help });
        continue;
      }
      const imported = parse({ path, text });
      files.set(path, imported);
      load(imported, [...chain, path]);
    }
  };
  load(root, [partsOf(root.file.path)?.join("/") ?? root.file.path]);
  return files;
}

/**
 * `models/vae.gm` imports `../nets.gm` -> `nets.gm`, `vae.gm` imports `../nets.gm` -> `../nets.gm`; undefined where it is no relative path.
 */
export function resolveImport(from: string, path: string): string | undefined {
  if (path === "" || path.startsWith("/") || path.includes("\\") || path.includes("\0") || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(path))
    return undefined;
  return partsOf(`${from}/../${path}`)?.join("/");
}

/** Whether a path lies in a folder, by their names alone; both are absolute or relative to the same place. */
export function isInside(folder: string, path: string): boolean {
  const [outer, inner] = [partsOf(folder), partsOf(path)];
  if (!outer || !inner) return false;
  const above = (parts: readonly string[]): number => parts.filter((p) => p === "..").length;
  if (outer.length === above(outer)) return !isRoot(inner[0]) && above(inner) <= outer.length;
  return outer.every((part, i) => part === inner[i]) && inner[outer.length] !== "..";
}

/** Where a path starts: `/`, the current folder (""), or a folder above it. */
function startOf(path: string): string {
  const parts = partsOf(path) ?? [];
  return isRoot(parts[0]) ? `${parts[0] ?? ""}/` : parts.filter((p) => p === "..").join("/");
}

/** The names of a path, without `.`, and with `..` at its start alone; undefined where it leads above a root. */
function partsOf(path: string): readonly string[] | undefined {
  const parts: string[] = [];
  for (const [i, part] of path.split("/").entries()) {
    const last = parts.at(-1);
    if (part === "." || (part === "" && (i > 0 || path === ""))) continue;
    if (part !== ".." || last === undefined || last === "..") parts.push(part);
    else if (isRoot(last)) return undefined;
    else parts.pop();
  }
  return parts;
}

/** The first part of `/models` or of `C:/models`. */
function isRoot(part: string | undefined): boolean {
  return part === "" || (part !== undefined && /^[A-Za-z]:$/.test(part));
}
