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

/** In an objective that is a vector: the net inside of an `E` whose value has that shape. */
function criticOf(whole: Expr, expr: Expr, inside = false): Extract<Expr, { kind: "netCall" }> | undefined {
  if (inside && expr.kind === "netCall" && isVector(expr) && showType(expr.type) === showType(whole.type)) return expr;
  for (const child of childrenOf(expr)) {
    const found = criticOf(whole, child, inside || expr.kind === "expectation");
    if (found) return found;
  }
  return undefined;
}

/** One number per example; reports where it is not. */
export function isPerExample(cx: Context, value: Expr, span: Span): boolean {
  if (value.type.kind === "tensor" && value.type.shape.length === 0 && value.type.element === "real") return true;
  if (isVector(value)) {
    const critic = criticOf(value, value);
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
