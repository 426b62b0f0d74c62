/** `init data(e)`: what derivation says of starts that cannot be. */
import { expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const mistakes = (params: string): readonly string[] =>
  compile({
    path: "test.gm",
    text: `model M {
      data x : real[3]
      param ${params}
      net e(x) = x - b[1]
      train { maximize -sum((a - x)^2) - sum((b - x)^2) optimizer = sgd(lr = 0.1) }
    }`,
  })
    .diagnostics.filter((d) => d.severity === "error")
    .map((d) => `${d.code} ${d.message}`);

it.each([
  ["a : real[8, 3] init data(x - b[1]), b : real[8, 3] init data(x - a[1])", "GM2005 the start depends on itself: a -> b -> a"],
  ["b : real[8, 3] init data(e(x)), a : real[8, 3]", "GM2005 the start depends on itself: b -> b"],
  ["a : real[8, 3] init data(b[1]), b : real[8, 3]", "GM2003 the start of `a`: expected a function of the data, found one that reads none"],
])("%s", (params, wanted) => expect(mistakes(params)).toEqual([wanted]));

it("takes starts that read one another forwards", () => {
  expect(mistakes("a : real[8, 3] init data(e(x)), b : real[8, 3] init data(x)")).toEqual([]);
});
