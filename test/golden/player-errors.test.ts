/** Mistakes of games and of what is drawn from data: the framed output of each. */
import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { compile } from "../../src/compile.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";

const FOLDER = "golden/errors/gm3";
const isOfPlayers = (file: string): boolean => (file >= "GM3741" && file < "GM3786") || file.startsWith("GM3867");

describe("errors of players", () => {
  it.each(goldenCases(FOLDER, ".gm").filter(isOfPlayers))("%s", (file) => {
    const { diagnostics } = compile({ path: file, text: readCase(`${FOLDER}/${file}`) });
    expect(new Set(diagnostics.map((d) => d.code))).toEqual(new Set([file.slice(0, 6)]));
    expectGolden(`${FOLDER}/${file.replace(/\.gm$/u, ".txt")}`, renderDiagnostics(diagnostics, { color: false }));
  });
});
