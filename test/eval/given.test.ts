/** What samples may be held at. */
import { describe, expect, it } from "vitest";
import { givenValues } from "../../src/runtime/eval/given.js";
import { loadModel } from "../support/model.js";

describe("units of which at most one is 1", () => {
  const { model } = loadModel(`
model M {
  data v : binary[3]
  latent h : binary[2, 4] at_most_one(1, 2)
  param W : real[3, 8]
  density p(v, h) { energy -(v @ W @ flatten(h)) }
  train { maximize log p(v) by cd(k = 1) }
}`);
  const held = (h: number | readonly number[], rows = 1): readonly number[] =>
    Array.from(givenValues(model, rows, { h: typeof h === "number" ? h : Float32Array.from(h) }, () => ({}))["h"]!.data);

  it("are held at states that they have", () => {
    expect(held(0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(held([1, 0, 0, 1, 0, 1, 0, 0])).toEqual([1, 0, 0, 1, 0, 1, 0, 0]);
  });

  it("are not held at others, in any row", () => {
    for (const [h, rows] of [
      [1, 1],
      [[1, 1, 0, 0, 0, 0, 0, 0], 1],
      [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], 2],
    ] as const)
      expect(() => held(h, rows)).toThrow(expect.objectContaining({ code: "GM5022" }));
  });
});
