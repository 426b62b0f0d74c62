/** Warnings about what a model declares or draws and does not use. Nothing is said of a model with errors: what cannot be read may use it. */
import { report } from "../base/report.js";
import type * as ast from "../parser/ast.js";
import { namesOf } from "./declaration-order.js";
import type { Context } from "./env.js";
import type { Density, Expr } from "./types.js";
import { distExprs, walkAst, walkExpr } from "./walk.js";

export function warnUnused(cx: Context, model: ast.ModelDecl): void {
  if (cx.diagnostics.hasErrors) return;
  for (const member of model.members) {
    // A net that nothing calls has no shapes, so its body was never checked.
    const unused = (member.kind === "net" && !cx.instances.has(member)) || (member.kind === "flow" && !cx.flowInstances.has(member));
    if (unused)
      report(
        cx.diagnostics,
        "GM2043",
        member.name.span,
        { what: member.kind, name: member.name.name },
        { help: ["its body has not been checked: shapes come from calls"] },
      );
  }
  const named = new Map(model.members.map((member) => [member, namedIn(member)]));
  warnUndrawn(cx, named);
  // how many members hold each name
  const holders = new Map<string, number>();
  for (const all of named.values()) for (const name of all) holders.set(name, (holders.get(name) ?? 0) + 1);
  for (const [member, own] of named) {
    if (member.kind !== "density") continue;
    const density = cx.densityByName.get(member.name.name);
    if (density) warnUnread(cx, density, (name) => (holders.get(name) ?? 0) > (own.has(name) ? 1 : 0));
  }
}

/** Variables that are declared and named nowhere else. */
function warnUndrawn(cx: Context, named: ReadonlyMap<ast.Member, ReadonlySet<string>>): void {
  const all = new Set([...named.values()].flatMap((names) => [...names]));
  for (const member of named.keys()) {
    if (member.kind !== "data" && member.kind !== "latent") continue;
    for (const { name, span } of namesOf(member)) {
      if (all.has(name)) continue;
      const help =
        member.kind === "data"
          ? "use it in a density or an objective, or delete it: its values are read for nothing"
          : "draw it in a density, or delete it";
      report(cx.diagnostics, "GM2087", span, { what: member.kind === "data" ? "data variable" : "latent", name }, { help: [help] });
    }
  }
}

/** Latents that a density draws or defines, and that nothing reads: they sum out of it. */
function warnUnread(cx: Context, density: Density, isElsewhere: (name: string) => boolean): void {
  const read = new Set<string>();
  const bound = new Map<string, Expr>();
  const readBy = (exprs: readonly Expr[], variable: string | undefined): void => {
    // bindings are as long a chain as the file: no recursion along them
    const open = exprs.map((expr): { readonly expr: Expr; readonly own: string | undefined } => ({ expr, own: variable }));
    for (let next = open.pop(); next; next = open.pop()) {
      const { expr, own } = next;
      walkExpr(expr, (e) => {
        if (e.kind === "variable" && e.variable !== own) read.add(e.variable);
        const value = e.kind === "local" ? bound.get(e.local.id) : undefined;
        if (e.kind === "local" && bound.delete(e.local.id) && value) open.push({ expr: value, own: undefined });
      });
    }
  };
  for (const statement of density.statements) {
    if (statement.kind === "bind") bound.set(statement.binding.local.id, statement.binding.value);
    else if (statement.kind === "draw") readBy(distExprs(statement.dist), statement.variable);
    else readBy([statement.value], statement.kind === "define" ? statement.variable : undefined);
  }
  for (const statement of density.statements) {
    if (statement.kind !== "draw" && statement.kind !== "define") continue;
    const variable = cx.variables.get(statement.variable);
    if (!variable || variable.role === "data" || read.has(variable.name)) continue;
    const base = variable.name.replace(/\[.*$/u, "");
    if (variable.role === "latent" && isElsewhere(base)) continue;
    report(
      cx.diagnostics,
      "GM3858",
      statement.span,
      { variable: variable.name, density: density.name },
      {
        help: [
          `let what is drawn after it depend on it, or delete it: the density of the other variables is the same without \`${variable.name}\``,
        ],
      },
    );
  }
}

/** Names that a declaration holds beside the ones that it declares: those of its expressions and headers, and those that they bind. */
function namedIn(member: ast.Member): ReadonlySet<string> {
  const names = new Set<string>();
  const add = (idents: readonly ast.Ident[]): void => idents.forEach((ident) => names.add(ident.name));
  const read = (expr: ast.Expr): void =>
    walkAst(expr, (e) => {
      if (e.kind === "name") names.add(e.name);
      if (e.kind === "call") for (const arg of [...e.args, ...(e.given ?? [])]) if (arg.name) names.add(arg.name.name);
      if (e.kind !== "binder") return;
      for (const b of e.binders) add(b.kind === "draw" ? b.names.map((n) => n.name) : [b.name]);
    });
  const readStatements = (body: readonly ast.Stmt[]): void => {
    for (const stmt of body) {
      if (stmt.kind === "for") readStatements(stmt.body);
      else read(stmt.kind === "draw" ? stmt.dist : stmt.value);
    }
  };
  const readBy = (clauses: readonly ast.ByClause[]): void => {
    for (const { latent, estimators } of clauses) {
      if (latent) names.add(latent.name.name);
      estimators.forEach(read);
    }
  };
  const readItems = (items: readonly ast.TrainItem[]): void => {
    for (const item of items) {
      if (item.kind === "phase") readItems(item.items);
      else if (item.kind === "constrain") read(item.target);
      else if (item.kind === "setting") read(item.value);
      else {
        [item.objective, ...item.over, ...item.options.map((o) => o.value)].forEach(read);
        readBy(item.by);
      }
    }
  };
  switch (member.kind) {
    case "density":
      add([...member.head, ...member.given]);
      readStatements(member.body);
      break;
    case "objective":
      read(member.body);
      break;
    case "train":
      readItems(member.items);
      break;
    case "evaluate":
      for (const item of member.items) {
        read(item.value);
        readBy(item.by);
      }
      break;
    case "net":
      readStatements(member.body);
      break;
    case "const":
      read(member.value);
      break;
    case "data":
    case "latent":
    case "param":
      for (const { domain } of member.items) [domain.classes ?? [], domain.shape].flat().forEach(read);
      break;
    case "flow":
      if (member.chain) read(member.chain);
      for (const { body } of member.directions) read(body);
  }
  return names;
}
