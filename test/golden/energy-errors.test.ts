/** Mistakes that the analysis of energies finds, and what a statement asks of an energy that it cannot give: the framed output of each. */
import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { compile } from "../../src/compile.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";

const FOLDER = "golden/errors/gm3";

describe("errors of energies", () => {
  it.each(goldenCases(FOLDER, ".gm").filter((f) => f.startsWith("GM36")))("%s", (file) => {
    const { diagnostics } = compile({ path: file, text: readCase(`${FOLDER}/${file}`) });
    expect(new Set(diagnostics.map((d) => d.code))).toEqual(new Set([file.slice(0, 6)]));
    expectGolden(`${FOLDER}/${file.replace(/\.gm$/u, ".txt")}`, renderDiagnostics(diagnostics, { color: false }));
  });
});
