/**
 * A file without a model, which others import: what can be told of its nets, flows and objectives without a call, which is whether their names
 * exist; shapes come from calls. Of objectives see library-objective.ts.
 */
import { report, type Diagnostics } from "../base/report.js";
import type { Span } from "../base/source.js";
import { didYouMean } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { functionNames } from "./builtins.js";
import { distributions } from "./distributions.js";
import { bijections } from "./flows.js";
import { layers } from "./layers.js";
import { checkObjective } from "./library-objective.js";
import { scheduleNames } from "./schedules.js";
import type { Scope } from "./scope.js";
import { staticFunctions } from "./static-functions.js";
import { suggestions } from "./unknown.js";
import { walkAst } from "./walk.js";

const callables: ReadonlySet<string> = new Set([
  ...functionNames,
  ...layers.keys(),
  ...bijections.keys(),
  ...distributions.keys(),
  ...scheduleNames,
  ...staticFunctions.keys(),
  "repeat",
]);

/** GM2001, GM2029 for names in bodies that nothing declares, and what is wrong with an objective wherever it is used. */
export function checkLibraryFile(root: ast.FileAst, scope: Scope, diagnostics: Diagnostics): void {
  for (const decl of root.decls) {
    if (decl.kind === "objective") {
      for (const { value } of decl.params ?? []) if (value) checkNames(value, { bound: new Set(), told: new Set() }, scope, diagnostics);
      checkNames(decl.body, checkObjective(decl, scope, diagnostics), scope, diagnostics);
    }
    if (decl.kind !== "net" && decl.kind !== "flow") continue;
    const bound = new Set([...decl.params, ...(decl.kind === "flow" ? decl.given : [])].map((p) => p.name.name));
    const read: ast.Expr[] = [];
    if (decl.kind === "net") gather(decl.body, bound, read);
    else {
      if (decl.chain) read.push(decl.chain);
      for (const { param, body } of decl.directions) {
        bound.add(param.name);
        read.push(body);
      }
    }
    for (const expr of read) checkNames(expr, { bound, told: new Set() }, scope, diagnostics);
  }
}

/** Expressions of a body, and the names that it gives. */
function gather(body: readonly ast.Stmt[], bound: Set<string>, read: ast.Expr[]): void {
  for (const stmt of body) {
    if (stmt.kind === "for") {
      bound.add(stmt.index.name.name);
      read.push(stmt.index.low, stmt.index.high);
      gather(stmt.body, bound, read);
      continue;
    }
    if (stmt.kind === "bind" || stmt.kind === "draw") {
      bound.add(stmt.target.name.name);
      read.push(...stmt.target.indices);
    }
    read.push(stmt.kind === "draw" ? stmt.dist : stmt.value);
  }
}

/** `told`: names of which something else has been told, or which are no values. */
function checkNames(
  whole: ast.Expr,
  { bound: outer, told }: { readonly bound: ReadonlySet<string>; readonly told: ReadonlySet<ast.Expr> },
  scope: Scope,
  diagnostics: Diagnostics,
): void {
  const bound = new Set(outer);
  const called = new Set<ast.Expr | ast.RangeExpr>();
  // values of options may be words of theirs: `padding = same`
  const words = new Set<ast.Expr | ast.RangeExpr>();
  const names: ast.NameExpr[] = [];
  walkAst(whole, (e) => {
    if (e.kind === "name") names.push(e);
    if (e.kind === "pipe") called.add(e.right);
    if (e.kind === "call") {
      called.add(e.callee);
      for (const arg of [...e.args, ...(e.given ?? [])]) if (arg.name) words.add(arg.value);
    }
    if (e.kind !== "binder") return;
    for (const b of e.binders) for (const name of b.kind === "draw" ? b.names.map((n) => n.name) : [b.name]) bound.add(name.name);
  });
  for (const e of names) {
    if (bound.has(e.name) || callables.has(e.name) || words.has(e) || told.has(e) || scope.find(e.name)) continue;
    unknown(e.name, e.span, called.has(e), bound, scope, diagnostics);
  }
}

function unknown(name: string, span: Span, isCalled: boolean, bound: ReadonlySet<string>, scope: Scope, diagnostics: Diagnostics): void {
  const local = didYouMean(name, bound);
  const help = local === undefined ? suggestions(scope, name, () => true, callables) : [`did you mean \`${local}\`?`];
  if (isCalled) report(diagnostics, "GM2029", span, { name, what: "function, layer or net" }, { help });
  else report(diagnostics, "GM2001", span, { what: "name", name }, { help });
}
