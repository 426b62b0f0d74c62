/** `gmc check`: errors and warnings of models; writes nothing. */
import type { Diagnostic } from "../../base/diagnostic.js";
import { diagnosticToJson } from "../../base/render.js";
import { expectBriefRun } from "../brief.js";
import { printDiagnostics } from "../errors.js";
import { FINE, WRONG } from "../exit.js";
import type { Settings } from "../options.js";
import { json, stderr } from "../output.js";
import { compileFile, hasErrors } from "../sources.js";

interface CheckFlags {
  readonly model?: string;
  readonly set?: Settings;
  readonly json?: boolean;
  /** Warnings fail too. */
  readonly strict?: boolean;
}

export function checkCommand(files: readonly string[], flags: CheckFlags): number {
  expectBriefRun();
  const checked = files.map((path) => ({ path, diagnostics: diagnosticsOf(path, flags) }));
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

/** Of the model that is named; of a file with several, what is wrong with each of them, once. */
function diagnosticsOf(path: string, { model, set = {} }: CheckFlags): readonly Diagnostic[] {
  const whole = compileFile(path, { set, ...(model === undefined ? {} : { model }) });
  const names = whole.passes.ast.decls.flatMap((d) => (d.kind === "model" ? [d.name.name] : []));
  if (model !== undefined || names.length < 2) return whole.diagnostics;
  const all = names.flatMap((name) => compileFile(path, { set, model: name }).diagnostics);
  const told = new Set<string>();
  return all.filter((d) => {
    const key = JSON.stringify(diagnosticToJson(d));
    const isNew = !told.has(key);
    told.add(key);
    return isNew;
  });
}
