/** Distributions against the domain of the variable that is drawn from them. */
import { report } from "../base/report.js";
import { textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { domainOf } from "./builtin-call.js";
import { type Distribution, usualDistribution } from "./distributions.js";
import type { Env } from "./env.js";
import { factsOf } from "./facts.js";
import { rangeOfDomain } from "./range.js";
import { showDomain } from "./shapes.js";
import type { Expr, Variable } from "./types.js";

/** A warning where an end of a `Uniform` certainly lies outside of the variable's domain. */
export function checkEnds(
  env: Env,
  entry: Distribution,
  values: ReadonlyMap<string, { readonly expr: Expr }>,
  { name, domain, span }: Variable,
): void {
  const [low, high] = [values.get("low")?.expr, values.get("high")?.expr];
  const within = rangeOfDomain(domain);
  const outside =
    low && factsOf(env.cx, low).range.high < within.low ? low : high && factsOf(env.cx, high).range.low > within.high ? high : undefined;
  if (!outside) return;
  report(
    env.cx.diagnostics,
    "GM3013",
    outside.span,
    { variable: name, domain: domain.name, dist: entry.name },
    {
      labels: [{ span, text: `\`${name}\` is ${showDomain(domain)}` }],
      help: [`keep \`low\` and \`high\` within \`${domain.name}\`, or declare \`${name}\` as \`real\``],
    },
  );
}

export function checkDomain(
  env: Env,
  entry: Distribution,
  mixed: Distribution | undefined,
  variable: Variable,
  call: ast.CallExpr,
): boolean {
  const judged = mixed ?? entry;
  const domain = variable.domain.name;
  if (judged.domains.includes(domain)) return true;
  const declared = [{ span: variable.span, text: `\`${variable.name}\` is ${showDomain(variable.domain)}` }];
  if (judged.wider.includes(domain)) {
    report(
      env.cx.diagnostics,
      "GM3013",
      call.callee.span,
      { variable: variable.name, domain, dist: judged.name },
      {
        labels: declared,
        help: [
          `declare \`${variable.name}\` as \`${judged.domains[0] ?? "real"}\`, or draw it from \`${usualDistribution[domain]}\`${domain === "unit" ? ", for data without exact zeros and ones" : ""}`,
        ],
      },
    );
    return true;
  }
  const fits = judged.domains.map((d) => `\`${d}\``).join(" or ");
  // drawn so elsewhere too: the declaration is the mistake
  const key = domainOf(variable.name);
  if (env.cx.told.has(`${key}: ${fits}`)) return false;
  env.cx.told.add(key).add(`${key}: ${fits}`);
  report(
    env.cx.diagnostics,
    "GM3012",
    call.callee.span,
    { variable: variable.name, domain, dist: judged.name, fits },
    {
      labels: declared,
      help: [
        `draw it from \`${usualDistribution[domain]}\`, or declare \`${variable.name}\` as ${fits}`,
        ...(judged.name === "Bernoulli" && domain === "unit"
          ? ["data of 0..255 or 0..1 that are declared `binary` are binarised anew each time"]
          : []),
      ],
    },
  );
  return false;
}

/** A warning where the value that defines a variable certainly leaves the variable's domain, as a layer's output does that of images. */
export function checkDefined(env: Env, value: Expr, { name, domain, span }: Variable): void {
  const { range, raw } = factsOf(env.cx, value);
  const within = rangeOfDomain(domain);
  if (!raw || (range.low >= within.low && range.high <= within.high)) return;
  const last = domain.name === "simplex" ? "softmax" : within.high === 1 ? "sigmoid" : within.high === Infinity ? "softplus" : undefined;
  const isDiscrete = !["real", "positive", "unit", "simplex"].includes(domain.name);
  report(
    env.cx.diagnostics,
    "GM3013",
    value.span,
    { variable: name, domain: domain.name, dist: textOf(value.span) },
    {
      labels: [
        { span, text: `\`${name}\` is ${showDomain(domain)}` },
        ...(raw.span.start >= value.span.start && raw.span.end <= value.span.end && raw.span.file === value.span.file
          ? []
          : [{ span: raw.span, text: `${raw.what} takes any value` }]),
      ],
      help: [
        ...(last ? [`end in what maps onto it: \`… |> ${last}\``] : []),
        ...(isDiscrete ? [`${last ? "or " : ""}draw it: \`${name} ~ ${usualDistribution[domain.name]}(…)\``] : []),
        `or declare \`${name}\` as \`real\``,
      ],
    },
  );
}
