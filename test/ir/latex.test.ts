/** Formulas of `gmc explain` as TeX takes them: of every example, and of names that are awkward. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { explain } from "../../src/codegen/explain.js";
import { latexName, scripted } from "../../src/codegen/latex-names.js";
import { compile } from "../../src/compile.js";
import { latexFaults, latexIn } from "../support/latex.js";

const formulas = (path: string, text: string): readonly string[] => {
  const { derived, diagnostics } = compile({ path, text });
  if (!derived) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  return latexIn(explain(derived));
};

describe("formulas of the examples", () => {
  it.each(readdirSync("examples").filter((name) => name.endsWith(".gm")))("%s", (name) => {
    const found = formulas(`examples/${name}`, readFileSync(`examples/${name}`, "utf8"));
    expect(found.length).toBeGreaterThan(0);
    for (const formula of found) expect([formula, latexFaults(formula)]).toEqual([formula, []]);
  });
});

it("of families, Greek names, several samples and several of each", () => {
  const found = formulas(
    "m.gm",
    `model M {
      data x : real[3]   latent z_lat[l in 1..2] : real[2]   latent θ : real[2], Sigma1 : real[2]
      param φ_dec : real
      net enc(x) { h = x |> dense(4) return (loc = h |> dense(2), log_scale = h |> dense(2)) }
      density p(x, z_lat, θ, Sigma1) {
        θ ~ Normal(0, 1)  Sigma1 ~ Normal(0, exp(φ_dec))  z_lat[2] ~ Normal(θ, 1)  z_lat[1] ~ Normal(z_lat[2] |> dense(2), 1)
        x ~ Normal(concat(z_lat[1], Sigma1) |> dense(3), 1)
      }
      density q(z_lat, θ, Sigma1 | x) {
        e = enc(x)  z_lat[1] ~ Normal(e.loc, exp(e.log_scale))  z_lat[2] ~ Normal(z_lat[1] |> dense(2), 1)
        θ ~ Normal(e.loc, 1)  Sigma1 ~ Normal(z_lat[2] |> dense(2), 1)
      }
      train { maximize IWAE(p, q, k = 3) }
      evaluate { a = IWAE(p, q, k = 5)  b = -IWAE(p, q, k = 20)  c = ELBO(p, q)  d = E[z_lat, θ, Sigma1 ~ q(z_lat, θ, Sigma1 | x)](sum(θ ^ 2)) }
    }`,
  );
  for (const formula of found) expect([formula, latexFaults(formula)]).toEqual([formula, []]);
  const [iwae = ""] = found;
  expect(iwae).toContain("\\mathrm{z\\_lat}_{2}^{(1:3)} \\sim q(\\mathrm{z\\_lat}_{2} \\mid \\mathrm{z\\_lat}_{1}^{(1:3)})");
  expect(iwae).toContain("\\theta^{(1:3)}");
});

it.each([
  ["θ", "\\theta"],
  ["Omega", "\\Omega"],
  ["Α", "A"],
  ["varepsilon", "\\varepsilon"],
  ["µ0", "\\mu_{0}"],
  ["h2[3]", "h_{2, 3}"],
  ["h[1][2]", "h_{1, 2}"],
  ["z_lat[2]", "\\mathrm{z\\_lat}_{2}"],
  ["μ_θ", "\\mathrm{{\\mu}\\_{\\theta}}"],
  ["mean(h1)", "\\mu_{h_{1}}"],
  ["größe_α", "\\text{größe\\_$\\alpha$}"],
])("the name %s is %s", (name, latex) => expect(latexName(name)).toBe(latex));

it("a second script of a kind stands outside of braces", () => {
  expect(scripted("z_{1}", "^", "2")).toBe("z_{1}^{2}");
  expect(scripted("z_{1}^{(i)}", "_", "2")).toBe("{z_{1}^{(i)}}_{2}");
  expect(scripted("\\left(x^{2}\\right)", "^", "2")).toBe("\\left(x^{2}\\right)^{2}");
});

it.each(["z_{1}_{2}", "x^{2}^{3}", "\\left(x", "{x", "x}", "\\sum_{i2=1}", "θ", "\\mathrm{a_b}", "ab", "x_"])(
  "the check sees that %s is none",
  (text) => expect(latexFaults(text)).not.toEqual([]),
);
