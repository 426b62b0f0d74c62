/** `gmc compile`: writes the generated file of each model, or says that it is stale. A second run changes no byte. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { choiceOptions } from "../../base/command-line.js";
import { diagnosticToJson } from "../../base/render.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { holdsText } from "../../runtime/node/files.js";
import { printIr } from "../../ir/print.js";
import { expectBriefRun } from "../brief.js";
import { modelOptions } from "../model-options.js";
import { CompileFailure, UsageError, Exit, printDiagnostics, reportFailure } from "../errors.js";
import { FINE, WRONG } from "../exit.js";
import type { Settings } from "../options.js";
import { json, stderr, stdout } from "../output.js";
import { compileFile, FileError, hasErrors, type Loaded } from "../sources.js";
import { writeGenerated } from "../write.js";

export interface CompileFlags {
  readonly out?: string;
  readonly emit: "ts" | "js";
  readonly model?: string;
  readonly check?: boolean;
  readonly watch?: boolean;
  readonly verify?: boolean;
  readonly dump?: "ast" | "ir" | "derived" | "js";
  readonly set?: Settings;
  readonly json?: boolean;
}

interface Written {
  readonly source: string;
  readonly output: string;
  readonly state: "written" | "unchanged" | "stale";
}

export async function compileCommand(files: readonly string[], flags: CompileFlags): Promise<number> {
  expectBriefRun();
  if (flags.check && flags.watch)
    throw new UsageError("GM5302", "--check and --watch do not go together: one ends with a verdict, the other never", [
      "leave one of them out",
    ]);
  if (flags.out !== undefined && flags.out !== "-" && files.length > 1 && !isFolder(flags.out)) {
    throw new UsageError("GM5302", `--out ${flags.out} is one file, and ${files.length} models were given`, [
      `name a folder: --out ${flags.out}/`,
    ]);
  }
  if (flags.json && (flags.out === "-" || flags.dump === "js"))
    throw new UsageError(
      "GM5302",
      `--json and ${flags.dump === "js" ? "--dump js" : "--out -"} both want standard output, one for JSON and one for code`,
      [flags.dump === "js" ? "leave --json out" : "leave --json out, or write the code to a file with --out FILE"],
    );
  if (flags.watch) return (await import("./watch.js")).watchCompile(files, flags, compileOne);
  let code = FINE;
  const written: Written[] = [];
  const diagnostics: unknown[] = [];
  for (const path of files) {
    try {
      const { outputs, loaded } = await compileOne(path, flags);
      written.push(...outputs);
      diagnostics.push(...loaded.diagnostics.map((d) => diagnosticToJson(d)));
      if (outputs.some((o) => o.state === "stale")) code = WRONG;
    } catch (error) {
      if (files.length === 1 && flags.json !== true) throw error;
      if (error instanceof CompileFailure && flags.json) diagnostics.push(...error.diagnostics.map((d) => diagnosticToJson(d)));
      else reportFailure(error, false);
      code = WRONG;
    }
  }
  if (flags.json && (flags.dump === undefined || code !== FINE)) json({ ok: code === FINE, files: written, diagnostics });
  return code;
}

export interface CompiledOne {
  readonly outputs: readonly Written[];
  readonly loaded: Loaded;
}

async function compileOne(path: string, flags: CompileFlags): Promise<CompiledOne> {
  // a check of all files of a folder meets those that others import, from which nothing is generated
  const loaded = compileFile(path, { ...(await modelOptions(path, flags)), ...(flags.check === true && { library: true }) });
  const { decls } = loaded.passes.ast;
  if (flags.check === true && decls.length > 0 && decls.every((d) => d.kind !== "model")) {
    if (hasErrors(loaded.diagnostics)) throw new CompileFailure(loaded.diagnostics);
    if (!flags.json) {
      printDiagnostics(loaded.diagnostics, false);
      stderr(`${path}: no model, skipped: nothing is generated from it`);
    }
    return { outputs: [], loaded };
  }
  if (flags.dump === "ast" || flags.dump === "ir") {
    const { ast, ir } = loaded.passes;
    const failed = hasErrors(loaded.diagnostics);
    // with --json stdout is one document: the tree, or what is wrong with it
    if (flags.json && failed) throw new CompileFailure(loaded.diagnostics);
    if (flags.dump === "ast") dump(ast);
    else if (ir !== undefined && flags.json) dump(ir);
    else if (ir !== undefined) stdout(printIr(ir).trimEnd());
    if (failed) throw new CompileFailure(loaded.diagnostics);
    return { outputs: [], loaded };
  }
  if (hasErrors(loaded.diagnostics) || loaded.derived === undefined) throw new CompileFailure(loaded.diagnostics);
  if (!flags.json) printDiagnostics(loaded.diagnostics, false);
  if (flags.dump === "derived") {
    dump(loaded.derived);
    return { outputs: [], loaded };
  }
  if (flags.dump === "js") {
    stdout(loaded.print("js").trimEnd());
    return { outputs: [], loaded };
  }
  if (!path.endsWith(".gm") && (flags.out === undefined || isFolder(flags.out)))
    throw new FileError(`${path}: expected a file of a name that ends in .gm, after which the output is named`, [
      `rename it, or name the output: --out model.gm.${flags.emit}`,
    ]);
  const flavours = flags.emit === "ts" ? (["ts"] as const) : (["js", "dts"] as const);
  const texts = flavours.map((flavour) => ({ flavour, text: loaded.print(flavour), path: outputPath(path, flavour, flags.out) }));
  if (flags.verify) {
    const { verifyGenerated } = await import("../verify.js");
    const problems = verifyGenerated(path, loaded.print("ts"));
    if (problems.length > 0) {
      stderr(`This is a bug of gmc, not of your model: the file generated from ${path} does not type-check.\n${problems.join("\n")}`);
      throw new Exit(WRONG);
    }
  }
  if (flags.emit === "js" && !flags.check && flags.out !== "-" && !flags.json) noteCommonJs(texts[0]?.path ?? path);
  const outputs = texts.map(({ text, path: output }): Written => {
    if (output === "-") {
      process.stdout.write(text);
      return { source: path, output, state: "written" };
    }
    if (flags.check) {
      const fresh = holdsText(output, text);
      if (!fresh && !flags.json) reportFailure(stale(path, output, flags), false);
      return { source: path, output, state: fresh ? "unchanged" : "stale" };
    }
    const state = writeGenerated(output, text);
    if (!flags.json) stderr(`${path} -> ${output}${state === "unchanged" ? " (unchanged)" : ""}`);
    return { source: path, output, state };
  });
  return { outputs, loaded };
}

/** A module of a package whose `.js` files are CommonJS cannot be imported: said where it is written. */
function noteCommonJs(output: string): void {
  if (!output.endsWith(".js")) return;
  for (let folder = dirname(resolve(output)); ; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest)) {
      if (!isModulePackage(manifest))
        stderr(
          `note: ${manifest} says that .js files are CommonJS, and ${output} is a module: \`npm pkg set type=module\`, or --out NAME.mjs`,
        );
      return;
    }
    if (dirname(folder) === folder) return;
  }
}

function isModulePackage(manifest: string): boolean {
  try {
    return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly type?: unknown }).type === "module";
  } catch {
    // what is no manifest is Node's to tell
    return true;
  }
}

function stale(source: string, output: string, flags: CompileFlags): Error {
  const found = statSync(output, { throwIfNoEntry: false });
  if (found !== undefined && !found.isFile())
    return new GmcError("GM5304", `${output} is not a file to compare with`, ["name the generated file with --out"]);
  const message = found === undefined ? `${output} is missing` : `${output} is stale: ${source} would give another text`;
  const emit = flags.emit === "ts" ? "" : ` --emit ${flags.emit}`;
  const out = flags.out === undefined ? "" : ` --out ${flags.out}`;
  return new GmcError("GM5304", message, [`run \`gmc compile ${source}${emit}${choiceOptions(flags)}${out}\``]);
}

function isFolder(path: string): boolean {
  return path.endsWith("/") || (existsSync(path) && statSync(path).isDirectory());
}

function outputPath(source: string, flavour: "ts" | "js" | "dts", out: string | undefined): string {
  const suffix = flavour === "dts" ? ".d.ts" : `.${flavour}`;
  if (out === undefined) return `${source}${suffix}`;
  if (out === "-") return flavour === "dts" ? "-" : out;
  if (isFolder(out)) return join(out, `${basename(source)}${suffix}`);
  if (flavour !== "dts") return out;
  return out.endsWith(".mjs") ? out.replace(/\.mjs$/u, ".d.mts") : out.replace(/(\.js)?$/u, ".d.ts");
}

/** JSON of a tree; spans become [start, end], maps become objects, repeated parts are named once. */
function dump(value: unknown): void {
  const seen = new Map<object, string>();
  const plain = (v: unknown, path: string): unknown => {
    if (v === null || typeof v !== "object") return typeof v === "function" || typeof v === "bigint" ? String(v) : v;
    const known = seen.get(v);
    if (known !== undefined) return { see: known };
    if ("file" in v && "start" in v && "end" in v) return [v.start, v.end];
    seen.set(v, path);
    if (Array.isArray(v)) return v.map((item, i) => plain(item, `${path}[${i}]`));
    const entries =
      v instanceof Map
        ? [...v].map(([k, item]) => [String(k), item] as const)
        : v instanceof Set
          ? [...v].map((item, i) => [String(i), item] as const)
          : Object.entries(v);
    return Object.fromEntries(entries.map(([k, item]) => [k, plain(item, `${path}.${k}`)]));
  };
  stdout(JSON.stringify(plain(value, "$"), null, 2));
}
