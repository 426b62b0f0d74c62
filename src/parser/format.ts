/**
 * `gmc fmt`: text -> the same model in canonical layout, in lines of at most 100 columns where it can. Keeps every comment,
 * at most one blank line between items, and parentheses as written; never changes the syntax tree; formatting twice changes
 * nothing more. A file with syntax errors is given back as it is.
 */
import { Diagnostics } from "../base/report.js";
import type { SourceFile } from "../base/source.js";
import { print } from "./doc.js";
import { Layout } from "./layout.js";
import { parse, parseConcrete } from "./parse.js";

export const lineWidth = 100;

/** The canonical text of a file. `diagnostics` takes its syntax errors, if the caller wants them. */
export function format(file: SourceFile, diagnostics = new Diagnostics()): string {
  const found = new Diagnostics();
  parse(file, found);
  for (const one of found.list) diagnostics.add(one);
  if (found.hasErrors) return file.text;
  const { root, tokens, comments } = parseConcrete(file, new Diagnostics());
  const text = print(new Layout(file, tokens, comments).file(root), lineWidth).trim();
  return text === "" ? "" : `${text}\n`;
}
