/** The chevrotain grammar is sound, and `grammar/gm.ebnf` says the same as it. */
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../src/base/report.js";
import { isReservedName } from "../../src/parser/names.js";
import { Grammar } from "../../src/parser/grammar.js";
import { parseConcrete } from "../../src/parser/parse.js";
import { binderWords, keywords, softKeywords, signs } from "../../src/parser/tokens.js";
import { type Ebnf, mentions, readEbnf } from "../support/ebnf.js";

const ebnf = readEbnf(readFileSync(new URL("../../grammar/gm.ebnf", import.meta.url), "utf8"));
const isLexical = (name: string): boolean => /^[A-Z]/.test(name);

/** A production of chevrotain's grammar, as far as it is needed here. */
interface Production {
  readonly definition?: readonly Production[];
  readonly nonTerminalName?: string;
  readonly terminalType?: { readonly name: string; readonly LABEL?: string };
  readonly separator?: { readonly LABEL?: string };
}

/** Names of chevrotain's rules and texts of its tokens that a rule mentions, written as in the EBNF. */
function mentionedBy(production: Production): readonly string[] {
  if (production.nonTerminalName !== undefined) return [production.nonTerminalName];
  const own = production.terminalType;
  const lexical = own && (["Name", "Number", "String", "BinderWord", "Operator"].includes(own.name) ? own.name : `"${own.LABEL}"`);
  return [...(lexical === undefined ? [] : [lexical]), ...(production.definition ?? []).flatMap(mentionedBy)];
}

describe("the grammar", () => {
  it("passes chevrotain's own checks, which production skips", () => {
    expect(() => new Grammar(false)).not.toThrow();
  });

  it("finds the one-file build of chevrotain, without which every start takes half a second longer", async () => {
    const entry = createRequire(import.meta.url).resolve("chevrotain");
    const bundle = (await import(pathToFileURL(join(dirname(entry), "../chevrotain.min.mjs")).href)) as object;
    expect(Object.keys(bundle)).toEqual(expect.arrayContaining(["createToken", "CstParser", "Lexer"]));
  });

  const productions = new Grammar().getGAstProductions() as Readonly<Record<string, Production>>;

  it("has the rules of the EBNF", () => {
    expect(Object.keys(productions).sort()).toEqual([...ebnf.keys()].filter((name) => !isLexical(name)).sort());
  });

  it.each(Object.keys(productions))("%s mentions what it mentions in the EBNF", (name) => {
    const rule = ebnf.get(name);
    const production = productions[name];
    if (!rule || !production) throw new Error(`no rule ${name}`);
    expect([...new Set(mentionedBy(production))].sort()).toEqual([...mentions(rule)].sort());
  });

  it("has the words and signs of the EBNF", () => {
    const written = new Set(
      [...ebnf].flatMap(([name, rule]) => (isLexical(name) && name !== "BinderWord" && name !== "Operator" ? [] : [...mentions(rule)])),
    );
    const texts = [...written].filter((one) => one.startsWith('"')).map((one) => one.slice(1, -1));
    expect(texts.sort()).toEqual([...keywords.keys(), ...softKeywords.keys(), ...binderWords.keys(), ...signs.keys()].sort());
  });

  it("mentions no rule that it does not define", () => {
    const known = new Set([...ebnf.keys(), "Letter", "Character"]);
    for (const rule of ebnf.values()) for (const one of mentions(rule)) if (!one.startsWith('"')) expect(known).toContain(one);
  });

  it("reserves what JavaScript reserves, and no word of the language by accident", () => {
    for (const name of ["__proto__", "constructor", "prototype", "class", "new", "await", "yield", "eval", "arguments"])
      expect(isReservedName(name)).toBe(true);
    for (const name of [...softKeywords.keys(), ...binderWords.keys()]) expect(isReservedName(name)).toBe(false);
  });
});

/** Texts of a lexical rule that mean the same whatever stands around them. */
const lexical: Readonly<Record<string, readonly string[]>> = {
  Name: ["x", "z1", "mu", "σ", "_a"],
  Number: ["0", "12", "0.5", "1e-3"],
  String: ['"a"', '"layer 1"'],
  BinderWord: ["E", "sum", "grad"],
  Operator: ["|>", "+", "-", "*", "/", "@", "^"],
};

/**
 * Random sentences of the EBNF: `choose(n)` gives a number below n. Deep down, and where rule 7 of the disambiguation forbids
 * blocks, the shortest alternatives are taken.
 */
function sentence(name: string, choose: (count: number) => number): string {
  const words: string[] = [];
  let budget = 120;
  const expand = (rule: Ebnf, depth: number, noBlock: boolean): void => {
    budget--;
    const small = depth > 24 || budget < 0;
    switch (rule.kind) {
      case "text":
        words.push(rule.text);
        return;
      case "rule": {
        const texts = lexical[rule.name];
        if (texts) words.push(texts[choose(texts.length)] ?? "x");
        else if (small && (rule.name === "expression" || rule.name === "operand")) words.push("x");
        else {
          const inner = ebnf.get(rule.name);
          if (!inner) throw new Error(`no rule ${rule.name}`);
          const heads = rule.name === "rangeBinder" || rule.name === "formal";
          const apart = ["args", "indices", "group", "record", "list", "binder"].includes(rule.name);
          expand(inner, depth + 1, heads || (noBlock && !apart));
        }
        return;
      }
      case "sequence":
        for (const part of rule.parts) expand(part, depth, noBlock);
        return;
      case "choice": {
        const open = rule.parts.filter((part) => !(noBlock && part.kind === "rule" && part.name === "block"));
        const part = open[small ? 0 : choose(open.length)];
        if (part) expand(part, depth + 1, noBlock);
        return;
      }
      case "option":
        if (!small && choose(2) === 1) expand(rule.part, depth + 1, noBlock);
        return;
      case "many":
        for (let count = small ? 0 : choose(3); count > 0; count--) expand(rule.part, depth + 1, noBlock);
    }
  };
  expand({ kind: "rule", name }, 0, false);
  return words.join(" ");
}

describe("sentences of the EBNF", () => {
  it("are read by the parser", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(999)), (numbers) => {
        const text = sentence("file", (count) => (numbers.next().value ?? 0) % count);
        // Rule 2: `log` as a function before a name and a bracket would be a log-density.
        fc.pre(!/\blog (?:forward|inverse) \(/.test(text));
        const diagnostics = new Diagnostics();
        const { failures } = parseConcrete({ path: "m.gm", text }, diagnostics);
        expect(diagnostics.list, text).toEqual([]);
        expect(failures, text).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
