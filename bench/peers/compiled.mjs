/** A model of `bench/models`, through the compiler, as its generated JavaScript. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { compile } from "gmc";

export const version = `gmc ${JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version}`;

export async function compiledModel(file) {
  const source = new URL(`../models/${file}`, import.meta.url);
  const compiled = compile({ path: fileURLToPath(source), text: readFileSync(source, "utf8") });
  if (compiled.derived === undefined) throw new Error(JSON.stringify(compiled.diagnostics));
  // inside the package, where generated code finds gmc/runtime
  const folder = new URL("../../.tmp/", import.meta.url);
  const written = fileURLToPath(new URL(`bench-${process.pid}.mjs`, folder));
  mkdirSync(folder, { recursive: true });
  writeFileSync(written, compiled.print("js"));
  try {
    return (await import(pathToFileURL(written))).model;
  } finally {
    rmSync(written);
  }
}
