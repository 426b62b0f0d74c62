/** `gmc fmt`: formats models in place. A file with syntax errors is left alone. */
import { statSync } from "node:fs";
import { Diagnostics } from "../../base/report.js";
import { format } from "../../parser/format.js";
import { expectBriefRun } from "../brief.js";
import { printDiagnostics, reportFailure } from "../errors.js";
import { FINE, WRONG } from "../exit.js";
import { json, stderr } from "../output.js";
import { FileError, readSource } from "../sources.js";
import { writeGenerated } from "../write.js";

interface FmtFlags {
  readonly check?: boolean;
  readonly json?: boolean;
}

export function fmtCommand(files: readonly string[], flags: FmtFlags): number {
  expectBriefRun();
  let code = FINE;
  const states: { file: string; state: "formatted" | "unchanged" | "unformatted" | "broken" }[] = [];
  for (const path of files) {
    if (isStream(path)) throw new FileError(`${path}: is not a file that can be formatted in place`);
    const file = readSource(path);
    const diagnostics = new Diagnostics();
    const text = format(file, diagnostics);
    if (diagnostics.hasErrors) {
      if (!flags.json) printDiagnostics(diagnostics.list, false);
      states.push({ file: path, state: "broken" });
      code = WRONG;
      continue;
    }
    if (text === file.text) states.push({ file: path, state: "unchanged" });
    else if (flags.check) {
      states.push({ file: path, state: "unformatted" });
      code = WRONG;
      if (!flags.json)
        reportFailure(Object.assign(new Error(`${path} is not formatted`), { code: "GM5306", help: [`run \`gmc fmt ${path}\``] }), false);
    } else {
      writeGenerated(path, text);
      states.push({ file: path, state: "formatted" });
      if (!flags.json) stderr(`${path}: formatted`);
    }
  }
  if (flags.json) json({ ok: code === FINE, files: states });
  return code;
}

/** A device or a pipe: reading it may never end, and there is no place to write to. */
function isStream(path: string): boolean {
  try {
    const found = statSync(path);
    return !found.isFile() && !found.isDirectory();
  } catch {
    return false;
  }
}
