/**
 * Models in the documentation are what they claim to be. ```gm compiles without an error; ```gm-error fails with the code that the block names
 * (on an error page, with the page's own); ```gm-fragment parses as a part of some model.
 */
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../src/base/report.js";
import { renderDiagnostics } from "../../src/base/render.js";
import { compile } from "../../src/compile.js";
import { parse } from "../../src/parser/parse.js";
import { blocksOf, pages, type Block } from "./pages.js";

const all = pages.flatMap(blocksOf);
const cases = (info: string): readonly (readonly [string, Block])[] =>
  all.filter((b) => b.info === info).map((b) => [`${b.page}:${b.line}`, b] as const);

const findings = (block: Block): ReturnType<typeof compile>["diagnostics"] => compile({ path: "example.gm", text: block.text }).diagnostics;

describe("whole models compile", () => {
  it.each(cases("gm"))("%s", (_, block) => {
    const errors = findings(block).filter((d) => d.severity === "error");
    expect(errors.length === 0 ? "" : renderDiagnostics(errors)).toBe("");
  });
});

describe("wrong models fail with their code", () => {
  it.each(cases("gm-error"))("%s", (_, block) => {
    const codes = [...new Set(findings(block).map((d) => d.code))];
    const wanted = [...block.text.matchAll(/\bGM\d{4}\b/g)].map((m) => m[0]);
    const own = /(GM\d{4})\.md$/.exec(block.page)?.[1];
    const expected = wanted.length > 0 ? wanted : own === undefined ? [] : [own];
    expect(expected, "a block marked gm-error names its code in a comment").not.toEqual([]);
    expect(codes).toEqual(expect.arrayContaining(expected));
  });
});

/** Places that a part of a model can stand in. */
const places: readonly ((text: string) => string)[] = [
  (t) => t,
  (t) => `model M {\n${t}\n}`,
  (t) => `model M { train {\n${t}\n} }`,
  (t) => `model M { evaluate {\n${t}\n} }`,
  (t) => `model M { density p(x) {\n${t}\n} }`,
  (t) => `net f(x) {\n${t}\n}`,
  (t) => `net f(x) {\n${t}\nreturn x }`,
  (t) => `objective V =\n${t}`,
];

describe("fragments parse", () => {
  it.each(cases("gm-fragment"))("%s", (_, block) => {
    const attempts = places.map((wrap) => {
      const diagnostics = new Diagnostics();
      parse({ path: "fragment.gm", text: wrap(block.text) }, diagnostics);
      return diagnostics.errors;
    });
    const best = attempts.reduce((a, b) => (b.length < a.length ? b : a));
    expect(best.length === 0 ? "" : renderDiagnostics(best)).toBe("");
  });
});
