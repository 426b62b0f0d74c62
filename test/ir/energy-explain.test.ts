/** Explanations of energies: the texts of well-known models, and every formula that is given against the numerical gradient. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expressionText } from "../../src/codegen/mathtext.js";
import { interactionSvg } from "../../src/codegen/energy-picture.js";
import { explain } from "../../src/codegen/explain.js";
import { type EnergyExplanation, explainEnergy, printEnergy } from "../../src/codegen/explain-energy.js";
import { compile } from "../../src/compile.js";
import { analysed, type Analysed } from "./energy-support.js";
import { fieldOf } from "../../src/ir/energy/field.js";
import { simplified } from "../../src/ir/energy/simplify.js";
import type { Expr } from "../../src/ir/types.js";
import { randomFrom, wrongFields } from "./energy-claims.js";
import { type Arr, evaluateExpr, size } from "./energy-evaluate.js";

function explained(body: string): EnergyExplanation {
  const { context, analysis, text } = analysed(body);
  if (!analysis) throw new Error(text);
  return explainEnergy(context, analysis);
}

const texts = (e: EnergyExplanation): readonly string[] => e.conditionals.map((c) => c.text);

const models = {
  rbm: `data v : binary[D]   latent h : binary[H]   param W : real[D, H], a : real[H] = 0, b : real[D] = 0
    density p(v, h) { energy -(v @ W @ h) - a @ h - b @ v }`,
  gaussian: `data v : real[D]   latent h : binary[H]   param W : real[D, H], a : real[H] = 0, b : real[D] = 0, s : positive[D] = 1
    density p(v, h) { energy sum((v - b)^2 / (2 * s^2)) - (v / s^2) @ W @ h - a @ h }`,
  dbm: `data v : binary[D]   latent h1 : binary[H], h2 : binary[K]   param W1 : real[D, H], W2 : real[H, K]
    density p(v, h1, h2) { energy -(v @ W1 @ h1) - h1 @ W2 @ h2 }`,
  label: `data v : binary[D], y : category[10]   latent h : binary[H]   param W : real[D, H], U : real[10, H], d : real[10] = 0
    density p(v, y, h) { energy -(v @ W @ h) - h @ U[y] - d[y] }`,
  conv: `data v : binary[8, 8, 1]   latent h : binary[6, 6, K] at_most_one(2, 2)   param b : real[K] = 0, c : real = 0
    density p(v, h) { energy -sum(conv(v, K, 3, padding = "valid", bias = false) * h) - sum(b * h) - c * sum(v) }`,
  kernel: `data v : binary[5, 6, 2]   latent h : binary[4, 4, K] at_most_one(2, 2)
    param W : real[2, 3, 2, K], a : real[K] = 0, b : real[2] = 0
    density p(v, h) { energy -sum(conv(v, W) * h) - sum(h * a) - sum(v * b) }`,
  stride: `data v : binary[7, 7, 1]   latent h : binary[3, 3, K]   param W : real[3, 3, 1, K]
    density p(v, h) { energy -sum(conv(v, W, stride = 2) * h) - sum(v) }`,
  down: `data v : binary[7, 7, 1]   latent h : binary[3, 3, K]   param W : real[3, 3, 1, K]
    density p(v, h) { energy -2 * sum(v * conv_transpose(h, W, stride = 2)) - sum(v) }`,
  pooled: `data v : binary[5, 5, 1]   latent h1 : binary[4, 4, 2] at_most_one(2, 2), h2 : binary[1, 1, K]
    param W1 : real[2, 2, 1, 2], W2 : real[2, 2, 2, K], a : real[2] = 0
    density p(v, h1, h2) { energy -sum(conv(v, W1) * h1) - sum(h1 * a) - sum(conv(4 * avg_pool(h1, 2), W2) * h2) }`,
  softmax: `data v : count[D]   latent h : binary[H]   param W : real[D, H], a : real[H] = 0, b : real[D] = 0
    density p(v, h) { energy -(v @ W @ h) - b @ v - sum(v) * (a @ h) }`,
  covariance: `data v : real[D]   latent c : binary[K], m : binary[H]   param C : real[D, K], W : real[D, H], a : real[K] = 0
    density p(v, c, m) { energy ((v @ C)^2) @ c / 2 - a @ c + sum(v^2) / 2 - v @ W @ m }`,
  general: `data v : binary[D]   latent h : binary[H]   param W : real[D, H], L : real[D, D]
    density p(v, h) { energy -(v @ W @ h) - v @ L @ v }`,
  slab: `data v : real[D]   latent s : real[H], h : binary[H]   param W : real[D, H], a : real[H] = 0
    density p(v, s, h) { energy v @ v / 2 + s @ s / 2 - (v @ W) @ (s * h) - a @ h }`,
  entries: `data v : binary[3]   latent h : binary[2]   param W : real[3, 2], b : real[3]
    density p(v, h) { energy -(v @ W @ h) - sum[i in 1..3](v[i] * h[1]) - sum(v[2..3] * b[1..2]) * h[2] - sum(v[1..2]) }`,
  net: `data v : binary[D]   latent h : binary[H]   net up(v) = v |> dense(H)
    density p(v, h) { energy -sum(up(v) * h) - sum(v) }`,
};

describe("explanations", () => {
  test("conditionals", () => {
    expect(texts(explained(models.rbm))).toEqual(["p(v = 1 | h) = sigmoid(W @ h + b)", "p(h = 1 | v) = sigmoid(v @ W + a)"]);
    expect(texts(explained(models.gaussian))).toEqual([
      "p(v | h) = Normal(mean = b + W @ h, variance = s^2)",
      "p(h = 1 | v) = sigmoid(v / s^2 @ W + a)",
    ]);
    expect(texts(explained(models.dbm))).toEqual([
      "p(v = 1 | h1) = sigmoid(W1 @ h1)",
      "p(h1 = 1 | v, h2) = sigmoid(v @ W1 + W2 @ h2)",
      "p(h2 = 1 | h1) = sigmoid(h1 @ W2)",
    ]);
    expect(texts(explained(models.label)).slice(1)).toEqual(["p(y | h) = softmax(U @ h + d)", "p(h = 1 | v, y) = sigmoid(v @ W + U[y])"]);
    expect(texts(explained(models.conv))).toEqual([
      "p(v = 1 | h) = sigmoid(conv_transposed(h) + c)",
      "p(h = 1 | v) = exp(s) / (1 + sum(exp(s))), s = conv(v) + b",
    ]);
    expect(texts(explained(models.kernel))).toEqual([
      "p(v = 1 | h) = sigmoid(conv_transpose(h, W) + b)",
      "p(h = 1 | v) = exp(s) / (1 + sum(exp(s))), s = conv(v, W) + a",
    ]);
    expect(texts(explained(models.stride))).toEqual([
      "p(v = 1 | h) = sigmoid(conv_transpose(h, W, stride = 2) + 1)",
      "p(h = 1 | v) = sigmoid(conv(v, W, stride = 2))",
    ]);
    expect(texts(explained(models.down))).toEqual([
      "p(v = 1 | h) = sigmoid(2 * conv_transpose(h, W, stride = 2) + 1)",
      "p(h = 1 | v) = sigmoid(2 * conv(v, W, stride = 2))",
    ]);
    expect(texts(explained(models.pooled))).toEqual([
      "p(v = 1 | h1) = sigmoid(conv_transpose(h1, W1))",
      "p(h1 = 1 | v, h2) = exp(s) / (1 + sum(exp(s))), s = conv(v, W1) + a + upsample(conv_transpose(h2, W2), 2)",
      "p(h2 = 1 | h1) = sigmoid(4 * conv(avg_pool(h1, 2), W2))",
    ]);
    expect(texts(explained(models.pooled.replace("4 * avg_pool(h1, 2)", "pool(h1)")))).toEqual([
      "p(v = 1 | h1) = sigmoid(conv_transpose(h1, W1))",
      "p(h1 = 1 | v, h2) = exp(s) / (1 + sum(exp(s))), s = conv(v, W1) + a + upsample(conv_transpose(h2, W2), 2)",
      "p(h2 = 1 | h1) = sigmoid(conv(pool(h1), W2))",
    ]);
    expect(texts(explained(models.softmax))).toEqual([
      "p(v | h, N) = Multinomial(N, softmax(W @ h + b)), N = sum(v)",
      "p(h = 1 | v) = sigmoid(v @ W + sum(v) * a)",
    ]);
    expect(texts(explained(models.covariance)).slice(1)).toEqual([
      "p(c = 1 | v) = sigmoid(a - (v @ C)^2 / 2)",
      "p(m = 1 | v) = sigmoid(v @ W)",
    ]);
    expect(texts(explained(models.slab))).toEqual([
      "p(v | s, h) = Normal(mean = W @ (s * h), variance = 1)",
      "p(s | v, h) = Normal(mean = v @ W * h, variance = 1)",
      "p(h = 1 | v, s) = sigmoid(v @ W * s + a)",
    ]);
    expect(texts(explained(models.entries))).toEqual([
      "p(v = 1 | h) = sigmoid(W @ h + h[1] * eye(3)[1] + h[1] * eye(3)[2] + h[1] * eye(3)[3] + h[2] * b[1..2] @ eye(3)[2..3] + sum(eye(3)[1..2], axis = 1))",
      "p(h = 1 | v) = sigmoid(v @ W + v[1] * eye(2)[1] + v[2] * eye(2)[1] + v[3] * eye(2)[1] + sum(v[2..3] * b[1..2]) * eye(2)[2])",
    ]);
    expect(texts(explained(models.net))).toEqual(["p(v = 1 | h) = sigmoid(1 + d/dv (sum(up(v) * h)))", "p(h = 1 | v) = sigmoid(up(v))"]);
    expect(texts(explained(models.general))[0]).toBe(
      "p(v[i] = 1 | all other units) = sigmoid((W @ h + L @ v + v @ L)[i]), v[i] = 1/2 in it",
    );
    expect(texts(explained("data v : binary[4] param b : real[4] density p(v) { energy sum(v)^3 - b @ v }"))).toEqual([
      "p(v[i] = 1 | all other units) = sigmoid(E(v[i] = 0) - E(v[i] = 1))",
    ]);
  });

  test("a number that is written as a sum stands in brackets where it is multiplied", () => {
    const e = explained(models.rbm.replace("- a @ h", "- tanh((1 - D) * a) @ h - tanh(D * a) @ h"));
    expect(e.energy.text).toContain("tanh((1 - D) * a) @ h - tanh(D * a) @ h");
  });

  test("rows and columns of tables keep their numbers, and what is replaced by 0 reads so", () => {
    const table = explained(`data y : category[3][3]   latent h : binary[2]   param U : real[3, 3, 2], T : real[2, 3]
    density p(y, h) { o = onehot(y)   energy -(o[1] @ U[2]) @ h - sum(o[3] * T[2]) - h @ T @ o[2] }`);
    expect(texts(table)).toContain("p(h = 1 | y) = sigmoid(o[1] @ U[2] + T @ o[2])");
    const gated = explained(`data v : real[2]   latent h : binary[2]   param P : real[2, 2]
    density p(v, h) { energy sum((1 + h @ exp(P)) * v^2) / 2 }`);
    expect(gated.freeEnergy?.text).toContain("sum((1 + 0) * v^2) / 2");
  });

  test("free energy", () => {
    expect(explained(models.rbm).freeEnergy?.text).toBe("F(v) = -b @ v - sum(softplus(v @ W + a))");
    expect(explained(models.rbm).freeEnergy?.latex).toBe(
      "F(v) = -b^{\\top} v - \\sum \\operatorname{softplus}\\left(W^{\\top} v + a\\right)",
    );
    expect(explained(models.label).freeEnergy?.text).toBe("F(v, y) = -d[y] - sum(softplus(v @ W + U[y]))");
    expect(explained(models.dbm).freeEnergy).toMatchObject({
      text: "F(v, h2) = -sum(softplus(v @ W1 + W2 @ h2))",
      note: "h2: summed over 2^3 states",
    });
    expect(explained(models.slab).freeEnergy?.text).toBe("F(v, h) = v @ v / 2 - a @ h - sum((v @ W * h)^2 / 2 + log(2 * pi) / 2)");
  });

  test("what vanishes at zero is gone, what cancels too", () => {
    const category = explained(`data y : category[4][3], x : count[6]   latent k : category[5]
      param U : real[5, 4], V : real[5, 6], c : real[5]
      density p(y, x, k) { energy -c[k] - V[k] @ x - sum(onehot(y) @ U[k]) }`);
    expect(category.freeEnergy).toMatchObject({
      text: "F(y, x) = -logsumexp(c + V @ x + U @ sum(onehot(y), axis = 1))",
      latex:
        "F(y, x) = -\\operatorname{logsumexp}\\left(c + V x + U \\sum_{\\text{axis 1}}\\left(\\operatorname{onehot}\\left(y\\right)\\right)\\right)",
    });
    const scaled = explained(`data v : real[D]   latent h : binary[H]   param W : real[D, H], b : real[D], s : positive[D]
      density p(v, h) { energy sum(((v - b) / s)^2) / (2 * 0.5) - (v / s^2) @ W @ h }`);
    expect(scaled.conditionals[0]).toMatchObject({
      text: "p(v | h) = Normal(mean = b + W @ h / 2, variance = s^2 / 2)",
      latex: "p(v \\mid h) = \\mathcal{N}\\left(b + \\frac{W h}{2},\\; \\frac{s^{2}}{2}\\right)",
    });
    const blocks = explained(`data v : binary[D]   latent m : binary[2, 2] at_most_one(2, 2)   param P : real[4, D]
      density p(v, m) { energy -(reshape(m, [4]) @ P @ v) }`);
    expect(blocks.energy.text).toBe("E(v, m) = -reshape(m, [4]) @ P @ v");
    expect(blocks.conditionals[1]?.text).toBe("p(m = 1 | v) = exp(s) / (1 + sum(exp(s))), s = reshape(P @ v, [2, 2])");
  });

  test("variables are summed as the objectives of the model say", () => {
    const { derived } = compile({
      path: "m.gm",
      text: `model M { data v : binary[6]   latent copy : binary[6], h1 : binary[30], h2 : binary[25]
        param W : real[6, 30], U : real[30, 25]
        density twice(copy | v) { copy = v }
        density r(v, copy, h1) { energy -(v @ W @ h1) - copy @ W @ h1 }
        density p(v, h1, h2) { energy -(v @ W @ h1) - h1 @ U @ h2 }
        train {
          phase "pairs" { maximize E[copy ~ twice(copy | v)](log r(v, copy)) by pcd(k = 1, chains = 5) }
          phase "deep" { maximize log p(v) by gibbs(steps = 3) and pcd(k = 1, chains = 5) }
        } }`,
    });
    const { energies, train } = explain(derived!);
    expect(energies[0]).toMatchObject({
      freeEnergy: { text: "F(v, copy) = -sum(softplus(v @ W + copy @ W))", note: undefined },
      meanField: [],
    });
    expect(energies[1]?.freeEnergy?.note).toContain("2^25 states of h2 would have to be summed");
    expect(train[1]).toMatchObject({
      text: "E[h1, h2 ~ p(h1, h2 | v)](-E(v, h1, h2)) - log Z",
      latex:
        "\\mathbb{E}_{h_{1}, h_{2} \\sim p(h_{1}, h_{2} \\mid v)}\\left[-\\operatorname{E}\\left(v, h_{1}, h_{2}\\right)\\right] - \\log Z",
    });
  });

  test("units that interact among themselves stand in the graph, with every term in which they do", () => {
    const e = explained(
      "data v : binary[D] latent h : binary[H] param W : real[D, H], L : real[D, D] density p(v, h) { energy -(v @ W @ h) - v @ L @ v / 2 + sum(v)^2 / 10 }",
    );
    expect(e.graph).toEqual([
      { a: "v", b: "v", terms: ["v @ L @ v", "sum(v)^2"] },
      { a: "v", b: "h", terms: ["v @ W @ h"] },
    ]);
    expect(explained(models.rbm).graph).toEqual([{ a: "v", b: "h", terms: ["v @ W @ h"] }]);
  });

  test("curvature that weights decide is said to be checked", () => {
    const two =
      "data v : real[D] latent h : real[D] param W : real[D, D] density p(v, h) { energy sum(v^2) / 2 + sum(h^2) / 2 - v @ W @ h }";
    const one = "data v : real[D] param s : real[D] = 1 density p(v) { energy sum(s * v^2) }";
    expect(explained(two).notes).toEqual(["the joint curvature in v and h is checked as the run goes: it must stay positive definite"]);
    expect(explained(one).notes).toEqual(["the curvature in v is checked as the run goes: it must stay positive definite"]);
  });

  test("what is said of an integral is what was proven", () => {
    const of = (energy: string): readonly string[] =>
      explained(`data v : real[D] param s : real[D] density p(v) { energy ${energy} }`).notes;
    expect(of("sum(v^4) - sum(v^2) - s @ v")).toEqual(["the energy is proven to grow with v in every direction: exp(-E) has an integral"]);
    expect(of("sum(s * v^4)")).toEqual(["v enters beyond second degree: whether exp(-E) has an integral is not known"]);
  });

  test("powers keep the brackets that say what is raised", () => {
    const of = (term: string): EnergyExplanation["energy"] =>
      explained(`data v : real[D] param s : real[D] = 1 density p(v) { energy sum(v^2) / 2 + ${term} }`).energy;
    expect(of("sum(v)^2").latex).toContain("\\left(\\sum\\left(v\\right)\\right)^{2}");
    expect(of("sum(v)^2").text).toContain("sum(v)^2");
    expect(of("sum(v^2 * (s^2)^3)").text).toContain("(s^2)^3");
    expect(of("sum(v^2 * (s^2)^3)").latex).toContain("\\left(s^{2}\\right)^{3}");
  });

  test("mean field, sweep, graph", () => {
    const e = explained(models.dbm);
    expect(e.meanField.map((f) => f.text)).toEqual(["mean(h1) <- sigmoid(v @ W1 + W2 @ mean(h2))", "mean(h2) <- sigmoid(mean(h1) @ W2)"]);
    expect(e.meanField[0]?.latex).toBe("\\mu_{h_{1}} \\leftarrow \\sigma\\left(W_{1}^{\\top} v + W_{2} \\mu_{h_{2}}\\right)");
    expect(e.sweep).toBe("h1, then v and h2");
    expect(e.graph).toEqual([
      { a: "v", b: "h1", terms: ["v @ W1 @ h1"] },
      { a: "h1", b: "h2", terms: ["h1 @ W2 @ h2"] },
    ]);
    expect(explained(models.rbm).meanField).toEqual([]);
    // a block has the state "none" too, also where its units interact
    const blocks = explained(
      "model M { data v : binary[4] latent h : binary[4] at_most_one(2), g : binary[3] param W : real[4, 4], U : real[4, 3] density p(v, h, g) { energy -(v @ W @ h) - h @ U @ g } train { maximize log p(v) by mean_field(steps = 5) and pcd(k = 1) } }",
    );
    expect(blocks.meanField[0]?.text).toBe("mean(h) <- exp(s) / (1 + sum(exp(s))), s = v @ W + U @ mean(g)");
    const rivals = explained(
      "model M { data v : binary[4] at_most_one(2) param L : real[4, 4] density p(v) { energy -(v @ L @ v) } train { maximize log p(v) by pcd(k = 1, sampler = single_site) } }",
    );
    expect(rivals.conditionals[0]?.text).toBe("p(v[block] | all other units) = softmax(-E(v[block] = k))");
    // a product of entries keeps its brackets beside a matrix
    const gated = explained(
      "model M { data v : binary[4], y : category[3] latent h : binary[3] param W : real[4, 3], C : real[3, 4] density p(v, h | y) { energy -((v * C[y]) @ W @ h) } train { maximize log p(v | y) by cd(k = 1) } }",
    );
    expect(gated.energy.latex).toContain("-\\left(v \\odot {C}_{y}\\right)^{\\top} W h");
    expect(printEnergy(e)).toContain("  v -- h1   in v @ W1 @ h1");
  });

  test("the whole page of an RBM", () => {
    expect(printEnergy(explained(models.rbm)).join("\n")).toBe(`energy of p  (test.gm:3)
  E(v, h) = -v @ W @ h - a @ h - b @ v
    LaTeX: E(v, h) = -v^{\\top} W h - a^{\\top} h - b^{\\top} v
conditionals
  p(v = 1 | h) = sigmoid(W @ h + b)
    LaTeX: p(v = 1 \\mid h) = \\sigma\\left(W h + b\\right)
  p(h = 1 | v) = sigmoid(v @ W + a)
    LaTeX: p(h = 1 \\mid v) = \\sigma\\left(W^{\\top} v + a\\right)
Gibbs sweep: h, then v
free energy
  F(v) = -b @ v - sum(softplus(v @ W + a))
    LaTeX: F(v) = -b^{\\top} v - \\sum \\operatorname{softplus}\\left(W^{\\top} v + a\\right)
interactions
  v -- h   in v @ W @ h
log Z is exact: v sums out in closed form, the 2^4 states of h are visited`);
  });

  test("the graph as a picture", () => {
    const { analysis, context } = analysed(models.dbm);
    const svg = analysis ? interactionSvg(context, analysis) : "";
    expect(svg.match(/<path /gu)).toHaveLength(2);
    expect(svg.match(/class="(data|latent)"/gu)).toEqual(['class="data"', 'class="latent"', 'class="latent"']);
    // v below, h2 on top
    const y = [...svg.matchAll(/class="(?:data|latent)" cx="[\d.]+" cy="([\d.]+)"/gu)].map((m) => Number(m[1]));
    expect(y[0]).toBeGreaterThan(y[1] ?? NaN);
    expect(y[1]).toBeGreaterThan(y[2] ?? NaN);
    expect(svg).toContain("<title>h1 -- h2 in h1 @ W2 @ h2</title></path>");
    const blocks = analysed(
      "data v : binary[D] latent m : binary[4] at_most_one(2) param L : real[D, D], P : real[D, 4] density p(v, m) { energy -(v @ L @ v) - v @ P @ m }",
    );
    const loops = interactionSvg(blocks.context, blocks.analysis!);
    expect(loops).toMatch(/<circle class="loop"[^>]*><title>v -- v in v @ L @ v<\/title><\/circle>/u);
    expect(loops).toContain(">binary[4] at_most_one(2)</text>");
  });
});

describe("one unit given all others of its layer", () => {
  test.each([
    "-(v @ W @ h) - v @ L @ v",
    "-(v @ L @ v) / 2 + sum(v)^2 / 10 - b @ v",
    "sum((v @ L - b)^2) - (v * b) @ L @ (2 * v) - sum((v @ W) * h)",
  ])("%s", (energy) => {
    const { context, analysis, text } = analysed(
      `data v : binary[D]   latent h : binary[H]   param W : real[D, H], L : real[D, D], b : real[D]
      density p(v, h) { energy ${energy} + sum(h) }`,
    );
    if (!analysis) throw new Error(text);
    expect(explainEnergy(context, analysis).conditionals[0]?.text).toMatch(
      /^p\(v\[i\] = 1 \| all other units\) = sigmoid\(\(.*\)\[i\]\), v\[i\] = 1\/2 in it$/u,
    );
    const random = randomFrom(7);
    const known = new Map<string, Arr>();
    const weight = (path: string, shape: readonly number[]): Arr => {
      const made = known.get(path) ?? { shape, data: Array.from({ length: size(shape) }, () => random() - 0.5) };
      known.set(path, made);
      return made;
    };
    const bits = (n: number): number[] => Array.from({ length: n }, () => Math.round(random()));
    const [v, h] = [bits(6), bits(4)];
    const { parts, rest } = fieldOf(context, analysis, "v");
    expect(rest).toEqual([]);
    for (let i = 0; i < 6; i++) {
      const at = (e: Expr, x: number): number[] => [
        ...evaluateExpr(
          context,
          { variables: { v: { shape: [6], data: v.map((y, j) => (j === i ? x : y)) }, h: { shape: [4], data: h } }, weight },
          e,
        ).data,
      ];
      const whole = (x: number): number => analysis.energies.reduce((t, e) => t + at(e, x)[0]!, 0);
      const logit = parts.reduce((t, e) => t + (at(simplified(context, e), 0.5)[i] ?? at(e, 0.5)[0]!), 0);
      expect(logit).toBeCloseTo(whole(0) - whole(1), 9);
    }
  });
});

describe("simplified expressions have the value of what they stand for", () => {
  test.each([
    "2 * (b / s / s) / (2 * (1 / s / s)) + (W @ a) / s^2 / (2 * (1 / s / s))",
    "1 / (0.5 / (s * s))",
    "-(-b) * (-3) / -s^2 * s",
    "b * 0 + s - 0 * b",
    "(b / s)^2 * s^2 / (b * b) - (b - b) / s",
    "sum((b / s)^2 / 2 + log(2 * s / s) / 2) * 4 / 8",
    "(-b)^3 / (2 * b)^2",
  ])("%s", (value) => {
    const { context } = analysed(
      `data v : real[D]   param W : real[D, H], a : real[H], b : real[D], s : positive[D] density p(v) { energy sum(v^2) / 2 + sum((${value}) * v) }`,
    );
    const [stated] = context.densities.get("p")!.energy!.energies;
    const random = randomFrom(3);
    const known = new Map<string, Arr>();
    const weight = (path: string, shape: readonly number[]): Arr => {
      const made = known.get(path) ?? { shape, data: Array.from({ length: size(shape) }, () => 0.5 + random()) };
      known.set(path, made);
      return made;
    };
    const point = { variables: { v: { shape: [6], data: [1, -2, 3, 0.5, 2, -1] } }, weight };
    const simple = simplified(context, stated!.value);
    expect(evaluateExpr(context, point, simple).data[0]).toBeCloseTo(evaluateExpr(context, point, stated!.value).data[0]!, 9);
    expect(expressionText(context, simplified(context, simple))).toBe(expressionText(context, simple));
  });
});

describe("formulas are the gradient", () => {
  const check = ({ context, analysis, text }: Analysed, seed: number): number => {
    if (!analysis) throw new Error(text);
    const { wrong, checked } = wrongFields(context, analysis, seed);
    expect(wrong).toEqual([]);
    return checked;
  };

  test.each(Object.entries(models).filter(([name]) => name !== "conv"))("%s", (_, body) => {
    expect(check(analysed(body), 5)).toBeGreaterThan(0);
  });

  test("random bilinear energies", () => {
    const left = fc.constantFrom(
      "v",
      "reverse(v)",
      "(v + b)",
      "(2 * v)",
      "(c * v)",
      "(-v)",
      "(v / s)",
      "(v * b)",
      "(b - v)",
      "flatten(reshape(v, 3, 2))",
      "(L @ v)",
      "(v @ L)",
    );
    const right = fc.constantFrom(
      "h",
      "(h + a)",
      "(U[y] * h)",
      "(U[y] + h)",
      "(W @ h)[1..4]",
      "(h * (v @ W))",
      "(transpose(W) @ b * h)",
      "(x * h)",
      "(h / 3)",
    );
    const whole = fc.oneof(
      fc.tuple(left, right).map(([l, r]) => (r.endsWith("[1..4]") ? `sum(${r})` : `${l} @ W @ ${r}`)),
      right.map((r) => `sum(${r})`),
      left.map((l) => `mean(${l})`),
      left.map((l) => `${l} @ ${l.length > 4 ? "b" : "s"}`),
      fc.constantFrom(
        "d[y]",
        "sum(onehot(y) * d)",
        "onehot(y) @ d",
        "x^2",
        "3 * x",
        "sum((x - h)^2)",
        "sum((x * b - k)^2 / s)",
        "k @ k",
        "sum(k^2 * softplus(v))",
        "(k - L @ v) @ (k - L @ v) / 2",
        "sum(s * (2 * k + 1) * k)",
      ),
    );
    let checked = 0;
    fc.assert(
      fc.property(fc.array(whole, { minLength: 1, maxLength: 4 }), fc.integer(), (parts, seed) => {
        const result = analysed(`data v : binary[D], y : category[5], k : real[D]   latent h : binary[H], x : real
          param W : real[D, H], L : real[D, D], U : real[5, H], a : real[H], b : real[D], c : real, d : real[5], s : positive[D] = 1
          density p(v, h, y, x, k) { energy ${parts.join(" - ")} + sum(v) + sum(h) + d[y] + 9 * x^2 + sum(k^2) }`);
        if (result.analysis) checked += check(result, seed);
      }),
      { numRuns: 150, seed: 3 },
    );
    expect(checked).toBeGreaterThan(200);
  });
});

test("products of decimals are told without what rounding left of them", () => {
  const { derived } = compile({
    path: "test.gm",
    text: `model M(sigma = 0.6) { data v : real[4] latent h : binary[3] param W : real[4, 3], b : real[4]
      density p(v, h) { energy sum(((v - b) / sigma)^2) / 2 - (v / sigma) @ W @ h }
      train { maximize log p(v) by cd(k = 1) } }`,
  });
  if (!derived) throw new Error("not derived");
  const text = JSON.stringify(explain(derived).energies);
  expect(text).toContain("variance = 0.36)");
  expect(text).toContain("mean = b + 0.36 * ");
});

describe("objectives", () => {
  test.each([
    ["", "the objective itself: it is exact"],
    [
      "by mean_field(steps = 5)",
      "the lower bound itself, at means that are held fixed: where the updates have settled, that is its gradient",
    ],
    [
      "by mean_field(steps = 5) and pcd(k = 1)",
      "the same with log Z replaced by -F at samples of the model, held fixed: its gradient estimates that of a lower bound of log p, its value does not",
    ],
    [
      "by gibbs(steps = 5)",
      "the same with -E taken at samples of h1, h2, held fixed: its gradient estimates that of log p, its value does not",
    ],
    [
      "by gibbs(steps = 5) and pcd(k = 1)",
      "the same with -E taken at samples of h1, h2 and log Z replaced by -F at samples of the model, held fixed: its gradient estimates that of log p, its value does not",
    ],
  ])("what is differentiated %s", (by, said) => {
    const { derived } = compile({
      path: "test.gm",
      text: `model M { data v : binary[4] latent h1 : binary[4], h2 : binary[3] param W1 : real[4, 4], W2 : real[4, 3]
        density p(v, h1, h2) { energy -(v @ W1 @ h1) - h1 @ W2 @ h2 }
        train { maximize log p(v) ${by} optimizer = sgd(lr = 0.1), batch = 10, epochs = 1 } }`,
    });
    if (!derived) throw new Error("not derived");
    expect(explain(derived).train[0]?.surrogate).toBe(said);
  });

  test("means under mean field have one subscript, that of their variable", () => {
    const { derived } = compile({
      path: "test.gm",
      text: `model M { data v : binary[4] latent h1 : binary[4], h2 : binary[3] param W1 : real[4, 4], W2 : real[4, 3]
        density p(v, h1, h2) { energy -(v @ W1 @ h1) - h1 @ W2 @ h2 }
        train { maximize log p(v) by mean_field(steps = 5) and pcd(k = 1)   optimizer = sgd(lr = 0.1), batch = 10, epochs = 1 } }`,
    });
    if (!derived) throw new Error("not derived");
    const [trained] = explain(derived).train;
    expect(trained?.text).toBe("(-E(v, mu_h1, mu_h2) + H(mu_h1, mu_h2)) - log Z");
    expect(trained?.latex).toContain("\\operatorname{H}\\left(\\mu_{h_{1}}, \\mu_{h_{2}}\\right)");
  });

  test("units of which one of a block is on are told as declared; chains that a gradient moves are told too", () => {
    const { derived } = compile({
      path: "test.gm",
      text: `model M { data v : real[2] latent h : binary[4] at_most_one(2) param W : real[2, 4]
        density p(v, h) { energy sum(v^4) - v @ W @ h }
        evaluate { logZ = ais(chains = 50, temperatures = 200, leapfrog = 8)   nll = -log p(v) } }`,
    });
    if (!derived) throw new Error("not derived");
    const told = explain(derived);
    expect(told.variables.map((v) => v.domain)).toEqual(["real[2]", "binary[4] at_most_one(2)"]);
    expect(JSON.stringify(told)).toContain(
      "annealed importance sampling, 50 chains, 200 temperatures; `v` moved by Hamiltonian trajectories of 8 tuned steps, accepted or refused",
    );
  });
});
