/** Headers of densities: `p(x, h | y)`, families named whole. */
import { report } from "../base/report.js";
import type * as ast from "../parser/ast.js";
import type { Context, DensityHeader } from "./env.js";
import { describe, type Entity } from "./scope.js";
import { reportUnknownName } from "./unknown.js";

/** undefined where the header is wrong, which has been reported at its first use. */
export function densityHeader(cx: Context, decl: ast.DensityDecl): DensityHeader | undefined {
  const known = cx.headers.get(decl);
  if (known !== undefined) return known ?? undefined;
  const seen = new Set<string>();
  const head = variablesOf(cx, decl.head, seen);
  const given = variablesOf(cx, decl.given, seen);
  const last = decl.given.at(-1) ?? decl.head.at(-1);
  const header: DensityHeader | null =
    head && given
      ? {
          name: decl.name.name,
          head,
          given,
          span: { file: decl.span.file, start: decl.name.span.start, end: headerEnd(decl, (last ?? decl.name).span.end) },
        }
      : null;
  cx.headers.set(decl, header);
  return header ?? undefined;
}

/** Past the bracket that closes the header. */
function headerEnd(decl: ast.DensityDecl, after: number): number {
  const bracket = decl.span.file.text.indexOf(")", after);
  return bracket >= 0 && bracket < decl.span.end ? bracket + 1 : after;
}

function variablesOf(cx: Context, names: readonly ast.Ident[], seen: Set<string>): readonly string[] | undefined {
  const out: string[] = [];
  let ok = true;
  for (const { name, span } of names) {
    // named twice: the parser has said so
    if (seen.has(name)) {
      ok = false;
      continue;
    }
    seen.add(name);
    const entity = cx.modelScope.find(name);
    const variables = entity && membersOf(entity);
    if (entity?.kind === "poison") ok = false;
    else if (!variables) {
      ok = false;
      if (entity)
        report(
          cx.diagnostics,
          "GM3006",
          span,
          { name, what: describe(entity) },
          { labels: [{ span: entity.span, text: "declared here" }], help: ["declare it with `data` or `latent`"] },
        );
      else reportUnknownName({ cx, scope: cx.modelScope }, name, span, (e) => membersOf(e) !== undefined, [], "variable", "variable");
    } else out.push(...variables);
  }
  return ok ? out : undefined;
}

/** The variables that an entity stands for in a header; undefined where it is no variable. */
export function membersOf(entity: Entity): readonly string[] | undefined {
  if (entity.kind === "variable") return [entity.variable.name];
  if (entity.kind !== "family" || (entity.what !== "data" && entity.what !== "latent")) return undefined;
  return [...entity.members.values()].flatMap((m) => (m.kind === "variable" ? [m.variable.name] : []));
}
