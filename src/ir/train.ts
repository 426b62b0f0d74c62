/** The train block: phases, statements (`maximize V over D by …`), settings, constraints. */
import { report } from "../base/report.js";
import { labelOf, type Span, textOf } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { densityHeader } from "./density-header.js";
import { type Env, newOwner } from "./env.js";
import { estimators, type OptionValue } from "./estimators.js";
import { elaborateExpr } from "./expr.js";
import { memberOf } from "./indexing.js";
import { objectiveEnv, overlay } from "./objective-env.js";
import { isPerExample } from "./objective-value.js";
import { toAxis } from "./options.js";
import { describe, type Entity } from "./scope.js";
import { elaborateSchedule, isSchedule } from "./schedules.js";
import { elaborateSetting, type Metrics } from "./settings.js";
import { scalarType, showShape } from "./shapes.js";
import { slotNames } from "./slots.js";
import { requireNumber, requireStatic } from "./static.js";
import type { AskedEstimator, ConstraintIr, EstimatorChoice, Expr, Param, Phase, Setting, Update } from "./types.js";
import { reportUnknownName } from "./unknown.js";
import { weightsOfDensity } from "./uses.js";

export function elaborateTrain(env: Env, decls: readonly ast.TrainDecl[], metrics: Metrics): readonly Phase[] {
  const [decl, second] = decls;
  if (!decl) return [];
  if (second)
    report(
      env.cx.diagnostics,
      "GM2002",
      keywordSpan(second.span, "train"),
      { what: "block", name: "train" },
      { labels: [{ span: keywordSpan(decl.span, "train"), text: "first here" }], help: ['`phase "…" { … }` blocks run one after another'] },
    );
  const phases = decl.items.filter((i) => i.kind === "phase");
  const outside = decl.items.filter((i) => i.kind !== "phase");
  const shared = settingsOf(env, outside, metrics);
  if (phases.length === 0) {
    const phase = elaboratePhase(env, "train", outside, [], metrics, decl.span);
    if (phase.updates.length === 0 && !outside.some((i) => i.kind === "update"))
      report(env.cx.diagnostics, "GM2064", keywordSpan(decl.span, "train"), {}, { help: ["for example `maximize ELBO(p, q)`"] });
    return [phase];
  }
  const stray = outside.find((i) => i.kind === "update" || i.kind === "constrain");
  if (stray)
    report(
      env.cx.diagnostics,
      "GM2065",
      stray.span,
      {},
      { help: ["settings may stand outside, for all phases; put this into one of the phases"] },
    );
  const seen = new Map<string, Span>();
  return phases.map((item) => {
    const before = seen.get(item.label);
    if (before)
      report(
        env.cx.diagnostics,
        "GM2002",
        item.span,
        { what: "phase", name: item.label },
        { labels: [{ span: before, text: "first here" }] },
      );
    seen.set(item.label, item.span);
    return elaboratePhase(env, item.label, item.items, shared, metrics, item.span);
  });
}

function keywordSpan(span: Span, word: string): Span {
  return { file: span.file, start: span.start, end: span.start + word.length };
}

function settingsOf(env: Env, items: readonly ast.TrainItem[], metrics: Metrics): readonly Setting[] {
  const seen = new Map<string, Span>();
  const out: Setting[] = [];
  for (const item of items) {
    if (item.kind !== "setting") continue;
    const before = seen.get(item.name.name);
    if (before)
      report(
        env.cx.diagnostics,
        "GM2002",
        item.name.span,
        { what: "setting", name: item.name.name },
        { labels: [{ span: before, text: "first here" }] },
      );
    seen.set(item.name.name, item.name.span);
    const setting = before ? undefined : elaborateSetting(env, item.name, item.value, item.span, "phase", metrics);
    if (setting) out.push(setting);
  }
  return out;
}

function elaboratePhase(
  env: Env,
  name: string,
  items: readonly ast.TrainItem[],
  shared: readonly Setting[],
  metrics: Metrics,
  span: Span,
): Phase {
  const own = settingsOf(env, items, metrics);
  const settings = [...shared.filter((s) => !own.some((o) => o.name === s.name)), ...own];
  const updates = items.flatMap((item) => (item.kind === "update" ? (elaborateUpdate(env, item, metrics) ?? []) : []));
  const constraints = items.flatMap((item) => (item.kind === "constrain" ? elaborateConstraint(env, item) : []));
  for (const item of items)
    if (item.kind === "phase") report(env.cx.diagnostics, "GM2065", item.span, {}, { help: ["phases do not nest"] });
  return { name, updates, settings, constraints, span };
}

function elaborateUpdate(env: Env, item: ast.UpdateItem, metrics: Metrics): Update | undefined {
  const objective = objectiveEnv(env.cx, env.scope, newOwner("train", "train"), "train");
  const value = elaborateExpr(objective, item.objective);
  const over = item.over.flatMap((target) => weightPaths(env, target) ?? ["?"]);
  const by = elaborateBy(objective, item.by);
  const settings = updateSettings(env, item, metrics);
  if (!value || !isPerExample(env.cx, value, item.objective.span) || over.includes("?") || !by) return undefined;
  const named = nameOf(env, item.objective);
  return {
    direction: item.direction,
    text: labelOf(item.objective.span),
    name: named?.name,
    doc: named?.doc,
    value,
    over,
    by,
    settings,
    span: item.span,
  };
}

function updateSettings(env: Env, item: ast.UpdateItem, metrics: Metrics): readonly Setting[] {
  const seen = new Map<string, Span>();
  return item.options.flatMap((option) => {
    const before = seen.get(option.name.name);
    if (before) {
      report(
        env.cx.diagnostics,
        "GM2002",
        option.name.span,
        { what: "setting", name: option.name.name },
        { labels: [{ span: before, text: "first here" }] },
      );
      return [];
    }
    seen.set(option.name.name, option.name.span);
    return elaborateSetting(env, option.name, option.value, option.span, "update", metrics) ?? [];
  });
}

/** `V`, `ELBO(p, q)`: the objective that the expression names as a whole. */
export function nameOf(env: Env, expr: ast.Expr): { readonly name: string; readonly doc: string | undefined } | undefined {
  const name = expr.kind === "name" ? expr.name : expr.kind === "call" && expr.callee.kind === "name" ? expr.callee.name : undefined;
  const entity = name === undefined ? undefined : env.scope.find(name);
  return name !== undefined && entity?.kind === "objective" ? { name, doc: entity.decl.doc } : undefined;
}

// ---- over -------------------------------------------------------------------------------------------

/** `D`, `mu`, `W[2]`, `W` (a family), `p` (all that the density depends on), `decoder.dense1`, `D.weights`. */
function weightPaths(env: Env, target: ast.Expr): readonly string[] | undefined {
  switch (target.kind) {
    case "name": {
      const entity = env.scope.find(target.name);
      if (!entity) {
        reportUnknownName(env, target.name, target.span, isTrainable, [], "net, parameter or density");
        return undefined;
      }
      return entityPaths(env, entity, target.name, target.span);
    }
    case "index": {
      const entity = target.target.kind === "name" ? env.scope.find(target.target.name) : undefined;
      const [index] = target.indices;
      if (entity?.kind !== "family" || !index || target.target.kind !== "name") return wrongTarget(env, target.span, textOf(target.span));
      const member = memberOf(env, entity, target.target.name, index, target.span);
      return member && entityPaths(env, member, target.target.name, target.span);
    }
    case "field": {
      if (target.field.name === "weights") return weightPaths(env, target.target);
      const base = weightPaths(env, target.target);
      const [only, ...more] = base ?? [];
      if (only === undefined || more.length > 0) return base ? wrongTarget(env, target.span, textOf(target.span)) : undefined;
      const path = `${only}.${target.field.name}`;
      if (isPath(env, path)) return [path];
      report(env.cx.diagnostics, "GM2066", target.field.span, { name: path }, { help: weightsOf(env, only, target.field.name) });
      return undefined;
    }
    default:
      return wrongTarget(env, target.span, textOf(target.span));
  }
}

function isTrainable(entity: Entity): boolean {
  return (
    entity.kind === "net" ||
    entity.kind === "param" ||
    entity.kind === "density" ||
    entity.kind === "flow" ||
    (entity.kind === "family" && entity.what === "parameter")
  );
}

function entityPaths(env: Env, entity: Entity, name: string, span: Span): readonly string[] | undefined {
  switch (entity.kind) {
    case "net":
    case "flow":
      if (entity.template) return wrongTarget(env, span, `the template \`${name}\``);
      return [entity.decl.name.name];
    case "param":
      return [entity.param.path];
    case "family": {
      const paths = [...entity.members.values()].flatMap((m) => (m.kind === "param" ? [m.param.path] : []));
      return paths.length === entity.members.size ? paths : wrongTarget(env, span, `\`${name}\`, ${describe(entity)},`);
    }
    case "density": {
      const header = densityHeader(env.cx, entity.decl);
      const density = header && env.cx.densityByName.get(header.name);
      return density && weightsOfDensity(env.cx, density);
    }
    case "poison":
      return undefined;
    default:
      return wrongTarget(env, span, `\`${name}\`, ${describe(entity)},`);
  }
}

function wrongTarget(env: Env, span: Span, found: string): undefined {
  report(env.cx.diagnostics, "GM2067", span, { found });
  return undefined;
}

/** What there is in place of a part that a net does not have. */
function weightsOf(env: Env, owner: string, part: string): readonly string[] {
  const paths = [...env.cx.nets, ...env.cx.flows].flatMap((net) => [net.path, ...net.weights.map((w) => `${net.path}.${w.name}`)]);
  const parts = new Set(
    paths.filter((path) => path.startsWith(`${owner}.`)).map((path) => path.slice(owner.length + 1).split(".")[0] ?? ""),
  );
  const listed = `\`${owner}\` ${parts.size === 0 ? "has no parts" : `has ${[...parts].map((p) => `\`${p}\``).join(", ")}`}`;
  return [...didYouMeanHelp(part, parts), listed];
}

function isPath(env: Env, path: string): boolean {
  return [...env.cx.nets, ...env.cx.flows].some((net) => net.path === path || net.weights.some((w) => `${net.path}.${w.name}` === path));
}

// ---- by ---------------------------------------------------------------------------------------------

export function elaborateBy(env: Env, clauses: readonly ast.ByClause[]): readonly EstimatorChoice[] | undefined {
  const choices = clauses.map((clause) => byClause(env, clause));
  return choices.includes(undefined) ? undefined : choices.flatMap((c) => c ?? []);
}

function byClause(env: Env, clause: ast.ByClause): readonly EstimatorChoice[] | undefined {
  const latents = clause.latent ? byVariables(env, clause.latent) : [undefined];
  if (!latents) return undefined;
  const estimators: AskedEstimator[] = [];
  for (const expr of clause.estimators) {
    const name = expr.kind === "name" ? expr.name : expr.kind === "call" && expr.callee.kind === "name" ? expr.callee.name : undefined;
    if (name === undefined) {
      report(env.cx.diagnostics, "GM2068", expr.span, { found: textOf(expr.span) });
      return undefined;
    }
    const options: Record<string, OptionValue> = {};
    const exprs: Record<string, Expr> = {};
    for (const arg of expr.kind === "call" ? expr.args : []) {
      const expr = optionExpr(env, name, arg);
      if (expr === "failed") return undefined;
      if (expr && arg.name) {
        exprs[arg.name.name] = expr;
        options[arg.name.name] = textOf(arg.value.span);
        continue;
      }
      const value = optionValue(env, name, arg);
      if (!arg.name)
        report(
          env.cx.diagnostics,
          "GM2068",
          arg.span,
          { found: textOf(arg.span) },
          { help: ["options of an estimator are named: `cd(k = 1)`"] },
        );
      if (value === undefined || !arg.name) return undefined;
      options[arg.name.name] = value;
    }
    estimators.push({ name, options, exprs, span: expr.span });
  }
  return latents.map((variable) => ({ variable, estimators, span: clause.span }));
}

/**
 * An option that is more than a number: a schedule, or an expression of what is given and, for a check of its own to allow or refuse, of latents.
 * Undefined where it is none.
 */
function optionExpr(env: Env, estimator: string, arg: ast.Arg): Expr | "failed" | undefined {
  const option = estimators.get(estimator)?.options.find((o) => o.name === arg.name?.name);
  if (option?.scheduled && isSchedule(env, arg.value)) {
    const schedule = elaborateSchedule(env, arg.value);
    return schedule ? { kind: "schedule", name: option.name, schedule, type: scalarType, span: arg.value.span } : "failed";
  }
  const named = arg.value.kind === "name" && (option?.values ?? []).includes(arg.value.name);
  if (named || !(option?.expression || option?.kind === "expression")) return undefined;
  const latents = [...env.cx.variables.values()].filter((v) => v.role === "latent").map((v) => [v.name, undefined] as const);
  const expr = elaborateExpr({ ...env, access: overlay(env.access, new Map(latents)) }, arg.value);
  if (!expr) return "failed";
  if (expr.type.kind === "tensor" && expr.type.shape.length === 0) return expr;
  report(env.cx.diagnostics, "GM3801", arg.value.span, {
    option: option.name,
    estimator,
    found: expr.type.kind === "tensor" ? showShape(expr.type.shape) : "a record",
  });
  return "failed";
}

/** A number, `true` or `false`, or the name of a choice or a density: `sampler = single_site`. */
function optionValue(env: Env, estimator: string, arg: ast.Arg): OptionValue | undefined {
  const option = estimators.get(estimator)?.options.find((o) => o.name === arg.name?.name);
  if ((option?.kind === "choice" || option?.kind === "density") && arg.value.kind === "name") return arg.value.name;
  if (arg.value.kind === "boolean") return arg.value.value;
  // That there is no such option is found where options are checked, whatever its value.
  if (option === undefined && estimators.has(estimator)) return 0;
  return requireNumber(env, arg.value, `an option of \`${estimator}\``)?.value;
}

/** `by h: reparam` of a family is a choice for each member. */
function byVariables(env: Env, target: ast.Target): readonly string[] | undefined {
  const name: ast.NameExpr = { kind: "name", name: target.name.name, span: target.name.span };
  const expr: ast.Expr = target.indices.length > 0 ? { kind: "index", target: name, indices: target.indices, span: target.span } : name;
  const names = slotNames(env, expr);
  if (!names) return undefined;
  // what the data may miss is latent in the rows that miss it
  const data = names.find((n) => {
    const variable = env.cx.variables.get(n.variable);
    return variable?.role !== "latent" && variable?.domain.optional !== true;
  });
  if (!data) return names.map((n) => n.variable);
  report(env.cx.diagnostics, "GM2069", target.span, { name: data.variable });
  return undefined;
}

// ---- constrain ----------------------------------------------------------------------------------------

function elaborateConstraint(env: Env, item: ast.ConstrainItem): readonly ConstraintIr[] {
  if (item.bound.kind === "in") {
    const low = requireNumber(env, item.bound.low, "a bound");
    const high = requireNumber(env, item.bound.high, "a bound");
    const paths = weightPaths(env, item.target);
    if (!low || !high || !paths) return [];
    if (low.value < high.value)
      return paths.map((over) => ({ over, bound: { kind: "in", low: low.value, high: high.value }, span: item.span }));
    report(env.cx.diagnostics, "GM2070", item.span, { problem: `the bounds ${low.value} and ${high.value} leave nothing between them` });
    return [];
  }
  const limit = requireNumber(env, item.bound.limit, "a bound");
  const call = item.target;
  if (!limit) return [];
  if (call.kind !== "call" || call.callee.kind !== "name" || call.callee.name !== "norm" || !(limit.value > 0)) {
    report(
      env.cx.diagnostics,
      "GM2070",
      item.span,
      { problem: limit.value > 0 ? "only a norm can be limited this way" : "a norm cannot be that small" },
      { help: ["write `constrain norm(A, axis = 1) <= 1`, or `constrain A in [low, high]`"] },
    );
    return [];
  }
  const target = call.args.find((a) => !a.name)?.value;
  const paths = target && weightPaths(env, target);
  const [path] = paths ?? [];
  const param = env.cx.params.find((p) => p.path === path);
  if (!target || path === undefined) return [];
  if (!param || (paths?.length ?? 0) > 1) {
    report(env.cx.diagnostics, "GM2070", target.span, { problem: "the norm is limited of one parameter" });
    return [];
  }
  const axis = axisOf(env, call, param);
  return axis === undefined ? [] : [{ over: path, bound: { kind: "maxNorm", axis, limit: limit.value }, span: item.span }];
}

/** The axis that the norm sums over, from 0; the first where it is not named. */
function axisOf(env: Env, call: ast.CallExpr, param: Param): number | undefined {
  const arg = call.args.find((a) => a.name?.name === "axis");
  const value = arg ? requireStatic(env, arg.value, "the axis of a norm") : undefined;
  if (arg && !value) return undefined;
  const rank = param.domain.shape.length;
  const axis = value ? (value.kind === "number" ? toAxis(value.value, rank) : undefined) : -rank;
  if (axis !== undefined && rank > 0) return axis + rank;
  report(env.cx.diagnostics, "GM2047", arg?.span ?? call.span, {
    what: "`norm`",
    axis: value?.kind === "number" ? String(value.value) : "this",
    shape: showShape(param.domain.shape),
  });
  return undefined;
}
