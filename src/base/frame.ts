/**
 * The drawing inside a diagnostic's frame: from the labels of one file to rows of styled text. Labels on one line are
 * underlined together, the rightmost with its text beside it and the others hanging below; a label over several lines
 * runs as a bar in the margin. Lines between far labels are left out, long lines are cropped around the labels.
 */
import type { Label } from "./diagnostic.js";
import { characterWidth, displayLine, type DisplayLine, visible } from "./display.js";
import { lineStarts, lineText, positionOf, type SourceFile } from "./source.js";

export type Style = "source" | "gutter" | "primary" | "secondary" | "strong" | "help";
export type StyledText = readonly (readonly [Style, string])[];

/** A label with its place resolved to lines and offsets in them. */
interface Mark {
  readonly text: string;
  readonly style: Style;
  readonly firstLine: number;
  readonly firstOffset: number;
  readonly lastLine: number;
  /** Exclusive, at least one past the start on the same line. */
  readonly lastOffset: number;
}

/** A bar in the margin for a label of several lines; slot 0 is the leftmost. */
interface Bar {
  readonly mark: Mark;
  readonly slot: number;
}

function markOf(file: SourceFile, label: Label, isPrimary: boolean): Mark {
  const { start } = label.span;
  const end = Math.max(start, label.span.end);
  const first = positionOf(file, start);
  const final = positionOf(file, end > start ? end - 1 : end);
  const starts = lineStarts(file);
  const length = lineText(file, final.line).length;
  const lastOffset = Math.min(end - (starts[final.line - 1] ?? 0), Math.max(length, 1));
  const onOneLine = first.line === final.line;
  return {
    text: visible(label.text).replaceAll("\n", " "),
    style: isPrimary ? "primary" : "secondary",
    firstLine: first.line,
    firstOffset: first.column - 1,
    lastLine: final.line,
    lastOffset: onOneLine ? Math.max(lastOffset, first.column) : lastOffset,
  };
}

/** A row on which characters are set by column; the rightmost writer of a cell wins. */
interface Canvas {
  readonly set: (column: number, text: string, style: Style) => void;
  readonly parts: () => StyledText;
}

function canvas(): Canvas {
  const cells: (readonly [Style, string] | undefined)[] = [];
  return {
    set(column, text, style) {
      let at = column;
      for (const character of text) {
        cells[at] = [style, character];
        const width = characterWidth(character);
        for (let extra = 1; extra < width; extra++) cells[at + extra] = [style, ""];
        at += width;
      }
    },
    parts() {
      const parts: [Style, string][] = [];
      for (let at = 0; at < cells.length; at++) {
        const [style, text] = cells[at] ?? (["source", " "] as const);
        const last = parts.at(-1);
        if (last && last[0] === style) last[1] += text;
        else parts.push([style, text]);
      }
      return parts;
    },
  };
}

/** Where a line is cut when it is too long: the columns that are shown. */
interface Window {
  readonly from: number;
  readonly to: number;
}

/** `focus`: the columns of what the error is about, which is shown where not all labels fit. */
function windowOf(line: DisplayLine, columns: readonly number[], focus: readonly [number, number] | undefined, width: number): Window {
  if (line.width <= width) return { from: 0, to: line.width };
  const first = columns.length > 0 ? Math.min(...columns) : 0;
  const last = columns.length > 0 ? Math.max(...columns) : 0;
  const spare = Math.max(0, width - (last - first));
  const start =
    focus && last - first > width
      ? Math.min(focus[0], Math.max(first, focus[1] + (width >> 2) - width))
      : first - Math.min(spare >> 1, width >> 1);
  const from = Math.max(0, Math.min(start, line.width - width));
  return { from, to: Math.min(line.width, from + width) };
}

/** The source line itself, cropped to the window, with `…` where it was cut. */
function sourceRow(line: DisplayLine, window: Window, part: Excerpt): string {
  const shown = line.cells.filter((cell) => cell.column >= window.from && cell.column + cell.width <= window.to);
  const gap = shown[0] ? shown[0].column - window.from : 0;
  const text = " ".repeat(gap) + shown.map((cell) => cell.text).join("");
  const isCutAfter = window.to < line.width || part.after;
  return `${isCutBefore(window, part) ? "…" : ""}${text}${isCutAfter ? "…" : ""}`;
}

/** The part of a line that is laid out: all of it but for a line so long that most of it cannot be shown. */
interface Excerpt {
  readonly text: string;
  /** Offset in the line at which it begins. */
  readonly start: number;
  /** Whether the line goes on after it. */
  readonly after: boolean;
}

function excerptOf(text: string, offsets: readonly number[], focus: readonly number[], width: number): Excerpt {
  if (text.length <= 8 * width) return { text, start: 0, after: false };
  const isWide = Math.max(...offsets) - Math.min(...offsets) > 4 * width;
  const start = Math.max(0, Math.min(...(isWide && focus.length > 0 ? focus : offsets), text.length) - 2 * width);
  const end = Math.min(text.length, start + 8 * width);
  return { text: text.slice(start, end), start, after: end < text.length };
}

function isCutBefore(window: Window, part: Excerpt): boolean {
  return window.from > 0 || part.start > 0;
}

interface Underline {
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly style: Style;
}

/** Rows below a source line: the underlines, then the texts that found no room beside them. */
function underlineRows(underlines: readonly Underline[]): StyledText[] {
  if (underlines.length === 0) return [];
  const ordered = [...underlines].sort((a, b) => a.from - b.from || b.to - a.to);
  const rightmost = ordered.at(-1);
  const beside = rightmost && ordered.every((u) => u === rightmost || u.to <= rightmost.from) ? rightmost : undefined;
  const row = canvas();
  // The longer first, so that a place inside of another stays visible; the primary one last among equals.
  const rank = (u: Underline): number => 2 * (u.from - u.to) + (u.style === "primary" ? 1 : 0);
  for (const u of [...ordered].sort((a, b) => rank(a) - rank(b))) {
    row.set(u.from, (u.style === "primary" ? "^" : "-").repeat(u.to - u.from), u.style);
  }
  if (beside && beside.text !== "") row.set(beside.to + 1, beside.text, beside.style);
  const rows = [row.parts()];

  const hanging = ordered.filter((u) => u !== beside && u.text !== "");
  if (hanging.length === 0) return rows;
  const stems = (count: number): Canvas => {
    const next = canvas();
    for (const u of hanging.slice(0, count)) next.set(u.from, "|", u.style);
    return next;
  };
  rows.push(stems(hanging.length).parts());
  for (let count = hanging.length; count > 0; count--) {
    const u = hanging[count - 1];
    if (!u) break;
    const next = stems(count - 1);
    next.set(u.from, u.text, u.style);
    rows.push(next.parts());
  }
  return rows;
}

/** Gives each label of several lines the leftmost margin slot that is free over its lines; long ones outermost. */
function barsOf(marks: readonly Mark[]): readonly Bar[] {
  const bars: Bar[] = [];
  const several = marks.filter((mark) => mark.firstLine !== mark.lastLine);
  for (const mark of several.sort((a, b) => b.lastLine - b.firstLine - (a.lastLine - a.firstLine))) {
    let slot = 0;
    while (bars.some((bar) => bar.slot === slot && bar.mark.firstLine <= mark.lastLine && mark.firstLine <= bar.mark.lastLine)) slot++;
    bars.push({ mark, slot });
  }
  return bars;
}

/** Lines to show: those that labels begin and end on, single lines between them, and the whole of a short label. */
function shownLines(marks: readonly Mark[]): readonly number[] {
  const lines = new Set<number>();
  for (const mark of marks) {
    lines.add(mark.firstLine);
    lines.add(mark.lastLine);
    if (mark.lastLine - mark.firstLine <= 4) for (let line = mark.firstLine; line < mark.lastLine; line++) lines.add(line);
  }
  const sorted = [...lines].sort((a, b) => a - b);
  return sorted.flatMap((line, index) => (index > 0 && line - (sorted[index - 1] ?? 0) === 2 ? [line - 1, line] : [line]));
}

/** The rows of a frame for the labels of one file; the margin is wide enough for the line numbers. */
export function drawFile(
  file: SourceFile,
  labels: readonly Label[],
  primary: Label | undefined,
  margin: number,
  width: number,
): readonly StyledText[] {
  const marks = labels.map((label) => markOf(file, label, label === primary));
  const bars = barsOf(marks);
  const slots = bars.reduce((count, bar) => Math.max(count, bar.slot + 1), 0);
  const barsWidth = slots > 0 ? 2 * slots : 0;
  const blank = " ".repeat(margin);
  const rows: StyledText[] = [[["gutter", `${blank} |`]]];

  /** The margin bars that run past a row. */
  const running = (line: number, after: boolean): readonly Bar[] =>
    bars.filter(({ mark }) => (after ? line >= mark.firstLine && line < mark.lastLine : line > mark.firstLine && line <= mark.lastLine));
  const withBars = (active: readonly Bar[], parts: StyledText): StyledText => {
    const row = canvas();
    if (barsWidth > 0) row.set(barsWidth - 1, " ", "source");
    for (const bar of active) row.set(2 * bar.slot, "|", bar.mark.style);
    return [["gutter", `${blank} | `], ...row.parts(), ...parts];
  };

  let previous: number | undefined;
  for (const line of shownLines(marks)) {
    if (previous !== undefined && line > previous + 1) {
      const row = canvas();
      for (const bar of running(previous, true)) row.set(2 * bar.slot, "|", bar.mark.style);
      rows.push([["gutter", `${".".repeat(Math.max(3, margin))}${" ".repeat(margin < 3 ? margin : 3)}`], ...row.parts()]);
    }
    previous = line;

    const text = lineText(file, line);
    const singles = marks.filter((mark) => mark.firstLine === line && mark.lastLine === line);
    const begins = bars.filter(({ mark }) => mark.firstLine === line);
    const ends = bars.filter(({ mark }) => mark.lastLine === line);
    const offsetsOf = (some: readonly Mark[]): readonly number[] => [
      ...some.filter((mark) => mark.firstLine === line).map((mark) => mark.firstOffset),
      ...some.filter((mark) => mark.lastLine === line).map((mark) => mark.lastOffset),
    ];
    const offsets = offsetsOf(marks);
    const focus = offsetsOf(marks.filter((mark) => mark.style === "primary"));
    const part = excerptOf(text, offsets, focus, width);
    const shown = displayLine(part.text);
    const column = (offset: number): number => shown.columnAt(Math.max(0, offset - part.start));
    const [focusFrom, focusTo = focusFrom] = focus.map(column);
    const window = windowOf(shown, offsets.map(column), focusFrom === undefined ? undefined : [focusFrom, focusTo ?? focusFrom], width);
    const cut = isCutBefore(window, part) ? 1 : 0;
    // What was cut off is marked under the `…` in its place.
    const place = (at: number): number => (at < window.from ? 0 : Math.min(at, window.to) - window.from + cut);

    // A label of several lines that begins a line begins beside it; any other begins with a line of its own.
    const beginsBeside = new Set(begins.filter(({ mark }) => text.slice(0, mark.firstOffset).trim() === ""));
    const head = canvas();
    if (barsWidth > 0) head.set(barsWidth - 1, " ", "source");
    for (const bar of running(line, false)) head.set(2 * bar.slot, "|", bar.mark.style);
    for (const bar of beginsBeside) head.set(2 * bar.slot, "/", bar.mark.style);
    rows.push([["gutter", `${String(line).padStart(margin)} | `], ...head.parts(), ["source", sourceRow(shown, window, part)]]);

    const open = new Set([...running(line, false), ...beginsBeside]);
    const underlines = singles.map((mark): Underline => {
      const from = place(column(mark.firstOffset));
      return { from, to: Math.max(from + 1, place(column(mark.lastOffset))), text: mark.text, style: mark.style };
    });
    for (const row of underlineRows(underlines)) rows.push(withBars([...open], row));

    for (const bar of begins.filter((b) => !beginsBeside.has(b))) {
      const row = canvas();
      for (const other of open) row.set(2 * other.slot, "|", other.mark.style);
      const at = barsWidth + place(column(bar.mark.firstOffset));
      row.set(2 * bar.slot + 1, `${"_".repeat(at - 2 * bar.slot - 1)}${bar.mark.style === "primary" ? "^" : "-"}`, bar.mark.style);
      rows.push([["gutter", `${blank} | `], ...row.parts()]);
      open.add(bar);
    }
    for (const bar of ends) {
      const row = canvas();
      for (const other of open) row.set(2 * other.slot, "|", other.mark.style);
      const at = barsWidth + place(column(Math.max(0, bar.mark.lastOffset - 1)));
      row.set(2 * bar.slot + 1, `${"_".repeat(at - 2 * bar.slot - 1)}${bar.mark.style === "primary" ? "^" : "-"}`, bar.mark.style);
      if (bar.mark.text !== "") row.set(at + 2, bar.mark.text, bar.mark.style);
      rows.push([["gutter", `${blank} | `], ...row.parts()]);
      open.delete(bar);
    }
  }
  return rows;
}
