/**
 * A model definition from generated JavaScript, run in this process on gmc's own runtime wherever the text lies.
 */
import type { ModelDefinition } from "../runtime/model.js";

const runtime = new URL(`../runtime/index${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url).href;

/** `js` is what the compiler prints in its JavaScript flavour, importing `gmc/runtime`. */
export async function importModel(js: string): Promise<ModelDefinition> {
  const bound = js.replace(/(\bfrom\s*)"gmc\/runtime"/, (_, from: string) => `${from}${JSON.stringify(runtime)}`);
  // a data: module leaves no file behind, whatever happens
  const url = `data:text/javascript;base64,${Buffer.from(bound).toString("base64")}`;
  const module = (await import(url)) as { readonly model: ModelDefinition };
  return module.model;
}
