/** Functions of arguments for which they have no value, by `outside` of the builtin table: a division by 0, the logarithm of what is never above 0. */
import type { Label } from "../base/diagnostic.js";
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import type { Builtin } from "./builtin-types.js";
import type { Env } from "./env.js";
import { type Range, showRange } from "./range.js";

/** An argument where it stands: between which numbers it lies, and how it is written where that is one number. */
export interface Placed {
  readonly span: Span;
  readonly range: Range;
  readonly text?: string | undefined;
  readonly labels?: readonly Label[];
}

/** GM2018, once for each place; in a template that is being expanded, for each of its uses. `name`: where it is not the entry's. */
export function hasNoValue(env: Env, entry: Builtin | undefined, args: readonly Placed[], name = entry?.fn ?? ""): boolean {
  const outside = entry?.outside?.(args.map(({ range }) => range));
  const arg = outside && args[outside.position];
  if (outside === undefined || arg === undefined) return false;
  const key = `outside ${arg.span.file.path}:${arg.span.start}`;
  if (env.template || !env.cx.told.has(key)) {
    const { what = `the argument of \`${name}\``, expected } = outside;
    report(
      env.cx.diagnostics,
      "GM2018",
      arg.span,
      { what, expected, found: showFound(arg) },
      { labels: arg.labels ?? [], help: aboutTemplate(env) },
    );
  }
  env.cx.told.add(key);
  return true;
}

/** `D - 4 = 0`, `0`, `values in 0..1`. */
export function showFound({ range, text }: Pick<Placed, "range" | "text">): string {
  if (range.low !== range.high) return `values in ${showRange(range)}`;
  const number = String(range.low);
  return text === undefined || text === number ? number : `${text} = ${number}`;
}

/** What the template that is being expanded says of itself: its first paragraph, which tells for what arguments it is. */
function aboutTemplate({ template, cx }: Env): readonly string[] {
  const open = template ? cx.open.at(-1) : undefined;
  const { doc } = (open?.node ?? {}) as Partial<ast.ObjectiveDecl>;
  return open && doc !== undefined ? [`\`${open.name}\`: ${doc.replace(/\s+/gu, " ").trim()}`] : [];
}
