/** The evaluate block: each line a named objective, or a named evaluator of the library. */
import { report } from "../base/report.js";
import { didYouMeanHelp } from "../base/suggest.js";
import { type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { actualsOf, bindArguments } from "./arguments.js";
import { densityHeader } from "./density-header.js";
import { distributions } from "./distributions.js";
import { type DensityHeader, type Env, newOwner } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { objectiveEnv } from "./objective-env.js";
import { isPerExample } from "./objective-value.js";
import { expected, fits } from "./settings.js";
import { type EvaluatorEntry, evaluators, type SettingArgument } from "./settings-table.js";
import { requireNumber } from "./static.js";
import { notADensity } from "./templates.js";
import { elaborateBy, nameOf } from "./train.js";
import type { Density, Evaluation } from "./types.js";

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
    if (value && by) out.push({ name, text: textOf(item.value.span), value, by, span: item.span });
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
  const params = [...entry.densities, ...entry.options.map((o) => ({ name: o.name, required: o.required === true }))];
  const bound = bindArguments(env.cx, { what, params }, actualsOf(call.args), call.span);
  if (!bound) return undefined;
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
    report(env.cx.diagnostics, "GM3047", at, { evaluator: entry.name, density: density.name, needs: entry.needs }, { labels });
    return undefined;
  }
  const options: Record<string, number | string> = {};
  for (const option of entry.options) {
    const actual = bound.byName.get(option.name);
    if (actual?.kind !== "ast") continue;
    const asked = `\`${option.name}\` of ${what}`;
    if (option.kind === "choice") {
      const chosen = choiceOf(env, option, actual.value, asked);
      if (chosen === undefined) return undefined;
      options[option.runtime] = chosen;
      continue;
    }
    const value = requireNumber(env, actual.value, asked);
    if (!value) return undefined;
    if (!fits(option, value)) {
      report(env.cx.diagnostics, "GM2062", actual.value.span, { what: asked, expected: expected(option), found: String(value.value) });
      return undefined;
    }
    options[option.runtime] = value.value;
  }
  return { kind: "evaluator", evaluator: entry.name, densities: densities.map((d) => d.name), options };
}

function choiceOf(env: Env, option: SettingArgument, value: ast.Expr, what: string): string | undefined {
  const found = value.kind === "name" || value.kind === "string" ? (value.kind === "name" ? value.name : value.value) : undefined;
  const values = option.values ?? [];
  if (found !== undefined && values.includes(found)) return found;
  const help = found === undefined ? [] : didYouMeanHelp(found, values);
  report(
    env.cx.diagnostics,
    "GM2062",
    value.span,
    { what, expected: expected(option), found: found === undefined ? "an expression" : `\`${found}\`` },
    { help },
  );
  return undefined;
}

function isMeasured(env: Env, entry: EvaluatorEntry, density: Density, name: string): boolean {
  const variable = env.cx.variables.get(name);
  const drawn = density.statements.find((s) => s.kind === "draw" && s.variable === name);
  return variable !== undefined && entry.measures(variable, drawn?.kind === "draw" ? distributions.get(drawn.dist.dist) : undefined);
}
