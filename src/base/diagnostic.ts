/**
 * Diagnostics: what is wrong, where, what was expected and found, and a way out.
 * `registry.ts` holds one entry per code; this file holds the shape of one finding.
 */
import type { Span } from "./source.js";

export type Severity = "error" | "warning";

export interface Label {
  readonly span: Span;
  readonly text: string;
}

export interface Diagnostic {
  /** `GM2003` */
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  /** The first is the primary place; a diagnostic about a command line or data file has none. */
  readonly labels: readonly Label[];
  /** Facts that explain the finding, one line each. */
  readonly notes: readonly string[];
  /** The way out, in the imperative, one line each. */
  readonly help: readonly string[];
}
