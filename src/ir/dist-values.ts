/**
 * Values of a distribution's parameters against the set they must lie in, as far as intervals tell: what is certainly wrong is an error, what
 * may be wrong a warning. A layer's output as it stands is of either sign, so it counts as certain.
 */
import type { Label } from "../base/diagnostic.js";
import { report } from "../base/report.js";
import { textOf } from "../base/source.js";
import { builtins } from "./builtins.js";
import type { Distribution, DistributionParameter } from "./distributions.js";
import type { Env } from "./env.js";
import { factsOf, type Raw } from "./facts.js";
import { constantMatrix, isDefinite, isFactorOfNumbers } from "./constant-matrices.js";
import { isFactor } from "./matrices.js";
import { anything, isNeverPositive, isNonNegative, isPositive, isWithinUnit, type Range } from "./range.js";
import { showNumber } from "./static.js";
import type { BuiltinExpr, DomainName, Expr } from "./types.js";
import { childrenOf } from "./walk.js";

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
    case "lowerTriangular":
    case "covariance":
      return checkMatrix(env, entry, param, expr);
    case "real":
      return true;
  }
}

/** Warnings of values that are legal and of another scale than the parameter: probabilities for log-odds, a fraction for a byte. */
export function checkScale(
  env: Env,
  entry: Distribution,
  list: readonly DistributionParameter[],
  param: DistributionParameter,
  expr: Expr,
  named: boolean,
): void {
  if (param.domain !== "real") return;
  const at = list.indexOf(param);
  const probabilities = entry.parameters.find((each) => each[at]?.domain === "unit" || each[at]?.domain === "simplex")?.[at];
  const shown = written(expr);
  if (probabilities && isProbability(env, expr, named)) {
    const found = expr.kind === "number" ? showNumber(expr.value) : "a value between 0 and 1";
    warnOfScale(env, entry, param, expr, `takes log-odds, found ${found}, as probabilities are`, [
      `probabilities are given by name: \`${probabilities.name} = ${shown}\``,
      ...(expr.kind === "number" ? [`or say that they are log-odds: \`${param.name} = ${shown}\``] : []),
    ]);
  }
  const { range } = factsOf(env.cx, expr);
  const bytes = entry.domains.every((domain) => domain === "byte");
  if (bytes && param.name === "loc" && range.low < range.high && range.low >= -1 && range.high <= 1)
    warnOfScale(
      env,
      entry,
      param,
      expr,
      `counts in bytes, 0..255, found a value from ${showNumber(range.low)} to ${showNumber(range.high)}`,
      [
        range.low < 0 ? `\`127.5 + 127.5 * ${shown}\` covers the bytes` : `\`255 * ${shown}\` covers the bytes`,
        "the scale is in bytes too",
      ],
    );
}

/** A warning of probabilities that are squashed once more: what maps all numbers onto 0..1 takes log-odds. */
export function checkSquashed(env: Env, entry: Distribution, param: DistributionParameter, expr: Expr): void {
  const outer = lastStep(env, expr);
  const [value] = outer.kind === "builtin" && squashes(outer) ? outer.args : [];
  if (outer.kind !== "builtin" || !value || !isProbability(env, value, true)) return;
  const inner = lastStep(env, value);
  const [odds] = inner.kind === "builtin" && squashes(inner) ? inner.args : [];
  // of a chain, or in the body of a net, it has another text here
  const isHere = odds && odds.span.file === expr.span.file && odds.span.start >= expr.span.start && odds.span.end <= expr.span.end;
  const shown = isHere ? written(odds) : "…";
  warnOfScale(
    env,
    entry,
    param,
    expr,
    `is squashed twice: \`${outer.fn}\` takes log-odds, found a value between 0 and 1, as probabilities are`,
    [
      shown === "…"
        ? `squash once: \`${outer.fn}\` of what takes any value`
        : `squash once: \`${param.name} = ${param.domain === "real" ? shown : `${outer.fn}(${shown})`}\``,
    ],
  );
}

const squashes = ({ fn, options }: BuiltinExpr): boolean => {
  const range = builtins.get(fn)?.range?.([anything], options, []);
  return range !== undefined && range.low === 0 && range.lowOpen && range.high === 1 && range.highOpen;
};

/** What makes a value, behind names and calls of nets. */
function lastStep(env: Env, expr: Expr): Expr {
  const behind =
    expr.kind === "local" ? factsOf(env.cx, expr).stands : expr.kind === "netCall" ? env.cx.netByName.get(expr.net)?.result : undefined;
  return behind ? lastStep(env, behind) : expr;
}

/** The text of a value where it stands as a whole; of a chain `x |> f` the span is that of its last step. */
function written(expr: Expr): string {
  const text = textOf(expr.span);
  const whole = /^[\p{L}_][^\n]*[)\]]$/u.test(text) || ["number", "local", "param", "variable"].includes(expr.kind);
  return whole && text.length <= 40 ? text : "…";
}

function warnOfScale(
  env: Env,
  entry: Distribution,
  param: DistributionParameter,
  expr: Expr,
  problem: string,
  help: readonly string[],
): void {
  report(env.cx.diagnostics, "GM3019", expr.span, { param: param.name, dist: entry.name, problem }, { help });
}

/**
 * Certainly within 0..1 and meant as such: by a function like `sigmoid`, or a `unit` or `simplex` that it is made of. Whole numbers are not,
 * a number is where it stands without a name: `Bernoulli(0.5)` is read as one half.
 */
function isProbability(env: Env, expr: Expr, named: boolean): boolean {
  const { range } = factsOf(env.cx, expr);
  if (!isWithinUnit(range)) return false;
  if (expr.kind === "number") return !named && expr.value > 0 && expr.value < 1;
  return range.low < range.high && ((range.low === 0 && range.lowOpen && range.high === 1 && range.highOpen) || readsShares(env, expr));
}

const SHARES: ReadonlySet<DomainName> = new Set<DomainName>(["unit", "simplex"]);

function readsShares(env: Env, expr: Expr): boolean {
  if (expr.kind === "variable") return SHARES.has(env.cx.variables.get(expr.variable)?.domain.name ?? "real");
  if (expr.kind === "param") return SHARES.has(env.cx.params.find((p) => p.name === expr.param)?.domain.name ?? "real");
  const stands = expr.kind === "local" ? factsOf(env.cx, expr).stands : undefined;
  return (stands !== undefined && readsShares(env, stands)) || childrenOf(expr).some((child) => readsShares(env, child));
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
  if (raw && range.low < 0) {
    const help = declared(expr, raw, "positive") ?? usual;
    report(env.cx.diagnostics, "GM3017", expr.span, { ...args, found: rawText(raw, range) }, { labels: origin(expr, raw), help });
    return false;
  }
  const reads = isNonNegative(range) ? [] : variablesIn(expr);
  const help =
    declared(expr, raw, "positive") ??
    (isNonNegative(range)
      ? ["add a small number, or use `softplus`"]
      : reads.length > 0
        ? [`it can stay as it is where no value of ${reads.map((name) => `\`${name}\``).join(", ")} makes it so; else ${usual.join("")}`]
        : usual);
  report(env.cx.diagnostics, "GM3019", expr.span, { ...args, problem: isNonNegative(range) ? "may be zero" : "may be negative" }, { help });
  return true;
}

/** The variables that a value is made of without a net in between: whoever wrote it knows the values that they take. */
function variablesIn(expr: Expr): readonly string[] {
  const found = new Set<string>();
  const visit = (e: Expr): void => {
    if (e.kind === "variable") found.add(e.variable);
    if (e.kind === "builtin") e.args.forEach(visit);
  };
  visit(expr);
  return [...found];
}

function checkProbability(env: Env, entry: Distribution, param: DistributionParameter, expr: Expr): boolean {
  const { range, raw } = factsOf(env.cx, expr);
  // a vector of probabilities is divided by its sum
  const vector = param.domain === "simplex";
  if (vector ? isNonNegative(range) : isWithinUnit(range)) return true;
  const args = { param: param.name, dist: entry.name };
  const constant = range.high < 0 || (!vector && range.low > 1);
  const squash = vector ? "softmax" : "sigmoid";
  const direct = raw && !raw.computed;
  const usual = [`give it as \`logits = …\`${direct ? "" : `, or put it through \`${squash}\``}`, ...productHelp(env, expr, vector)];
  const help = [...(declared(expr, raw, param.domain) ?? []), ...usual];
  if (raw || constant) {
    const found = expr.kind === "number" ? showNumber(expr.value) : raw ? foundText(raw, range) : "a value outside it";
    report(env.cx.diagnostics, "GM3020", expr.span, { ...args, found }, { labels: origin(expr, raw), help });
    return false;
  }
  const problem = vector ? "may be negative" : "may lie outside 0..1";
  report(env.cx.diagnostics, "GM3019", expr.span, { ...args, problem }, { help });
  return true;
}

/** A factor of a covariance, or the covariance itself. A matrix of free entries is certainly neither. */
function checkMatrix(env: Env, entry: Distribution, param: DistributionParameter, expr: Expr): boolean {
  const known = factsOf(env.cx, expr);
  const factor = param.domain === "lowerTriangular";
  if (factor ? isFactor(known) : known.matrix.definite) return true;
  const rows = constantMatrix(expr.kind === "local" ? known.stands : expr);
  if (rows && (factor ? isFactorOfNumbers(rows) : isDefinite(rows))) return true;
  const { raw, range } = known;
  const args = { param: param.name, dist: entry.name };
  const build = `cholesky_factor(${expr.kind === "param" || expr.kind === "local" ? textOf(expr.span) : "…"})`;
  const help = factor
    ? [`\`scale_tril = ${build}\` makes it one: zeros above the diagonal, softplus of the entries on it`]
    : [
        `give its factor: \`scale_tril = ${build}\` is lower triangular with a positive diagonal`,
        "or build it: `A @ transpose(A) + 1e-3 * eye(D)` is positive definite",
      ];
  const negative = isNeverPositive(range) && !known.matrix.lower;
  if (negative || (raw && !known.matrix.semidefinite && (!factor || range.low < 0))) {
    report(
      env.cx.diagnostics,
      "GM3048",
      expr.span,
      {
        ...args,
        expected: factor ? "lower triangular with a positive diagonal" : "symmetric and positive definite",
        found: negative || !raw ? "entries that are never above zero" : `${rawText(raw, range)}, whose entries are free`,
      },
      { labels: origin(expr, raw), help },
    );
    return false;
  }
  const problem = !factor
    ? "may not be positive definite"
    : known.matrix.lower
      ? "may have a diagonal that is not positive"
      : "may not be lower triangular with a positive diagonal";
  report(env.cx.diagnostics, "GM3019", expr.span, { ...args, problem }, { help });
  return true;
}

/** What the sides of a matrix product would have to be. */
function productHelp(env: Env, expr: Expr, vector: boolean): readonly string[] {
  if (expr.kind !== "builtin" || expr.fn !== "matmul") return [];
  const [left, right] = expr.args.map((side) => ({ text: `\`${textOf(side.span)}\``, facts: factsOf(env.cx, side) }));
  if (!left || !right) return [];
  const missing = [
    ...(left.facts.simplex ? [] : [`the rows of ${left.text} are probabilities (\`simplex\`, \`softmax\`)`]),
    ...(vector && !isNonNegative(right.facts.range) ? [`the rows of ${right.text} are probabilities (\`simplex\`, \`softmax\`)`] : []),
    ...(!vector && !isWithinUnit(right.facts.range) ? [`${right.text} lies in 0..1 (\`unit\`, \`sigmoid\`)`] : []),
  ];
  return [`or mix probabilities: \`@\` does where ${missing.join(" and ")}`];
}

/** The way out where a parameter is handed on as it stands, or an entry of it. */
function declared(expr: Expr, raw: Raw | undefined, domain: string): readonly string[] | undefined {
  const name = expr.kind === "param" ? expr.param : raw?.computed ? undefined : raw?.param;
  return name === undefined ? undefined : [`declare \`${name}\` as \`${domain}\``];
}

/** `a layer's output`, `a value from -1 to 1` */
function rawText({ what, computed }: Raw, { low, high }: Range): string {
  if (!computed) return what;
  return Number.isFinite(low) && Number.isFinite(high) ? `a value from ${showNumber(low)} to ${showNumber(high)}` : `a function of ${what}`;
}

function foundText(raw: Raw, range: Range): string {
  return range.low === -Infinity && range.high === Infinity ? `${rawText(raw, range)}, which is any real number` : rawText(raw, range);
}

/** Where a raw value comes from, where that is not where it is used. */
function origin(expr: Expr, raw: Raw | undefined): readonly Label[] {
  const elsewhere = raw && (raw.span.file.path !== expr.span.file.path || raw.span.start !== expr.span.start);
  return elsewhere ? [{ span: raw.span, text: raw.computed ? "it is computed from this" : "it comes straight from here" }] : [];
}
