/** What the compiler says of parameters that are written out in numbers, or that only their writer knows to be positive. */
import { describe, expect, it } from "vitest";
import { elaborateText } from "./support.js";

const normal = (argument: string): ReturnType<typeof elaborateText> =>
  elaborateText(`model M {
    data x : real[2]
    param m : real[2]
    density p(x) { ${argument.includes("L") ? "L = stack(stack(2, 0), stack(-1, 0.5))" : ""}  x ~ MultivariateNormal(m, ${argument}) }
    train { maximize log p(x) }
  }`);

describe("matrices of numbers", () => {
  it.each([
    ["scale_tril = stack(stack(0.8, 0), stack(0.3, 0.4))", []],
    ["scale_tril = L", []],
    ["scale_tril = stack(stack(0.8, 0.1), stack(0.3, 0.4))", ["GM3019"]],
    ["scale_tril = stack(stack(0.8, 0), stack(0.3, 0))", ["GM3019"]],
    // determinants 0.31 and -0.01; the third is not symmetric
    ["covariance = stack(stack(0.8, 0.1), stack(0.1, 0.4))", []],
    ["covariance = stack(stack(0.3, 0.5), stack(0.5, 0.8))", ["GM3019"]],
    ["covariance = stack(stack(0.8, 0.1), stack(0.2, 0.4))", ["GM3019"]],
  ])("%s", (argument, codes) => {
    expect(normal(argument).codes).toEqual(codes);
  });

  it("a covariance of three variables by its last pivot: determinants 1 - 0.36 - c^2", () => {
    const of = (c: number): readonly string[] =>
      elaborateText(`model M {
        data x : real[3]
        density p(x) { x ~ MultivariateNormal(zeros(3), covariance = stack(stack(1, 0.6, ${c}), stack(0.6, 1, 0), stack(${c}, 0, 1))) }
        train { maximize log p(x) }
      }`).codes;
    expect(of(-0.7)).toEqual([]);
    expect(of(-0.9)).toEqual(["GM3019"]);
  });
});

it("a form that data keep positive may stay: the help says when", () => {
  const { diagnostics } = elaborateText(`model BB(N = 10) {
    data x : count
    latent th : unit
    param a : positive = 1
    density p(x, th) { th ~ Beta(a, 1)  x ~ Binomial(N, probs = th) }
    density q(th | x) { th ~ Beta(a + x, 1 + N - x) }
    train { maximize ELBO(p, q) }
  }`);
  expect(diagnostics.list.map((d) => d.code)).toEqual(["GM3019"]);
  expect(diagnostics.list[0]?.help.join()).toContain("it can stay as it is where no value of `x` makes it so");
});

it.each([
  ["64", "reshape(8, 8, 1)"],
  ["192", "reshape(8, 8, 3)"],
  ["6, 5", "reshape(6, 5, 1)"],
])("a convolution of real[%s] is told the %s that makes it an image, and takes it", (shape, reshape) => {
  const model = (between: string): ReturnType<typeof elaborateText> =>
    elaborateText(`model M {
      data x : real[${shape}]
      net f(x) = x ${between} |> conv(2, 3) |> mean
      objective o = f(x)
      train { minimize o }
    }`);
  const { diagnostics, codes } = model("");
  expect(codes).toEqual(["GM2030"]);
  expect(diagnostics.list[0]?.help.join()).toContain(`|> ${reshape}`);
  expect(model(`|> ${reshape}`).codes).toEqual([]);
});

it("epochs = 0 trains nothing and is refused, as from the command line", () => {
  const of = (epochs: string): readonly string[] =>
    elaborateText(
      `model M { data x : real[2] param m : real[2] density p(x) { x ~ Normal(m, 1) } train { maximize log p(x) epochs = ${epochs} } }`,
    ).codes;
  expect(of("0.5")).toEqual([]);
  expect(of("0")).not.toEqual([]);
});
