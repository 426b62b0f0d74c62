/**
 * Characters that a reader cannot see or that steer a terminal or an editor: control characters, bidirectional overrides,
 * zero-width characters, line separators that other tools take for line ends, halves of a surrogate pair. They are refused
 * everywhere, in comments and strings too, since the text travels into generated code.
 */
import { invisibleClass } from "../base/display.js";
import { report, type Diagnostics } from "../base/report.js";
import type { SourceFile } from "../base/source.js";

const hidden = new RegExp(`[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f${invisibleClass}]|\\p{Cs}`, "gu");

function nameOf(character: string): string {
  const point = character.codePointAt(0) ?? 0;
  if (point === 0) return "a NUL character";
  if (point >= 0xd800 && point <= 0xdfff) return "half of a surrogate pair";
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return "a control character";
  if (point === 0x2028 || point === 0x2029) return "a line separator";
  if (
    (point >= 0x202a && point <= 0x202e) ||
    (point >= 0x2066 && point <= 0x2069) ||
    point === 0x061c ||
    point === 0x200e ||
    point === 0x200f
  ) {
    return "a character that changes the direction of text";
  }
  return "an invisible character";
}

/** Reports each run of refused characters; gives the text with blanks in their place, so that offsets stay. */
export function reportHidden(file: SourceFile, diagnostics: Diagnostics): string {
  // A byte order mark at the very start is how some editors save; it is no part of the text.
  const text = file.text.startsWith("\ufeff") ? ` ${file.text.slice(1)}` : file.text;
  let clean = text;
  let runEnd = -1;
  const parts: string[] = [];
  let copied = 0;
  for (const match of text.matchAll(hidden)) {
    const start = match.index;
    const end = start + match[0].length;
    if (start !== runEnd) {
      const point = (match[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
      report(diagnostics, "GM1011", { file, start, end }, { name: nameOf(match[0]), point: `U+${point}` }, { help: ["delete it"] });
    }
    runEnd = end;
    parts.push(text.slice(copied, start), " ".repeat(match[0].length));
    copied = end;
  }
  if (copied > 0) clean = parts.join("") + text.slice(copied);
  return clean;
}
