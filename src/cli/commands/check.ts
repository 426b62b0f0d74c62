/** `gmc check`: errors and warnings of models; writes nothing. */
import type { Diagnostic } from "../../base/diagnostic.js";
import { diagnosticToJson } from "../../base/render.js";
import { expectBriefRun } from "../brief.js";
import { printDiagnostics } from "../errors.js";
import { FINE, WRONG } from "../exit.js";
import { modelOptions, type ModelFlags } from "../model-options.js";
import { json, stderr } from "../output.js";
import { compileFile, hasErrors } from "../sources.js";

interface CheckFlags extends ModelFlags {
  readonly json?: boolean;
  /** Warnings fail too. */
  readonly strict?: boolean;
}

export async function checkCommand(files: readonly string[], flags: CheckFlags): Promise<number> {
  expectBriefRun();
  const checked: Checked[] = [];
  for (const path of files) checked.push({ path, ...(await check(path, flags)) });
  const all = checked.flatMap((c) => c.diagnostics);
  const failed = hasErrors(all) || (flags.strict === true && all.length > 0);
  if (flags.json) {
    json({
      ok: !failed,
      files: checked.map((c) => ({
        file: c.path,
        ...(c.library ? { library: true } : {}),
        diagnostics: c.diagnostics.map((d) => diagnosticToJson(d)),
      })),
    });
  } else {
    printDiagnostics(all, false);
    for (const { path } of checked.filter((c) => c.library && !hasErrors(c.diagnostics)))
      stderr(`${path}: no model; names and constants are checked, shapes where a model calls its nets`);
    const errors = all.filter((d) => d.severity === "error").length;
    const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
    if (all.length > 0) stderr(`\n${count(errors, "error")}, ${count(all.length - errors, "warning")}`);
    else stderr(files.length === 1 ? `${files[0] ?? ""}: no errors` : `${files.length} files: no errors`);
  }
  return failed ? WRONG : FINE;
}

interface Checked {
  readonly path: string;
  readonly diagnostics: readonly Diagnostic[];
  /** It holds no model: others import it. */
  readonly library: boolean;
}

/** Of the model that is named; of a file with several, what is wrong with each of them, once. */
async function check(path: string, flags: CheckFlags): Promise<Omit<Checked, "path">> {
  const options = await modelOptions(path, flags);
  const whole = compileFile(path, { ...options, library: true });
  const { decls } = whole.passes.ast;
  const names = decls.flatMap((d) => (d.kind === "model" ? [d.name.name] : []));
  const library = flags.model === undefined && names.length === 0 && decls.length > 0;
  if (flags.model !== undefined || names.length < 2) return { diagnostics: whole.diagnostics, library };
  const all = names.flatMap((name) => compileFile(path, { ...options, model: name }).diagnostics);
  const told = new Set<string>();
  const diagnostics = all.filter((d) => {
    const key = JSON.stringify(diagnosticToJson(d));
    const isNew = !told.has(key);
    told.add(key);
    return isNew;
  });
  return { diagnostics, library };
}
