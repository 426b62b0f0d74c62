/** Types and sizes of expressions, and what is known of values, against rules written out by hand. */
import { describe, expect, test } from "vitest";
import type { Dim, Expr } from "../../src/ir/types.js";
import { showShape } from "../../src/ir/shapes.js";
import { elaborateText, isOfUnused } from "./support.js";

/** The value of an objective `sum(e)` before the sum, in a model with tensors of several shapes. */
function valueOf(expr: string): Expr {
  const { ir, diagnostics } = elaborateText(`model M(A = 2, B = 3, C = 4, Hs = [5, 7]) {
    data s : real, v : real[A], w : real[B], m : real[A, B], n : real[B, C], t : real[C, A, B], c : category[B], cs : category[B][A]
    param table : real[B, C], pos : positive[A]
    net id(x) = x
    objective o = sum(id(${expr}))
    train { minimize o }
  }`);
  expect(diagnostics.list.filter((d) => !isOfUnused(d))).toEqual([]);
  const body = ir?.objectives[0]?.value;
  const call = body?.kind === "builtin" && body.fn === "sum" ? body.args[0] : body;
  if (call?.kind !== "netCall" || !call.args[0]) throw new Error("no value");
  return call.args[0];
}

function shapeOf(expr: string): readonly Dim[] {
  const { type } = valueOf(expr);
  if (type.kind !== "tensor") throw new Error("a record");
  return type.shape;
}

describe("shapes", () => {
  test.each<[string, readonly number[], string?]>(
    [
      ["v + 1", [2], "[A] = [2]"],
      ["v * v", [2]],
      ["m + w", [2, 3], "[A, B] = [2, 3]"],
      ["s * m", [2, 3]],
      ["t + m", [4, 2, 3]],
      ["v @ m", [3], "[B] = [3]"],
      ["m @ w", [2], "[A] = [2]"],
      ["v @ m @ w", []],
      ["m @ n", [2, 4], "[A, C] = [2, 4]"],
      ["t @ n", [4, 2, 4]],
      ["sum(m)", []],
      ["sum(m, axis = 1)", [3], "[B] = [3]"],
      ["sum(m, axis = -1)", [2], "[A] = [2]"],
      ["sum(t, axis = [1, 3])", [2]],
      ["norm(t, axis = 2)", [4, 3]],
      ["transpose(m)", [3, 2], "[B, A] = [3, 2]"],
      ["transpose(t, 3, 1, 2)", [3, 4, 2]],
      ["reshape(t, A, B * C)", [2, 12], "[A, B*C] = [2, 12]"],
      ["flatten(t)", [24], "[C*A*B] = [24]"],
      ["concat(v, w)", [5], "[A+B] = [5]"],
      ["concat(m, m, axis = 1)", [4, 3]],
      ["concat(s, v)", [3]],
      ["stack(v, v, v)", [3, 2]],
      ["v[2]", []],
      ["m[1]", [3]],
      ["m[1, 3]", []],
      ["t[2..4]", [3, 2, 3]],
      ["t[1..2, 2, 1..3]", [2, 3]],
      ["table[c]", [4], "[C] = [4]"],
      ["table[cs]", [2, 4]],
      ["onehot(c)", [3], "[B] = [3]"],
      ["onehot(cs)", [2, 3]],
      ["softmax(m, axis = 1)", [2, 3]],
      ["cumsum(v)", [2]],
      ["glu(concat(v, v))", [2]],
      ["where(greater(v, 0), v, 0)", [2]],
      ["zeros(A, B)", [2, 3]],
      ["eye(B)", [3, 3]],
      ["pad(m, low = [1, 0], high = [1, 2])", [4, 5]],
      ["max(v, 0)", [2]],
      ["max(v)", []],
      ["sum[i in 1..A](v[i] * i)", []],
      ["logsumexp[i in 1..3](v * i)", [2]],
      ["max[i in 1..3](w * i)", [3]],
      ["grad[v](sum(v^2))", [2]],
      ["grad[y = m](sum(y * y))", [2, 3]],
      ["reshape(t, A, 2, 2, B) |> max_pool(2)", [1, 1, 3]],
    ].filter(([e]) => !(e as string).includes("max_pool")) as never,
  )("%s", (expr, numbers, shown) => {
    const shape = shapeOf(expr);
    expect(shape.map((d) => d.size)).toEqual(numbers);
    if (shown !== undefined) expect(showShape(shape)).toBe(shown);
  });

  test.each<[string, string, readonly number[]]>([
    ["real[8, 6, 2]", "max_pool(2)", [4, 3, 2]],
    ["real[8, 6, 2]", "max_pool(3, stride = 2)", [3, 2, 2]],
    ["real[8, 6, 2]", 'avg_pool(3, stride = 2, padding = "same")', [4, 3, 2]],
    ["real[8, 6, 2]", "global_avg_pool", [2]],
    ["real[8, 6, 2]", "pool(4, 3)", [2, 2, 2]],
    ["real[8, 6, 2]", "pool(2)", [4, 6, 2]],
    ["real[8, 6, 2]", "upsample(2)", [16, 12, 2]],
    ["real[8, 6, 2]", "conv(5, 3)", [8, 6, 5]],
    ["real[9, 6, 2]", "conv(5, 3, stride = 2)", [5, 3, 5]],
    ["real[9, 6, 2]", 'conv(5, 3, padding = "valid")', [7, 4, 5]],
    ["real[9, 6, 2]", 'conv(5, 3, padding = "valid", dilation = 2)', [5, 2, 5]],
    ["real[4, 3, 2]", "conv_transpose(5, 3, stride = 2)", [8, 6, 5]],
    ["real[4, 3, 2]", 'conv_transpose(5, 3, stride = 2, padding = "valid")', [9, 7, 5]],
    ["real[9, 2]", "conv1d(5, 3, stride = 2)", [5, 5]],
  ])("%s |> %s", (domain, layer, shape) => {
    const { ir, text } = elaborateText(
      `model M { data x : ${domain}   net f(x) = x |> ${layer}   objective o = sum(f(x))   train { minimize o } }`,
    );
    expect(text).toBe("");
    const type = ir?.nets[0]?.result.type;
    expect(type?.kind === "tensor" ? type.shape.map((d) => d.size) : undefined).toEqual(shape);
  });
});

describe("convolutions with a kernel of their own or with one that is handed to them", () => {
  test.each<[string, string, readonly number[], string]>([
    ["conv(x, W)", "real[3, 2, 2, 5]", [6, 5, 5], "conv"],
    ["x |> conv(W)", "real[3, 2, 2, 5]", [6, 5, 5], "conv"],
    ["conv(x, kernel = W)", "real[3, 2, 2, 5]", [6, 5, 5], "conv"],
    ["conv(x, -W, stride = 2)", "real[3, 2, 2, 5]", [3, 3, 5], "conv"],
    ['conv(x, W, padding = "same", stride = 3)', "real[3, 2, 2, 5]", [3, 2, 5], "conv"],
    ["conv_transpose(x, W)", "real[3, 2, 4, 2]", [10, 7, 4], "conv_transpose"],
    ['conv_transpose(x, W, stride = 2, padding = "same")', "real[3, 2, 4, 2]", [16, 12, 4], "conv_transpose"],
  ])("%s", (call, kernel, shape, fn) => {
    const { ir, text } = elaborateText(
      `model M { data x : real[8, 6, 2]   param W : ${kernel}   net f(x) = ${call}   objective o = sum(f(x))   train { minimize o } }`,
    );
    expect(text).toBe("");
    const result = ir?.nets[0]?.result;
    expect(result?.kind === "builtin" && result.fn).toBe(fn);
    expect(result?.type.kind === "tensor" ? result.type.shape.map((d) => d.size) : []).toEqual(shape);
  });

  test("numbers make a layer", () => {
    const { ir, text } = elaborateText(
      `model M(K = 5) { data x : real[8, 6, 2]   net f(x) = conv(x, K, 3)   objective o = sum(f(x))   train { minimize o } }`,
    );
    expect(text).toBe("");
    expect(ir?.nets[0]?.result.kind).toBe("layer");
  });
});

describe("axes count from the end in the IR", () => {
  test.each<[string, Readonly<Record<string, unknown>>]>([
    ["sum(t, axis = 1)", { axes: [-3] }],
    ["sum(t, axis = [2, -1])", { axes: [-2, -1] }],
    ["sum(t)", { axes: [-3, -2, -1] }],
    ["softmax(m, axis = 1)", { axis: -2 }],
    ["transpose(t, 3, 1, 2)", { order: [-1, -3, -2] }],
    ["m[2]", { axis: -2, position: 1 }],
    ["m[1..2]", { axis: -2, start: 0, stop: 2 }],
  ])("%s", (expr, options) => {
    const value = valueOf(`${expr} + 0`);
    const inner = value.kind === "builtin" ? value.args[0] : value;
    expect(inner?.kind === "builtin" ? inner.options : undefined).toEqual(options);
  });
});

describe("numbers known at compile time", () => {
  test.each<[string, number, string | undefined]>([
    ["A", 2, "A"],
    ["2 * A + 1", 5, "2*A + 1"],
    ["Hs[2]", 7, "Hs[2]"],
    ["length(Hs)", 2, undefined],
    ["size(m)", 3, "B"],
    ["size(m, 1)", 2, "A"],
    ["sum(Hs)", 12, "sum(Hs)"],
    ["max(Hs)", 7, "max(Hs)"],
    ["-A", -2, "-A"],
    ["(A + B) * C", 20, "(A + B)*C"],
    ["A - (B - C)", 3, "A - (B - C)"],
    ["2^B", 8, "2^B"],
    ["sqrt(4)", 2, "sqrt(4)"],
  ])("%s", (expr, value, text) => {
    const { ir, diagnostics } = elaborateText(`model M(A = 2, B = 3, C = 4, Hs = [5, 7]) {
      data m : real[A, B]
      objective o = ${expr}
      train { minimize o }
    }`);
    expect(diagnostics.list.filter((d) => !isOfUnused(d))).toEqual([]);
    expect(ir?.objectives[0]?.value).toMatchObject({ kind: "number", value, text });
  });
});

describe("what may be a scale", () => {
  const codes = (scale: string): readonly string[] =>
    elaborateText(`model M {
      data x : real[3]
      param r : real[3], held : real[3], table : real[3, 3], pos : positive[3], u : unit[3]
      net f(x) = x |> dense(3)
      density p(x) { x ~ Normal(0, ${scale.replaceAll("f(x)", "raw")}) }
      density q(x) { raw = f(zeros(3))   x ~ Normal(0, ${scale.replaceAll("f(x)", "raw")}) }
      train { maximize log q(x) constrain held in [0.1, 10] }
    }`).codes.filter((c) => c !== "GM2001");
  test.each([
    "1",
    "pos",
    "exp(f(x))",
    "softplus(f(x))",
    "sigmoid(f(x))",
    "exp(f(x)) + 1e-3",
    "sqrt(exp(f(x)))",
    "pos * exp(f(x))",
    "1 / pos",
    "square(pos)",
    "softmax(f(x))",
    "max(f(x), 0.1)",
    "relu(f(x)) + 0.01",
    "exp(-f(x) / 2)",
    "clip(f(x), 0.1, 10)",
    "stop(exp(f(x)))",
    "pos^2",
    "2^f(x)",
  ])("%s", (scale) => {
    expect(codes(scale)).toEqual([]);
  });
  test.each([
    "f(x)",
    "stop(f(x))",
    "tanh(f(x))",
    "f(x) + 1",
    "2 * f(x) - 1",
    "sigmoid(f(x)) - 0.5",
    "silu(f(x))",
    "tanh(r)",
    "r",
    "1 - exp(f(x))",
    "table[2]",
  ])("%s is certainly wrong", (scale) => {
    expect(codes(scale)).toContain("GM3017");
  });
  test.each(["0", "-1", "-exp(f(x))", "-pos"])("%s is never positive", (scale) => {
    expect(codes(scale)).toContain("GM3015");
  });
  test.each(["held", "u", "relu(f(x))", "abs(f(x))", "f(x) + f(x)", "sin(exp(f(x)))", "where(greater(r, 0), r, 1)", "f(x)^2"])(
    "%s may be wrong",
    (scale) => {
      expect(codes(scale)).toContain("GM3019");
    },
  );
});

describe("what may be a covariance or its factor", () => {
  const codes = (argument: string): readonly string[] =>
    elaborateText(`model M(D = 3) {
      data x : real[D], y : real[D]
      param S : real[D, D], A : real[2, D], P : positive[D, D], s : positive[D], r : real[D], T : real[2, D, D]
      net f(y) = y |> dense(D * D) |> reshape(D, D)
      density p(x | y) { e = f(y)  L = tril(e)  x ~ MultivariateNormal(zeros(D), ${argument}) }
      train { maximize log p(x | y) }
    }`).codes;
  test.each([
    "scale_tril = cholesky_factor(S)",
    "scale_tril = cholesky_factor(e)",
    "scale_tril = cholesky_factor(T)[1]",
    "scale_tril = 0.1 * eye(D)",
    "scale_tril = eye(D) * s",
    "scale_tril = tril(exp(e))",
    "scale_tril = cholesky_factor(S) @ cholesky_factor(e)",
    "scale_tril = cholesky(transpose(A) @ A + eye(D))",
    "covariance = transpose(A) @ A + 1e-3 * eye(D)",
    "covariance = L @ transpose(L) + eye(D) * s",
    "covariance = cholesky_factor(S) @ transpose(cholesky_factor(S))",
    "covariance = eye(D) / s",
  ])("%s", (argument) => {
    expect(codes(argument)).toEqual([]);
  });
  test.each([
    "scale_tril = tril(S) + eye(D)",
    "scale_tril = P",
    "covariance = transpose(A) @ A",
    "covariance = P",
    "covariance = eye(D) * r",
  ])("%s may be wrong", (argument) => {
    expect(codes(argument)).toEqual(["GM3019"]);
  });
  test.each([
    "scale_tril = S",
    "scale_tril = tril(S)",
    "scale_tril = L",
    "scale_tril = T[1]",
    "scale_tril = 0 * eye(D) - 3",
    "covariance = S",
    "covariance = e",
    "covariance = exp(S)",
    "covariance = -exp(S)",
  ])("%s is certainly wrong", (argument) => {
    expect(codes(argument)).toEqual(["GM3048"]);
  });
});

describe("what may be probabilities", () => {
  const codes = (draw: string): readonly string[] =>
    elaborateText(`model M(K = 4, V = 3) {
      data x : binary[V], n : count[V], w : real[K]
      param r : real[K, V], s : simplex[K, V], t : simplex[K, K], u : unit[K, V], e : positive[K, V], v : simplex[V], c : unit[K], a : unit
      density p(x, n | w) {
        th = softmax(w)
        ${draw.includes("n ~") ? "" : "n ~ Poisson(1)"}
        ${draw.includes("x ~") ? "" : "x ~ Bernoulli(logits = 0)"}
        ${draw}
      }
      train { maximize log p(x, n | w) }
    }`).codes;
  const bernoulli = (probs: string): string => `x ~ Bernoulli(probs = ${probs})`;
  const multinomial = (probs: string): string => `n ~ Multinomial(9, probs = ${probs})`;
  /** Of a mixture of probabilities. */
  const mixed = (probs: string): readonly string[] =>
    elaborateText(`model M(K = 4, V = 3) {
      data x : binary[V], w : real[K]
      param r : real[K, V], g : real, a : unit, b : unit, c : unit[K], u : unit[K, V], x0 : unit[V]
      net net2(w) = w |> dense(2) |> sigmoid
      net noisy(w) = w |> dense(2) |> sigmoid |> dropout(0.5)
      density p(x | w) {
        th = softmax(w)
        q = sigmoid(w[1])
        rest = 1 - q
        x ~ Bernoulli(probs = ${probs})
      }
      train { maximize log p(x | w) }
    }`).codes.filter((code) => code !== "GM2043");

  test.each([
    bernoulli("th @ u"),
    bernoulli("th @ s"),
    bernoulli("th @ t @ u"),
    bernoulli("softmax(r, axis = 1)[2]"),
    bernoulli("stop(th) @ sigmoid(r)"),
    bernoulli("stack(v, s[1], s[2], s[3])[2]"),
    bernoulli("onehot(argmax(w), classes = K) @ u"),
    bernoulli("(transpose(u) @ th)"),
    bernoulli("mean(t, axis = 1) @ u"),
    multinomial("th @ s"),
    multinomial("th @ t @ s"),
    multinomial("th @ softmax(r)"),
    multinomial("sum[k in 1..K](th[k] * s[k])"),
    multinomial("a * (th @ s) + (1 - a) * v"),
    multinomial("th @ e"),
    multinomial("exp(w @ r)"),
  ])("%s", (draw) => {
    expect(codes(draw)).toEqual([]);
  });
  test.each([
    bernoulli("c @ u"),
    bernoulli("dropout(th, 0.5) @ u"),
    bernoulli("mean(t, axis = 2) @ u"),
    bernoulli("softmax(t, axis = 1)[1] @ u"),
    multinomial("th @ s - v"),
  ])("%s may be wrong", (draw) => {
    expect(codes(draw)).toEqual(["GM3019"]);
  });
  test.each([bernoulli("th @ r"), bernoulli("w @ u"), multinomial("th @ r"), multinomial("w @ s")])("%s is certainly wrong", (draw) => {
    expect(codes(draw)).toEqual(["GM3020"]);
  });
  test.each([
    "a * u[1] + (1 - a) * u[2]",
    "(1 - a) * u[1] + u[2] * a",
    "sigmoid(g) * sigmoid(r[1]) + (1 - sigmoid(g)) * sigmoid(-r[1])",
    "sigmoid(g) * sigmoid(r[1]) + sigmoid(-g) * sigmoid(-r[1])",
    "q * u[1] + rest * u[2]",
    "u[1] * sigmoid(r[1]) + (1 - u[1]) * x0",
    "a * u[1] + (1 - a) * (b * u[2] + (1 - b) * u[3])",
    "a * u[1] + (1 - a) * b * u[2] + (1 - a) * (1 - b) * u[3]",
    "a * b * u[1] + a * (1 - b) * u[2] + (1 - a) * u[3]",
    "a + (1 - a) * u[1]",
    "1 - (a * u[1] + (1 - a) * u[2])",
    "a * (tanh(r[1]) + 1) / 2 + (1 - a) * u[1]",
    "a * u[1] + (1 - a) * u[2] * b",
    "(a * u[1] + (1 - a) * u[2]) * b",
    "net2(w)[1] * u[1] + (1 - net2(w)[1]) * u[2]",
    "th[1] * u[1] + th[2] * u[2] + th[3] * u[3] + th[4] * u[4]",
    "th[1] * u[1] + th[2] * u[2]",
    "softmax(w)[4] * u[1] + softmax(w)[2] * u[2]",
    "sum(transpose(u) * th, axis = -1)",
    "sum(softmax(transpose(r)) * transpose(u), axis = 2)",
    "(a * th + (1 - a) * softmax(c)) @ u",
  ])("the convex combination %s", (probs) => {
    expect(mixed(probs)).toEqual([]);
  });
  test.each([
    "a * u[1] + (1 - b) * u[2]",
    "a * u[1] + (1 - a) * u[2] + b * u[3]",
    "a * u[1] + (1 + a) * u[2]",
    "a * u[1] - (1 - a) * u[2]",
    "exp(g) * u[1] + (1 - exp(g)) * u[2]",
    "sigmoid(g) * u[1] + sigmoid(g) * u[2]",
    "th[1] * u[1] + th[1] * u[2]",
    "th[1] * u[1] + softmax(c)[2] * u[2]",
    "th[1] * u[1] + th[2] * u[2] + exp(g) * th[3] * u[3]",
    "sum(transpose(u) * softmax(transpose(u), axis = 1), axis = -1)",
    "noisy(w)[1] * u[1] + (1 - noisy(w)[1]) * u[2]",
    "(c * th + (1 - c) * softmax(c)) @ u",
  ])("%s is none and may be wrong", (probs) => {
    expect(mixed(probs)).toEqual(["GM3019"]);
  });
  test("a product of positive matrices is positive, one of reals of either sign", () => {
    const scale = (e: string): string => `n ~ NegativeBinomial(${e}, logits = 0)`;
    expect(codes(scale("th @ e"))).toEqual([]);
    expect(codes(scale("exp(w) @ e"))).toEqual([]);
    expect(codes(scale("w @ e"))).toEqual(["GM3017"]);
  });
});
