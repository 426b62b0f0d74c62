/** A flow that is declared as its value is made, `flow f(z) = g(z | y)`, and the chain that it stands for, `flow f(z | y) = g(| y)`. */
import { textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import type { Env } from "./env.js";
import { bijections } from "./flows.js";
import { walkAst } from "./walk.js";

/** The declaration as a chain, conditioned on the variables of the model that it reads; undefined where `value` does not go from step to step. */
export function asChain(env: Env, decl: ast.FlowDecl, value: string): string | undefined {
  const { chain, domain, range } = decl;
  const steps = chain && stepsOf(env, chain, value);
  if (!steps || steps.length === 0) return undefined;
  const known = [value, ...decl.given.map((g) => g.name.name)];
  const read = namesIn(chain).filter((name) => !known.includes(name) && env.scope.find(name)?.kind === "variable");
  const given = [...decl.given.map((g) => textOf(g.span)), ...new Set(read)];
  const sides = `${domain ? ` on ${textOf(domain.span)}` : ""}${range ? ` -> ${textOf(range.span)}` : ""}`;
  return `flow ${decl.name.name}(${value}${given.length > 0 ? ` | ${given.join(", ")}` : ""})${sides} = ${steps.join(" |> ")}`;
}

/** Texts of the steps that `expr` takes `value` through, in order. */
function stepsOf(env: Env, expr: ast.Expr, value: string): readonly string[] | undefined {
  if (isName(expr, value)) return [];
  if (expr.kind === "pipe") {
    const [left, right] = [expr.left, expr.right].map((e) => stepsOf(env, e, value));
    return left && right && [...left, ...right];
  }
  if (!namesIn(expr).includes(value)) return [textOf(expr.span)];
  const [first, ...more] = expr.kind === "call" ? expr.args : [];
  if (expr.kind !== "call" || !first || first.name || expr.callee.kind !== "name" || !mapsItsFirst(env, expr.callee.name)) return undefined;
  const before = stepsOf(env, first.value, value);
  const given = expr.given ?? [];
  if (!before || [...more, ...given].some((a) => namesIn(a.value).includes(value))) return undefined;
  const list = (args: readonly ast.Arg[]): string => args.map((a) => textOf(a.span)).join(", ");
  const inside = [list(more), given.length > 0 ? `| ${list(given)}` : ""].filter((part) => part !== "").join(" ");
  return [...before, expr.callee.name + (inside === "" ? "" : `(${inside})`)];
}

const isName = (expr: ast.Expr, name: string): boolean => expr.kind === "name" && expr.name === name;

/** Flows of the model and bijections that take nothing else first, such as a net. */
function mapsItsFirst(env: Env, name: string): boolean {
  const entity = env.scope.find(name);
  if (entity) return entity.kind === "flow" && !entity.template;
  const bijection = bijections.get(name);
  return bijection !== undefined && !bijection.conditioned && !bijection.nests;
}

function namesIn(expr: ast.Expr): readonly string[] {
  const names: string[] = [];
  walkAst(expr, (e) => void (e.kind === "name" && names.push(e.name)));
  return names;
}
