/** From the text in the box to a model that trains: compiled, explained, and loaded in this page. No DOM here. */
import { renderDiagnostics } from "../src/base/render.js";
import { explain, printExplanation } from "../src/codegen/explain.js";
import { compile } from "../src/compile.js";
import * as runtime from "../src/runtime/index.js";
import type { ModelDefinition } from "../src/runtime/model.js";

export interface Checked {
  /** Errors and warnings, as `gmc check` prints them; empty where there are none. */
  readonly problems: string;
  /** Undefined after errors. */
  readonly derived: { readonly explanation: string; readonly typescript: string; readonly javascript: string } | undefined;
}

export function check(text: string): Checked {
  const compiled = compile({ path: "model.gm", text });
  const problems = renderDiagnostics(compiled.diagnostics);
  if (compiled.derived === undefined) return { problems, derived: undefined };
  const explanation = printExplanation(explain(compiled.derived), []);
  return { problems, derived: { explanation, typescript: compiled.print("ts"), javascript: compiled.print("js") } };
}

/** Where a loaded model finds what it imports: a module that is made in the page has no neighbours on disk. */
const RUNTIME = "gmc/runtime";

/** The model that generated JavaScript exports, on the runtime of this page. */
export async function loadModel(javascript: string): Promise<ModelDefinition> {
  (globalThis as unknown as Record<string, unknown>)[RUNTIME] = runtime;
  const bound = javascript.replace(
    /import\s*\{([^}]*)\}\s*from\s*"gmc\/runtime";/g,
    (_, names: string) => `const {${names.replace(/\bas\b/g, ":")}} = globalThis[${JSON.stringify(RUNTIME)}];`,
  );
  const url = URL.createObjectURL(new Blob([bound], { type: "text/javascript" }));
  try {
    const module = (await import(/* @vite-ignore */ url)) as { readonly model: ModelDefinition };
    return module.model;
  } finally {
    URL.revokeObjectURL(url);
  }
}
