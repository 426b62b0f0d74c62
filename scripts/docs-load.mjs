/** Loads what docs-render.mjs needs through `load(path)`, which imports a module of `src/` (or of the built `dist/`) by its path without ending. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

export async function loadTables(load) {
  const [builtins, layers, distributions, statics, estimators, settings, schedules, tokens, runtimeTrain, registry, datasets, spec, flows] =
    await Promise.all(
      [
        "ir/builtins",
        "ir/layers",
        "ir/distributions",
        "ir/static-functions",
        "ir/estimators",
        "ir/settings-table",
        "ir/schedules",
        "parser/tokens",
        "runtime/optim/optimizers",
        "base/registry",
        "runtime/node/datasets",
        "runtime/data/spec",
        "ir/flows",
      ].map(load),
    );
  return {
    ...builtins,
    ...layers,
    ...distributions,
    ...statics,
    ...estimators,
    ...settings,
    ...schedules,
    ...tokens,
    bijections: flows.bijections,
    registry: registry.registry,
    optimizerDefaults: Object.fromEntries([...settings.optimizers.keys()].map((name) => [name, runtimeTrain[name]()])),
    datasets: datasets.listDatasets(),
    dataOptions: spec.dataOptionNames,
    library: await libraryOf(load),
    examples: await examplesOf(load),
    findings: await findingsOf(load),
    golden: goldenFrames(),
    help: await helpTexts(load),
  };
}

/** Declarations of the standard library, in the order of its files. */
async function libraryOf(load) {
  const { parse } = await load("parser/parse");
  const { Diagnostics } = await load("base/report");
  const folder = join(root, "std");
  return readdirSync(folder)
    .filter((file) => file.endsWith(".gm"))
    .sort()
    .map((file) => {
      const source = { path: `std/${file}`, text: readFileSync(join(folder, file), "utf8") };
      const { decls } = parse(source, new Diagnostics());
      return {
        file,
        declarations: decls.map((d) => ({
          kind: d.kind,
          name: d.name.name,
          doc: d.doc,
          params: (d.params ?? []).map((p) => ({
            name: p.name.name,
            fallback: p.value && source.text.slice(p.value.span.start, p.value.span.end),
          })),
        })),
      };
    });
}

/** For each code that has golden cases, what the shortest of them prints. */
function goldenFrames() {
  const folder = join(root, "test/golden/errors");
  const frames = {};
  for (const path of readdirSync(folder, { recursive: true }).sort()) {
    const code = /(GM\d{4})[^/\\]*\.txt$/.exec(path)?.[1];
    if (code === undefined) continue;
    const text = readFileSync(join(folder, path), "utf8").replaceAll(/GM\d{4}-[\w-]+\.gm/g, "model.gm");
    if (frames[code] === undefined || text.split("\n").length < frames[code].split("\n").length) frames[code] = text;
  }
  return frames;
}

/** What gmc says of a model, framed. */
async function findingsOf(load) {
  const { compile } = await load("compile");
  const { renderDiagnostics } = await load("base/render");
  return (text) => renderDiagnostics(compile({ path: "model.gm", text }).diagnostics, { color: false });
}

/** Each example with its text, the functions of its generated file, and what `gmc explain` says of its energies and of its train block. */
async function examplesOf(load) {
  const { compile } = await load("compile");
  const { explain, printExplanation } = await load("codegen/explain");
  const folder = join(root, "examples");
  const examples = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".gm"))) {
    const text = readFileSync(join(folder, file), "utf8");
    const compiled = compile({ path: `examples/${file}`, text });
    // a page that shows it then has a region that nothing fills
    if (compiled.derived === undefined) continue;
    const functions = {};
    for (const match of compiled.print("ts").matchAll(/^\/\*\*(?:(?!\*\/)[\s\S])*\*\/\nexport function (\w+)[\s\S]*?^}$/gm))
      functions[match[1]] = match[0];
    const sections = printExplanation(explain(compiled.derived)).split("\n\n");
    const plain = (head) =>
      sections
        .filter((section) => section.startsWith(head))
        .map((section) => section.replaceAll(/^ +LaTeX: .*\n/gm, ""))
        .join("\n\n");
    examples[file.replace(/\.gm$/, "")] = {
      text,
      functions,
      derived: plain("train"),
      energy: plain("energy of "),
      order: plain("autoregressive"),
    };
  }
  return examples;
}

/** `gmc --help` and `gmc COMMAND --help`, as they are printed 80 columns wide without colour. */
async function helpTexts(load) {
  const { runCli } = await load("cli/program");
  const print = async (...args) => {
    const write = process.stdout.write;
    const columns = Object.getOwnPropertyDescriptor(process.stdout, "columns");
    const noColor = process.env.NO_COLOR;
    let text = "";
    process.stdout.write = (chunk) => ((text += String(chunk)), true);
    Object.defineProperty(process.stdout, "columns", { value: 80, configurable: true, writable: true });
    process.env.NO_COLOR = "1";
    try {
      await runCli([...args, "--help"]);
    } finally {
      process.stdout.write = write;
      if (columns) Object.defineProperty(process.stdout, "columns", columns);
      else delete process.stdout.columns;
      if (noColor === undefined) delete process.env.NO_COLOR;
      else process.env.NO_COLOR = noColor;
    }
    return text;
  };
  const top = await print();
  const listed = top.slice(top.indexOf("Commands:")).split("\n\n")[0] ?? "";
  const names = [...listed.matchAll(/^ {2}([a-z]+)/gm)].map((m) => m[1]).filter((name) => name !== "help");
  const help = { gmc: top };
  for (const name of names) help[name] = await print(name);
  return help;
}
