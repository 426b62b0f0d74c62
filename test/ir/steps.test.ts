/** Draws whose sample has a derivative that says too little: values that step as the draw moves, and bounds that move with what is trained. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { explain } from "../../src/codegen/explain.js";

const model = (body: string, by = "", q = "Normal(e.loc, e.scale)"): string => `
model Steps(D = 2) {
  data x : real[D]
  latent z : real[D]
  param a : positive[D] = 1, c : real[D]
  net jumping(u) { t = u - 1  return where(greater(t, 0), u, 0) }
  net meeting(u) { t = u - 1  return where(greater(t, 0), t, 0) }
  net enc(x) { h = x |> dense(4) |> tanh  return (loc = h |> dense(D), scale = exp(h |> dense(D))) }
  net ratio(z) { s = abs(z)  t = s / z  return t }
  net inverted(z) { s = exp(log(abs(z)))  t = s / z  return t }
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
    ["where(greater(z, 0), z, 0) / z", "score", "where("],
    ["where(less_equal(z, 0), -z, z) / z", "score", "where("],
    ["where(greater(z, 0), z^2, 0) / z", "reparam", ""],
    ["relu(z - 1) / (z - 1)", "score", "relu(z - 1)"],
    ["maximum(2 * z, 0) / z", "score", "maximum(2 * z"],
    ["(z ^ 2) ^ 0.5 / z", "score", "^ 0.5"],
    ["(z + abs(z)) / z", "score", "abs(z)"],
    ["ratio(z)", "score", "s / z"],
    ["exp(log(abs(z))) / z", "score", "log(abs(z))"],
    ["inverted(z)", "score", "s / z"],
    ["z * exp(-log(abs(z)))", "score", "log(abs(z))"],
    ["tanh(1 / z)", "score", "tanh("],
    ["sin(abs(z - c)) / (z - c)", "score", "sin("],
    ["abs(a * z) / z", "score", "abs("],
    ["abs(sum(z)) / sum(z)", "score", "abs(sum("],
    ["norm(z[1]) / z[1]", "score", "norm("],
    ["z / abs(z) ^ 1.5", "score", "1.5"],
    ["tanh(z) / z", "reparam", ""],
    ["z * log(abs(z))", "reparam", ""],
    ["z / (a + abs(z))", "reparam", ""],
    ["exp(-1 / z ^ 2)", "reparam", ""],
    ["enc(z).scale / abs(enc(z).scale)", "reparam", ""],
    ["abs(z) / stop(z)", "reparam", ""],
    ["z * abs(z)", "reparam", ""],
    ["abs(z) / (1 + abs(z))", "reparam", ""],
    ["z ^ 2 / (z ^ 2)", "reparam", ""],
    ["abs(z) / (z - 1)", "reparam", ""],
    ["z / norm(z)", "reparam", ""],
    ["where(greater(z, 0), z, 0)", "reparam", ""],
    ["where(less(z, c), 1, z)", "score", "where(less(z, c), 1, z)"],
    ["where(greater(z, 1), 0, z)", "score", "where("],
    ["where(greater(z, 0), z + 1, z)", "score", "where("],
    ["where(greater(2 * z, a), z * a, exp(z))", "score", "where("],
    ["where(greater(z, 1), 2, where(less(z, -1), -1, z))", "score", "where("],
    ["jumping(2 * z)", "score", "where("],
    ["where(less(z, c), c, z)", "reparam", ""],
    ["where(greater(z, 0), z, -z)", "reparam", ""],
    ["where(greater(z, 0), z, 0.1 * z)", "reparam", ""],
    ["where(greater(z, 0), z, exp(z) - 1)", "reparam", ""],
    ["where(greater(z, 1), 1, where(less(z, -1), -1, z))", "reparam", ""],
    ["where(greater(2 * z, a), z * a, a ^ 2 / 2)", "reparam", ""],
    ["where(less(exp(z), 1), 0, z)", "reparam", ""],
    ["where(less(a, -1), z, 0)", "reparam", ""],
    ["where(equal(z, 0), 1, z)", "reparam", ""],
    ["meeting(2 * z)", "reparam", ""],
    ["z + stop(sign(z) - z)", "reparam", ""],
    ["z * stop(hard(z))", "reparam", ""],
    ["relu(z) + abs(z)", "reparam", ""],
    ["sign(a) + z", "reparam", ""],
  ])("%s: %s", (body, estimator, step) => {
    const { estimator: taken, reason, errors } = found(model(body));
    expect({ taken, errors }).toEqual({ taken: estimator, errors: [] });
    expect(reason).toContain(step);
  });

  // c = 0.4, a = 0.7, z ~ Normal(m, 1)
  const cases: readonly (readonly [string, (z: number) => number])[] = [
    ["where(less(z, c), 1, z)", (z) => (z < 0.4 ? 1 : z)],
    ["where(greater(z, 0), z + 1, z)", (z) => (z > 0 ? z + 1 : z)],
    ["where(greater(2 * z, a), z * a, exp(z))", (z) => (2 * z > 0.7 ? 0.7 * z : Math.exp(z))],
    ["where(less(z, c), c, z)", (z) => (z < 0.4 ? 0.4 : z)],
    ["where(greater(z, 0), z, 0.1 * z)", (z) => (z > 0 ? z : 0.1 * z)],
    ["where(greater(2 * z, a), z * a, a ^ 2 / 2)", (z) => (2 * z > 0.7 ? 0.7 * z : 0.245)],
    ["where(greater(z, 0), z, exp(z) - 1)", (z) => (z > 0 ? z : Math.exp(z) - 1)],
    ["exp(log(abs(z))) / z", Math.sign],
    ["expm1(abs(z)) / z", (z) => Math.expm1(Math.abs(z)) / z],
    ["expm1(z) / z", (z) => Math.expm1(z) / z],
    ["1 / (1 + exp(1 / z))", (z) => 1 / (1 + Math.exp(1 / z))],
    ["exp(-1 / z ^ 2)", (z) => Math.exp(-1 / z ** 2)],
  ];
  it.each(cases)("%s: by the sample's derivative where quadrature has the same slope", (body, f) => {
    const density = (e: number): number => Math.exp((-e * e) / 2) / Math.sqrt(2 * Math.PI);
    const integral = (g: (e: number) => number): number => {
      let sum = 0;
      for (let i = 0; i < 200_000; i++) sum += g(-8 + (i + 0.5) * 8e-5) * 8e-5;
      return sum;
    };
    // of the mean, in which z is integrated over and m moves the density; of the sample, at z = m + e
    const m = 0.3;
    const mean = (at: number): number => integral((z) => f(z) * density(z - at));
    const exact = (mean(m + 1e-4) - mean(m - 1e-4)) / 2e-4;
    const slope = (z: number): number => (f(z + 1e-6) - f(z - 1e-6)) / 2e-6;
    // no difference is taken across the edge
    const pathwise = integral((e) => (Math.abs(slope(m + e)) > 1e3 ? 0 : slope(m + e)) * density(e));
    expect(found(model(body)).estimator).toBe(Math.abs(pathwise - exact) < 1e-3 ? "reparam" : "score");
  });

  it("is not called unbiased where it is not known whether a condition jumps", () => {
    const paths = (body: string): string => {
      const { derived } = compile({ path: "test.gm", text: model(body) });
      const [path] = derived ? (explain(derived).train[0]?.paths ?? []) : [];
      return `${path?.path} ${path?.unsure ?? "sure"}`;
    };
    expect(paths("where(greater(sum(z), 0), z, 0)")).toMatch(/^reparameterised `where\(greater\(sum\(z\), 0\), z, 0\)` does/u);
    expect(paths("where(greater(sum(z), 0), sum(z), 0)")).toBe("reparameterised sure");
    expect(paths("where(greater(z, 0), z, 0)")).toBe("reparameterised sure");
    expect(paths("log(abs(z |> dense(D)))")).toBe("reparameterised `log(abs(z |> dense(D)))` does not jump and its slope has a mean");
    // of an interval that may hold no pole
    expect(found(model("log(abs(z))", "", "Uniform(e.loc, e.loc + 1)")).estimator).toBe("reparam");
    expect(paths("1 / z")).toBe("reparameterised `1 / z` has a mean");
  });

  // the mean of |slope| is what the value changes by on the way to a pole
  it.each<[body: string, estimator: string]>([
    ["log(abs(z))", "score"],
    ["log(abs(z - c))", "score"],
    ["a * log(z ^ 2)", "score"],
    ["1 / sqrt(abs(z))", "score"],
    ["lgamma(z)", "score"],
    ["erf(abs(z)) / z", "score"],
    ["erf(z) / z", "reparam"],
    ["gelu(z) / z + mish(z) / z", "reparam"],
    ["lgamma(exp(z)) + digamma(softplus(z))", "reparam"],
    ["z * log(abs(z))", "reparam"],
    ["sqrt(abs(z))", "reparam"],
    ["log(1 + z ^ 2) / (1 + z ^ 2)", "reparam"],
  ])("takes %s by %s where the slope has no mean at a pole", (body, estimator) => {
    expect(found(model(body)).estimator).toBe(estimator);
    expect(found(model(body, "by reparam")).errors).toEqual(estimator === "score" ? ["GM3504"] : []);
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
