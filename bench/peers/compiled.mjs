/** A model of `bench/models`, through the compiler, as its generated JavaScript. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { compile } from "gmc";

export const version = `gmc ${JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version}`;

let written = 0;

/** `set`: hyperparameters by name; `edited`: what becomes of the text before. */
export async function compiledModel(file, set = {}, edited = (text) => text) {
  const source = new URL(`../models/${file}`, import.meta.url);
  const compiled = compile({ path: fileURLToPath(source), text: edited(readFileSync(source, "utf8")) }, { set });
  if (compiled.derived === undefined) throw new Error(JSON.stringify(compiled.diagnostics));
  // inside the package, where generated code finds gmc/runtime; a name for each, since a module is loaded once by its name
  written += 1;
  const folder = new URL("../../.tmp/", import.meta.url);
  const path = fileURLToPath(new URL(`bench-${process.pid}-${written}.mjs`, folder));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, compiled.print("js"));
  try {
    return (await import(pathToFileURL(path))).model;
  } finally {
    rmSync(path);
  }
}
