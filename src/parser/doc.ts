/**
 * A pretty printer after Wadler, "A prettier printer" (2003): documents are text with places where a line may end, and a
 * group either stands on one line or ends its lines at every place of its own. Comments are parts of their own: nothing
 * can follow a line comment on its line, whatever the document around it asks for.
 */
import { characterWidth } from "../base/display.js";

export type Doc =
  | string
  | { readonly kind: "concat" | "indent" | "group"; readonly parts: readonly Doc[]; readonly breaks: boolean; readonly ends: boolean }
  /** What stands to the right of `=`: beside it, else whole on the next line, else beside it over several lines. */
  | { readonly kind: "assigned"; readonly value: Doc; readonly hung: Doc; readonly breaks: boolean; readonly ends: boolean }
  /** Where a line may end; `flat` is what stands there where it does not, `undefined` where it must. */
  | { readonly kind: "line"; readonly flat: string | undefined; readonly breaks: boolean }
  | { readonly kind: "comment"; readonly text: string; readonly ownLine: boolean; readonly endsLine: boolean; readonly breaks: boolean };

/** A comment at the end of a document ends the line after it, and none inside: what it stands behind may still be on one line. */
function endsLine(doc: Doc | undefined): boolean {
  return typeof doc === "object" && (doc.kind === "comment" ? doc.endsLine : doc.kind !== "line" && doc.ends);
}

function isEmpty(doc: Doc): boolean {
  return typeof doc === "string" ? doc === "" : "parts" in doc && doc.parts.every(isEmpty);
}

function breaksIn(parts: readonly Doc[]): boolean {
  const last = parts.findLastIndex((part) => !isEmpty(part));
  return parts.some((part, i) => typeof part !== "string" && (part.breaks || (i < last && endsLine(part))));
}

function endsIn(parts: readonly Doc[]): boolean {
  return endsLine(parts.findLast((part) => !isEmpty(part)));
}

/** Documents, and lists of them, which may be as long as a file. */
type Parts = readonly (Doc | readonly Doc[])[];

function container(kind: "concat" | "indent" | "group", given: Parts): Doc {
  const parts = given.flat() as readonly Doc[];
  return { kind, parts, breaks: breaksIn(parts), ends: endsIn(parts) };
}

export function concat(...parts: Parts): Doc {
  return container("concat", parts);
}

/** `value` to the right of a sign, or on the next line; `hung` is how it stands where it takes several lines. */
export function assigned(value: Doc, hung: Doc): Doc {
  return { kind: "assigned", value, hung, breaks: breaksIn([value]), ends: endsLine(value) };
}

/** Lines that end inside begin two columns further right. */
export function indent(...parts: Parts): Doc {
  return container("indent", parts);
}

/** All on one line where it fits. */
export function group(...parts: Parts): Doc {
  return container("group", parts);
}

/** A blank, or the end of the line. */
export const line: Doc = { kind: "line", flat: " ", breaks: false };
/** Nothing, or the end of the line. */
export const softLine: Doc = { kind: "line", flat: "", breaks: false };
export const hardLine: Doc = { kind: "line", flat: undefined, breaks: true };
/** What stands between statements on one line, or the end of the line. */
export const wideLine: Doc = { kind: "line", flat: "   ", breaks: false };

/** `ownLine`: begins a line; `endsLine`: nothing may follow on its last line. */
export function comment(text: string, ownLine: boolean, endsLine: boolean): Doc {
  return { kind: "comment", text, ownLine, endsLine, breaks: ownLine || text.includes("\n") };
}

function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

interface Work {
  readonly indent: number;
  readonly flat: boolean;
  readonly doc: Doc;
}

/** Whether the text up to the next possible line end takes at most `room` columns. */
function fits(first: Work, rest: readonly Work[], room: number): boolean {
  const work: Work[] = [first];
  let left = room;
  let after = rest.length - 1;
  while (left >= 0) {
    const next = work.pop() ?? rest[after--];
    if (!next) return true;
    const { doc, flat, indent: at } = next;
    if (typeof doc === "string") {
      left -= widthOf(doc);
      continue;
    }
    switch (doc.kind) {
      case "line":
        if (!flat || doc.flat === undefined) return true;
        left -= doc.flat.length;
        break;
      case "comment":
        if (doc.ownLine) return true;
        // A comment at the end of a line may stick out.
        if (doc.endsLine) return true;
        left -= widthOf(doc.text);
        break;
      case "assigned":
        work.push({ indent: at, flat, doc: doc.value }, { indent: at, flat, doc: " " });
        break;
      default: {
        const inner = flat && !(doc.kind === "group" && doc.breaks);
        for (let i = doc.parts.length - 1; i >= 0; i--)
          work.push({ indent: at, flat: doc.kind === "group" ? inner : flat, doc: doc.parts[i] ?? "" });
      }
    }
  }
  return false;
}

/** Lays a document out in lines of at most `width` columns where it allows that. */
export function print(root: Doc, width: number): string {
  const out: string[] = [];
  const work: Work[] = [{ indent: 0, flat: false, doc: root }];
  let column = 0;
  let lineIsEmpty = true;
  let mustEnd = false;

  const endLine = (indentation: number): void => {
    while (out.length > 0 && /^ *$/.test(out.at(-1) ?? "x")) out.pop();
    const last = out.pop();
    if (last !== undefined) out.push(last.replace(/ +$/, ""));
    out.push("\n", " ".repeat(indentation));
    column = indentation;
    lineIsEmpty = true;
    mustEnd = false;
  };
  const write = (text: string, indentation: number): void => {
    if (text === "") return;
    if (mustEnd) {
      endLine(indentation);
      if (text.trim() === "") return;
    }
    out.push(text);
    column += widthOf(text);
    lineIsEmpty &&= text.trim() === "";
  };

  for (let next = work.pop(); next; next = work.pop()) {
    const { doc, flat, indent: at } = next;
    if (typeof doc === "string") {
      write(doc, at);
      continue;
    }
    switch (doc.kind) {
      case "line":
        if (flat && doc.flat !== undefined) write(doc.flat, at);
        else endLine(at);
        break;
      case "comment": {
        if (doc.ownLine && !lineIsEmpty) endLine(at);
        // a division and a comment without a blank between would be a line comment
        if (out.at(-1)?.endsWith("/")) write(" ", at);
        write(doc.text, at);
        const lastLine = doc.text.slice(doc.text.lastIndexOf("\n") + 1);
        if (lastLine.length < doc.text.length) column = widthOf(lastLine);
        mustEnd = doc.endsLine;
        break;
      }
      case "concat":
      case "indent": {
        const inner = doc.kind === "indent" ? at + 2 : at;
        for (let i = doc.parts.length - 1; i >= 0; i--) work.push({ indent: inner, flat, doc: doc.parts[i] ?? "" });
        break;
      }
      case "assigned": {
        const beside: Work = { indent: at, flat: true, doc: { kind: "concat", parts: [" ", doc.value], breaks: false, ends: false } };
        const below: Work = { indent: at + 2, flat: true, doc: doc.value };
        if (!doc.breaks && (flat || fits(beside, work, width - column))) work.push(beside);
        else if (!doc.breaks && fits(below, work, width - at - 2)) {
          endLine(at + 2);
          work.push(below);
        } else work.push({ indent: at, flat: false, doc: { kind: "concat", parts: [" ", doc.hung], breaks: true, ends: false } });
        break;
      }
      case "group": {
        const whole: Doc = { ...doc, kind: "concat" };
        const flatHere = !doc.breaks && (flat || fits({ indent: at, flat: true, doc: whole }, work, width - column));
        work.push({ indent: at, flat: flatHere, doc: whole });
      }
    }
  }
  return out.join("");
}
