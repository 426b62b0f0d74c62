/** One entry of the registry of codes. */
import type { Severity } from "../diagnostic.js";

export interface CodeEntry<Args> {
  readonly severity: Severity;
  /** What the code means in a few words, for lists and the page in `docs/errors/`. */
  readonly title: string;
  /** The finding in one sentence without a full stop; names of the user's stand in backquotes. */
  readonly message: (args: Args) => string;
}

/** `GM2003: code("error", "Shapes do not match", (a: { expected: string; found: string }) => …)` */
export function code<Args = object>(severity: Severity, title: string, message: (args: Args) => string): CodeEntry<Args> {
  return { severity, title, message };
}
