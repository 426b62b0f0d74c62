/**
 * Limits how deeply brackets nest, so that the recursive stages after the lexer cannot exhaust the stack, whatever the
 * text. What lies too deep is reported once and replaced by one `Invalid` token.
 */
import { report, type Diagnostics } from "../base/report.js";
import type { SourceFile } from "../base/source.js";
import type { GmToken } from "./lexer.js";
import { isCloser, isOpener } from "./resume.js";
import { Invalid } from "./tokens.js";

/** Brackets inside brackets. */
const nestingLimit = 100;

export function limitNesting(file: SourceFile, tokens: readonly GmToken[], diagnostics: Diagnostics): readonly GmToken[] {
  let depth = 0;
  let deepest = 0;
  for (const { tokenType } of tokens) {
    if (isOpener(tokenType)) deepest = Math.max(deepest, ++depth);
    else if (isCloser(tokenType)) depth = Math.max(0, depth - 1);
  }
  return deepest <= nestingLimit ? tokens : cut(file, tokens, diagnostics);
}

function cut(file: SourceFile, tokens: readonly GmToken[], diagnostics: Diagnostics): readonly GmToken[] {
  const kept: GmToken[] = [];
  let depth = 0;
  let isReported = false;
  for (const token of tokens) {
    const opens = isOpener(token.tokenType);
    if (opens) depth++;
    const last = kept.at(-1);
    if (depth <= nestingLimit) {
      kept.push({ ...token, index: kept.length });
    } else if (opens && depth === nestingLimit + 1) {
      const span = { file, start: token.startOffset, end: token.endOffset + 1 };
      const help = ["give the inner parts names of their own and use those"];
      if (!isReported) report(diagnostics, "GM1015", span, { what: "brackets", limit: nestingLimit }, { help });
      kept.push({ ...token, tokenType: Invalid, tokenTypeIdx: Invalid.tokenTypeIdx ?? 0, reported: true, index: kept.length });
      isReported = true;
    } else if (last?.tokenType === Invalid) {
      kept[kept.length - 1] = { ...last, endOffset: token.endOffset };
    }
    if (isCloser(token.tokenType)) depth = Math.max(0, depth - 1);
  }
  return kept;
}
