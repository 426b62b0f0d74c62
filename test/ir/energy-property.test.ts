/** Random energies: what the analysis claims is true in numbers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { analysed } from "./energy-support.js";
import { falseClaims } from "./energy-claims.js";

/** Texts of expressions by shape: [4] of v, [3] of h, [3, 4] matrices. */
const scalar = ((): fc.Arbitrary<string> => {
  const unary = fc.constantFrom("tanh", "softplus", "sigmoid", "square", "abs", "relu", "sin", "stop", "neg");
  const apply = (f: string, x: string): string => (f === "neg" ? `(-${x})` : `${f}(${x})`);
  const operator = fc.constantFrom("+", "-", "*", "+", "*");
  const power = fc.constantFrom("2", "3");
  const exprs = fc.letrec<{ scalar: string; v: string; h: string; m: string }>((tie) => ({
    scalar: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom("c", "2", "0.5", "v[1]", "v[3]", "h[2]", "r", "t[y]", "t[z[1]]", "t[z[2]]"),
      fc.tuple(tie("v"), tie("v")).map(([a, b]) => `(${a} @ ${b})`),
      fc.tuple(tie("h"), tie("h")).map(([a, b]) => `(${a} @ ${b})`),
      fc.tuple(tie("v"), tie("h")).map(([a, b]) => `(${a} @ W @ ${b})`),
      tie("v").map((a) => `sum(${a})`),
      tie("h").map((a) => `sum(${a})`),
      tie("m").map((a) => `sum(${a})`),
      tie("v").map((a) => `mean(${a})`),
      fc.constantFrom("sum(v)", "sum(h^2)", "v @ v", "sum(g(v))", "norm(v)^2", "sum(U[z] * h)", "sum(onehot(z))"),
      tie("h").map((a) => `logsumexp(${a})`),
      tie("v").map((a) => `variance(${a})`),
      tie("v").map((a) => `norm(${a})^2`),
      fc.tuple(tie("scalar"), operator, tie("scalar")).map(([a, o, b]) => `(${a} ${o} ${b})`),
      fc.tuple(unary, tie("scalar")).map(([f, a]) => apply(f, a)),
      fc.tuple(tie("scalar"), power).map(([a, n]) => `((${a})^${n})`),
    ),
    v: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom("v", "v", "v", "b", "s", "v", "k", "reverse(v)", "(v @ L)", "(W @ h)", "(v * v)", "concat(v[3..4], v[1..2])"),
      fc.tuple(unary, tie("v")).map(([f, a]) => apply(f, a)),
      fc.tuple(tie("v"), operator, tie("v")).map(([a, o, b]) => `(${a} ${o} ${b})`),
      fc.tuple(tie("scalar"), operator, tie("v")).map(([a, o, b]) => `(${a} ${o} ${b})`),
      fc.tuple(tie("v"), power).map(([a, n]) => `((${a})^${n})`),
      tie("v").map((a) => `(${a} @ L)`),
      tie("v").map((a) => `(tril(L) @ ${a})`),
      tie("h").map((a) => `(W @ ${a})`),
      tie("v").map((a) => `reverse(${a})`),
      tie("v").map((a) => `cumsum(${a})`),
      tie("v").map((a) => `concat(${a}[3..4], ${a}[1..2])`),
      fc.tuple(tie("v"), tie("h")).map(([a, b]) => `concat(${a}[2..2], ${b})`),
      tie("v").map((a) => `flatten(transpose(reshape(${a}, 2, 2)))`),
      tie("v").map((a) => `(${a} / s)`),
      tie("v").map((a) => `g(${a})`),
      tie("v").map((a) => `softmax(${a})`),
      tie("m").map((a) => `sum(${a}, axis = 1)`),
      fc.tuple(tie("v"), tie("v"), tie("v")).map(([a, x, y]) => `where(greater(${a}, 0.2), ${x}, ${y})`),
    ),
    h: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom("h", "a", "U[y]", "h", "(U[y] * h)", "h", "(v @ W)", "v[2..4]", "v[1..3]", "(h * h)", "(v[2..4] * v[1..3])"),
      fc.tuple(unary, tie("h")).map(([f, a]) => apply(f, a)),
      fc.tuple(tie("h"), operator, tie("h")).map(([a, o, b]) => `(${a} ${o} ${b})`),
      tie("v").map((a) => `(${a} @ W)`),
      tie("v").map((a) => `${a}[2..4]`),
      tie("m").map((a) => `sum(${a}, axis = 2)`),
      tie("h").map((a) => `f(${a}).loc`),
      tie("h").map((a) => `f(${a}).scale`),
    ),
    /** [3, 4] */
    m: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom("(transpose(W) * v)", "(reshape(h, 3, 1) * transpose(W))", "transpose(W)"),
      tie("h").map((a) => `(reshape(${a}, 3, 1) * transpose(W))`),
      tie("v").map((a) => `(transpose(W) * ${a})`),
      fc.tuple(tie("m"), operator, tie("m")).map(([a, o, b]) => `(${a} ${o} ${b})`),
      tie("m").map((a) => `tanh(${a})`),
      tie("m").map((a) => `((${a})^2)`),
    ),
  }));
  return exprs.scalar;
})();

const model = (domains: readonly [string, string], energies: readonly string[]): string => `model M {
  data v : ${domains[0]}[4], y : category[3], z : category[3][2], k : real[4]
  latent h : ${domains[1]}[3], r : real
  param W : real[4, 3], L : real[4, 4], U : real[3, 3], t : real[3], a : real[3], b : real[4], c : real
  param s : positive[4] = 1
  net f(x) = (loc = x |> dense(3), scale = softplus(x))
  net g(x) { u = tanh(x)   return u * x }
  density p(v, h, y, z, r | k) {
    ${energies.map((e) => `energy ${e}`).join("\n    ")}
  }
}`;

const domain = fc.constantFrom("real", "binary", "real", "binary");
/** What makes every variable appear, and holds the real ones. */
const anchor = "sum(v^2) + sum(h^2) + r^2 + t[y] + sum(t[z])";

describe("claims are true", () => {
  test("of random energies", () => {
    let claimed = 0;
    fc.assert(
      fc.property(fc.tuple(domain, domain), fc.array(scalar, { minLength: 1, maxLength: 3 }), fc.integer(), (domains, energies, seed) => {
        const { context, analysis } = analysed(model(domains, [[...energies, anchor].join(" + ")]));
        if (!analysis) return;
        claimed += [...analysis.laws.values()].filter((law) => law.kind !== "coupled" && law.kind !== "nonlinear").length;
        expect(falseClaims(context, analysis, seed)).toEqual([]);
      }),
      { numRuns: 150, seed: 20 },
    );
    // the property is not empty: many laws were claimed
    expect(claimed).toBeGreaterThan(50);
  });

  test("of random quadratic energies of real variables, positive definite or not", () => {
    let proven = 0;
    const sign = fc.constantFrom("+", "+", "+", "-");
    const affine = fc.oneof(
      fc.constantFrom("v", "(v - b)", "v @ L", "reverse(v)", "v / s", "(-v)", "cumsum(v)", "exp(b) * v", "b * v", "(W @ h)", "(v - W @ h)"),
      fc.constantFrom("(v * t[y])", "(v[1..3] - h)", "(r - v)", "(2 * r - 1)", "softplus(k) * (v + r)", "concat(v[1..2], h)", "(U[y] - h)"),
    );
    const part = fc.oneof(
      affine.map((e) => `sum((${e})^2)`),
      affine.map((e) => `sum(exp(b[2]) * square(${e}))`),
      affine.map((e) => `sum((${e})^2 / s[1])`),
      affine.map((e) => `mean(sigmoid(b[1]) * (${e})^2)`),
      affine.map((e) => `sum(c * (${e})^2)`),
      fc.constantFrom(
        "v @ v",
        "h @ h",
        "r^2",
        "norm(v - b)^2",
        "(r - v[2])^2",
        "v @ L @ v",
        "r * v[1]",
        "b @ v",
        "sum(v^2) * c^2",
        "variance(v)",
      ),
    );
    const anchors = fc.tuple(
      fc.constantFrom("sum(v^2)", "v @ v / 2", "sum((v - b)^2 / s^2)", "sum((v - W @ h)^2)", "sum(relu(b) * v^2)", "0"),
      fc.constantFrom("h @ h", "sum((h - v[1..3])^2)", "sum((h - r)^2 * exp(a))", "norm(h)^2"),
      fc.constantFrom("r^2", "(r - a[1])^2", "2 * square(r - h[1])"),
    );
    fc.assert(
      fc.property(anchors, fc.array(fc.tuple(sign, part), { maxLength: 2 }), fc.integer(), (held, parts, seed) => {
        const energy = [held.join(" + "), ...parts.map(([s, p]) => `${s} ${p}`)].join(" ");
        const { context, analysis } = analysed(model(["real", "real"], [energy, "t[y] + sum(t[z])"]));
        if (!analysis) return;
        if (analysis.definite === "proven") proven++;
        expect(falseClaims(context, analysis, seed)).toEqual([]);
      }),
      { numRuns: 150, seed: 21 },
    );
    expect(proven).toBeGreaterThan(5);
  });
});
