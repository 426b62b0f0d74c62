/**
 * Diagnostics as people and programs read them. `renderDiagnostic` draws a frame: the finding, the source lines with the
 * places underlined and labelled, notes and help; plain or coloured. `diagnosticToJson` gives the same as plain data.
 */
import picocolors from "picocolors";
import type { Diagnostic, Label, Severity } from "./diagnostic.js";
import { visible } from "./display.js";
import { drawFile, type Style, type StyledText } from "./frame.js";
import { type Position, positionOf, type SourceFile } from "./source.js";

export interface RenderOptions {
  /** Default false. */
  readonly color?: boolean;
  /** Columns that a source line may take before it is cropped around the marked places. Default 120. */
  readonly width?: number;
}

type Paint = (text: string) => string;

function painter(color: boolean, severity: Severity): (style: Style, text: string) => string {
  const c = picocolors.createColors(color);
  const primary = severity === "error" ? c.red : c.yellow;
  const paints: Record<Style, Paint> = {
    source: (text) => text,
    gutter: (text) => c.blue(text),
    primary: (text) => c.bold(primary(text)),
    secondary: (text) => c.blue(text),
    strong: (text) => c.bold(text),
    help: (text) => c.cyan(text),
  };
  return (style, text) => (text === "" ? "" : paints[style](text));
}

/** Labels by file, the primary's file first. */
function byFile(labels: readonly Label[]): readonly (readonly [SourceFile, readonly Label[]])[] {
  const groups = new Map<string, [SourceFile, Label[]]>();
  for (const label of labels) {
    const group = groups.get(label.span.file.path);
    if (group) group[1].push(label);
    else groups.set(label.span.file.path, [label.span.file, [label]]);
  }
  return [...groups.values()];
}

/** One finding as text, without a line end at its end. */
export function renderDiagnostic(diagnostic: Diagnostic, options: RenderOptions = {}): string {
  const paint = painter(options.color ?? false, diagnostic.severity);
  const line = (parts: StyledText): string =>
    parts
      .map(([style, text]) => paint(style, text))
      .join("")
      .replace(/[ \t]+$/, "");
  const primary = diagnostic.labels[0];
  const last = Math.max(1, ...diagnostic.labels.map((label) => positionOf(label.span.file, label.span.end).line));
  const margin = " ".repeat(String(last).length);

  const lines = [
    line([
      ["primary", `${diagnostic.severity}[${diagnostic.code}]`],
      ["strong", `: ${visible(diagnostic.message)}`],
    ]),
  ];
  byFile(diagnostic.labels).forEach(([file, labels], index) => {
    const at = positionOf(file, labels[0]?.span.start ?? 0);
    lines.push(
      line([
        ["gutter", `${margin}${index === 0 ? "-->" : ":::"} `],
        ["source", `${visible(file.path)}:${at.line}:${at.column}`],
      ]),
    );
    for (const row of drawFile(file, labels, primary, margin.length, options.width ?? 120)) lines.push(line(row));
  });
  const remark = (title: string, style: Style, text: string): void => {
    const [first = "", ...rest] = visible(text).split("\n");
    lines.push(
      line([
        ["gutter", `${margin} = `],
        [style, `${title}:`],
        ["source", ` ${first}`],
      ]),
    );
    for (const more of rest) lines.push(line([["source", `${margin}   ${" ".repeat(title.length + 1)} ${more}`]]));
  };
  if (diagnostic.labels.length > 0 && diagnostic.notes.length + diagnostic.help.length > 0) lines.push(line([["gutter", `${margin} |`]]));
  for (const note of diagnostic.notes) remark("note", "strong", note);
  for (const help of diagnostic.help) remark("help", "help", help);
  return lines.join("\n");
}

/** Findings one after another with a blank line between; empty text for none. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], options: RenderOptions = {}): string {
  return diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, options)).join("\n\n");
}

export interface PlaceJson {
  readonly file: string;
  readonly start: Position & { readonly offset: number };
  readonly end: Position & { readonly offset: number };
  readonly text: string;
}

export interface DiagnosticJson {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly labels: readonly PlaceJson[];
  readonly notes: readonly string[];
  readonly help: readonly string[];
}

/** One finding as plain data with resolved positions. */
export function diagnosticToJson(diagnostic: Diagnostic): DiagnosticJson {
  const place = (file: SourceFile, offset: number): Position & { readonly offset: number } => ({ ...positionOf(file, offset), offset });
  return {
    code: diagnostic.code,
    severity: diagnostic.severity,
    message: diagnostic.message,
    labels: diagnostic.labels.map(({ span, text }) => ({
      file: span.file.path,
      start: place(span.file, span.start),
      end: place(span.file, span.end),
      text,
    })),
    notes: diagnostic.notes,
    help: diagnostic.help,
  };
}
