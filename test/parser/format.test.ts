/** The formatter keeps the syntax tree and every comment, and formatting twice changes nothing more. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../src/base/report.js";
import { format, lineWidth } from "../../src/parser/format.js";
import { parse, parseConcrete } from "../../src/parser/parse.js";
import { treeText } from "../support/ast-text.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";
import { fileText, withLayout } from "../support/gm-arbitrary.js";

const fmt = (text: string): string => format({ path: "m.gm", text });

/** The tree without docs: moving a comment may make a `///` line a doc or free it, which `comments` compares. */
function tree(text: string): string {
  const diagnostics = new Diagnostics();
  const ast = parse({ path: "m.gm", text }, diagnostics);
  expect(diagnostics.errors, text).toEqual([]);
  return treeText(ast);
}

function comments(text: string): readonly string[] {
  return parseConcrete({ path: "m.gm", text }, new Diagnostics()).comments.map((one) => one.text.replaceAll("\r\n", "\n").trimEnd());
}

describe("format", () => {
  const models = readdirSync("examples").filter((name) => name.endsWith(".gm"));
  it.each(models)("examples/%s is formatted", (name) => {
    const text = readFileSync(`examples/${name}`, "utf8");
    expect(fmt(text)).toBe(text);
  });
  it.each(goldenCases("golden/fmt", ".gm"))("%s", (name) => {
    const formatted = fmt(readCase(`golden/fmt/${name}`));
    expectGolden(`golden/fmt/${name.replace(/\.gm$/, ".formatted")}`, formatted);
    expect(fmt(formatted)).toBe(formatted);
  });

  it("keeps a division and a comment behind it apart", () => {
    const text = "objective V = p[-mu / /* block */ z / --q, 1..2]\n";
    expect(tree(fmt(text))).toBe(tree(text));
    expect(comments(fmt(text))).toEqual(["/* block */"]);
  });

  it("keeps the tree and is idempotent, whatever the layout", () => {
    fc.assert(
      fc.property(withLayout(fileText), (text) => {
        const bad = new Diagnostics();
        parse({ path: "m.gm", text }, bad);
        // Names drawn at random may repeat in a list, which is an error like any other.
        fc.pre(!bad.hasErrors);
        const once = fmt(text);
        expect(tree(once)).toBe(tree(text));
        expect(comments(once)).toEqual(comments(text));
        expect(fmt(once)).toBe(once);
      }),
      { numRuns: Number(process.env["FUZZ_RUNS"] ?? 300) },
    );
  });

  it("leaves no blanks at line ends and ends with one line feed", () => {
    fc.assert(
      fc.property(withLayout(fileText), (text) => {
        const bad = new Diagnostics();
        parse({ path: "m.gm", text }, bad);
        fc.pre(!bad.hasErrors);
        const lines = fmt(text).split("\n");
        expect(lines.at(-1)).toBe("");
        expect(lines.at(-2)).not.toBe("");
        for (const line of lines) expect(line).not.toMatch(/[ \t\r]$/);
        expect(fmt(text)).not.toMatch(/\n\n\n/);
      }),
      { numRuns: 100 },
    );
  });

  it("stays within the line width where words allow it", () => {
    const long = `model A { net f(x) = x ${"|> dense(100) |> tanh ".repeat(10)} objective V = ${Array.from({ length: 20 }, (_, i) => `term${i}(a, b)`).join(" + ")} }`;
    for (const line of fmt(long).split("\n")) expect(line.length).toBeLessThanOrEqual(lineWidth);
  });

  it("leaves a file with syntax errors alone and says what they are", () => {
    const text = "model A { net f(x = x }   ";
    const diagnostics = new Diagnostics();
    expect(format({ path: "m.gm", text }, diagnostics)).toBe(text);
    expect(diagnostics.hasErrors).toBe(true);
  });

  it("gives nothing for an empty file and keeps a file of comments", () => {
    expect(fmt(" \n\n")).toBe("");
    expect(fmt("\n\n  // only\n\n\n// these  ")).toBe("// only\n\n// these\n");
  });
});
