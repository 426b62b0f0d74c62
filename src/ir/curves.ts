/** Variables that a flow of a density ties to one another: both together lie on a set without volume, and have no density. */
import { report, type Diagnostics } from "../base/report.js";
import { textOf, type Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import type { DensityHeader, Env } from "./env.js";
import type { DensityStatement } from "./types.js";

type Definition = Extract<DensityStatement, { kind: "define" }>;

/** Whether `log p(x, z)` asks for a latent that has no value beside what a flow makes of it; GM3702 then. */
export function asksForCurve(env: Env, header: DensityHeader, { density: call, span }: ast.LogDensityExpr): boolean {
  const { cx } = env;
  const heads = call.args.flatMap(({ name, value }) => {
    const entity = name === undefined && value.kind === "name" ? env.scope.find(value.name) : undefined;
    return entity?.kind === "variable" ? [entity.variable.name] : [];
  });
  const hidden = (v: string): boolean => cx.variables.get(v)?.role === "latent" && env.access.binds?.(v) !== true;
  const made = new Map(
    (cx.densityByName.get(header.name)?.statements ?? []).flatMap((s) => (s.kind === "define" ? [[s.variable, s] as const] : [])),
  );
  for (const variable of heads) {
    const definition = made.get(variable);
    const source = definition && sourcesOf(definition, made).find((v) => heads.includes(v) && (hidden(v) || hidden(variable)));
    if (definition === undefined || source === undefined) continue;
    reportCurve(cx.diagnostics, { quantity: textOf(span), density: header.name, variable, source, span, definition });
    return true;
  }
  return false;
}

/** What a variable is made of by flows alone, the nearest first. */
function sourcesOf(definition: Definition, made: ReadonlyMap<string, Definition>): readonly string[] {
  const found: string[] = [];
  for (let at: Definition | undefined = definition; at !== undefined;) {
    const { value }: Definition = at;
    if (value.kind !== "flowCall" || value.arg.kind !== "variable" || found.includes(value.arg.variable)) break;
    found.push(value.arg.variable);
    at = made.get(value.arg.variable);
  }
  return found;
}

/** GM3702 */
export function reportCurve(
  diagnostics: Diagnostics,
  at: {
    readonly quantity: string;
    readonly density: string;
    readonly variable: string;
    readonly source: string;
    readonly span: Span;
    readonly definition: { readonly span: Span } | undefined;
  },
): void {
  const { quantity, density, variable, source, span, definition } = at;
  report(
    diagnostics,
    "GM3702",
    span,
    { quantity, variable, source },
    {
      labels: definition ? [{ span: definition.span, text: `\`${variable}\` is defined here` }] : [],
      help: [`ask for one of them: \`log ${density}(${variable})\` follows by change of variables`],
    },
  );
}
