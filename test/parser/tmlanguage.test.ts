/** The grammar for editors knows the words and signs of the language and colours each as what it is. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { binderWords, keywords, signs, softKeywords } from "../../src/parser/tokens.js";

interface Pattern {
  readonly include?: string;
  readonly name?: string;
  readonly match?: string;
  readonly begin?: string;
  readonly end?: string;
  readonly captures?: Readonly<Record<string, { readonly name: string }>>;
}

const grammar = JSON.parse(readFileSync(new URL("../../grammar/gm.tmLanguage.json", import.meta.url), "utf8")) as {
  readonly patterns: readonly Pattern[];
  readonly repository: Readonly<Record<string, { readonly patterns: readonly Pattern[] }>>;
};

const flat = grammar.patterns.flatMap(({ include }) => grammar.repository[include?.slice(1) ?? ""]?.patterns ?? []);

/** Scopes of one line: at each place the first pattern that matches there, as TextMate has it. */
function scopes(line: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let at = 0;
  while (at < line.length) {
    const [pattern, match] =
      flat
        .map((one) => {
          const sticky = new RegExp(one.match ?? (one.begin ?? "").concat(one.name?.startsWith("string") ? '[^"]*"' : ".*?\\*/"), "uy");
          sticky.lastIndex = at;
          return [one, sticky.exec(line)] as const;
        })
        .find(([, result]) => result !== null) ?? [];
    if (!pattern || !match) {
      at++;
      continue;
    }
    if (pattern.name !== undefined) found.set(match[0], pattern.name);
    for (const [index, { name }] of Object.entries(pattern.captures ?? {}))
      if (match[Number(index)] !== undefined) found.set(match[Number(index)] ?? "", name);
    at += match[0].length;
  }
  return found;
}

describe("gm.tmLanguage.json", () => {
  it("has patterns that JavaScript's regular expressions accept too", () => {
    for (const one of flat)
      for (const text of [one.match, one.begin, one.end]) if (text !== undefined) expect(() => new RegExp(text, "u")).not.toThrow();
  });

  it.each([...keywords.keys()])("colours the keyword %s", (word) => {
    expect(scopes(`${word} `).get(word)).toMatch(/^(keyword|storage|constant\.language|support\.function)/);
  });

  it.each([...softKeywords.keys(), ...binderWords.keys()])("knows %s where it is a keyword, and as a name", (word) => {
    const keyword = binderWords.has(word)
      ? `${word}[`
      : word === "data"
        ? "data x"
        : word === "forward" || word === "inverse"
          ? `${word}(z)`
          : word === "jacobian"
            ? `${word} = dense`
            : `${word} `;
    expect(scopes(keyword).get(word)).toMatch(/^(keyword|storage|support)/);
  });

  it.each([...signs.keys()])("colours the sign %s", (sign) => {
    expect(scopes(`a ${sign} b`).get(sign)).toMatch(/^(keyword\.operator|punctuation)/);
  });

  it("reads a line as a person does", () => {
    const line = scopes('density q(z | x) { z ~ Normal(loc = σ, 1e-3) } "a" /// doc');
    expect(line.get("density")).toBe("storage.type.gm");
    expect(line.get("q")).toBe("entity.name.function.gm");
    expect(line.get("Normal")).toBe("entity.name.function.gm");
    expect(line.get("loc")).toBe("variable.parameter.gm");
    expect(line.get("σ")).toBe("variable.other.gm");
    expect(line.get("1e-3")).toBe("constant.numeric.gm");
    expect(line.get('"a"')).toBe("string.quoted.double.gm");
    expect(line.get("/// doc")).toBe("comment.line.documentation.gm");
    expect(scopes("data x : real[3]").get("real")).toBe("support.type.domain.gm");
    expect(scopes("x ~ data, y").get("data")).toBe("variable.other.gm");
    expect(scopes("log p(x | z)").get("p")).toBe("entity.name.function.density.gm");
  });
});
