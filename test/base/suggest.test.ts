import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { didYouMean, didYouMeanHelp, editDistance } from "../../src/base/suggest.js";

/** The definition, without tables: the last letters are equal, one was inserted, deleted or changed, or two were swapped. */
function slowDistance(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  const [restA, restB] = [a.slice(0, -1), b.slice(0, -1)];
  const choices = [slowDistance(restA, restB) + (a.at(-1) === b.at(-1) ? 0 : 1), slowDistance(restA, b) + 1, slowDistance(a, restB) + 1];
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1))
    choices.push(slowDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
  return Math.min(...choices);
}

describe("editDistance", () => {
  it("agrees with its definition", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
    fc.assert(
      fc.property(word, word, (a, b) => void expect(editDistance(a, b)).toBe(slowDistance(a, b))),
      { numRuns: 300 },
    );
  });

  it("stops at its limit", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 8 });
    fc.assert(
      fc.property(
        word,
        word,
        fc.nat(4),
        (a, b, limit) => void expect(editDistance(a, b, limit)).toBe(Math.min(editDistance(a, b), limit + 1)),
      ),
    );
  });
});

describe("didYouMean", () => {
  it.each([
    ["decodr", ["encoder", "decoder"], "decoder"],
    ["densty", ["density", "data"], "density"],
    ["maximise", ["maximize", "minimize"], "maximize"],
    ["elbo", ["ELBO", "IWAE"], "ELBO"],
    ["maskedDense", ["masked_dense", "dense"], "masked_dense"],
    ["Z", ["z", "x"], "z"],
    ["x", ["y", "z"], undefined],
    ["foo", ["Bernoulli", "Normal"], undefined],
    ["same", ["same"], undefined],
    ["ab", ["ba"], "ba"],
    ["LR", ["VR", "L", "R"], undefined],
    ["lr", ["LR", "VR"], "LR"],
    ["mu", ["nu", "mus"], "mus"],
  ] as const)("%s of %j: %s", (name, candidates, wanted) => {
    expect(didYouMean(name, candidates)).toBe(wanted);
  });

  it("makes help of it", () => {
    expect(didYouMeanHelp("decodr", ["decoder"])).toEqual(["did you mean `decoder`?"]);
    expect(didYouMeanHelp("q", ["decoder"])).toEqual([]);
  });

  it("takes no time for a hostile name", () => {
    expect(didYouMean("x".repeat(100_000), ["y".repeat(100_000)])).toBe(undefined);
  });
});
