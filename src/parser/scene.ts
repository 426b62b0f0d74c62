/** A failure with what surrounds it, and the words and places that several messages share. */
import type { Diagnostic } from "../base/diagnostic.js";
import { diagnosticOf } from "../base/report.js";
import type { SourceFile, Span } from "../base/source.js";
import type { GmToken } from "./lexer.js";
import { foundPhrase, isKeyword } from "./phrases.js";
import type { Failure } from "./recovery.js";

export interface Scene {
  readonly file: SourceFile;
  readonly tokens: readonly GmToken[];
  readonly failure: Failure;
  /** What could not be read; undefined at the end of the file. */
  readonly token: GmToken | undefined;
  readonly previous: GmToken | undefined;
  /** The innermost rule. */
  readonly rule: string;
  /** Brackets whose missing ends have been reported. */
  readonly done: ReadonlySet<number>;
}

export function tokenSpan(file: SourceFile, token: GmToken): Span {
  return { file, start: token.startOffset, end: token.endOffset + 1 };
}

/** The place of what was found, or right after the token before where that stands on an earlier line. */
export function placeOf({ file, token, previous }: Scene): Span {
  if (token && (!previous || !token.firstOnLine)) return tokenSpan(file, token);
  const end = previous ? previous.endOffset + 1 : file.text.length;
  return { file, start: end, end };
}

/** What an expression is missing after, in words. */
export function afterPhrase(previous: GmToken | undefined): string | undefined {
  return previous === undefined ? undefined : isKeyword(previous) ? `\`${previous.image}\`` : `\`${previous.image.slice(0, 40)}\``;
}

export function logWithoutVariables({ file, token, previous }: Scene): Diagnostic {
  const name = token?.image ?? "p";
  const span = token && previous ? { file, start: previous.startOffset, end: token.endOffset + 1 } : { file, start: 0, end: 0 };
  return diagnosticOf(
    "GM1029",
    span,
    { name },
    {
      help: [
        name === "E" ? "of an expectation: `log(E[…](…))`" : `write \`log ${name}(x)\`, or \`log(${name})\` for the logarithm of a value`,
      ],
    },
  );
}

/** `evaluate { log p(x) }`: what is measured has no name. `first` begins the line. */
export function withoutName({ file }: Scene, first: GmToken): Diagnostic {
  return diagnosticOf(
    "GM1001",
    tokenSpan(file, first),
    { expected: "a name and `=`", found: foundPhrase(first) },
    { help: ["each line of `evaluate` has a name: `nll = -log p(x)`"] },
  );
}
