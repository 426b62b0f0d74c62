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

describe("families", () => {
  const { model } = loadModel(`
model Chain(T = 3) {
  data x[t in 1..T] : real[2], u[t in 1..T] : real
  latent z[t in 1..T] : real
  param b : real
  density p(x, z | u) {
    for t in 1..T { z[t] ~ Normal(u[t], 1)  x[t] ~ Normal(z[t] + b * ones(2), 1) }
  }
  density q(z | x, u) { for t in 1..T { z[t] ~ Normal(x[t][1], 1) } }
  train { maximize ELBO(p, q) }
}`);
  const held = (given: Parameters<typeof givenValues>[2], rows = 2): Record<string, readonly number[]> =>
    Object.fromEntries(
      Object.entries(givenValues(model, rows, { u: 0, ...given }, () => ({}))).map(([name, { data }]) => [name, Array.from(data)]),
    );

  it("are held whole, [rows, T, ...event], as by member", () => {
    const x = [
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      [
        [7, 8],
        [9, 10],
        [11, 12],
      ],
    ];
    expect(held({ x })).toMatchObject({ "x[1]": [1, 2, 7, 8], "x[2]": [3, 4, 9, 10], "x[3]": [5, 6, 11, 12] });
    expect(held({ x: Float32Array.from(x.flat(2)) })).toEqual(held({ x }));
    expect(held({ u: Float32Array.of(1, 2, 3, 4, 5, 6) })).toEqual({ "u[1]": [1, 4], "u[2]": [2, 5], "u[3]": [3, 6] });
  });

  it("are held at a number, latents too, or by member", () => {
    expect(held({ z: 7 })).toMatchObject({ "z[1]": [7, 7], "z[2]": [7, 7], "z[3]": [7, 7] });
    expect(Object.keys(held({ "z[2]": 1 })).sort()).toEqual(["u[1]", "u[2]", "u[3]", "z[2]"]);
  });

  it("are refused both ways at once, and in another shape", () => {
    expect(() => held({ z: 7, "z[1]": 1 })).toThrow(expect.objectContaining({ code: "GM4004", message: expect.stringContaining("given") }));
    expect(() => held({ x: { shape: [2, 3], data: new Float32Array(6) } })).toThrow(expect.objectContaining({ code: "GM4051" }));
  });
});
