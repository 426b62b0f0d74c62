/** Draws whose sample has a derivative that says too little: values that step as the draw moves, and bounds that move with what is trained. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { explain } from "../../src/codegen/explain.js";

const model = (body: string, by = "", q = "Normal(e.loc, e.scale)"): string => `
model Steps(D = 2) {
  data x : real[D]
  latent z : real[D]
  param a : positive[D] = 1
  net enc(x) { h = x |> dense(4) |> tanh  return (loc = h |> dense(D), scale = exp(h |> dense(D))) }
  net ratio(z) { s = abs(z)  t = s / z  return t }
  net hard(z) { s = sign(z)  return s |> dense(D) }
  density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(${body}, 1) }
  density q(z | x) { e = enc(x)  z ~ ${q} }
  train { maximize ELBO(p, q) ${by}  optimizer = sgd(lr = 0.1) }
}`;

function found(text: string): { readonly estimator: string | undefined; readonly reason: string; readonly errors: readonly string[] } {
  const { derived, diagnostics } = compile({ path: "test.gm", text });
  const errors = diagnostics.filter((d) => d.severity === "error").map((d) => d.code);
  const [latent] = derived ? (explain(derived).train[0]?.latents ?? []) : [];
  return { estimator: latent?.estimator, reason: latent?.reason ?? "", errors };
}

describe("a value that steps as a reparameterised draw moves", () => {
  it.each([
    ["hard(z)", "score", "sign(z)"],
    ["where(greater(z, 0), 1, 0)", "score", "where(greater(z, 0), 1, 0)"],
    ["onehot(argmax(z), 2)", "score", "argmax(z"],
    ["floor(2 * z)", "score", "floor("],
    ["abs(z) / z", "score", "abs(z) / z"],
    ["z / abs(z)", "score", "z / abs(z)"],
    ["relu(z - 1) / (z - 1)", "score", "relu(("],
    ["maximum(2 * z, 0) / z", "score", "maximum(("],
    ["(z ^ 2) ^ 0.5 / z", "score", "^ 0.5"],
    ["(z + abs(z)) / z", "score", "abs(z)"],
    ["ratio(z)", "score", "s / z"],
    ["z * abs(z)", "reparam", ""],
    ["abs(z) / (1 + abs(z))", "reparam", ""],
    ["z ^ 2 / (z ^ 2)", "reparam", ""],
    ["abs(z) / (z - 1)", "reparam", ""],
    ["z / norm(z)", "reparam", ""],
    ["where(greater(z, 0), z, 0)", "reparam", ""],
    ["z + stop(sign(z) - z)", "reparam", ""],
    ["z * stop(hard(z))", "reparam", ""],
    ["relu(z) + abs(z)", "reparam", ""],
    ["sign(a) + z", "reparam", ""],
  ])("%s: %s", (body, estimator, step) => {
    const { estimator: taken, reason, errors } = found(model(body));
    expect({ taken, errors }).toEqual({ taken: estimator, errors: [] });
    expect(reason).toContain(step);
  });

  it.each(["reparam", "stl"])("is no place for %s", (by) => {
    expect(found(model("hard(z)", `by ${by}`)).errors).toEqual(["GM3504"]);
    expect(found(model("tanh(z)", `by ${by}`)).errors).toEqual([]);
  });
});

describe("a relaxation of a discrete draw", () => {
  const relaxing = (body: string, by: string, q = "Bernoulli(logits = x @ V)", p = "Bernoulli(logits = zeros(3))"): readonly string[] =>
    found(`
model Relaxed {
  data x : real[2]
  latent h : binary[3]
  param W : real[3, 2], V : real[2, 3]
  net r(h) = h |> dense(2) |> tanh |> dense(1) |> sum
  density p(x, h) { h ~ ${p}  x ~ Normal(${body}, 1) }
  density q(h | x) { h ~ ${q} }
  train { maximize ELBO(p, q) by ${by}  optimizer = sgd(lr = 0.1) }
}`).errors;
  const hot = ["OneHotCategorical(logits = x @ V)", "OneHotCategorical(logits = zeros(3))"] as const;

  // by enumeration the gradient of V is not 0 here; relaxed, it is that of the KL alone
  it.each(["rebar", "relax(control = r(h))", "concrete", "gumbel_straight_through", "straight_through"])(
    "by %s has no slope at a step",
    (by) => {
      expect(relaxing("where(greater(h, 0.5), 1, 0) @ W", `${by}`)).toEqual(["GM3504"]);
      expect(relaxing("W[argmax(h)]", by, ...hot)).toEqual(["GM3504"]);
      expect(relaxing("h @ W", by)).toEqual([]);
      expect(relaxing("h @ W", by, ...hot)).toEqual([]);
    },
  );
  it.each(["disarm", "arm", "local_expectation", "score", "enumerate"])("is no part of %s", (by) => {
    expect(relaxing("where(greater(h, 0.5), 1, 0) @ W", by)).toEqual([]);
  });
});

describe("a draw that steps with one before it", () => {
  const chain = (
    mean: string,
    first = "Normal(loc, 1)",
  ): { readonly estimators: readonly string[]; readonly errors: readonly string[] } => {
    const text = `
model Chain {
  data x : real
  latent a : real, b : real
  param loc : real, s : real
  density q(a, b | x) { a ~ ${first}  m = ${mean}  b ~ Normal(m, 1) }
  train { maximize E[a, b ~ q(a, b | x)](b * x)  optimizer = sgd(lr = 0.1) }
}`;
    const { derived, diagnostics } = compile({ path: "test.gm", text });
    return {
      estimators: derived ? (explain(derived).train[0]?.latents ?? []).map((l) => `${l.variable} ${l.estimator}`) : [],
      errors: diagnostics.filter((d) => d.severity === "error").map((d) => d.code),
    };
  };
  it("is seen where its parameters step", () => {
    expect(chain("s * sign(a)")).toEqual({ estimators: ["a score", "b reparam"], errors: [] });
    expect(chain("s * a")).toEqual({ estimators: ["a reparam", "b reparam"], errors: [] });
  });
});

describe("bounds that are trained", () => {
  // d/da E[z^2 / 2] under Uniform(-a, a) is a / 3, of which the score function, -1 / a times the mean, gives -a / 6
  it.each(["score", "score(baseline = leave_one_out, k = 2)", "stl"])("have no gradient by %s", (by) => {
    expect(found(model("z", `by ${by}`, "Uniform(-a, a)")).errors).toEqual(["GM3504"]);
    expect(found(model("z", `by ${by}`, "Uniform(0, e.scale)")).errors).toEqual(["GM3504"]);
  });
  it("are told of a mixture of such, which has no other gradient", () => {
    const text = `
model Mixed {
  data x : real
  latent z : real
  param a : positive = 1
  density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z, 1) }
  density q(z | x) { z ~ Mixture(probs = ones(2) / 2, of = Uniform(stack(-a, 0), stack(0, a))) }
  train { maximize ELBO(p, q)  optimizer = sgd(lr = 0.1) }
}`;
    const { diagnostics } = compile({ path: "test.gm", text });
    expect(diagnostics.filter((d) => d.severity === "error").map((d) => [d.code, d.message])).toEqual([
      ["GM3503", expect.stringContaining("its bounds are trained") as string],
    ]);
  });
  it("are reparameterised", () => {
    expect(found(model("z", "", "Uniform(-a, a)")).estimator).toBe("reparam");
    expect(found(model("z", "by reparam", "Uniform(-a, a)")).errors).toEqual([]);
  });
});
