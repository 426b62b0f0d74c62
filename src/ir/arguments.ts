/**
 * Arguments against a signature: positional and named, missing, unknown, twice. One routine for nets, layers, functions,
 * distributions, optimisers and templates.
 */
import { synonymOf } from "./unknown.js";
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import type { Context } from "./env.js";
import type { Expr } from "./types.js";

/** An argument of a call: as written, or (the left side of `|>`) already elaborated. */
export type Actual =
  | { readonly kind: "ast"; readonly name: ast.Ident | undefined; readonly value: ast.Expr; readonly span: Span }
  | { readonly kind: "piped"; readonly name: undefined; readonly expr: Expr; readonly span: Span };

export interface ParameterSpec {
  readonly name: string;
  readonly required: boolean;
  /** Must be given by name. */
  readonly named?: boolean;
}

export interface Signature {
  /** How to call it in messages: "`dense`". */
  readonly what: string;
  readonly params: readonly ParameterSpec[];
  /** Name of the parameter that takes all further positional arguments. */
  readonly rest?: string;
  /** Words that people know from elsewhere: `sigma` -> `scale`. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** What an argument of another tool is here, where it is no argument: `activation` of a layer. */
  readonly elsewhere?: (name: string, value: string) => string | undefined;
  /** What most likely is meant by a parameter that is missing. */
  readonly usual?: Readonly<Record<string, string>>;
  /** Where it was declared. */
  readonly declared?: Span;
}

export interface Bound {
  readonly byName: ReadonlyMap<string, Actual>;
  readonly rest: readonly Actual[];
}

export function actualsOf(args: readonly ast.Arg[]): readonly Actual[] {
  return args.map((arg) => ({ kind: "ast", name: arg.name, value: arg.value, span: arg.span }));
}

/** Where it is reported. */
type Reporting = Pick<Context, "diagnostics">;

/** Reports and gives undefined where the arguments do not fit. */
export function bindArguments(cx: Reporting, signature: Signature, actuals: readonly Actual[], callSpan: Span): Bound | undefined {
  const byName = new Map<string, Actual>();
  const rest: Actual[] = [];
  const positional = signature.params.filter((p) => !p.named);
  let ok = true;
  let next = 0;
  const declared = signature.declared ? [{ span: signature.declared, text: "declared here" }] : [];
  for (const actual of actuals) {
    if (actual.name === undefined) {
      const spec = positional[next++];
      if (spec !== undefined) byName.set(spec.name, actual);
      else if (signature.rest !== undefined) rest.push(actual);
      else if (ok) {
        ok = false;
        const given = actuals.filter((a) => a.name === undefined).length;
        report(
          cx.diagnostics,
          "GM2025",
          actual.span,
          { what: signature.what, most: positional.length, given },
          { labels: declared, help: usage(signature) },
        );
      }
      continue;
    }
    const name = actual.name.name;
    const spec = signature.params.find((p) => p.name === name);
    if (spec === undefined) {
      ok = false;
      const synonym = signature.synonyms && synonymOf(signature.synonyms, name);
      const elsewhere = actual.kind === "ast" ? signature.elsewhere?.(name, textOf(actual.value.span)) : undefined;
      const help = synonym
        ? [`write \`${synonym}\``]
        : elsewhere !== undefined
          ? [elsewhere]
          : didYouMeanHelp(
              name,
              signature.params.map((p) => p.name),
            );
      report(
        cx.diagnostics,
        "GM2026",
        actual.name.span,
        { what: signature.what, name },
        { labels: declared, help: help.length > 0 ? help : usage(signature) },
      );
    } else {
      const before = byName.get(name);
      if (before !== undefined) {
        ok = false;
        report(
          cx.diagnostics,
          "GM2027",
          actual.span,
          { what: signature.what, name },
          { labels: [{ span: before.span, text: "given here already" }] },
        );
      } else byName.set(name, actual);
    }
  }
  const missing = signature.params.filter((p) => p.required && !byName.has(p.name)).map((p) => p.name);
  if (ok && missing.length > 0) {
    ok = false;
    report(
      cx.diagnostics,
      "GM2024",
      callSpan,
      { what: signature.what, missing: missing.map((m) => `\`${m}\``).join(", ") },
      { labels: declared, help: [...missing.flatMap((m) => signature.usual?.[m] ?? []), ...usage(signature)] },
    );
  }
  return ok ? { byName, rest } : undefined;
}

function usage(signature: Signature): readonly string[] {
  if (signature.params.length === 0 && signature.rest === undefined) return [`${signature.what} takes no arguments`];
  const words = signature.params.map((p) => (p.required ? p.name : p.named ? `${p.name} = …` : `${p.name}?`));
  if (signature.rest !== undefined) words.push(`${signature.rest}…`);
  return [`${signature.what} takes (${words.join(", ")})`];
}
