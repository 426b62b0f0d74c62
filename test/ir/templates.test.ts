/** Objective templates: roles, conditions, schedules; expectations and samples. */
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compile.js";
import { printExpr } from "../../src/ir/print.js";
import { elaborateText } from "./support.js";

interface Parts {
  readonly declarations?: string;
  readonly p?: string;
  readonly q?: string;
  readonly templates?: string;
}

/** The objective that a call of a template stands for. */
function expand(call: string, { declarations, p, q, templates = "" }: Parts = {}): string {
  const result = elaborateText(`${templates}
  model M {
    ${declarations ?? "data x : real[2]   latent z : real[2]"}
    ${p ?? "density p(x, z) { z ~ Normal(0, 1)   x ~ Normal(z, 1) }"}
    ${q ?? "density q(z | x) { z ~ Normal(x, 1) }"}
    train { maximize ${call} }
  }`);
  const value = result.ir?.train[0]?.updates[0]?.value;
  return value ? printExpr(value) : result.codes.join(" ");
}

const elbo = "E[z ~ q(z | x)]((log p(x | z) + (log p(z) - log q(z | x))))";

describe("roles", () => {
  test("by the names of the template", () => {
    expect(expand("ELBO(p, q)")).toBe(elbo);
  });

  test("by any names", () => {
    const declarations = "data image : real[2]   latent code : real[2]";
    const p = "density joint(image, code) { code ~ Normal(0, 1)   image ~ Normal(code, 1) }";
    const q = "density guess(code | image) { code ~ Normal(image, 1) }";
    expect(expand("ELBO(joint, guess)", { declarations, p, q })).toBe(
      "E[code ~ guess(code | image)]((log joint(image | code) + (log joint(code) - log guess(code | image))))",
    );
  });

  test("names that are crossed with the template's", () => {
    const declarations = "data z : real[2]   latent x : real[2]";
    const p = "density p(z, x) { x ~ Normal(0, 1)   z ~ Normal(x, 1) }";
    const q = "density q(x | z) { x ~ Normal(z, 1) }";
    expect(expand("ELBO(p, q)", { declarations, p, q })).toBe("E[x ~ q(x | z)]((log p(z | x) + (log p(x) - log q(x | z))))");
  });

  test("several latents, families, several data", () => {
    const declarations = "data x : real[2], y : real[2]   latent u : real[2], h[l in 1..2] : real[2]";
    const p =
      "density p(x, y, u, h) { u ~ Normal(0, 1)   h[2] ~ Normal(u, 1)   h[1] ~ Normal(h[2], 1)   x ~ Normal(h[1], 1)   y ~ Normal(u, 1) }";
    const q = "density q(h, u | x, y) { h[1] ~ Normal(x, 1)   h[2] ~ Normal(h[1], 1)   u ~ Normal(y, 1) }";
    expect(expand("IWAE(p, q, k = 3)", { declarations, p, q })).toBe(
      "E[h[1][1..k], h[2][1..k], u[1..k] ~ q(h[1], h[2], u | x, y)](logmeanexp[i in 1..k]((log p(x, y, h[1] = h[1][i], h[2] = h[2][i], u = u[i]) - log q(h[1] = h[1][i], h[2] = h[2][i], u = u[i] | x, y))))",
    );
  });

  test("conditions of p are handed on; q may do without x", () => {
    const declarations = "data x : real[2], y : real[2]   latent z : real[2]";
    const p = "density p(x, z | y) { z ~ Normal(y, 1)   x ~ Normal(z, 1) }";
    expect(expand("ELBO(p, q)", { declarations, p, q: "density q(z | x, y) { z ~ Normal(x + y, 1) }" })).toBe(
      "E[z ~ q(z | x, y)]((log p(x | z, y) + (log p(z | y) - log q(z | x, y))))",
    );
    expect(expand("ELBO(p, q)", { declarations, p, q: "density q(z | y) { z ~ Normal(y, 1) }" })).toBe(
      "E[z ~ q(z | y)]((log p(x | z, y) + (log p(z | y) - log q(z | y))))",
    );
    expect(expand("ELBO(p, q)", { declarations, p, q: "density q(z) { z ~ Normal(0, 1) }" })).toBe(
      "E[z ~ q(z)]((log p(x | z, y) + (log p(z | y) - log q(z))))",
    );
  });

  test("draws from both sides", () => {
    expect(expand("Wake(p, q)")).toBe("E[z ~ q(z | x)](log p(x, z))");
    expect(expand("Sleep(p, q)")).toBe("E[x, z ~ p(x, z)](log q(z | x))");
    expect(expand("LogLikelihood(p)")).toBe("log p(x)");
  });

  const joint = {
    declarations: "data a : real[2], b : real[2]   latent c : real[2], h[l in 1..2] : real[2], x : real[2]",
    p: "density p(a, b, c, h, x) { c ~ Normal(0, 1)   h[2] ~ Normal(c, 1)   h[1] ~ Normal(h[2], 1)   x ~ Normal(c, 1)   a ~ Normal(h[1], 1)   b ~ Normal(x, 1) }",
    q: "density q(h, x, c | a, b) { h[1] ~ Normal(a, 1)   h[2] ~ Normal(h[1], 1)   x ~ Normal(b, 1)   c ~ Normal(x, 1) }",
  };
  const [all, drawn] = ["a, b, h[1], h[2], x, c", "h[1], h[2], x, c"];

  test.each<[string, string]>([
    ["Wake(p, q)", `E[${drawn} ~ q(${drawn} | a, b)](log p(${all}))`],
    ["Sleep(p, q)", `E[${all} ~ p(${all})](log q(${drawn} | a, b))`],
    ["Rate(p, q)", `E[${drawn} ~ q(${drawn} | a, b)]((log q(${drawn} | a, b) - log p(${drawn})))`],
    ["Distortion(p, q)", `neg(E[${drawn} ~ q(${drawn} | a, b)](log p(a, b | ${drawn})))`],
    ["LogLikelihood(p)", "log p(a, b)"],
  ])("%s with several latents, a family and the template's own names", (call, expanded) => {
    expect(expand(call, joint)).toBe(expanded);
  });

  test("draws from the generative side alone, with conditions and what q leaves out", () => {
    const declarations = "data v : real[2], y : real[2], u : real[2]   latent g : real[2], k : real[2]";
    const p = "density p(v, u, g, k | y) { g ~ Normal(y, 1)   k ~ Normal(g, 1)   v ~ Normal(k, 1)   u ~ Normal(k, 1) }";
    const q = "density q(g, k | v, y) { k ~ Normal(v, 1)   g ~ Normal(k + y, 1) }";
    expect(expand("Sleep(p, q)", { declarations, p, q })).toBe("E[v, u, g, k ~ p(v, u, g, k | y)](log q(g, k | v, y))");
    expect(expand("Rate(p, q)", { declarations, p, q })).toBe("E[g, k ~ q(g, k | v, y)]((log q(g, k | v, y) - log p(g, k | y)))");
    expect(expand("Sleep(p, q)", { declarations, p, q: "density q(g | v) { g ~ Normal(v, 1) }" })).toBe("GM3042");
  });

  test("a density alone: what is drawn is latent, what is free is data", () => {
    expect(expand("Prior(p)", { templates: "objective Prior(p) = E[b ~ p(b)](log p(a | b))" })).toBe("E[z ~ p(z)](log p(x | z))");
  });

  test.each<[string, Parts, string]>([
    [
      "ELBO(p, q)",
      {
        declarations: "data x : real[2]   latent z : real[2], u : real[2]",
        p: "density p(x, z, u) { u ~ Normal(0, 1)   z ~ Normal(u, 1)   x ~ Normal(z, 1) }",
      },
      "GM3042",
    ],
    [
      "ELBO(p, q)",
      {
        declarations: "data x : real[2]   latent z : real[2], u : real[2]",
        q: "density q(z, u | x) { z ~ Normal(x, 1)   u ~ Normal(z, 1) }",
      },
      "GM3044",
    ],
    ["ELBO(q, p)", {}, "GM3043"],
    ["ELBO(p, x)", {}, "GM3046"],
    ["ELBO(p, r)", {}, "GM2001"],
    ["ELBO", {}, "GM2007"],
    ["Nothing(p, q)", {}, "GM2029"],
    ["ELBO(p, q) + z", {}, "GM3033"],
    ["ELBO(p, q) + x", {}, "GM3035"],
  ])("%s is refused", (call, parts, code) => {
    expect(expand(call, parts).split(" ")).toContain(code);
  });
});

describe("arguments", () => {
  test("a weight of 1 leaves the plain term, another number stays", () => {
    expect(expand("ELBO(p, q, 1)")).toBe(elbo);
    expect(expand("ELBO(p, q, beta = 4)")).toBe("E[z ~ q(z | x)]((log p(x | z) + (4 * (log p(z) - log q(z | x)))))");
  });

  test("a schedule is fed under the argument's name", () => {
    expect(expand("ELBO(p, q, beta = linear(0, 1, epochs = 10))")).toContain("beta:linear(from = 0, to = 1, epochs = 10) *");
    expect(expand("ELBO(p, q, beta = linear(0, 1))")).toBe("GM2024");
    expect(expand("ELBO(p, q, beta = linear(0, 1, epochs = 1, steps = 2))")).toBe("GM2018");
  });

  test("nets and values", () => {
    const templates = "objective Match(q, f, w = 1) = E[a ~ q(a)](sum(f(a)^2) * w)";
    expect(expand("Match(q, double, w = sum(x))", { templates: `${templates}\nnet double(a) = 2 * a` })).toBe(
      "E[z ~ q(z | x)]((sum((double(z) ^ 2), axes = [-1]) * sum(x, axes = [-1])))",
    );
  });

  test("a template of templates", () => {
    expect(expand("Both(p, q)", { templates: "objective Both(p, q) = ELBO(p, q) + 2 * Wake(p, q)" })).toBe(
      `(${elbo} + (2 * E[z ~ q(z | x)](log p(x, z))))`,
    );
    expect(expand("Loop(p, q)", { templates: "objective Loop(p, q) = Loop(p, q) + 1" })).toBe("GM2005");
  });
});

describe("samples", () => {
  test.each<[string, string]>([
    ["E[z[1..4] ~ q(z | x)](mean[i in 1..4](log p(x, z[i])))", "E[z[1..4] ~ q(z | x)](mean[i in 1..4](log p(x, z = z[i])))"],
    ["E[z[1..4] ~ q(z | x)](log p(x, z[2]))", "E[z[1..4] ~ q(z | x)](log p(x, z = z[#2]))"],
    ["E[z[1..4] ~ q(z | x)](sum[i in 2..3](log p(x, z[i])))", "E[z[1..4] ~ q(z | x)]((log p(x, z = z[#2]) + log p(x, z = z[#3])))"],
    ["E[w[1..2] ~ q(z | x)](mean[i in 1..2](sum(w[i])))", "E[w for z[1..2] ~ q(z | x)](mean[i in 1..2](sum(w[i], axes = [-1])))"],
    ["E[w ~ q(z | x)](log p(x, w))", "E[w for z ~ q(z | x)](log p(x, z = w))"],
    ["E[z ~ q(z | x = 2 * x)](log p(x | z = z + 1))", "E[z ~ q(z | x = (2 * x))](log p(x | z = (z + 1)))"],
    ["E[z ~ q(z | x), u ~ Normal(z, 1)](sum(u))", "E[z ~ q(z | x), u ~ Normal(loc = z, scale = 1)](sum(u, axes = [-1]))"],
    ["E[xr ~ data(x)](sum(xr - x))", "E[xr for x ~ data stream 1](sum((xr - x), axes = [-1]))"],
    ["E[x ~ p(x)](sum(x))", "E[x ~ p(x)](sum(x, axes = [-1]))"],
    ["max[z](log p(x, z))", "max[z](log p(x, z))"],
  ])("%s", (objective, printed) => {
    expect(expand(objective)).toBe(printed);
  });

  test.each<[string, string]>([
    ["E[z[1..4] ~ q(z | x)](log p(x, z))", "GM3512"],
    ["E[z[1..4] ~ q(z | x)](log p(x, z[5]))", "GM2038"],
    ["E[z[2..4] ~ q(z | x)](log p(x, z[1]))", "GM2018"],
    ["E[z ~ q(z | x)](log p(x, z[1]))", "GM3026"],
    ["E[z[1..4] ~ q(z | x)](mean[i in 1..4](sum(z[i]) * i))", "GM2007"],
  ])("%s is refused", (objective, code) => {
    expect(expand(objective)).toBe(code);
  });
});

describe("a template outside of the model that names what the model declares", () => {
  const model = (use: string, template: string): string => `${template}
model M(D = 2) {
  data x : real[D]
  latent z : real[D]
  net G(z) = z |> dense(D)
  density p(x, z) { z ~ Normal(0, 1)  x = G(z) }
  train { minimize ${use} over G  batch = 4 }
}`;
  const helpOf = (use: string, template: string): string => {
    const [found] = compile({ path: "model.gm", text: model(use, template) }).diagnostics;
    expect(found?.code).toBe("GM2001");
    return (found?.help ?? []).join("\n");
  };

  test("is told how data come into it, and the way out compiles", () => {
    const help = helpOf("V()", "objective V = E[x ~ data](sum(x^2))");
    expect(help).toContain("`objective V(p) = E[x ~ data](…)`");
    const right = "objective V(p) = E[x ~ data, xf ~ p(x)](sum((x - xf)^2))";
    expect(compile({ path: "model.gm", text: model("V(p)", right) }).diagnostics).toEqual([]);
  });

  test("is told the names that its densities give", () => {
    expect(helpOf("V(p)", "objective V(p) = E[y ~ data, xf ~ p(x)](sum((y - xf)^2))")).toContain("`y ~ data(x)`");
    const right = "objective V(p) = E[y ~ data(x), xf ~ p(x)](sum((y - xf)^2))";
    expect(compile({ path: "model.gm", text: model("V(p)", right) }).diagnostics).toEqual([]);
  });

  test("is told to take a variable for a parameter", () => {
    expect(helpOf("V() + E[xf ~ p(x)](sum(xf))", "objective V = sum(x^2)")).toContain("`objective V(x) = …`");
    const right = "objective V(x) = sum(x^2)";
    expect(compile({ path: "model.gm", text: model("V(x) + E[xf ~ p(x)](sum(xf))", right) }).diagnostics).toEqual([]);
  });

  test("is told that `data` is no value", () => {
    expect(helpOf("V()", "objective V = sum(data)")).toContain("`E[x ~ data](…)`");
  });
});
