/** The evaluate block: each line a named objective, or a named evaluator of the library. */
import { report } from "../base/report.js";
import { labelOf, type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { type Actual, actualsOf, bindArguments } from "./arguments.js";
import { densityHeader } from "./density-header.js";
import { distributions } from "./distributions.js";
import { type DensityHeader, type Env, newOwner } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { factsOf } from "./facts.js";
import { objectiveEnv } from "./objective-env.js";
import { isPerExample } from "./objective-value.js";
import { expected, fits } from "./settings.js";
import { type EvaluatorEntry, evaluators } from "./settings-table.js";
import { showType } from "./shapes.js";
import { requireNumber } from "./static.js";
import { notADensity } from "./templates.js";
import { elaborateBy, nameOf } from "./train.js";
import type { Density, Evaluation, Expr } from "./types.js";
import { distExprs, walkExpr } from "./walk.js";

export function elaborateEvaluate(env: Env, decls: readonly ast.EvaluateDecl[]): readonly Evaluation[] {
  const seen = new Map<string, Span>();
  const out: Evaluation[] = [];
  for (const item of decls.flatMap((d) => d.items)) {
    const name = item.name.name;
    const before = seen.get(name);
    if (before) {
      report(env.cx.diagnostics, "GM2002", item.name.span, { what: "metric", name }, { labels: [{ span: before, text: "first here" }] });
      continue;
    }
    seen.set(name, item.name.span);
    const value = elaborateMetric(env, item);
    const by = elaborateBy(objectiveEnv(env.cx, env.scope, newOwner("evaluate", "evaluate"), "evaluate"), item.by);
    if (value && by) out.push({ name, text: labelOf(item.value.span), value, by, span: item.span });
  }
  return out;
}

function elaborateMetric(env: Env, item: ast.MetricItem): Evaluation["value"] | undefined {
  const { value } = item;
  const callee = value.kind === "call" && value.callee.kind === "name" ? value.callee.name : undefined;
  const entry = callee !== undefined && !env.scope.find(callee) ? evaluators.get(callee) : undefined;
  if (entry && value.kind === "call") return elaborateEvaluator(env, entry, value);
  const inner = objectiveEnv(env.cx, env.scope, newOwner("evaluate", "evaluate"), "evaluate");
  const expr = elaborateExpr(inner, value);
  if (!expr || !isPerExample(env.cx, expr, value.span)) return undefined;
  const plain = value.kind === "unary" ? value.operand : value;
  const named = nameOf(env, plain);
  return { kind: "objective", expr, objective: named?.name, doc: named?.doc };
}

function elaborateEvaluator(env: Env, entry: EvaluatorEntry, call: ast.CallExpr): Evaluation["value"] | undefined {
  const what = `\`${entry.name}\``;
  const params = [
    ...entry.densities,
    ...(entry.variables ?? []).map(({ name }) => ({ name, required: true })),
    ...(entry.choices ?? []).map(({ name }) => ({ name, required: false })),
    ...entry.options.map((o) => ({ name: o.name, required: o.required === true })),
  ];
  const bound = bindArguments(env.cx, { what, params }, actualsOf(call.args), call.span);
  if (!bound) return undefined;
  const codes = entry.codes && codesArgument(env, entry, bound.byName);
  if (codes) return { kind: "evaluator", evaluator: entry.name, densities: [], codes, options: {}, variables: {}, choices: {} };
  if (codes === null) return undefined;
  const densities: DensityHeader[] = [];
  for (const { name } of entry.densities) {
    const actual = bound.byName.get(name);
    if (actual?.kind !== "ast") continue;
    const entity = actual.value.kind === "name" ? env.scope.find(actual.value.name) : undefined;
    if (entity?.kind !== "density") {
      notADensity(env, actual.value, entity, { template: entry.name, formal: name });
      return undefined;
    }
    const header = densityHeader(env.cx, entity.decl);
    if (!header) return undefined;
    densities.push(header);
  }
  const [measured] = densities;
  const density = measured && env.cx.densityByName.get(measured.name);
  if (density && !density.head.some((v) => isMeasured(env, entry, density, v))) {
    const at = bound.byName.get(entry.densities[0]?.name ?? "")?.span ?? call.span;
    const labels = [{ span: measured.span, text: `draws ${density.head.map((v) => `\`${v}\``).join(", ")}` }];
    const fitting = [...env.cx.densityByName.values()].filter(
      (d) => d.head.some((v) => isMeasured(env, entry, d, v)) && (!entry.ofInference || infers(env, d)),
    );
    const help = fitting.length > 0 ? fitting.map((d) => `give it \`${d.name}\``) : [`declare a density that draws ${entry.needs}`];
    report(env.cx.diagnostics, "GM3047", at, { evaluator: entry.name, density: density.name, needs: entry.needs }, { labels, help });
    return undefined;
  }
  if (density && entry.ofInference && !infers(env, density)) {
    const at = bound.byName.get(entry.densities[0]?.name ?? "")?.span ?? call.span;
    const inferring = [...env.cx.densityByName.values()].filter((d) => infers(env, d) && d.head.some((v) => isMeasured(env, entry, d, v)));
    report(
      env.cx.diagnostics,
      "GM3047",
      at,
      { evaluator: entry.name, density: density.name, needs: "a latent that is inferred from data" },
      {
        labels: [{ span: measured.span, text: "its latents are drawn before the data" }],
        help: inferring.map((d) => `write \`${entry.name}(${d.name})\``),
      },
    );
    return undefined;
  }
  const options: Record<string, number> = {};
  for (const option of entry.options) {
    const actual = bound.byName.get(option.name);
    if (actual?.kind !== "ast") continue;
    const asked = `\`${option.name}\` of ${what}`;
    const value = requireNumber(env, actual.value, asked);
    if (!value) return undefined;
    if (!fits(option, value)) {
      report(env.cx.diagnostics, "GM2062", actual.value.span, { what: asked, expected: expected(option), found: String(value.value) });
      return undefined;
    }
    options[option.runtime] = value.value;
  }
  const choices = chosenWords(env, entry, bound.byName);
  const variables = choices && namedVariables(env, entry, density, bound.byName);
  if (!choices || !variables) return undefined;
  const tooMuch = density?.head.flatMap((v) => {
    const variable = env.cx.variables.get(v);
    return variable && isMeasured(env, entry, density, v) ? (entry.tooMuch?.(variable, choices) ?? []) : [];
  })[0];
  if (tooMuch !== undefined) {
    const help = (entry.choices ?? []).map(({ name, words }) => `\`${name} = ${words[0]}\` has no such limit`);
    report(env.cx.diagnostics, "GM3776", call.span, { evaluator: entry.name, why: tooMuch }, { help });
    return undefined;
  }
  return { kind: "evaluator", evaluator: entry.name, densities: densities.map((d) => d.name), options, variables, choices };
}

/** Codes in place of a density; undefined where one is named, null after an error. */
function codesArgument(
  env: Env,
  entry: EvaluatorEntry,
  actuals: Actuals,
): { readonly expr: Expr; readonly classes: number } | null | undefined {
  const actual = actuals.get(entry.densities[0]?.name ?? "");
  if (actual?.kind !== "ast") return undefined;
  const { value } = actual;
  if (value.kind === "name" && env.scope.find(value.name)?.kind === "density") return undefined;
  const expr = elaborateExpr(objectiveEnv(env.cx, env.scope, newOwner("evaluate", "evaluate"), "evaluate"), value);
  if (!expr) return null;
  const whole = expr.type.kind === "tensor" && expr.type.element === "int";
  const { classes } = factsOf(env.cx, expr);
  if (whole && classes) return { expr, classes: classes.size };
  const why = whole ? "it is not known how many codes there are" : `they are whole numbers, and this is ${showType(expr.type)}`;
  report(
    env.cx.diagnostics,
    "GM3778",
    value.span,
    { evaluator: entry.name, why },
    { help: ["give it what chooses them, `code_use(nearest_code(encoder(x), codebook))`, or a density of a category, `code_use(q)`"] },
  );
  return null;
}

type Actuals = ReadonlyMap<string, Actual>;

function chosenWords(env: Env, entry: EvaluatorEntry, actuals: Actuals): Readonly<Record<string, string>> | undefined {
  const chosen: Record<string, string> = {};
  for (const { name, words } of entry.choices ?? []) {
    const actual = actuals.get(name);
    if (actual?.kind !== "ast") {
      chosen[name] = words[0] ?? "";
      continue;
    }
    const word = actual.value.kind === "name" ? actual.value.name : undefined;
    if (word === undefined || !words.includes(word)) {
      const what = `\`${name}\` of \`${entry.name}\``;
      const found = textOf(actual.value.span);
      report(env.cx.diagnostics, "GM2062", actual.value.span, { what, expected: words.map((w) => `\`${w}\``).join(" or "), found });
      return undefined;
    }
    chosen[name] = word;
  }
  return chosen;
}

/** Data variables by the names of the arguments, of the stream of the variable that is measured. */
function namedVariables(
  env: Env,
  entry: EvaluatorEntry,
  density: Density | undefined,
  actuals: Actuals,
): Readonly<Record<string, string>> | undefined {
  const out: Record<string, string> = {};
  for (const { name, is, needs } of entry.variables ?? []) {
    const actual = actuals.get(name);
    if (actual?.kind !== "ast" || !density) return undefined;
    const { value } = actual;
    const entity = value.kind === "name" ? env.scope.find(value.name) : undefined;
    if (entity?.kind === "poison") return undefined;
    const variable = value.kind === "name" ? env.cx.variables.get(value.name) : undefined;
    const measured = density.head.find((v) => isMeasured(env, entry, density, v)) ?? "";
    const stream = env.cx.streams.find((names) => names.includes(measured)) ?? [];
    if (!variable || !is(variable) || !stream.includes(variable.name)) {
      const fitting = [...env.cx.variables.values()].filter((v) => is(v) && stream.includes(v.name));
      const found = textOf(value.span);
      const why = variable && is(variable) ? `\`${found}\` belongs to other rows than \`${measured}\`` : `\`${found}\` is none`;
      const help =
        fitting.length > 0
          ? [`there ${fitting.length === 1 ? "is" : "are"} ${fitting.map((v) => `\`${v.name}\``).join(", ")}`]
          : [`declare the labels beside the data that they are of: \`data ${measured} : …, y : category[10]\``];
      report(env.cx.diagnostics, "GM3777", value.span, { evaluator: entry.name, needs, why }, { help });
      return undefined;
    }
    out[name] = variable.name;
  }
  return out;
}

/** Whether the latents of a density are drawn given data, and no data given them. */
function infers(env: Env, density: Density): boolean {
  const roleOf = (name: string) => env.cx.variables.get(name)?.role;
  if (!density.given.some((v) => roleOf(v) === "data")) return false;
  const latents = density.head.filter((v) => roleOf(v) === "latent");
  /** What bindings read, by their ids. */
  const behind = new Map<string, ReadonlySet<string>>();
  const readBy = (exprs: readonly Expr[]): ReadonlySet<string> => {
    const read = new Set<string>();
    for (const expr of exprs)
      walkExpr(expr, (e) => {
        if (e.kind === "variable") read.add(e.variable);
        if (e.kind === "local") for (const v of behind.get(e.local.id) ?? []) read.add(v);
      });
    return read;
  };
  for (const statement of density.statements) {
    if (statement.kind === "bind") behind.set(statement.binding.local.id, readBy([statement.binding.value]));
    if (statement.kind !== "draw" || roleOf(statement.variable) !== "data") continue;
    const read = readBy(distExprs(statement.dist));
    if (latents.some((v) => read.has(v))) return false;
  }
  return true;
}

function isMeasured(env: Env, entry: EvaluatorEntry, density: Density, name: string): boolean {
  const variable = env.cx.variables.get(name);
  const drawn = density.statements.find((s) => s.kind === "draw" && s.variable === name);
  return variable !== undefined && entry.measures(variable, drawn?.kind === "draw" ? distributions.get(drawn.dist.dist) : undefined);
}
