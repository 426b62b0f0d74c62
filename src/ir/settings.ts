/** Settings of `train` and of its statements: known, of the right kind, in the form of the IR (runtime names). */
import { synonymOf } from "./unknown.js";
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { didYouMean, didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { actualsOf, bindArguments } from "./arguments.js";
import type { Env } from "./env.js";
import { elaborateSchedule, isSchedule, scheduleNames } from "./schedules.js";
import {
  earlyStoppingArgs,
  optimizers,
  optimizerSynonyms,
  type SettingArgument,
  type SettingEntry,
  settings,
  settingSynonyms,
} from "./settings-table.js";
import { staticFunctions } from "./static-functions.js";
import { kindOfStatic, requireStatic, type Static } from "./static.js";
import type { Setting, SettingValue } from "./types.js";

/** Names of the lines of `evaluate`; undefined where some could not be read. */
export type Metrics = readonly string[] | undefined;

export function elaborateSetting(
  env: Env,
  name: ast.Ident,
  value: ast.Expr,
  span: Span,
  scope: "phase" | "update",
  metrics: Metrics,
): Setting | undefined {
  const entry = settings.get(name.name);
  const fits = (s: SettingEntry): boolean => s.scope === "both" || s.scope === scope;
  if (!entry || !fits(entry)) {
    const candidates = [...settings.values()].filter(fits).map((s) => s.name);
    const synonym = synonymOf(settingSynonyms, name.name);
    const help = entry
      ? [`it belongs to the train block: move it out of the statement`]
      : synonym
        ? [`write \`${synonym}\``]
        : didYouMeanHelp(name.name, candidates);
    report(
      env.cx.diagnostics,
      "GM2060",
      name.span,
      { name: name.name, where: scope === "phase" ? "a train block" : "a statement" },
      { help: help.length > 0 ? help : [`there are ${candidates.map((c) => `\`${c}\``).join(", ")}`] },
    );
    return undefined;
  }
  const result = settingValue(env, entry, value, metrics);
  return result && { name: entry.runtime, value: result, span };
}

function settingValue(env: Env, entry: SettingEntry, value: ast.Expr, metrics: Metrics): SettingValue | undefined {
  switch (entry.kind) {
    case "optimizer":
      return optimizerValue(env, value);
    case "earlyStopping":
      return earlyStopping(env, value, metrics);
    default:
      return argumentValue(env, { name: entry.name, runtime: entry.runtime, kind: entry.kind }, value, `\`${entry.name}\``, metrics);
  }
}

function optimizerValue(env: Env, value: ast.Expr): SettingValue | undefined {
  const call = asCall(value);
  const name = call?.callee.kind === "name" ? call.callee.name : undefined;
  const entry = name === undefined ? undefined : optimizers.get(name);
  if (!call || name === undefined) {
    const named = value.kind === "string" ? value.value : "";
    const text = optimizers.has(named) ? named : (didYouMean(named, optimizers.keys()) ?? "adam");
    report(
      env.cx.diagnostics,
      "GM2062",
      value.span,
      { what: "`optimizer`", expected: "an optimiser by its name", found: value.kind === "string" ? "a text" : "something else" },
      { help: [`write \`optimizer = ${text}(lr = 1e-3)\``] },
    );
    return undefined;
  }
  if (!entry) {
    const synonym = synonymOf(optimizerSynonyms, name);
    const near = synonym ? [`write \`${synonym}\``] : didYouMeanHelp(name, optimizers.keys());
    report(
      env.cx.diagnostics,
      "GM2061",
      value.span,
      { name },
      { help: near.length > 0 ? near : [`there are ${[...optimizers.keys()].map((o) => `\`${o}\``).join(", ")}`] },
    );
    return undefined;
  }
  const args = argumentValues(env, `\`${entry.name}\``, entry.args, call, [], optimizerSynonyms);
  return args && { kind: "call", name: entry.name, args };
}

function earlyStopping(env: Env, value: ast.Expr, metrics: Metrics): SettingValue | undefined {
  const call = value.kind === "record" ? callOf(value) : asCall(value);
  if (!call || call.callee.kind !== "name" || call.callee.name !== "early_stopping") {
    report(env.cx.diagnostics, "GM2062", value.span, {
      what: "`early_stopping`",
      expected: "`(metric = nll, patience = 10)`",
      found: "something else",
    });
    return undefined;
  }
  const args = argumentValues(env, "`early_stopping`", earlyStoppingArgs, call, metrics);
  return args && { kind: "call", name: "earlyStopping", args };
}

/** `early_stopping = (metric = nll, patience = 10)` is short for a call of its own name. */
function callOf(record: ast.RecordExpr): ast.CallExpr {
  return {
    kind: "call",
    callee: { kind: "name", name: "early_stopping", span: record.span },
    args: record.fields,
    given: undefined,
    span: record.span,
  };
}

function asCall(value: ast.Expr): ast.CallExpr | undefined {
  if (value.kind === "call") return value;
  return value.kind === "name" ? { kind: "call", callee: value, args: [], given: undefined, span: value.span } : undefined;
}

function argumentValues(
  env: Env,
  what: string,
  specs: readonly SettingArgument[],
  call: ast.CallExpr,
  metrics: Metrics,
  synonyms: Readonly<Record<string, string>> = {},
): Readonly<Record<string, SettingValue>> | undefined {
  const params = specs.map((s) => ({ name: s.name, required: s.required === true }));
  const bound = bindArguments(env.cx, { what, params, synonyms }, actualsOf(call.args), call.span);
  if (!bound) return undefined;
  const args: Record<string, SettingValue> = {};
  let ok = true;
  for (const spec of specs) {
    const actual = bound.byName.get(spec.name);
    if (actual?.kind !== "ast") continue;
    const value = argumentValue(env, spec, actual.value, `\`${spec.name}\` of ${what}`, metrics);
    if (value) args[spec.runtime] = value;
    else ok = false;
  }
  return ok ? args : undefined;
}

function argumentValue(env: Env, spec: SettingArgument, value: ast.Expr, what: string, metrics: Metrics): SettingValue | undefined {
  if (spec.kind === "objective") return metricValue(env, value, what, metrics);
  if (spec.kind === "goal" && value.kind === "string" && (value.value === "rise" || value.value === "fall"))
    return { kind: "text", value: value.value };
  if (isSchedule(env, value)) {
    if (spec.kind === "rate") return elaborateSchedule(env, value, "rate");
    report(env.cx.diagnostics, "GM2062", value.span, { what, expected: expected(spec), found: "a schedule" });
    return undefined;
  }
  if (
    spec.kind === "rate" &&
    value.kind === "call" &&
    value.callee.kind === "name" &&
    env.scope.find(value.callee.name) === undefined &&
    !staticFunctions.has(value.callee.name)
  ) {
    report(
      env.cx.diagnostics,
      "GM2063",
      value.callee.span,
      { name: value.callee.name },
      {
        help: [...didYouMeanHelp(value.callee.name, scheduleNames), `the schedules are ${scheduleNames.map((n) => `\`${n}\``).join(", ")}`],
      },
    );
    return undefined;
  }
  const known = requireStatic(env, value, what);
  if (known === undefined) return undefined;
  if (fits(spec, known) && (known.kind === "number" || known.kind === "boolean")) return { kind: "static", value: known.value };
  report(env.cx.diagnostics, "GM2062", value.span, { what, expected: expected(spec), found: kindOfStatic(known) });
  return undefined;
}

function metricValue(env: Env, value: ast.Expr, what: string, metrics: Metrics): SettingValue | undefined {
  if (metrics === undefined) return undefined;
  if (value.kind === "name" && metrics.includes(value.name)) return { kind: "text", value: value.name };
  const help = value.kind === "name" ? didYouMeanHelp(value.name, metrics) : [];
  report(
    env.cx.diagnostics,
    "GM2062",
    value.span,
    { what, expected: "the name of a line of `evaluate`", found: value.kind === "name" ? `\`${value.name}\`` : "an expression" },
    { help },
  );
  return undefined;
}

/** Whether a value is of the kind that a setting, or an option of a named evaluator, takes. */
export function fits(spec: SettingArgument, value: Static): boolean {
  if (spec.kind === "boolean") return value.kind === "boolean";
  if (value.kind !== "number" || !Number.isFinite(value.value)) return false;
  switch (spec.kind) {
    case "integer":
      return Number.isInteger(value.value) && value.value >= 1;
    case "several":
      return Number.isInteger(value.value) && value.value >= 2;
    case "fraction":
      return value.value >= 0 && value.value < 1;
    case "number":
      return value.value >= 0;
    default:
      return value.value > 0;
  }
}

/** What `fits` asks for, in words. */
export function expected(spec: SettingArgument): string {
  switch (spec.kind) {
    case "integer":
      return "a whole number of at least 1";
    case "several":
      return "a whole number of at least 2";
    case "fraction":
      return "a number from 0 to below 1";
    case "boolean":
      return "true or false";
    case "positive":
      return "a number above 0";
    case "rate":
      return "a positive number or a schedule";
    case "goal":
      return '`"rise"` or `"fall"`';
    case "objective":
      return "the name of a line of `evaluate`";
    case "number":
      return "a number of at least 0";
  }
}
