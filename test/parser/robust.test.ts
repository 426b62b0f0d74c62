/** No text makes the parser, the renderer or the formatter throw, hang or exhaust the stack. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diagnosticToJson, renderDiagnostics } from "../../src/base/render.js";
import { Diagnostics } from "../../src/base/report.js";
import type { FileAst } from "../../src/parser/ast.js";
import { format } from "../../src/parser/format.js";
import { errorLimit, parse } from "../../src/parser/parse.js";
import { goldenCases, readCase } from "../support/golden.js";

function read(text: string): { readonly ast: FileAst; readonly codes: readonly string[]; readonly shown: string } {
  const file = { path: "hostile.gm", text };
  const diagnostics = new Diagnostics();
  const ast = parse(file, diagnostics);
  const shown = renderDiagnostics(diagnostics.list);
  JSON.stringify(diagnostics.list.map(diagnosticToJson));
  const formatted = format(file);
  if (diagnostics.hasErrors) expect(formatted).toBe(text);
  expect(diagnostics.list.length).toBeLessThanOrEqual(errorLimit + 1);
  for (const { labels } of diagnostics.list) {
    for (const { span } of labels) expect(span.start >= 0 && span.start <= span.end && span.end <= text.length).toBe(true);
  }
  return { ast, codes: diagnostics.list.map((one) => one.code), shown };
}

const corpus = [
  ...goldenCases("golden/good", ".gm").map((name) => readCase(`golden/good/${name}`)),
  ...goldenCases("golden/errors/gm1", ".gm").map((name) => readCase(`golden/errors/gm1/${name}`)),
];

const many = 10_000;

describe("hostile text", () => {
  it.each<readonly [string, string, readonly string[]]>([
    ["parentheses", `objective V = ${"(".repeat(many)}x${")".repeat(many)}`, ["GM1015"]],
    ["open parentheses", `objective V = ${"(".repeat(many)}`, ["GM1015"]],
    ["lists", `objective V = ${"[".repeat(many)}`, ["GM1015"]],
    ["calls", `objective V = ${"f(".repeat(many)}x${")".repeat(many)}`, ["GM1015"]],
    ["blocks", `flow f = ${"repeat(2) { ".repeat(many)}x${"}".repeat(many)}`, ["GM1015"]],
    ["loops", `model M { density p(x) { ${"for i in 1..3 { ".repeat(many)}`, ["GM1015"]],
    ["phases", `model M { train { ${'phase "a" { '.repeat(many)}`, ["GM1015"]],
    ["sums", `objective V = ${"x + ".repeat(many)}x`, ["GM1015"]],
    ["powers", `objective V = ${"x ^ ".repeat(many)}x`, ["GM1015"]],
    ["signs", `objective V = ${"-".repeat(many)}x`, ["GM1015"]],
    ["fields", `objective V = x${".x".repeat(many)}`, ["GM1015"]],
    ["pipes", `objective V = x${" |> x".repeat(many)}`, ["GM1015"]],
    ["NUL", "\0".repeat(many), ["GM1011"]],
    ["lone surrogates", "model M { \ud800 }\udc00", ["GM1011", "GM1011"]],
    ["an unterminated comment", `model M { /* ${"x".repeat(many)}`, ["GM1007"]],
    ["an unterminated string", `import "${"x".repeat(many)}`, ["GM1006"]],
  ])("%s", (_, text, codes) => {
    expect(read(text).codes).toEqual(codes);
  });

  it("reads what nests just below the limit", () => {
    expect(read(`objective V = ${"(".repeat(100)}x${")".repeat(100)}`).codes).toEqual([]);
    expect(read(`objective V = ${"f(a = [x[E[z ~ q](".repeat(25)}x${")]])".repeat(25)}`).codes).toEqual([]);
    expect(read(`objective V = ${"x + ".repeat(500)}x`).codes).toEqual([]);
  });

  it("shows a line of 100 kB as a short one", () => {
    const { codes, shown } = read(`objective V = ${"f(aaaaaaaaaaaaaaaaaaaaaaaa) - ".repeat(3_400)})`);
    expect(codes).toContain("GM1004");
    for (const line of shown.split("\n")) expect(line.length).toBeLessThan(200);
  });

  it("shows a hundred errors of one long line, and lays out a long file, in no time", () => {
    expect(read(`objective V = f(${"$, ".repeat(60_000)})`).codes).toHaveLength(errorLimit + 1);
    expect(read("// a\n".repeat(60_000)).codes).toEqual([]);
    expect(read("const K = [1]\n".repeat(10_000)).ast.decls).toHaveLength(10_000);
  });

  it("takes a byte order mark, CR LF, CR, tabs and nothing at all", () => {
    for (const text of ["\ufeffmodel M { }\r\n", "model M {\r}\r", "model\tM\t{\t}", "", "\r\n\r\n"]) expect(read(text).codes).toEqual([]);
    expect(read("// a\rmodel M { }").ast.decls).toHaveLength(1);
  });

  it("prints no control character of the text", () => {
    const { shown } = read('model M { \u001b[31m "\u202e\u0007" \u009b \u2028 }');
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/);
  });
});

describe("random text", () => {
  it("of any characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => void read(text)),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void read(String.fromCharCode(...bytes))),
      { numRuns: 500 },
    );
  });

  it("of the language's own words", () => {
    const word = fc.constantFrom(
      ..."model net flow density objective data latent param train evaluate const import for in return energy maximize over by and constrain phase log".split(
        " ",
      ),
      ...'( ) [ ] { } , ; : . .. = ~ | |> -> <= + - * / @ ^ ? E sum x z q 1 2.5 "s" \n // /* */ ///'.split(" "),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 120 }), (words) => void read(words.join(" "))),
      { numRuns: 1_000 },
    );
  });

  it("made of models by deleting, doubling and changing parts", () => {
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.nat(20),
      insert: fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom("(", ")", "}", "{", " = ", "~", ",", "")),
    });
    fc.assert(
      fc.property(fc.constantFrom(...corpus), fc.array(edit, { minLength: 1, maxLength: 4 }), (text, edits) => {
        let changed = text;
        for (const { at, length, insert } of edits) {
          const start = Math.floor(at * changed.length);
          changed = changed.slice(0, start) + insert + changed.slice(start + length);
        }
        read(changed);
      }),
      { numRuns: 500 },
    );
  });
});
