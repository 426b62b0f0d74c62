/** The structural analysis of energies on the models of the literature: laws, interactions, sweeps, exact sums, definiteness. */
import { describe, expect, test } from "vitest";
import { requireBlocks, summable } from "../../src/ir/energy/index.js";
import { printExpr } from "../../src/ir/print.js";
import { analysed, clean, summary, suspected } from "./energy-support.js";

const rbm = `
  data v : binary[D]
  latent h : binary[H]
  param W : real[D, H] init Normal(0, 0.01)
  param a : real[H] = 0, b : real[D] = 0
  density p(v, h) { energy -(v @ W @ h) - a @ h - b @ v }`;

describe("laws and interactions", () => {
  test("RBM", () => {
    expect(summary(clean(rbm))).toEqual({ laws: { v: "bernoulli", h: "bernoulli" }, edges: ["v-h"], sweep: [["h"], ["v"]] });
    expect(clean(rbm).terms.map((t) => `${t.scale} ${printExpr(t.expr)}`)).toEqual(["-1 ((v @ W) @ h)", "-1 (a @ h)", "-1 (b @ v)"]);
    expect(clean(rbm).edges[0]?.terms.map((t) => printExpr(t.expr))).toEqual(["((v @ W) @ h)"]);
  });

  test("RBM with its energy in several statements, bindings and a net", () => {
    const text = `
      data v : binary[D]
      latent h : binary[H]
      param b : real[D] = 0
      net up(v) = v |> dense(H)
      density p(v, h) { energy -(b @ v)   s = up(v)   e = s * h   energy -sum(e) }`;
    expect(summary(clean(text))).toEqual({ laws: { v: "bernoulli", h: "bernoulli" }, edges: ["v-h"], sweep: [["h"], ["v"]] });
  });

  test("DBM of three layers", () => {
    const text = `
      data v : binary[D]
      latent h1 : binary[H], h2 : binary[H], h3 : binary[K]
      param W1 : real[D, H], W2 : real[H, H], W3 : real[H, K]
      density p(v, h1, h2, h3) { energy -(v @ W1 @ h1) - h1 @ W2 @ h2 - h2 @ W3 @ h3 }`;
    expect(summary(clean(text))).toEqual({
      laws: { v: "bernoulli", h1: "bernoulli", h2: "bernoulli", h3: "bernoulli" },
      edges: ["v-h1", "h1-h2", "h2-h3"],
      sweep: [
        ["h1", "h3"],
        ["v", "h2"],
      ],
    });
  });

  test("DBM of a family", () => {
    const text = `model M(D = 6, Hs = [5, 4, 3], L = 3) {
      data v : binary[D]
      latent h[l in 1..L] : binary[Hs[l]]
      param W : real[D, Hs[1]]
      param U[l in 1..L-1] : real[Hs[l], Hs[l+1]]
      density p(v, h) {
        energy -(v @ W @ h[1])
        for l in 1..L-1 { energy -(h[l] @ U[l] @ h[l+1]) }
      }
    }`;
    const { edges, sweep } = summary(clean(text));
    expect(edges).toEqual(["v-h[1]", "h[1]-h[2]", "h[2]-h[3]"]);
    expect(sweep).toEqual([
      ["h[1]", "h[3]"],
      ["v", "h[2]"],
    ]);
  });

  test("the top of a DBN", () => {
    const text = `
      data v : binary[D]
      latent h1 : binary[H], h2 : binary[K]
      param W1 : real[D, H], W2 : real[H, K], b : real[D] = 0
      density p(v, h1, h2) {
        energy -(h1 @ W2 @ h2)
        v ~ Bernoulli(logits = h1 @ transpose(W1) + b)
      }`;
    const analysis = clean(text);
    expect(analysis.variables).toEqual(["h1", "h2"]);
    expect(analysis.reads).toEqual([]);
    expect(summary(analysis)).toEqual({ laws: { h1: "bernoulli", h2: "bernoulli" }, edges: ["h1-h2"], sweep: [["h1"], ["h2"]] });
  });

  test("conditions and variables drawn before are read, not defined", () => {
    const text = `
      data v : binary[D], c : real[K]
      latent z : real[K], h : binary[H]
      param W : real[D, H], U : real[K, H]
      density p(z, v, h | c) { z ~ Normal(0, 1)   energy -(v @ W @ h) - (tanh(c) + exp(z)) @ U @ h }`;
    const analysis = clean(text);
    expect(analysis.variables).toEqual(["v", "h"]);
    expect([...analysis.reads].sort()).toEqual(["c", "z"]);
    expect(summary(analysis).laws).toEqual({ v: "bernoulli", h: "bernoulli" });
  });

  test("Gaussian RBM, unit and learned variance", () => {
    const unit = `
      data v : real[D]
      latent h : binary[H]
      param W : real[D, H], a : real[H] = 0, b : real[D] = 0
      density p(v, h) { energy sum((v - b)^2) / 2 - v @ W @ h - a @ h }`;
    expect(summary(clean(unit))).toEqual({ laws: { v: "normal", h: "bernoulli" }, edges: ["v-h"], sweep: [["h"], ["v"]] });
    expect(clean(unit).definite).toBe("proven");
    const learned = unit
      .replace("sum((v - b)^2) / 2", "sum((v - b)^2 / (2 * s^2))")
      .replace("b : real[D] = 0", "b : real[D] = 0\n param s : positive[D] = 1");
    expect(summary(clean(learned)).laws).toEqual({ v: "normal", h: "bernoulli" });
    expect(clean(learned).definite).toBe("proven");
    const logs = unit
      .replace("sum((v - b)^2) / 2", "sum(exp(-s) * (v - b)^2) / 2")
      .replace("b : real[D] = 0", "b : real[D] = 0, s : real[D] = 0");
    expect(clean(logs).definite).toBe("proven");
    const free = unit
      .replace("sum((v - b)^2) / 2", "sum(s * (v - b)^2) / 2")
      .replace("b : real[D] = 0", "b : real[D] = 0, s : real[D] = 0");
    expect(suspected(free).definite).toBe("checked");
  });

  test("quadratic forms, norms and inner products of a real variable", () => {
    const real = (energy: string): string => `data v : real[D]   param P : real[D, D], b : real[D] = 0   density p(v) { energy ${energy} }`;
    for (const square of [
      "v @ v / 2",
      "(v - b) @ (v - b)",
      "norm(v)^2",
      "square(norm(v - b)) / 2",
      "sum(square(v))",
      "sum(v * v)",
      "0.5 * sum(v^2)",
    ]) {
      expect(summary(clean(real(square))).laws, square).toEqual({ v: "normal" });
      expect(clean(real(square)).definite, square).toBe("proven");
    }
    expect(summary(suspected(real("v @ P @ v"))).laws).toEqual({ v: "jointNormal" });
    expect(suspected(real("v @ P @ v")).definite).toBe("checked");
    expect(suspected(real("sum((v @ P)^2) / 2")).definite).toBe("checked");
    expect(clean(real("sum((v @ P)^2) / 2 + sum(v^2) / 2")).definite).toBe("proven");
    expect(clean(real("sum((v @ P)^2) / 2 + sum(v^2) / 2 - b @ v")).laws.get("v")?.kind).toBe("jointNormal");
    expect(clean(real("variance(v) + mean(v^2)")).laws.get("v")?.kind).toBe("jointNormal");
  });

  test("replicated softmax", () => {
    const text = `
      data v : count[D]
      latent h : binary[H]
      param W : real[D, H], a : real[H] = 0, b : real[D] = 0
      density p(v, h) { energy -(v @ W @ h) - b @ v - sum(v) * (a @ h) }`;
    expect(summary(clean(text))).toEqual({ laws: { v: "multinomial", h: "bernoulli" }, edges: ["v-h"], sweep: [["h"], ["v"]] });
  });

  test("RBM with a label", () => {
    const text = `
      data v : binary[D], y : category[10]
      latent h : binary[H]
      param W : real[D, H], U : real[10, H], d : real[10] = 0
      density p(v, y, h) { energy -(v @ W @ h) - h @ U[y] - d[y] }`;
    expect(summary(clean(text))).toEqual({
      laws: { v: "bernoulli", y: "categorical", h: "bernoulli" },
      edges: ["v-h", "y-h"],
      sweep: [["h"], ["v", "y"]],
    });
    const several = `
      data y : category[10][D]
      latent h : binary[H]
      param U : real[10, H], d : real[10] = 0
      density p(y, h) { energy -sum(U[y] * h) - sum(d[y]) - sum(onehot(y)) - sum(y |> embedding(3)) }`;
    expect(summary(clean(several)).laws).toEqual({ y: "categorical", h: "bernoulli" });
    const units = several.replace("energy ", "energy -(d[y[1]] * d[y[2]]) ");
    expect(summary(clean(units)).laws).toEqual({ y: "coupled", h: "bernoulli" });
  });

  test("convolutional RBM with probabilistic max-pooling", () => {
    const text = `
      data v : binary[8, 8, 1]
      latent h : binary[6, 6, K] at_most_one(2, 2)
      param b : real[K] = 0, c : real = 0
      density p(v, h) { energy -sum(conv(v, K, 3, padding = "valid", bias = false) * h) - sum(b * h) - c * sum(v) }`;
    const analysis = clean(text);
    expect(analysis.laws.get("h")).toEqual({ kind: "oneOfBlock", block: [2, 2] });
    expect(summary(analysis)).toEqual({ laws: { v: "bernoulli", h: "oneOfBlock" }, edges: ["v-h"], sweep: [["h"], ["v"]] });
    expect(summable(analysis, ["h"]).log2States).toBe(0);
    expect(summable(analysis, ["v", "h"])).toEqual({ sum: ["v"], enumerate: ["h"], log2States: 27 * Math.log2(5) });
  });

  test("convolution with a kernel: bilinear, whichever of the two is drawn", () => {
    const kernel = `
      data v : binary[8, 8, 1]
      latent h : binary[6, 6, K] at_most_one(2, 2)
      param W : real[3, 3, 1, K]
      density p(v, h) { energy -sum(conv(v, W) * h) }`;
    expect(summary(clean(kernel))).toEqual({ laws: { v: "bernoulli", h: "oneOfBlock" }, edges: ["v-h"], sweep: [["h"], ["v"]] });
    const down = kernel.replace("conv(v, W) * h", "conv_transpose(h, W) * v");
    expect(summary(clean(down))).toEqual(summary(clean(kernel)));
    const drawn = kernel.replace("param W : real", "latent W : real").replace("p(v, h)", "p(v, h, W)").replace("* h)", "* h) + sum(W^2)");
    expect(summary(clean(drawn))).toEqual({
      laws: { v: "bernoulli", h: "oneOfBlock", W: "normal" },
      edges: ["v-h", "v-W", "h-W"],
      sweep: [["h"], ["W"], ["v"]],
    });
    const twice = kernel.replace("conv(v, W) * h", "conv(v, W)^2");
    expect(summary(clean(twice.replace("latent h : binary[6, 6, K] at_most_one(2, 2)", "").replace("p(v, h)", "p(v)"))).laws).toEqual({
      v: "coupled",
    });
  });

  test("pooling by sums of blocks keeps a second layer bilinear", () => {
    const deep = `
      data v : binary[5, 5, 1]
      latent h1 : binary[4, 4, 2] at_most_one(2, 2), h2 : binary[1, 1, K]
      param W1 : real[2, 2, 1, 2], W2 : real[2, 2, 2, K]
      density p(v, h1, h2) { energy -sum(conv(v, W1) * h1) - sum(conv(4 * avg_pool(h1, 2), W2) * h2) }`;
    expect(summary(clean(deep))).toEqual({
      laws: { v: "bernoulli", h1: "oneOfBlock", h2: "bernoulli" },
      edges: ["v-h1", "h1-h2"],
      sweep: [["h1"], ["v", "h2"]],
    });
    expect(summary(clean(deep.replace("4 * avg_pool(h1, 2)", "pool(h1)")))).toEqual(summary(clean(deep)));
    expect(summary(clean(deep.replace("4 * avg_pool", "max_pool"))).laws).toMatchObject({ h1: "coupled" });
  });

  test("general Boltzmann machine", () => {
    const text = `
      data v : binary[D]
      latent h : binary[H]
      param W : real[D, H], L : real[D, D], J : real[H, H]
      density p(v, h) { energy -(v @ W @ h) - v @ L @ v - h @ J @ h }`;
    const analysis = clean(text);
    expect(summary(analysis)).toEqual({ laws: { v: "coupled", h: "coupled" }, edges: ["v-h"], sweep: [["h"], ["v"]] });
    const law = analysis.laws.get("v");
    expect(law?.kind === "coupled" && printExpr(law.term.expr)).toBe("((v @ L) @ v)");
    expect(summable(analysis, ["h"])).toEqual({ sum: [], enumerate: ["h"], log2States: 4 });
    expect([...analysis.multiAffine]).toEqual([]);
  });

  test("units that meet others of their variable alone are affine each: neighbours, by slices or entries", () => {
    const of = (term: string): readonly string[] => [
      ...clean(`
      data v : binary[D]
      latent h : binary[H]
      param W : real[D, H], J : real[H]
      density p(v, h) { energy -(v @ W @ h) - ${term} }`).multiAffine,
    ];
    for (const term of ["sum(J[1..2] * h[1..2] * h[2..3])", "h[1..2] @ h[2..3]", "h[1] * h[2] * J[1]"])
      expect(of(term)).toEqual(["v", "h"]);
    // which units meet is not seen
    expect(of("sum(J * h * concat(h[2..H], h[1..1]))")).toEqual(["v"]);
  });

  test("squares of binary units of degree two, with what their terms read besides", () => {
    const of = (term: string): unknown =>
      [
        ...clean(`
      data v : binary[D]
      latent h : binary[H], g : binary[H]
      param W : real[D, H], J : real[H, H]
      density p(v, h, g) { energy -(v @ W @ h) - h @ g - ${term} }`).squared,
      ].map(([name, beside]) => [name, ...beside]);
    expect(of("h @ J @ h")).toEqual([["h"]]);
    expect(of("sum(J[1] * h * concat(h[2..H], h[1..1])) - g @ J @ g")).toEqual([["h"], ["g"]]);
    expect(of("sum((h @ J + g)^2)")).toEqual([["h", "g"]]);
    for (const term of ["(h @ J @ h)^2", "sum(tanh(J @ h))", "sum(h)^3", "sum(h^2)", "h[1] * h[2]"]) expect(of(term)).toEqual([]);
  });

  test("semi-restricted: only the visible layer is coupled", () => {
    const analysis = clean(rbm.replace("- b @ v", "- b @ v - v @ (W @ transpose(W)) @ v"));
    expect(summary(analysis).laws).toEqual({ v: "coupled", h: "bernoulli" });
    expect(summable(analysis, ["h"])).toEqual({ sum: ["h"], enumerate: [], log2States: 0 });
    expect(summable(analysis, ["v", "h"])).toEqual({ sum: ["h"], enumerate: ["v"], log2States: 6 });
  });

  test("mean-covariance RBM: hidden units gate squares of filters", () => {
    const text = `
      data v : real[D]
      latent c : binary[K], m : binary[H]
      param C : real[D, K], W : real[D, H], a : real[K] = 0
      density p(v, c, m) { energy ((v @ C)^2) @ c / 2 - a @ c + sum(v^2) / 2 - v @ W @ m }`;
    const analysis = clean(text);
    expect(summary(analysis)).toEqual({
      laws: { v: "jointNormal", c: "bernoulli", m: "bernoulli" },
      edges: ["v-c", "v-m"],
      sweep: [["c", "m"], ["v"]],
    });
    expect(analysis.definite).toBe("proven");
    expect(summable(analysis, ["c", "m"])).toEqual({ sum: ["c", "m"], enumerate: [], log2States: 0 });
  });

  test("third order: three layers that meet in one term", () => {
    const text = `
      data x : binary[D], y : binary[D]
      latent h : binary[H]
      param A : real[D, K], B : real[D, K], C : real[H, K]
      density p(x, y, h) { energy -sum((x @ A) * (y @ B) * (h @ C)) }`;
    expect(summary(clean(text))).toEqual({
      laws: { x: "bernoulli", y: "bernoulli", h: "bernoulli" },
      edges: ["x-y", "x-h", "y-h"],
      sweep: [["h"], ["x"], ["y"]],
    });
    expect([...clean(text).multiAffine]).toEqual(["x", "y", "h"]);
  });

  test("tied weights", () => {
    const text = `
      data v : binary[D]
      latent h1 : binary[H], h2 : binary[D]
      param W : real[D, H]
      density p(v, h1, h2) { energy -(v @ W @ h1) - h1 @ transpose(W) @ h2 }`;
    expect(summary(clean(text))).toEqual({
      laws: { v: "bernoulli", h1: "bernoulli", h2: "bernoulli" },
      edges: ["v-h1", "h1-h2"],
      sweep: [["h1"], ["v", "h2"]],
    });
  });

  test("a net of a real variable", () => {
    const net = `
      data v : real[2]
      net f(v) = v |> dense(8) |> softplus |> dense(1) |> sum
      density p(v) { energy f(v)REST }`;
    const bare = analysed(net.replace("REST", ""));
    expect(bare.codes).toEqual(["GM3606"]);
    expect(bare.analysis?.laws.get("v")?.kind).toBe("nonlinear");
    const held = clean(net.replace("REST", " + sum(v^2) / 2"));
    expect(held.laws.get("v")?.kind).toBe("nonlinear");
    expect([bare.analysis?.definite, held.definite]).toEqual(["unbounded", "grows"]);
    const linear = clean(net.replace(" |> softplus", "").replace("REST", " + sum(v^2) / 2"));
    expect(linear.laws.get("v")?.kind).toBe("normal");
    expect(linear.definite).toBe("proven");
  });

  test("hidden real units, spike and slab", () => {
    const linear = `
      data v : binary[D]
      latent h : real[H]
      param W : real[D, H]
      density p(v, h) { energy sum(h^2) / 2 - v @ W @ h }`;
    expect(summary(clean(linear)).laws).toEqual({ v: "bernoulli", h: "normal" });
    expect(summable(clean(linear), ["h"])).toEqual({ sum: ["h"], enumerate: [], log2States: 0 });
    const slab = `
      data v : real[D]
      latent s : real[H], h : binary[H]
      param W : real[D, H], a : real[H] = 0
      density p(v, s, h) { energy v @ v / 2 + s @ s / 2 - (v @ W) @ (s * h) - a @ h }`;
    expect(summary(suspected(slab))).toEqual({
      laws: { v: "normal", s: "normal", h: "bernoulli" },
      edges: ["v-s", "v-h", "s-h"],
      sweep: [["s"], ["h"], ["v"]],
    });
    expect(suspected(slab).definite).toBe("checked");
    expect(summable(suspected(slab), ["s", "h"])).toEqual({ sum: ["s"], enumerate: ["h"], log2States: 4 });
  });

  test("two visible streams", () => {
    const text = `
      data v : binary[D]
      data u : real[K]
      latent h : binary[H]
      param W : real[D, H], U : real[K, H]
      density p(v, u, h) { energy sum(u^2) / 2 - u @ U @ h - v @ W @ h }`;
    expect(summary(clean(text))).toEqual({
      laws: { v: "bernoulli", u: "normal", h: "bernoulli" },
      edges: ["v-h", "u-h"],
      sweep: [["h"], ["v", "u"]],
    });
  });
});

describe("units that do not meet", () => {
  const energy = (e: string, domain = "binary[D]"): ReturnType<typeof analysed> =>
    analysed(`data v : ${domain}   param b : real[D] = 0, W : real[D, D]   density p(v) { energy ${e} }`);
  const law = (e: string, domain?: string): string => {
    const { analysis, text } = energy(e, domain);
    if (!analysis) throw new Error(text);
    return analysis.laws.get("v")?.kind ?? "none";
  };

  test.each([
    ["sum(v^2)"],
    ["v @ v"],
    ["sum(exp(b * v))"],
    ["sum((v - b)^2) / 2"],
    ["sum(abs(v - b) * v)"],
    ["sum(where(greater(v, 0.5), b, 1))"],
    ["sum(softplus(v[1..3]) * v[1..3])"],
    ["v[1] * v[1] + v[2]^3"],
    ["reverse(v) @ reverse(v)"],
    ["sum(reshape(v, 2, 3)^2)"],
    ["sum(softmax(v[2] * b))"],
  ])("%s is made affine", (e) => {
    expect(law(e)).toBe("bernoulli");
    const { analysis } = energy(e);
    expect(analysis?.dependence.get("v")).toMatchObject({ degree: 1, unitDegree: 1 });
  });

  test("powers of a unit are the unit", () => {
    const { analysis } = energy("-(b @ v^3) - sum(square(v)) - v @ v");
    expect(analysis?.rewritten).toBe(true);
    expect(analysis?.energies.map(printExpr)).toEqual(["((neg((b @ v)) - sum(v, axes = [-1])) - sum(v, axes = [-1]))"]);
  });

  test.each([
    ["v @ W @ v"],
    ["sum(v)^2"],
    ["v @ reverse(v)"],
    ["v[1] * v[2]"],
    ["sum(softplus(v @ W))"],
    ["logsumexp(v * b)"],
    ["sum(cumsum(v) * v)"],
    ["sum(v[1..5] * v[2..6])"],
    ["sum((v + reverse(v))^2)"],
    ["sum(reshape(v, 2, 3) * transpose(reshape(v, 3, 2)))"],
  ])("%s couples them", (e) => {
    expect(law(e)).toBe("coupled");
    expect(law(`${e} + sum(v^2)`, "real[D]")).toMatch(/jointNormal|nonlinear/u);
  });

  test("rows apart", () => {
    const rows = (e: string): string | undefined =>
      analysed(`data v : real[D]   param W : real[D, K]   density p(v) { energy sum(v^2) / 2 + ${e} }`).analysis?.laws.get("v")?.kind;
    expect(rows("sum(sum(reshape(v, D, 1) * W, axis = 2)^2)")).toBe("normal");
    expect(rows("sum(sum(transpose(W) * v, axis = 1)^2)")).toBe("normal");
    expect(rows("sum((transpose(W) @ v)^2)")).toBe("jointNormal");
  });
});

describe("findings", () => {
  const codes = (domain: string, energy: string): readonly string[] =>
    analysed(`data v : ${domain}   param b : real[D] = 0, s : positive[D] = 1   density p(v) { energy ${energy} }`).codes;

  test.each([
    ["real[D]", "b @ v", "GM3604"],
    ["real[D]", "-(v @ v)", "GM3605"],
    ["real[D]", "sum((-s) * v^2)", "GM3605"],
    ["real[D]", "sum((v - b)^2 / (-s)) + b @ v", "GM3605"],
    ["real[D]", "-sum(exp(b) * v^2) - sum(softplus(b) * (v - 1)^2)", "GM3605"],
    ["real[D]", "sum(v^2) - sum(v^4)", "GM3605"],
    ["real[D]", "sum(tanh(v))", "GM3623"],
    ["real[D]", "(v[1] - v[2])^2", "GM3617"],
    ["real[D]", "sum(b * v^2)", "GM3618"],
    ["real[D]", "sum(v^2) - 2 * sum(v^2)", "GM3625"],
    ["count[D]", "v @ v", "GM3607"],
    ["count[D]", "sum(softplus(v))", "GM3607"],
    ["positive[D]", "sum(v)", "GM3608"],
    ["unit[D]", "sum(v)", "GM3608"],
    ["byte[D]", "sum(v)", "GM3608"],
    ["simplex[D]", "b @ v", "GM3608"],
  ])("%s under %s", (domain, energy, code) => {
    expect(codes(domain, energy)).toEqual([code]);
  });

  test.each([
    ["real[D]", "sum(v^4) - sum(v^2)"],
    ["real[D]", "sum(v^2) + sum(tanh(v))"],
    ["binary[D]", "0 * sum(v)"],
    ["count[D]", "sum(v) + b @ v"],
  ])("none in %s under %s", (domain, energy) => {
    expect(codes(domain, energy)).toEqual([]);
  });
});

describe("gradients in an energy", () => {
  const declarations = `
    data v : binary[D]
    latent h : binary[H]
    param W : real[D, H], b : real[D]`;

  test("read all that their bodies and values read, in any way", () => {
    const { laws, edges } = summary(clean(`${declarations} density p(v, h) { energy -sum(grad[x = h](sum(v @ W * x^2))) - sum(h) }`));
    expect(laws).toEqual({ v: "coupled", h: "coupled" });
    expect(edges).toEqual(["v-h"]);
  });

  test("read nothing of what stands beside them", () => {
    const { laws, edges } = summary(clean(`${declarations} density p(v, h) { energy -sum(grad[x = b](sum(x^2))) * sum(v) - v @ W @ h }`));
    expect(laws).toEqual({ v: "bernoulli", h: "bernoulli" });
    expect(edges).toEqual(["v-h"]);
  });

  test("in a net, and of one name among several", () => {
    const net = "net f(x, c) { g = grad[y = x, z = c](sum(y^2) * sum(z)) return g.y }";
    const { laws, edges } = summary(clean(`${declarations} ${net} density p(v, h) { energy -sum(f(b, h)) - sum(b * v) }`));
    expect(laws).toEqual({ v: "bernoulli", h: "coupled" });
    expect(edges).toEqual([]);
  });

  const ofReal = (energy: string): ReturnType<typeof analysed> =>
    analysed(`data x : real[D]   param w : real[D]
      net f(x) = x |> dense(6) |> tanh |> dense(1) |> sum
      density p(x) { energy ${energy} + 0 * f(w) * sum(w) }`);

  test.each([
    // x^2 / 2, in which `sum(y * x)` is one number and its derivative is D
    ["sum(grad[y = w](sum(y * x))^2) / 2", ["GM3606"]],
    // x^2 / 2 + 4 x^3
    ["sum(x^2) / 2 + sum(grad[y = x](sum(y^4)))", ["GM3606"]],
    // a square beside a square
    ["sum(x^2) / 2 + sum(grad[y = x](f(y))^2)", []],
  ])("are not seen to be flat, quadratic or outgrown: %s", (energy, findings) => {
    const { codes, analysis } = ofReal(energy);
    expect(codes).toEqual(findings);
    expect(analysis && summary(analysis).laws).toEqual({ x: "nonlinear" });
  });
});

describe("size", () => {
  const chain = (n: number, step: string): string => {
    const steps = Array.from({ length: n }, (_, i) => `s${i + 1} = ${step.replaceAll("S", `s${i}`)}`).join("\n    ");
    return `data v : binary[D]   density p(v) { energy sum(v)\n    s0 = v\n    ${steps}\n    energy sum(s${n}) + sum(s${n}^2) }`;
  };

  test("long chains of names", () => {
    expect(summary(clean(chain(5000, "S + 1"))).laws).toEqual({ v: "nonlinear" });
    expect(summary(clean(chain(100, "S + 1"))).laws).toEqual({ v: "bernoulli" });
  });

  test("names that are read twice each", () => {
    expect(summary(clean(chain(200, "S + S"))).laws).toEqual({ v: "bernoulli" });
  });

  test("nets that call nets twice", () => {
    const nets = Array.from({ length: 40 }, (_, i) => `net f${i + 1}(x) = f${i}(x) + f${i}(x)`).join("\n");
    const text = `model M(D = 6) { data v : binary[D]   net f0(x) = x * 0.5\n${nets}\n density p(v) { energy sum(f40(v)) } }`;
    expect(summary(clean(text)).laws).toEqual({ v: "bernoulli" });
  });
});

describe("what can draw a variable", () => {
  test("is named where blocks cannot", () => {
    const result = analysed(`
      data v : binary[D]
      param L : real[D, D]
      density p(v) { energy -(v @ L @ v) }`);
    if (!result.analysis) throw new Error(result.text);
    expect(requireBlocks(result.context, result.analysis, ["v"])).toBe(false);
    const [finding] = result.context.diagnostics.list;
    expect(finding?.code).toBe("GM3601");
    expect(finding?.help.join()).toContain("sampler = single_site");
  });
});
