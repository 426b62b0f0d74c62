/** Named objectives, `objective V = …`: elaborated once, and put in place where they are named. */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { type Context, type Env, newOwner } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { objectiveEnv } from "./objective-env.js";
import type { Entity, Scope } from "./scope.js";
import { showType } from "./shapes.js";
import type { Expr, Objective } from "./types.js";
import { childrenOf, freeVariables } from "./walk.js";

type ObjectiveEntity = Extract<Entity, { kind: "objective" }>;

export function objectiveValue(env: Env, entity: ObjectiveEntity, span: Span): Expr | undefined {
  const { decl } = entity;
  const name = decl.name.name;
  if (env.mode !== "objective") {
    report(env.cx.diagnostics, "GM3024", span, { where: env.mode });
    return undefined;
  }
  if (decl.params !== undefined) {
    report(
      env.cx.diagnostics,
      "GM2007",
      span,
      { name, what: "an objective template", expected: "a value" },
      { help: [`give it its arguments: \`${name}(${decl.params.map((p) => p.name.name).join(", ")})\``] },
    );
    return undefined;
  }
  const objective = elaborateObjective(env.cx, decl, entity.scope, span);
  if (!objective) return undefined;
  const captured = [...freeVariables(objective.value)].find((v) => env.access.binds?.(v));
  if (captured !== undefined) {
    report(
      env.cx.diagnostics,
      "GM3034",
      span,
      { name, variable: captured },
      { labels: [{ span: decl.name.span, text: "declared here" }], help: ["write its expression out here, or make it a template"] },
    );
    return undefined;
  }
  return objective.value;
}

export function elaborateObjective(cx: Context, decl: ast.ObjectiveDecl, scope: Scope, from: Span): Objective | undefined {
  if (cx.objectives.has(decl)) return cx.objectives.get(decl);
  const name = decl.name.name;
  const at = cx.open.findIndex((o) => o.node === decl);
  if (at >= 0) {
    const cycle = [...cx.open.slice(at).map((o) => o.name), name];
    report(
      cx.diagnostics,
      "GM2005",
      from,
      { what: "objective", cycle: cycle.join(" -> ") },
      { labels: [{ span: decl.name.span, text: `\`${name}\` is declared here` }] },
    );
    return undefined;
  }
  cx.open.push({ name, node: decl, span: from });
  const owner = newOwner(name);
  const value = elaborateExpr(objectiveEnv(cx, scope, owner, name), decl.body);
  cx.open.pop();
  const ok = value && isPerExample(cx, value, decl.body.span);
  const objective: Objective | undefined = ok
    ? { name, text: textOf(decl.body.span), value, weights: owner.weights, doc: decl.doc, span: decl.span }
    : undefined;
  cx.objectives.set(decl, objective);
  return objective;
}

function isVector({ type }: Expr): boolean {
  return type.kind === "tensor" && type.element === "real" && type.shape.length > 0;
}

/** Height, width and channels: a discriminator of patches. */
function isMap({ type }: Expr): boolean {
  return type.kind === "tensor" && type.shape.length === 3;
}

type NetCall = Extract<Expr, { kind: "netCall" }>;
type Expectation = Extract<Expr, { kind: "expectation" }>;

function hasAxes({ type }: Expr): boolean {
  return type.kind === "tensor" && type.shape.length > 0;
}

/**
 * In an objective that is a vector: the net that gives it its shape, where it judges samples as the critic of a game. That
 * is a net inside of an `E` that reads rows of the data or samples of their variable, or one that two `E` of other draws
 * have in common; and nothing beside nets is a vector there, as `x` is in `(x - decoder(z)) ^ 2`.
 */
function criticOf(cx: Context, whole: Expr): NetCall | undefined {
  const judges: { readonly call: NetCall; readonly of: Expectation; readonly ofData: boolean }[] = [];
  let alone = true;
  const visit = (expr: Expr, outer: readonly Expectation[]): void => {
    const [of] = outer;
    if (expr.kind === "netCall") {
      const drawn = new Set(outer.flatMap((e) => drawnData(cx, e)));
      if (of && showType(expr.type) === showType(whole.type)) judges.push({ call: expr, of, ofData: readsAny(expr, drawn) });
      return;
    }
    const children = expr.kind === "expectation" ? [expr.body] : childrenOf(expr);
    if (children.length === 0) alone = false;
    for (const child of children.filter(hasAxes)) visit(child, expr.kind === "expectation" ? [...outer, expr] : outer);
  };
  visit(whole, []);
  const isShared = (net: string): boolean => new Set(judges.filter((j) => j.call.net === net).map((j) => j.of)).size > 1;
  return alone ? judges.find((judge) => judge.ofData || isShared(judge.call.net))?.call : undefined;
}

/** Variables and names of an `E` that stand for variables of the data: rows of the data, or samples of a density. */
function drawnData(cx: Context, { draws }: Expectation): readonly string[] {
  return draws.flatMap((draw) =>
    draw.names.flatMap((name) => {
      const variable = name.kind === "variable" ? name.variable : name.of;
      if (variable === undefined || cx.variables.get(variable)?.role !== "data") return [];
      return [name.kind === "variable" ? variable : name.local.id];
    }),
  );
}

function readsAny(expr: Expr, names: ReadonlySet<string>): boolean {
  if (expr.kind === "variable") return names.has(expr.variable);
  if (expr.kind === "local") return names.has(expr.local.id);
  return childrenOf(expr).some((child) => readsAny(child, names));
}

/** One number per example; reports where it is not. */
export function isPerExample(cx: Context, value: Expr, span: Span): boolean {
  if (value.type.kind === "tensor" && value.type.shape.length === 0 && value.type.element === "real") return true;
  if (isVector(value)) {
    const critic = criticOf(cx, value);
    if (critic && cx.vectorCritics.has(critic.net)) return false;
    if (critic) {
      cx.vectorCritics.add(critic.net);
      // called in a template of the library, it is wrong where the template is used
      const inPlace = critic.span.file.path === span.file.path;
      const at = inPlace ? critic.span : span;
      const gives = cx.netByName.get(critic.net)?.result.span;
      report(
        cx.diagnostics,
        "GM3746",
        at,
        { net: critic.net, found: showType(critic.type) },
        {
          ...(inPlace ? {} : { label: `calls \`${critic.net}\` as a discriminator` }),
          labels: gives?.file.path === at.file.path ? [{ span: gives, text: showType(critic.type) }] : [],
          help: isMap(critic)
            ? ["average over its patches: let it end in `… |> mean`, or use `PatchLeastSquares`, which averages the losses of all patches"]
            : ["let it end in one number: `… |> dense(1) |> sum`"],
        },
      );
      return false;
    }
  }
  const { element } = value.type.kind === "tensor" ? value.type : { element: undefined };
  const help =
    element === "real"
      ? ["`sum(…)` adds up its entries, `mean(…)` averages them"]
      : element === "bool"
        ? ["count where it holds: `where(…, 1, 0)`"]
        : [];
  report(cx.diagnostics, "GM3035", span, { found: showType(value.type) }, { help });
  return false;
}
