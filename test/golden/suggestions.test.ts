/** What a help suggests to write, `density p(x, z | age)`, parses where it is meant to stand. */
import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { Diagnostics } from "../../src/base/report.js";
import { parse } from "../../src/parser/parse.js";
import { goldenCases, readCase } from "../support/golden.js";

/** By the word that a suggestion begins with: a model around it. What it leaves open, `…`, is the reader's. */
const places: Readonly<Record<string, (text: string) => string>> = {
  data: (t) => `model M { ${t} }`,
  latent: (t) => `model M { ${t} }`,
  param: (t) => `model M { ${t} }`,
  density: (t) => `model M { ${t.includes("{") ? t : `${t} { }`} }`,
  net: (t) => `model M { ${t} }`,
  maximize: (t) => `model M { train { ${t} } }`,
  minimize: (t) => `model M { train { ${t} } }`,
};

const found = new Map<string, string>();
for (const folder of ["gm1", "gm2", "gm3"].map((name) => `golden/errors/${name}`))
  for (const name of goldenCases(folder, ".txt"))
    for (const [line] of readCase(`${folder}/${name}`).matchAll(/= help: .*/gu))
      for (const [, text = ""] of line.matchAll(/`([^`]+)`/gu))
        if (!text.includes("…") && Object.hasOwn(places, /^[a-z]+(?= )/u.exec(text)?.[0] ?? "")) found.set(text, name);

describe("suggested lines parse", () => {
  it.each([...found])("%s (%s)", (text) => {
    const diagnostics = new Diagnostics();
    const [word = ""] = text.split(" ");
    parse({ path: "help.gm", text: places[word]?.(text) ?? text }, diagnostics);
    expect(diagnostics.errors.length === 0 ? "" : renderDiagnostics(diagnostics.errors)).toBe("");
  });
});
