/**
 * Declarations may stand in any order: constants, data, latents and parameters are brought into one in which each stands after those that it
 * names, otherwise as written. Those that name one another in a circle are reported and become names about which nothing more is said.
 */
import { type Diagnostics, report } from "../base/report.js";
import type { Label } from "../base/diagnostic.js";
import type * as ast from "../parser/ast.js";
import type { Env } from "./env.js";
import type { Entity, Scope } from "./scope.js";
import { requireStatic } from "./static.js";
import { walkAst } from "./walk.js";

type Named = ast.ConstDecl | ast.NetDecl | ast.FlowDecl | ast.ObjectiveDecl;
type Ordered = Named | ast.DataDecl | ast.LatentDecl | ast.ParamDecl;

interface InOrder<D> {
  readonly decl: D;
  /** It depends on itself, which has been reported. */
  readonly circular: boolean;
}

/** `into`: where they will be declared; a name that it has already keeps its meaning. */
export function inOrder<D extends Ordered>(decls: readonly D[], into: Scope, diagnostics: Diagnostics): readonly InOrder<D>[] {
  const byName = new Map<string, D>();
  for (const decl of decls) for (const { name } of namesOf(decl)) if (!into.own(name) && !byName.has(name)) byName.set(name, decl);
  const done: InOrder<D>[] = [];
  const seen = new Set<D>();
  const circular = new Set<D>();
  for (const root of decls) {
    // a stack of its own: a chain of constants may be as long as the file
    const path: { readonly decl: D; readonly uses: ast.NameExpr[] }[] = [];
    const places = new Map<D, number>();
    const enter = (decl: D): void => {
      seen.add(decl);
      places.set(decl, path.push({ decl, uses: usesOf(decl).reverse() }) - 1);
    };
    if (!seen.has(root)) enter(root);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const use = top.uses.pop();
      if (use === undefined) {
        path.pop();
        places.delete(top.decl);
        done.push({ decl: top.decl, circular: circular.has(top.decl) });
        continue;
      }
      const used = byName.get(use.name);
      // a statement of several names may use its earlier ones
      if (used === undefined || (used === top.decl && used.kind !== "const")) continue;
      const place = places.get(used);
      if (place !== undefined) {
        const circle = path.slice(place).map((p) => p.decl);
        reportCircle(circle, use, diagnostics);
        for (const decl of circle) circular.add(decl);
      } else if (!seen.has(used)) enter(used);
    }
  }
  return done;
}

function reportCircle(circle: readonly Ordered[], use: ast.NameExpr, diagnostics: Diagnostics): void {
  const names = circle.map((decl) => namesOf(decl)[0]?.name ?? "");
  const cycle = [...names, names[0] ?? ""].join(" -> ");
  const what = circle[0]?.kind === "const" ? "constant" : "declaration";
  const labels: readonly Label[] = circle
    .flatMap((decl) => namesOf(decl).slice(0, 1))
    .map((n) => ({ span: n.span, text: "declared here" }));
  report(diagnostics, "GM2005", use.span, { what, cycle }, { labels });
}

/** What a declaration declares. */
export function namesOf(decl: Ordered): readonly ast.Ident[] {
  return "name" in decl ? [decl.name] : decl.items.map((i) => i.name);
}

/** The names that must be known where a declaration is read, as they are written; bodies are read when all are declared. */
function usesOf(decl: Ordered): ast.NameExpr[] {
  const uses: ast.NameExpr[] = [];
  const collect = (expr: ast.Expr, own?: string): void => walkAst(expr, (e) => void (e.kind === "name" && e.name !== own && uses.push(e)));
  if (decl.kind === "const") collect(decl.value);
  if ("items" in decl)
    for (const item of decl.items) {
      const { index, domain } = item;
      for (const expr of index ? [index.low, index.high] : []) collect(expr);
      for (const expr of [domain.classes ?? [], domain.shape, domain.atMostOne ?? []].flat()) collect(expr, index?.name.name);
      const init = "init" in item ? item.init : undefined;
      if (init?.kind === "value") collect(init.value, index?.name.name);
      if (init?.kind === "distribution") for (const arg of init.call.args) collect(arg.value, index?.name.name);
    }
  return uses;
}

/** What a constant stands for; it is known by its name in messages. */
export function constantOf(env: Env, { name, value }: ast.ConstDecl): Entity {
  const { span } = name;
  const known = requireStatic(env, value, "a constant");
  if (!known) return { kind: "poison", span };
  return {
    kind: "static",
    what: "constant",
    value: known.kind === "number" || known.kind === "list" ? { ...known, text: name.name } : known,
    span,
  };
}
