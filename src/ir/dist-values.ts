/**
 * Values of a distribution's parameters against the set they must lie in, as far as intervals tell: what is certainly wrong is an error, what
 * may be wrong a warning. A layer's output as it stands is of either sign, so it counts as certain.
 */
import type { Label } from "../base/diagnostic.js";
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type { Distribution, DistributionParameter } from "./distributions.js";
import type { Env } from "./env.js";
import { factsOf } from "./facts.js";
import { isNeverPositive, isNonNegative, isPositive, isWithinUnit } from "./range.js";
import { showNumber } from "./static.js";
import type { Expr } from "./types.js";

/** Reports; false where the value is certainly wrong. */
export function checkParameterValue(env: Env, entry: Distribution, param: DistributionParameter, expr: Expr): boolean {
  switch (param.domain) {
    case "positive":
      return checkPositive(env, entry, param, expr);
    case "unit":
    case "simplex":
      return checkProbability(env, entry, param, expr);
    case "count":
      return checkCount(env, entry, param, expr);
    case "real":
    case "lowerTriangular":
      return true;
  }
}

function checkCount(env: Env, entry: Distribution, param: DistributionParameter, expr: Expr): boolean {
  if (expr.kind !== "number" || (Number.isInteger(expr.value) && expr.value >= 0)) return true;
  report(env.cx.diagnostics, "GM2018", expr.span, {
    what: `\`${param.name}\` of \`${entry.name}\``,
    expected: "a whole number of at least 0",
    found: `the number ${showNumber(expr.value)}`,
  });
  return false;
}

/** The ends of a `Uniform` where both are numbers. */
export function checkOrder(env: Env, entry: Distribution, low: Expr | undefined, high: Expr | undefined): boolean {
  if (low?.kind !== "number" || high?.kind !== "number" || low.value < high.value) return true;
  report(env.cx.diagnostics, "GM2018", high.span, {
    what: `\`high\` of \`${entry.name}\``,
    expected: `above \`low\`, which is ${showNumber(low.value)}`,
    found: `the number ${showNumber(high.value)}`,
  });
  return false;
}

function checkPositive(env: Env, entry: Distribution, param: DistributionParameter, expr: Expr): boolean {
  const { range, raw } = factsOf(env.cx, expr);
  if (isPositive(range)) return true;
  const args = { param: param.name, dist: entry.name };
  if (isNeverPositive(range)) {
    const found = expr.kind === "number" ? showNumber(expr.value) : "a value that is never above zero";
    report(env.cx.diagnostics, "GM3015", expr.span, { ...args, found });
    return false;
  }
  const usual = [`\`exp(…)\` or \`softplus(…)\` makes it positive`];
  if (raw) {
    report(env.cx.diagnostics, "GM3017", expr.span, args, { labels: origin(expr, raw), help: usual });
    return false;
  }
  const help =
    expr.kind === "param"
      ? [`declare \`${expr.param}\` as \`positive\``]
      : isNonNegative(range)
        ? ["add a small number, or use `softplus`"]
        : usual;
  report(env.cx.diagnostics, "GM3019", expr.span, { ...args, problem: isNonNegative(range) ? "may be zero" : "may be negative" }, { help });
  return true;
}

function checkProbability(env: Env, entry: Distribution, param: DistributionParameter, expr: Expr): boolean {
  const { range, raw } = factsOf(env.cx, expr);
  if (isWithinUnit(range)) return true;
  const args = { param: param.name, dist: entry.name };
  const constant = range.high < 0 || range.low > 1;
  const squash = param.domain === "simplex" ? "softmax" : "sigmoid";
  const help = [`give it as \`logits = …\`${raw ? "" : `, or put it through \`${squash}\``}`];
  if (raw || constant) {
    const found =
      expr.kind === "number" ? showNumber(expr.value) : constant ? "a value outside it" : "a layer's output, which is any real number";
    report(env.cx.diagnostics, "GM3020", expr.span, { ...args, found }, { labels: origin(expr, raw), help });
    return false;
  }
  const declared = expr.kind === "param" ? [`declare \`${expr.param}\` as \`${param.domain}\``] : help;
  report(env.cx.diagnostics, "GM3019", expr.span, { ...args, problem: "may lie outside 0..1" }, { help: declared });
  return true;
}

/** Where a raw value comes from, where that is not where it is used. */
function origin(expr: Expr, raw: Span | undefined): readonly Label[] {
  const elsewhere = raw && (raw.file.path !== expr.span.file.path || raw.start !== expr.span.start);
  return elsewhere ? [{ span: raw, text: "it comes straight from here" }] : [];
}
