/**
 * `init data(e)`: a parameter whose rows are values of an expression at the first batch, `param codebook : real[K, D] init data(encoder(x))`. Noted where
 * the parameter is declared; the expression is elaborated when all that it may name is.
 */
import { report } from "../base/report.js";
import { textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { actualsOf, bindArguments } from "./arguments.js";
import { type Env, newOwner, type PendingStart } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { objectiveEnv } from "./objective-env.js";
import { sameShape, showShape, showType } from "./shapes.js";
import type { Dim, Domain, Expr, Param, ParamStart } from "./types.js";

/** `data(…)` after `init`; undefined after an error. */
export function startFromValues(env: Env, call: ast.CallExpr, domain: Domain): Param["init"] | undefined {
  if (domain.name === "real") return { kind: "values of" };
  const problem = `\`${domain.name}\` values are kept within their domain, and those of an expression need not lie in it`;
  report(env.cx.diagnostics, "GM2022", call.span, { problem }, { help: ["a parameter that starts from `data(…)` is `real`"] });
  return undefined;
}

/** Elaborates the expressions; those with an error are left out. */
export function elaborateStarts(pending: readonly PendingStart[]): readonly ParamStart[] {
  return pending.flatMap(({ env, param, call }): readonly ParamStart[] => {
    const { cx } = env;
    const bound = bindArguments(cx, { what: "`data`", params: [{ name: "values", required: true }] }, actualsOf(call.args), call.span);
    const actual = bound?.byName.get("values");
    if (actual?.kind !== "ast") return [];
    const value = elaborateExpr(objectiveEnv(cx, env.scope, newOwner("init", "init"), "init"), actual.value);
    if (!value) return [];
    const { span } = actual.value;
    if (fillsRows(value, param.domain.shape)) return [{ param, value, text: textOf(span), span: call.span }];
    const shape = value.type.kind === "tensor" ? value.type.shape : [];
    const last = shape.at(-1);
    const help = last ? [`vectors stand in the last axis: \`${param.name} : real[…, ${last.text}]\``] : [];
    report(
      cx.diagnostics,
      "GM2003",
      span,
      {
        what: `the start of \`${param.name}\``,
        expected: `values whose shape, or whose last axis, ${showShape(param.domain.shape)} ends in`,
        found: showType(value.type),
      },
      { labels: [{ span: param.span, text: `\`${param.name}\` is ${showShape(param.domain.shape)}` }], help },
    );
    return [];
  });
}

/** Whether a parameter's rows are whole values of the expression, or the vectors of its last axis. */
function fillsRows({ type }: Expr, shape: readonly Dim[]): boolean {
  if (type.kind !== "tensor" || type.element !== "real") return false;
  const ends = (row: readonly Dim[]): boolean => row.length <= shape.length && sameShape(shape.slice(shape.length - row.length), row);
  return ends(type.shape) || ends(type.shape.slice(-1));
}
