/** Values of two streams that a net or a distance takes for one kind, by every pair of domains. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const domains = ["real", "unit", "positive", "binary", "byte", "count", "simplex"];
const pairs = domains.flatMap((a) => domains.map((b) => [a, b] as const));

const mixed = (a: string, b: string, objective: string): boolean =>
  compile({
    path: "model.gm",
    text: `model M {
  data a : ${a}[3], c : unit[3]
  data b : ${b}[3], d : unit[3]
  param s : real = 1
  net D(x) = x |> dense(2, spectral = true) |> tanh |> dense(1, spectral = true) |> sum
  train { ${objective}  optimizer = sgd(lr = 1e-3), batch = 4 }
}`,
  }).diagnostics.some((d) => d.code === "GM3747");

const critic = (of: (side: string, beside: string) => string): string =>
  `maximize s * E[a, c ~ data](D(${of("a", "c")})) - s * E[b, d ~ data](D(${of("b", "d")})) over D, s`;

describe("streams of two domains", () => {
  it.each<readonly [string, string, boolean]>([
    ["a net", critic((x) => x), true],
    ["a net of values side by side", critic((x, beside) => `concat(${beside}, ${x})`), true],
    ["a distance", "minimize s * E[a ~ data, b ~ data](mmd(a, b, [1])) over s", true],
    ["a distance of values side by side", "minimize s * E[a, c ~ data, b, d ~ data](mmd(concat(a, c), concat(b, d), [1])) over s", true],
    ["what was computed of one", critic((x) => (x === "a" ? "a / 255" : x)), false],
    ["a distance of what was computed", "minimize s * E[a ~ data, b ~ data](mmd(a * s, b, [1])) over s", false],
  ])("%s", (_name, objective, compares) => {
    for (const [a, b] of pairs) expect(mixed(a, b, objective), `${a} and ${b}`).toBe(compares && a !== b);
  });

  it("side by side in another order", () => {
    expect(
      mixed(
        "simplex",
        "simplex",
        critic((x, beside) => (x === "a" ? "concat(a, c)" : `concat(${beside}, b)`)),
      ),
    ).toBe(true);
  });
});
