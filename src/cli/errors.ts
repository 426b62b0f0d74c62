/**
 * How a failed command ends: a mistake of the user as a framed message without a stack, a bug of gmc as such with its stack.
 */
import type { Diagnostic } from "../base/diagnostic.js";
import { renderDiagnostic, diagnosticToJson, renderDiagnostics } from "../base/render.js";
import { GmcError } from "../runtime/graph/errors.js";
import { INTERRUPTED, USAGE, WRONG } from "./exit.js";
import { colors, json, stderr } from "./output.js";

/** Wrong usage: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  constructor(
    readonly code: "GM5301" | "GM5302",
    message: string,
    readonly help: readonly string[] = [],
  ) {
    super(message);
  }
}

/** The command has said what there is to say; it ends with this code. */
export class Exit extends Error {
  override readonly name = "Exit";
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

/** Diagnostics of a compilation that failed. */
export class CompileFailure extends Error {
  override readonly name = "CompileFailure";
  constructor(readonly diagnostics: readonly Diagnostic[]) {
    super("compilation failed");
  }
}

interface Coded {
  readonly code: string;
  readonly message: string;
  readonly help: readonly string[];
}

/** A GmcError of the runtime, or of another copy of it. */
function isCoded(error: unknown): error is Coded {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    /^GM\d{4}$/.test(error.code) &&
    "help" in error &&
    Array.isArray(error.help)
  );
}

/** Node cannot name a current folder that was removed. */
function isGone(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "uv_cwd";
}

/** Prints what went wrong and gives the exit code. With `asJson`, stdout gets one line of JSON with `error`. */
export function reportFailure(thrown: unknown, asJson: boolean): number {
  const error = isGone(thrown)
    ? new GmcError("GM5001", "the current folder is no longer there", ["change to a folder that is: cd PATH"])
    : thrown;
  if (error instanceof Exit) return error.code;
  if (error instanceof CompileFailure) {
    printDiagnostics(error.diagnostics, asJson);
    return WRONG;
  }
  if (isCoded(error)) {
    const diagnostic: Diagnostic = { code: error.code, severity: "error", message: error.message, labels: [], notes: [], help: error.help };
    if (asJson) json({ error: diagnosticToJson(diagnostic) });
    else stderr(renderDiagnostic(diagnostic, { color: colors(process.stderr) }));
    return error instanceof UsageError ? USAGE : WRONG;
  }
  if (error instanceof Error && error.name === "AbortError") return INTERRUPTED;
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (asJson) json({ error: { code: "bug", message: error instanceof Error ? error.message : String(error) } });
  stderr(`This is a bug of gmc, not of your model. Please report it with the model and this text:\n${detail}`);
  return WRONG;
}

/** Frames on stderr, or JSON on stdout. */
export function printDiagnostics(diagnostics: readonly Diagnostic[], asJson: boolean): void {
  if (asJson) json({ diagnostics: diagnostics.map((d) => diagnosticToJson(d)) });
  else if (diagnostics.length > 0) stderr(renderDiagnostics(diagnostics, { color: colors(process.stderr) }));
}
