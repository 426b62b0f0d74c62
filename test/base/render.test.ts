/** Frames: what a diagnostic looks like, for each way in which its places can lie. */
import { describe, expect, it } from "vitest";
import type { Diagnostic } from "../../src/base/diagnostic.js";
import { diagnosticToJson, renderDiagnostic, renderDiagnostics } from "../../src/base/render.js";
import { diagnosticOf, Diagnostics, report, sortedByPlace } from "../../src/base/report.js";
import { lineStarts, lineText, positionOf, type SourceFile } from "../../src/base/source.js";
import { expectGolden } from "../support/golden.js";

const source = (text: string, path = "a.gm"): SourceFile => ({ path, text });

/** A diagnostic at texts of a file, the first the primary one. */
function at(file: SourceFile, ...labels: readonly (readonly [string, string])[]): Diagnostic {
  return {
    ...diagnosticOf("GM1001", undefined, { expected: "one", found: "two" }),
    labels: labels.map(([text, label]) => {
      const start = file.text.indexOf(text);
      if (start < 0) throw new Error(`no ${text}`);
      return { span: { file, start, end: start + text.length }, text: label };
    }),
  };
}

const model = source(
  "model A {\n\tdata 数据 : real[D]\n  net f(x) {\n    a = x\n    b = 3\n    c = 4\n    d = 5\n    e = 6\n    return a\n  }\n}\n",
);

const cases: Readonly<Record<string, Diagnostic>> = {
  "one place": at(model, ["b = 3", "here"]),
  "without a text": at(model, ["b = 3", ""]),
  "several on a line, wide and after a tab": at(model, ["数据", "the name"], ["real", "the domain"], ["D]", "the size"]),
  "one inside another": at(model, ["real[D]", "the whole"], ["D", "the part"]),
  "lines next to each other": at(model, ["a = x", "first"], ["b = 3", "second"]),
  "lines one apart": at(model, ["a = x", "first"], ["c = 4", "second"]),
  "lines far apart": at(model, ["model", "first"], ["return", "second"]),
  "over several lines, from the margin": at(model, ["net f(x) {\n    a = x\n    b = 3", "all this"]),
  "over several lines, from the midst": at(model, ["{\n    a = x\n    b", "all this"]),
  "over many lines": at(model, ["net f(x) {\n    a = x\n    b = 3\n    c = 4\n    d = 5\n    e = 6\n    return a\n  }", "the net"]),
  "over several lines, twice": at(
    model,
    ["{\n    a = x\n    b = 3", "inner"],
    ["model A {\n\tdata 数据 : real[D]\n  net f(x) {\n    a = x", "outer"],
  ),
  "with notes and help": { ...at(model, ["c = 4", "here"]), notes: ["one line", "two\nlines"], help: ["do this"] },
  "a warning": { ...at(model, ["c = 4", "here"]), severity: "warning" },
  "without a place": { ...at(model), notes: ["a note"], help: ["some help"] },
  "two files": {
    ...at(model, ["c = 4", "here"]),
    labels: [...at(model, ["c = 4", "here"]).labels, ...at(source("net g(x) = x\n", "lib/b.gm"), ["g(x)", "and there"]).labels],
  },
  "the end of the file": {
    ...at(model),
    labels: [{ span: { file: model, start: model.text.length, end: model.text.length }, text: "missing" }],
  },
  "an empty file": { ...at(model), labels: [{ span: { file: source(""), start: 0, end: 0 }, text: "nothing" }] },
  "the end of a line with its line feed": { ...at(model), labels: [{ span: { file: model, start: 8, end: 10 }, text: "to the end" }] },
  "a long line": at(source(`${"left ".repeat(60)}+ ${"right ".repeat(60)}`), ["+", "far right"]),
  "far places on a long line": at(source(`start ${"word ".repeat(60)}end`), ["start", "one"], ["end", "other"]),
  "what it is about, far right of the other place": at(
    source(`start ${"word ".repeat(60)}end ${"word ".repeat(20)}`),
    ["end", "one"],
    ["start", "other"],
  ),
  "the same with a part that is not laid out": at(
    source(`start ${"word ".repeat(600)}end ${"word ".repeat(600)}`),
    ["end", "one"],
    ["start", "other"],
  ),
  "a byte order mark": at(source("\ufeffa = b\nc = d\n"), ["b", "here"]),
  "control characters": at(source("a \u001b[31m b \u202e c \u0000 d\te"), ["d", "after them"]),
  "combining marks and surrogate pairs": at(source("x\u0301\u0302 = 😀 + y"), ["y", "here"], ["😀", "there"]),
  "lines that end in CR LF": at(source("a = 1\r\nb = 2\r\nc = 3\r\n"), ["b = 2", "the second"]),
};

describe("frames", () => {
  it("are drawn as agreed", () => {
    const frames = Object.entries(cases).map(([name, diagnostic]) => `--- ${name}\n${renderDiagnostic(diagnostic)}\n`);
    expectGolden("golden/frames/plain.txt", frames.join("\n"));
  });

  it("are coloured without changing their text", () => {
    for (const diagnostic of Object.values(cases)) {
      const colored = renderDiagnostic(diagnostic, { color: true });
      expect(colored).toContain("\u001b[");
      // eslint-disable-next-line no-control-regex -- colours are control sequences
      const plain = colored.replaceAll(/\u001b\[\d+m/g, "").replaceAll(/[ \t]+$/gm, "");
      expect(plain).toBe(renderDiagnostic(diagnostic));
    }
    expect(renderDiagnostic(cases["one place"] ?? at(model), { color: true })).toContain("\u001b[31merror");
    expect(renderDiagnostic(cases["a warning"] ?? at(model), { color: true })).toContain("\u001b[33mwarning");
  });

  it("put underlines under what they mark, wide characters counted", () => {
    const [, , , line = "", marks = ""] = renderDiagnostic(at(source("数据 = 数 + y"), ["y", "here"])).split("\n");
    const column = [...line.slice(0, line.indexOf("y"))].reduce((width, c) => width + (c > "\u2fff" ? 2 : 1), 0);
    expect(marks.indexOf("^")).toBe(column);
  });

  it.each([0, 10, 25, 200, 2000])("of a long line show what the diagnostic is about, %d words from the other place", (words) => {
    for (const about of ["start", "end"]) {
      const far = source(`${"left ".repeat(40)}start ${"word ".repeat(words)}end ${"right ".repeat(40)}`);
      const rows = renderDiagnostic(at(far, [about, ""], [about === "end" ? "start" : "end", ""])).split("\n");
      const at1 = rows[4]?.indexOf("^") ?? -1;
      expect(rows[3]?.slice(at1, at1 + about.length)).toBe(about);
    }
  });

  it("count columns from after a byte order mark, and do not show it", () => {
    const shown = renderDiagnostic(at(source("\ufeffa = b"), ["a", ""]));
    expect(shown).toBe(renderDiagnostic(at(source("a = b"), ["a", ""])));
  });

  it("show nothing of a message that could steer a terminal", () => {
    const bad: Diagnostic = { ...at(model), message: "\u001b]0;title\u0007", notes: ["\u009b1m"], help: ["\u202e"] };
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(renderDiagnostic(bad)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  it("stand apart by a blank line", () => {
    const one = cases["one place"] ?? at(model);
    expect(renderDiagnostics([one, one])).toBe(`${renderDiagnostic(one)}\n\n${renderDiagnostic(one)}`);
    expect(renderDiagnostics([])).toBe("");
  });
});

describe("JSON", () => {
  it("gives lines, columns and offsets", () => {
    expect(diagnosticToJson({ ...at(model, ["b = 3", "here"]), help: ["do"] })).toEqual({
      code: "GM1001",
      severity: "error",
      message: "expected one, found two",
      labels: [{ file: "a.gm", start: { line: 5, column: 5, offset: 56 }, end: { line: 5, column: 10, offset: 61 }, text: "here" }],
      notes: [],
      help: ["do"],
    });
  });
});

describe("Diagnostics", () => {
  it("keeps order, drops exact repeats and what is past its limit, and tells errors from warnings", () => {
    const found = new Diagnostics(3);
    const span = (start: number) => ({ file: model, start, end: start + 1 });
    report(found, "GM1001", span(4), { expected: "a", found: "b" });
    report(found, "GM1001", span(4), { expected: "a", found: "b" });
    report(found, "GM1038", span(2), {});
    report(found, "GM1006", span(0), {}, { label: "x", help: ["y"] });
    report(found, "GM1006", span(1), {});
    expect(found.list.map((one) => one.code)).toEqual(["GM1001", "GM1038", "GM1006"]);
    expect(found.errors.map((one) => one.code)).toEqual(["GM1001", "GM1006"]);
    expect(found.warnings).toHaveLength(1);
    expect(found.hasErrors).toBe(true);
    expect(sortedByPlace(found.list).map((one) => one.code)).toEqual(["GM1006", "GM1038", "GM1001"]);
  });
});

describe("positions", () => {
  it("agree with splitting the text, whatever ends its lines", () => {
    for (const text of ["", "a", "a\n", "a\r\nb\rc\n\nd", "\n\n", "x\r"]) {
      const file = source(text);
      const lines = text.split(/\r\n|\n|\r/);
      expect(lineStarts(file)).toHaveLength(lines.length);
      lines.forEach((line, index) => expect(lineText(file, index + 1)).toBe(line));
      for (let offset = 0; offset <= text.length; offset++) {
        // Between CR and LF the line has not ended.
        if (text[offset - 1] === "\r" && text[offset] === "\n") continue;
        const before = text.slice(0, offset).split(/\r\n|\n|\r/);
        expect(positionOf(file, offset)).toEqual({ line: before.length, column: (before.at(-1)?.length ?? 0) + 1 });
      }
    }
  });
});
