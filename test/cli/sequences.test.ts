/** Families of variables are looked at as sequences: rows of members, joined, are the rows of the whole. */
import { expect, test } from "vitest";
import { asSequences, withSequences } from "../../src/cli/run/sequences.js";
import type { StreamSpec, VariableSpec } from "../../src/runtime/model.js";

const spec = (domain: VariableSpec["domain"], shape: readonly number[]): VariableSpec => ({ domain, shape });
const family = (name: string, count: number, each: VariableSpec): StreamSpec =>
  Object.fromEntries(Array.from({ length: count }, (_, t) => [`${name}[${t + 1}]`, each]));
const rows = (shape: readonly number[], first: number) => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => first + i),
});

test("numbers become a line, vectors of bounded values a picture, other members stay", () => {
  const variables = { ...family("a", 12, spec("real", [])), ...family("b", 2, spec("binary", [3])), ...family("c", 2, spec("real", [2])) };
  const found = withSequences(variables);
  expect(found["a"]).toEqual(spec("real", [12]));
  expect(found["b"]).toEqual(spec("binary", [2, 3]));
  expect(found["c"]).toBeUndefined();
  expect(withSequences(family("c", 2, spec("real", [2])))).toEqual(family("c", 2, spec("real", [2])));
});

test("members are joined row by row, in the order of their numbers, beside other variables", () => {
  const variables = { ...family("b", 2, spec("binary", [3])), y: spec("real", [2]) };
  const y = rows([2, 2], 50);
  const joined = asSequences({ "b[2]": rows([2, 3], 10), y, "b[1]": rows([2, 3], 0) }, variables);
  expect(Object.keys(joined).sort()).toEqual(["b", "y"]);
  expect(joined["b"]).toEqual({ shape: [2, 2, 3], data: Float32Array.of(0, 1, 2, 10, 11, 12, 3, 4, 5, 13, 14, 15) });
  expect(joined["y"]).toBe(y);
});

test("a family of which some members are given stays in parts", () => {
  const part = { "a[2]": rows([4], 0) };
  expect(asSequences(part, family("a", 2, spec("real", [])))).toBe(part);
});
