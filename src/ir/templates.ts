/**
 * Objective templates, `objective ELBO(p, q, beta = 1) = …`: densities, numbers, schedules, nets and values put in place of the formals, the
 * other names matched by role, the body elaborated as if it stood where the call stands.
 */
import { evaluators } from "./settings-table.js";
import type { Label } from "../base/diagnostic.js";
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { type Actual, bindArguments, type Signature } from "./arguments.js";
import { densityHeader } from "./density-header.js";
import type { DensityHeader, Env } from "./env.js";
import { within } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { attributed } from "./attribution.js";
import { matchRoles } from "./roles.js";
import { elaborateSchedule, isSchedule } from "./schedules.js";
import { layers } from "./layers.js";
import { describe, type Entity, Scope } from "./scope.js";
import { scalarType } from "./shapes.js";
import { evaluateStatic } from "./static.js";
import type { Expr } from "./types.js";
import { reportUnknownName } from "./unknown.js";
import { walkAst } from "./walk.js";

type ObjectiveEntity = Extract<Entity, { kind: "objective" }>;

export function expandTemplate(
  env: Env,
  entity: ObjectiveEntity,
  callee: ast.NameExpr,
  actuals: readonly Actual[],
  span: Span,
): Expr | undefined {
  const { decl } = entity;
  const { cx } = env;
  if (env.mode !== "objective") {
    report(cx.diagnostics, "GM3024", span, { where: env.mode });
    return undefined;
  }
  if (decl.params === undefined) {
    report(
      cx.diagnostics,
      "GM2006",
      callee.span,
      { name: callee.name, what: "an objective without arguments" },
      { labels: [{ span: entity.span, text: "declared here" }], help: [`write \`${callee.name}\``] },
    );
    return undefined;
  }
  if (cx.open.some((o) => o.node === decl)) {
    const names = [...cx.open.map((o) => o.name), callee.name];
    report(cx.diagnostics, "GM2005", span, { what: "objective", cycle: names.join(" -> ") });
    return undefined;
  }
  const bound = bindArguments(cx, templateSignature(callee.name, decl), actuals, span);
  if (!bound) return undefined;
  const formals = new Scope(entity.scope);
  const densities = new Map<string, DensityHeader>();
  let ok = true;
  for (const formal of decl.params) {
    const actual = bound.byName.get(formal.name.name);
    const value = actual
      ? argumentEntity(env, formal, actual, entity)
      : formal.value &&
        argumentEntity(
          within(env, entity.scope),
          formal,
          { kind: "ast", name: undefined, value: formal.value, span: formal.value.span },
          entity,
        );
    if (value?.kind === "density") {
      const header = densityHeader(cx, value.decl);
      if (header) densities.set(formal.name.name, header);
      else ok = false;
    }
    if (value) formals.define(formal.name.name, value);
    else ok = false;
  }
  if (!ok) return undefined;
  const matched = matchRoles(env, decl.body, densities, formals, span, callee.name);
  if (!matched) return undefined;
  for (const [name, variables] of matched.roles) formals.define(name, { kind: "role", variables, span: decl.name.span });
  cx.open.push({ name: callee.name, node: decl, span });
  const value = attributed(env, decl.name.span, span, (inner) => elaborateExpr({ ...inner, scope: formals, template: true }, decl.body));
  cx.open.pop();
  if (value) cx.expansions.set(value, textOf(span));
  return value;
}

export function templateSignature(called: string, { name, params = [] }: ast.ObjectiveDecl): Signature {
  return {
    what: `\`${called}\``,
    params: params.map((p) => ({ name: p.name.name, required: p.value === undefined })),
    declared: name.span,
  };
}

/** What a formal stands for: a density where the body uses it as one; else a number, schedule, net or value. */
function argumentEntity(env: Env, formal: ast.Formal, actual: Actual, template: ObjectiveEntity): Entity | undefined {
  const { decl } = template;
  if (actual.kind === "piped") return { kind: "value", expr: actual.expr, span: actual.span };
  const { value, span } = actual;
  const entity = value.kind === "name" ? env.scope.find(value.name) : undefined;
  if (usedAsDensity(decl.body, formal.name.name) && entity?.kind !== "density") {
    const labels = [{ span: formal.span, text: "a density is expected here" }];
    notADensity(env, value, entity, { template: decl.name.name, formal: formal.name.name }, labels);
    return undefined;
  }
  if (entity && (entity.kind === "density" || entity.kind === "net" || entity.kind === "flow" || entity.kind === "block")) {
    if (entity.kind === "block" || !usedAsValue(within(env, template.scope), decl.body, formal.name.name)) return entity;
    notAValue(env, textOf(value.span), entity, actual, { formal, template });
    return undefined;
  }
  if (isSchedule(env, value)) {
    const schedule = elaborateSchedule(env, value);
    return schedule && { kind: "value", expr: { kind: "schedule", name: formal.name.name, schedule, type: scalarType, span }, span };
  }
  const known = evaluateStatic(env, value);
  if (known === undefined) return undefined;
  if (known.kind !== "dynamic") return { kind: "static", what: "argument", value: known, span };
  const expr = elaborateExpr(env, value);
  return expr && { kind: "value", expr, span };
}

/** Reports what stands where a template or an evaluator takes a density. */
export function notADensity(
  env: Env,
  value: ast.Expr,
  entity: Entity | undefined,
  where: { readonly template: string; readonly formal: string },
  labels: readonly Label[] = [],
): void {
  if (entity?.kind === "poison") return;
  if (value.kind === "name" && !entity) {
    reportUnknownName(env, value.name, value.span, (e) => e.kind === "density", [], "density");
    return;
  }
  const found = entity && value.kind === "name" ? `\`${value.name}\`, ${describe(entity)}` : `\`${textOf(value.span)}\``;
  const known = [...env.scope.visible((e) => e.kind === "density")].map((d) => `\`${d}\``);
  const help = known.length > 0 ? [`there ${known.length === 1 ? "is" : "are"} ${known.join(", ")}`] : [];
  const more = evaluators.get(where.template)?.ofLikelihood
    ? [
        `\`${where.template}\` is made of log p(x) itself, exact or with log Z estimated: of a bound, measure nats a word, \`-ELBO(p, q) / sum(x)\`; exp of its mean bounds the perplexity from above`,
      ]
    : [];
  report(env.cx.diagnostics, "GM3046", value.span, { ...where, found }, { labels, help: [...help, ...more] });
}

/** Does a number, list or tensor stand for a formal? Where only calls and other templates take it, it may be a net or a density. */
function usedAsValue(env: Env, body: ast.Expr, formal: string): boolean {
  const applied = new Set<ast.Expr | ast.RangeExpr>();
  walkAst(body, (e) => {
    if (e.kind === "pipe") applied.add(e.right);
    if (e.kind === "blockCall") applied.add(e.body);
    if (e.kind !== "call") return;
    applied.add(e.callee);
    const callee = e.callee.kind === "name" ? e.callee.name : undefined;
    if (callee === undefined || env.scope.find(callee) || layers.has(callee)) for (const arg of e.args) applied.add(arg.value);
  });
  let found = false;
  walkAst(body, (e) => (found ||= e.kind === "name" && e.name === formal && !applied.has(e)));
  return found;
}

/** Reports a net or a density where a template takes a value; a template with a place for it, if there is one, is the help. */
function notAValue(
  env: Env,
  name: string,
  entity: Extract<Entity, { kind: "density" | "net" | "flow" }>,
  { span }: Actual,
  { formal, template }: { readonly formal: ast.Formal; readonly template: ObjectiveEntity },
): void {
  const own = template.decl.name.name;
  const [before] = template.decl.params?.filter((p) => p.span.start < formal.span.start).slice(-1) ?? [];
  const takes = (decl: ast.ObjectiveDecl): boolean => {
    const at = decl.params?.findIndex((p) => p.name.name === before?.name.name) ?? -1;
    const next = decl.params?.[at + 1];
    return at >= 0 && next !== undefined && next.value === undefined && !usedAsValue(within(env, template.scope), decl.body, next.name.name); // prettier-ignore
  };
  const others = [...template.scope.visible((e) => e.kind === "objective" && e.decl !== template.decl && takes(e.decl))];
  const data = [...env.scope.visible((e) => e.kind === "variable" && e.variable.role === "data")].map((d) => `\`${d}\``);
  const kin = entity.kind === "net" ? others.filter((o) => o.endsWith(own)) : [];
  report(
    env.cx.diagnostics,
    "GM2007",
    span,
    { name, what: describe(entity), expected: `a value for \`${formal.name.name}\` of \`${own}\`` },
    {
      labels: [{ span: formal.span, text: "a value is expected here" }],
      help:
        kin.length > 0
          ? kin.map((o) => `\`${o}\` takes a net there`)
          : formal.value
            ? [`it may be left out: \`${own}(${template.decl.params?.flatMap((p) => (p.value ? [] : [p.name.name])).join(", ") ?? ""})\``]
            : data.length > 0
              ? [`such as a data variable: ${data.join(", ")}`]
              : [],
    },
  );
}

function usedAsDensity(body: ast.Expr, formal: string): boolean {
  const text = body.span.file.text.slice(body.span.start, body.span.end);
  const name = formal.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(log\\s+|~\\s*)${name}\\s*\\(`, "u").test(text);
}
