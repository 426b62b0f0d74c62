/** How generated code and explanations name a place: `vae.gm:12`. */
import { lineOf, type Span } from "../base/source.js";

export function fileName(span: Span): string {
  return span.file.path.split("/").at(-1) ?? span.file.path;
}

export function place(span: Span): string {
  return `${fileName(span)}:${lineOf(span)}`;
}
