/** `gmc check`: errors and warnings of models; writes nothing. */
import { diagnosticToJson } from "../../base/render.js";
import { expectBriefRun } from "../brief.js";
import { printDiagnostics } from "../errors.js";
import { FINE, WRONG } from "../exit.js";
import type { Settings } from "../options.js";
import { json, stderr } from "../output.js";
import { compileFile, hasErrors } from "../sources.js";

interface CheckFlags {
  readonly set?: Settings;
  readonly json?: boolean;
  /** Warnings fail too. */
  readonly strict?: boolean;
}

export function checkCommand(files: readonly string[], flags: CheckFlags): number {
  expectBriefRun();
  const checked = files.map((path) => ({ path, diagnostics: compileFile(path, { set: flags.set ?? {} }).diagnostics }));
  const all = checked.flatMap((c) => c.diagnostics);
  const failed = hasErrors(all) || (flags.strict === true && all.length > 0);
  if (flags.json) {
    json({ ok: !failed, files: checked.map((c) => ({ file: c.path, diagnostics: c.diagnostics.map((d) => diagnosticToJson(d)) })) });
  } else {
    printDiagnostics(all, false);
    const errors = all.filter((d) => d.severity === "error").length;
    const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
    if (all.length > 0) stderr(`\n${count(errors, "error")}, ${count(all.length - errors, "warning")}`);
    else stderr(files.length === 1 ? `${files[0] ?? ""}: no errors` : `${files.length} files: no errors`);
  }
  return failed ? WRONG : FINE;
}
