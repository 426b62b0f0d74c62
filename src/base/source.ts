/**
 * Source text and places in it. Offsets count UTF-16 units; a line ends at LF, CRLF or CR, as editors have it.
 */

export interface SourceFile {
  /** As the user gave it, with forward slashes; used in messages and in generated comments. */
  readonly path: string;
  readonly text: string;
}

/** Half-open range of UTF-16 offsets. */
export interface Span {
  readonly file: SourceFile;
  readonly start: number;
  readonly end: number;
}

export interface Position {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
}

const lineStartsOf = new WeakMap<SourceFile, readonly number[]>();

/** Offsets at which the lines of a file begin, the first after a byte order mark; computed once per file. */
export function lineStarts(file: SourceFile): readonly number[] {
  const known = lineStartsOf.get(file);
  if (known) return known;
  const starts = [file.text.startsWith("\ufeff") ? 1 : 0];
  for (const match of file.text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
  lineStartsOf.set(file, starts);
  return starts;
}

export function positionOf(file: SourceFile, offset: number): Position {
  const starts = lineStarts(file);
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: Math.max(1, offset - (starts[low] ?? 0) + 1) };
}

/** Text of a 1-based line, without its line end. */
export function lineText(file: SourceFile, line: number): string {
  const starts = lineStarts(file);
  const text = file.text.slice(starts[line - 1] ?? file.text.length, starts[line] ?? file.text.length);
  return text.endsWith("\r\n") ? text.slice(0, -2) : /[\r\n]/.test(text.slice(-1)) ? text.slice(0, -1) : text;
}

export function lineOf(span: Span): number {
  return positionOf(span.file, span.start).line;
}

export function textOf(span: Span): string {
  return span.file.text.slice(span.start, span.end);
}

/** As a label: on one line, without comments. */
export function labelOf(span: Span): string {
  return textOf(span)
    .replace(/\/\/[^\n]*/gu, "")
    .replace(/\s+/gu, " ")
    .replace(/(?<=[([]) | (?=[)\]])/gu, "");
}
