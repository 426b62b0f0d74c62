/** No text makes the elaborator throw: valid models with pieces cut out, doubled or exchanged still give diagnostics, not stack traces. */
import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { elaborateText } from "./support.js";

const sources = readdirSync("examples")
  .filter((name) => name.endsWith(".gm"))
  .map((name) => readFileSync(`examples/${name}`, "utf8"));

/** Names, numbers and signs: what a text is made of. */
const pieces = (text: string): string[] => text.match(/\s+|[\p{L}_][\p{L}\p{N}_]*|[\d.]+|\/\/.*|\|>|\.\.|./gu) ?? [];

const words = [...new Set(sources.flatMap(pieces).filter((p) => /[\p{L}\d]/u.test(p) && !p.startsWith("//")))];

test("mutated models", () => {
  const edit = fc.record({ at: fc.nat(), with: fc.oneof(fc.constantFrom(...words, "", "[1]", "|", "~", "^", "@", "-")) });
  let clean = 0;
  fc.assert(
    fc.property(fc.constantFrom(...sources), fc.array(edit, { maxLength: 4 }), (source, edits) => {
      const parts = pieces(source);
      for (const e of edits) parts[e.at % parts.length] = e.with;
      const result = elaborateText(parts.join(""));
      if (result.diagnostics.hasErrors) expect(result.ir).toBeUndefined();
      else {
        clean++;
        expect(result.ir).toBeDefined();
      }
    }),
    { numRuns: 250 },
  );
  expect(clean).toBeGreaterThan(0);
});

test("huge and odd numbers as hyperparameters", () => {
  const values = [0, -1, 1.5, 1e9, 2 ** 31, Number.MAX_VALUE, true, [], [1, 2, 3]];
  for (const source of sources) {
    for (const name of ["D", "H", "Z", "K", "Zs"]) {
      for (const value of values) {
        const result = elaborateText(source, { set: { [name]: value } });
        expect(result.ir === undefined).toBe(result.diagnostics.hasErrors);
      }
    }
  }
});

test("names that objects have by themselves", () => {
  for (const name of ["toString", "hasOwnProperty", "valueOf", "isPrototypeOf"]) {
    const { codes } = elaborateText(`model M { data x : real[2]   objective o = sum(${name}(x))   train { minimize o } }`);
    expect(codes).toEqual(["GM2029"]);
    expect(
      elaborateText("model M { data x : real[2]   objective o = sum(x)   train { minimize o } }", { set: { [name]: 3 } }).codes,
    ).toEqual(["GM2008"]);
  }
});
