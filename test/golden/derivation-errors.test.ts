/** Mistakes that derivation finds: the framed output of each, kept beside its model. */
import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { compile } from "../../src/compile.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";

const FOLDER = "golden/errors/gm3";

describe("errors of derivation", () => {
  it.each(goldenCases(FOLDER, ".gm").filter((f) => /^GM(35|37|38|3049)/u.test(f)))("%s", (file) => {
    const { diagnostics } = compile({ path: file, text: readCase(`${FOLDER}/${file}`) });
    const code = file.slice(0, 6);
    expect(diagnostics.map((d) => d.code)).toContain(code);
    expect(new Set(diagnostics.map((d) => d.code))).toEqual(new Set([code]));
    expectGolden(`${FOLDER}/${file.replace(/\.gm$/u, ".txt")}`, renderDiagnostics(diagnostics, { color: false }));
  });
});
