/**
 * Building and collecting diagnostics. `report` is typed by the code: a wrong argument does not compile.
 */
import type { Diagnostic, Label } from "./diagnostic.js";
import { type Code, type CodeArgs, registry } from "./registry.js";
import type { Span } from "./source.js";

/** Where findings go. Keeps them in the order of reporting, without exact repeats; those past a limit are dropped. */
export class Diagnostics {
  private readonly found: Diagnostic[] = [];
  private readonly seen = new Set<string>();
  private use: Label | undefined;

  constructor(private readonly limit = Infinity) {}

  get list(): readonly Diagnostic[] {
    return this.found;
  }

  get errors(): readonly Diagnostic[] {
    return this.found.filter((d) => d.severity === "error");
  }

  get warnings(): readonly Diagnostic[] {
    return this.found.filter((d) => d.severity === "warning");
  }

  get hasErrors(): boolean {
    return this.found.some((d) => d.severity === "error");
  }

  /** What `run` finds in another file than that of `use`, in a template of the library say, is shown at `use` first. */
  attributing<T>(use: Label, run: () => T): T {
    const before = this.use;
    this.use = use;
    try {
      return run();
    } finally {
      this.use = before;
    }
  }

  add(finding: Diagnostic): void {
    if (this.found.length >= this.limit) return;
    const [primary] = finding.labels;
    const foreign = this.use && primary && primary.span.file.path !== this.use.span.file.path;
    const diagnostic = foreign && this.use ? { ...finding, labels: [this.use, ...finding.labels] } : finding;
    const at = diagnostic.labels[0]?.span;
    const key = JSON.stringify([diagnostic.code, at?.file.path, at?.start, at?.end, diagnostic.message]);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.found.push(diagnostic);
  }
}

export interface ReportDetails {
  /** Text at the primary place; without it the place is underlined alone. */
  readonly label?: string;
  /** Further places. */
  readonly labels?: readonly Label[];
  readonly notes?: readonly string[];
  readonly help?: readonly string[];
}

/** The diagnostic of a code at a place; `span` is undefined where no source text is concerned. */
export function diagnosticOf<C extends Code>(code: C, span: Span | undefined, args: CodeArgs<C>, details: ReportDetails = {}): Diagnostic {
  const entry = registry[code];
  const message = entry.message as (args: CodeArgs<C>) => string;
  const primary: readonly Label[] = span ? [{ span, text: details.label ?? "" }] : [];
  return {
    code,
    severity: entry.severity,
    message: message(args),
    labels: [...primary, ...(details.labels ?? [])],
    notes: details.notes ?? [],
    help: details.help ?? [],
  };
}

/** Reports `code` at `span` into `diagnostics`. */
export function report<C extends Code>(
  diagnostics: Diagnostics,
  code: C,
  span: Span | undefined,
  args: CodeArgs<C>,
  details: ReportDetails = {},
): void {
  diagnostics.add(diagnosticOf(code, span, args, details));
}

/** Sorted by place: files in the order in which they first occur, then offset. Findings without a place come first. */
export function sortedByPlace(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const fileRank = new Map<string, number>();
  for (const d of diagnostics) {
    const path = d.labels[0]?.span.file.path;
    if (path !== undefined && !fileRank.has(path)) fileRank.set(path, fileRank.size);
  }
  const rank = (d: Diagnostic): readonly [number, number] => {
    const span = d.labels[0]?.span;
    return span ? [fileRank.get(span.file.path) ?? 0, span.start] : [-1, 0];
  };
  return [...diagnostics].sort((a, b) => {
    const [fileA, startA] = rank(a);
    const [fileB, startB] = rank(b);
    return fileA - fileB || startA - startB;
  });
}
