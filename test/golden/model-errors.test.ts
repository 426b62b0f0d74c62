/**
 * Mistakes that elaboration finds: the framed output of each, kept beside its model. A case is named by its code and has no other finding.
 * (GM3049 is found by derivation: derivation-errors.test.ts.)
 * First lines `//! set NAME=VALUE` and `//! model NAME` stand for options of the command line; imports are read from errors/files.
 */
import { describe, expect, test } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { Diagnostics } from "../../src/base/report.js";
import { elaborate } from "../../src/ir/elaborate.js";
import { loadImports } from "../../src/ir/files.js";
import { parseStaticValue } from "../../src/ir/hyper.js";
import { standardLibrary } from "../../src/ir/std.js";
import type { StaticValue } from "../../src/ir/types.js";
import { parse } from "../../src/parser/parse.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";

const files = new Map(goldenCases("golden/errors/files", ".gm").map((name) => [name, readCase(`golden/errors/files/${name}`)]));

function directives(text: string): { readonly set: Record<string, StaticValue>; readonly model: string | undefined } {
  const set: Record<string, StaticValue> = {};
  let model: string | undefined;
  for (const [, word, rest] of text.matchAll(/^\/\/! (\w+) (.*)$/gm)) {
    if (word === "model") model = rest;
    const [name = "", value = ""] = (rest ?? "").split("=");
    const parsed = parseStaticValue(value);
    if (word === "set" && parsed !== undefined) set[name] = parsed;
  }
  return { set, model };
}

describe.each([
  ["golden/errors/gm2", "GM20"],
  ["golden/errors/gm3", "GM30"],
])("%s", (folder, prefix) => {
  test.each(goldenCases(folder, ".gm").filter((name) => name.startsWith(prefix) && !name.startsWith("GM3049")))("%s", (name) => {
    const text = readCase(`${folder}/${name}`);
    const diagnostics = new Diagnostics();
    const root = parse({ path: name, text }, diagnostics);
    const imports = loadImports(root, (path) => files.get(path), (file) => parse(file, diagnostics), diagnostics);
    elaborate({ root, files: imports, std: standardLibrary(), ...directives(text), setAt: {} }, diagnostics);
    expectGolden(`${folder}/${name.replace(/\.gm$/, ".txt")}`, renderDiagnostics(diagnostics.list, { color: false }));
    expect(new Set(diagnostics.list.map((d) => d.code))).toEqual(new Set([name.slice(0, 6)]));
  });
});
