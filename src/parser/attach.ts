/** Which token each comment belongs to, and on which side, for the formatter. */
import type { Comment, GmToken } from "./lexer.js";
import { isCloser } from "./resume.js";
import { Comma, Semicolon } from "./tokens.js";

export interface Attached {
  /** Comments before a token, by its index; the number of tokens stands for the end of the file. */
  readonly leading: ReadonlyMap<number, readonly Comment[]>;
  /** Comments after a token on its line, by its index. */
  readonly trailing: ReadonlyMap<number, readonly Comment[]>;
}

/**
 * A comment that begins its line belongs to the token after it. One that stands beside a token belongs to that one, but a
 * block comment in the midst of a line belongs to the token after it, unless that only ends or separates something.
 */
export function attach(comments: readonly Comment[], tokens: readonly GmToken[]): Attached {
  const leading = new Map<number, Comment[]>();
  const trailing = new Map<number, Comment[]>();
  const add = (map: Map<number, Comment[]>, index: number, one: Comment): void => {
    const known = map.get(index);
    if (known) known.push(one);
    else map.set(index, [one]);
  };
  let next = 0;
  for (const one of comments) {
    while (next < tokens.length && (tokens[next]?.startOffset ?? 0) < one.span.start) next++;
    const after = tokens[next];
    const sameLine = one.kind === "block" && after?.startLine === one.endLine;
    const ends = after !== undefined && (isCloser(after.tokenType) || after.tokenType === Comma || after.tokenType === Semicolon);
    const belongsAfter = sameLine ? !ends : one.firstOnLine;
    if (next === 0 || belongsAfter || leading.has(next)) add(leading, next, one);
    else add(trailing, next - 1, one);
  }
  return { leading, trailing };
}
