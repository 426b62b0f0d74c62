/**
 * A model definition from generated JavaScript, run in this process on gmc's own runtime wherever the text lies.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { GmcError } from "../runtime/graph/errors.js";
import type { ModelDefinition } from "../runtime/model.js";
import { cannotWrite } from "../runtime/node/file-errors.js";

const runtime = new URL(`../runtime/index${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url).href;

/** `js` is what the compiler prints in its JavaScript flavour, importing `gmc/runtime`. */
export async function importModel(js: string): Promise<ModelDefinition> {
  const bound = js.replace(/(\bfrom\s*)"gmc\/runtime"/, (_, from: string) => `${from}${JSON.stringify(runtime)}`);
  // a file rather than a data: module, whose whole text would stand in every stack trace
  const { folder, path } = temporaryModule(bound);
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly model: ModelDefinition };
    return module.model;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** GM5205, GM5206, GM5212 where the system's folder for temporary files takes none. */
function temporaryModule(js: string): { readonly folder: string; readonly path: string } {
  try {
    const folder = mkdtempSync(join(tmpdir(), "gmc-"));
    const path = join(folder, "model.gm.mjs");
    writeFileSync(path, js);
    return { folder, path };
  } catch (error) {
    const { code, message } = cannotWrite(tmpdir(), error);
    throw new GmcError(code, message, ["it is the system's folder for temporary files: make room there, or name another by TMPDIR"]);
  }
}
