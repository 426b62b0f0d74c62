/** Doc comments: which declaration each run of `///` lines belongs to. */
import { report, type Diagnostics } from "../base/report.js";
import type { Comment, GmToken } from "./lexer.js";

export interface DocFinder {
  /** The text of the `///` lines right before the declaration at an offset; undefined where there are none. */
  readonly before: (offset: number) => string | undefined;
  /** Reports every doc comment that no declaration took. */
  readonly reportLost: (diagnostics: Diagnostics) => void;
}

/** Index of the first comment at or after an offset. */
function firstAfter(comments: readonly Comment[], offset: number): number {
  let low = 0;
  let high = comments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((comments[middle]?.span.start ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Offset past the last token that begins before an offset. */
function endBefore(tokens: readonly GmToken[], offset: number): number {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle]?.startOffset ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  return (tokens[low - 1]?.endOffset ?? -1) + 1;
}

/** `/// text` -> `text` */
function docText(comment: Comment): string {
  return comment.text.replace(/^\/\/\/ ?/, "").trimEnd();
}

export function docFinder(comments: readonly Comment[], tokens: readonly GmToken[]): DocFinder {
  const taken = new Set<Comment>();
  return {
    before(offset) {
      const previousEnd = endBefore(tokens, offset);
      const lines: string[] = [];
      let expectedLine: number | undefined;
      for (let i = firstAfter(comments, offset) - 1; i >= 0; i--) {
        const comment = comments[i];
        if (!comment || comment.kind !== "doc" || !comment.firstOnLine) break;
        if (comment.span.start < previousEnd) break;
        if (expectedLine !== undefined && comment.startLine !== expectedLine) break;
        expectedLine = comment.startLine - 1;
        taken.add(comment);
        lines.unshift(docText(comment));
      }
      return lines.length > 0 ? lines.join("\n") : undefined;
    },
    reportLost(diagnostics) {
      const lost = comments.filter((comment) => comment.kind === "doc" && !taken.has(comment));
      let lastLine = -1;
      for (const comment of lost) {
        if (comment.startLine !== lastLine + 1) {
          report(diagnostics, "GM1038", comment.span, {}, { help: ["put it right before a declaration, or write `//`"] });
        }
        lastLine = comment.startLine;
      }
    },
  };
}
