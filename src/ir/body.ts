/** Statements of nets and densities: `for` unrolled, names bound once, families of bindings (`h[l] = …`). */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { type Context, type Env, freshId, within } from "./env.js";
import { factsOf } from "./facts.js";
import { describe, type Entity, Scope } from "./scope.js";
import { numberOf, requireInteger, requireNumber } from "./static.js";
import type { Binding, Expr, Local } from "./types.js";

/** A model may not unroll into more statements than this. */
export const maxUnrolled = 100_000;

export interface FlatStatement {
  readonly stmt: Exclude<ast.Stmt, ast.ForStmt>;
  /** Scope of the turn of the innermost `for`, or of the body. */
  readonly scope: Scope;
}

/** The statements in order, every `for` spelled out. Names bound inside a `for` belong to their turn; `h[l] = …` to the whole body. */
export function flatten(env: Env, statements: readonly ast.Stmt[], scope: Scope, body = scope): readonly FlatStatement[] {
  const out: FlatStatement[] = [];
  for (const stmt of statements) {
    if (stmt.kind !== "for") {
      if (stmt.kind === "bind" || stmt.kind === "draw") announce(stmt, stmt.target.indices.length === 0 ? scope : body);
      out.push({ stmt, scope });
      env.cx.budget.unrolled++;
      continue;
    }
    const range = staticRange(within(env, scope), stmt.index);
    if (!range) continue;
    for (const { target } of stmt.body.filter((s) => s.kind === "bind"))
      if (target.indices.length === 0)
        scope.bindInTurns(target.name.name, { span: target.span, index: stmt.index.name.name, last: range.high });
    for (let i = range.low; i <= range.high; i++) {
      if (env.cx.budget.unrolled > maxUnrolled) {
        report(env.cx.diagnostics, "GM2023", stmt.index.span, { problem: `it unrolls the model into more than ${maxUnrolled} statements` });
        return out;
      }
      const turn = new Scope(scope);
      turn.define(stmt.index.name.name, { kind: "static", what: "index", value: numberOf(i), span: stmt.index.name.span });
      out.push(...flatten(env, stmt.body, turn, body));
    }
  }
  return out;
}

function announce({ target }: ast.BindStmt | ast.DrawStmt, scope: Scope): void {
  const name = target.name.name;
  const help = `statements run from top to bottom: move the one that defines \`${name}\` above this one`;
  scope.announce(name, { span: target.span, help, known: false });
}

/** `1..L` in numbers; empty where it ends before it begins. */
export function staticRange(
  env: Env,
  range: { readonly low: ast.Expr; readonly high: ast.Expr; readonly span: Span },
): { readonly low: number; readonly high: number } | undefined {
  const low = requireInteger(env, range.low, "the start of a range");
  const high = requireInteger(env, range.high, "the end of a range");
  if (!low || !high) return undefined;
  if (high.value - low.value >= maxUnrolled) {
    report(env.cx.diagnostics, "GM2023", range.span, {
      problem: `it has ${high.value - low.value + 1} members; at most ${maxUnrolled} are allowed`,
    });
    return undefined;
  }
  return { low: low.value, high: high.value };
}

/** The static index of `h[l]` as a target. */
export function targetIndex(env: Env, target: ast.Target): number | undefined {
  const [index, ...more] = target.indices;
  if (index === undefined || more.length > 0) {
    report(env.cx.diagnostics, "GM2039", target.span, {
      what: `\`${target.name.name}\``,
      expected: "one index",
      found: String(target.indices.length),
    });
    return undefined;
  }
  return requireNumber(env, index, "an index")?.value;
}

/**
 * Binds `name = value` (or `name[i] = value`) in `scope` (a family in `body`). Gives the binding, or undefined where the name is taken or the
 * value is wrong; the name is then poison, so that its uses say nothing.
 */
export function bindLocal(env: Env, stmt: ast.BindStmt, value: Expr | undefined, scope: Scope, body: Scope): Binding | undefined {
  const name = stmt.target.name.name;
  const span = stmt.target.span;
  if (stmt.target.indices.length === 0) {
    if (!checkFree(env, name, span, scope)) {
      if (!scope.own(name)) scope.define(name, { kind: "poison", span });
      return undefined;
    }
    const binding = value && makeBinding(env, name, value, stmt);
    scope.define(name, binding ? localEntity(binding.local) : { kind: "poison", span });
    return binding;
  }
  const index = targetIndex(within(env, scope), stmt.target);
  if (index === undefined) return undefined;
  const existing = body.own(name);
  const members = existing?.kind === "family" && existing.what === "binding" ? (existing.members as Map<number, Entity>) : undefined;
  if (!members && !checkFree(env, name, span, body)) return undefined;
  const family = members ?? new Map<number, Entity>();
  if (!members) body.define(name, { kind: "family", what: "binding", members: family, span });
  const before = family.get(index);
  const full = `${name}[${index}]`;
  if (before) {
    report(env.cx.diagnostics, "GM2002", span, { what: "binding", name: full }, { labels: [{ span: before.span, text: "first here" }] });
    return undefined;
  }
  const binding = value && makeBinding(env, full, value, stmt);
  family.set(index, binding ? localEntity(binding.local) : { kind: "poison", span });
  return binding;
}

function makeBinding(env: Env, name: string, value: Expr, stmt: ast.BindStmt): Binding {
  const local = makeLocal(env.cx, env.site, name, value, stmt.target.span);
  return { local, value, span: stmt.span };
}

export function makeLocal(cx: Context, site: string, name: string, value: Expr, span: Span): Local {
  const local: Local = { id: freshId(cx, `${site}.${name.replaceAll(/[[\]]/g, "")}`), name, type: value.type, span };
  cx.facts.set(local.id, factsOf(cx, value));
  return local;
}

export function localEntity(local: Local): Entity {
  return { kind: "local", local, samples: undefined, of: undefined, span: local.span };
}

/**
 * May `name` be bound here? Not twice in one body, and not over a hyperparameter, constant, net, density, flow or objective: a reader would
 * take it for that. Variables and parameters may be shadowed by a net's parameters, which is how a net is written.
 */
export function checkFree(env: Env, name: string, span: Span, scope: Scope): boolean {
  const own = scope.own(name);
  if (own) {
    report(
      env.cx.diagnostics,
      "GM2002",
      span,
      { what: "binding", name },
      {
        labels: [{ span: own.span, text: "first here" }],
        help: ["a name is bound once; number them: `h[1] = …`, `h[2] = …`"],
      },
    );
    return false;
  }
  const outer = scope.find(name);
  if (
    outer === undefined ||
    outer.kind === "poison" ||
    outer.kind === "variable" ||
    outer.kind === "param" ||
    outer.kind === "local" ||
    outer.kind === "value" ||
    outer.kind === "role"
  )
    return true;
  if (outer.kind === "family" && outer.what !== "binding") return true;
  if (isLibrary(outer)) return true;
  report(
    env.cx.diagnostics,
    "GM2004",
    span,
    { name, what: describe(outer) },
    { labels: [{ span: outer.span, text: "declared here" }], help: ["give it another name"] },
  );
  return false;
}

/** Names of the standard library may be reused: only names of the user's own files are protected. */
function isLibrary(entity: Entity): boolean {
  return "scope" in entity && entity.scope.parent === undefined;
}
