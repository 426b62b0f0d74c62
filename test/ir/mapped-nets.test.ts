/** Calls that map a net over axes in front: what each call's type is, what is refused, and what proofs make of it. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const codes = (text: string): readonly string[] => compile({ path: "test.gm", text }).diagnostics.map((d) => d.code);
const model = (net: string, body: string, more = ""): string => `model M {
  data x : real[4, 3], h : real[4], y : real
  ${net}
  density p(y | x, h) { ${body} }
  train { maximize log p(y | x, h) }
  ${more}
}`;

describe("calls of a net that map it", () => {
  it.each([
    ["over two axes", "net f(v) = v |> dense(2)", "y ~ Normal(sum(f(x)) + sum(f(x[1, 1..3])), 1)"],
    [
      "of a convolution over what is in front of its space",
      "net f(v) = v |> conv1d(2, 3) |> sum",
      "y ~ Normal(sum(f(stack(x, x))) + f(x), 1)",
    ],
    ["three deep, from the most axes on", "net f(v) = v |> dense(2) |> sum", "y ~ Normal(sum(f(stack(x, x))) + sum(f(x)) + f(x[1]), 1)"],
  ])("%s", (_, net, body) => {
    expect(codes(model(net, body))).toEqual([]);
  });

  it.each([
    ["other sizes behind", "net f(v) = v |> dense(2)", "y ~ Normal(sum(f(x)) + sum(f(h)), 1)", ["GM2041"]],
    [
      "axes that do not agree",
      "net f(v, k) = concat(v, k) |> dense(2)",
      "y ~ Normal(sum(f(x[1], h)) + sum(f(x, stack(h, h))), 1)",
      ["GM2041"],
    ],
    [
      "fewer axes in one argument, more in another",
      "net f(v, k) = concat(v, k) |> dense(2)",
      "y ~ Normal(sum(f(x, h)) + sum(f(x[1], stack(h, h))), 1)",
      ["GM2003"],
    ],
    ["dropout", "net f(v) = v |> dense(2) |> dropout(0.5)", "y ~ Normal(sum(f(x)) + sum(f(x[1])), 1)", ["GM3626"]],
    [
      "a layer of a net within",
      "net g(v) = v |> dense(2) |> batch_norm net f(v) = v |> g |> dense(2)",
      "y ~ Normal(sum(f(x)) + sum(f(x[1])), 1)",
      ["GM3626"],
    ],
  ])("refused: %s", (_, net, body, expected) => {
    expect(codes(model(net, body))).toEqual(expected);
  });

  it("a body that is wrong for the fewest axes is told once, as it is there", () => {
    const { diagnostics } = compile({
      path: "test.gm",
      text: model("net f(v) = v[5] |> dense(2)", "a = f(x) b = f(x[1]) y ~ Normal(sum(a) + sum(b), 1)"),
    });
    expect(diagnostics.map((d) => [d.code, d.message])).toEqual(
      [["GM2050", expect.anything()]].slice(1).concat([["GM2038", expect.stringContaining("axis of 3")]]),
    );
  });

  const sets = (G: string): string => `model S {
    data x : real[6, 3]   latent z : real[2], e : real[6, 4]
    net f(v, z) = concat(v, z) |> dense(5) |> tanh
    net G(z, e) equivariant(e) = ${G}
    net use(z, e) = f(e[1], z)
    density p(x, z, e) { z ~ Normal(0, 1)   e ~ Normal(0, 1)   k = use(z, e)   x = G(z, e) + sum(k) }
    net critic(x) invariant = x |> dense(4) |> max(axis = 1) |> dense(1) |> sum
    train { maximize WGAN(p, critic) - 10 * GradientPenalty(p, critic) over critic   minimize WGAN(p, critic) over G, f }
  }`;

  it("over the points of a set keeps their order; over entries told apart by place it does not", () => {
    expect(codes(sets("f(e, z) |> dense(3)"))).toEqual([]);
    expect(codes(sets("f(e + cumsum(e, axis = 1), z) |> dense(3)"))).toEqual(["GM3752"]);
    // a value for each place beside the points: another order of them meets other values
    expect(codes(sets("f(e, w) |> dense(3)").replace("net f", "param w : real[6, 2] net f"))).toEqual(["GM3752"]);
  });

  it("of a variable's own entries is taken to read all of them", () => {
    const own = (value: string): string => `model A {
      data x : real[4, 1]
      net f(v) = v |> dense(1)
      density p(x) { x ~ Normal(${value}, 1) }
      density q(x) { k = f(zeros(1))  x ~ Normal(0 * k, 1) }
      train { maximize log p(x) + log q(x) }
    }`;
    expect(codes(own("f(x)"))).toEqual(["GM3721"]);
    // of nothing of x, the rows are free
    expect(codes(own("f(zeros(4, 1))"))).toEqual([]);
  });
});
