/** Log-densities of rows of two `data` statements: refused where they couple them, and not where they fall apart or compare no rows. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const DATA = `data v : binary[4], x : real[2]
  data y : category[3]`;

const model = (body: string, data = DATA): string => `model M {
  ${data}
  latent h : binary[5], z : real[2], c : category[3], on : binary
  param W : real[4, 5], U : real[3, 5], a : real[4], b : real[3], mu : real[3, 4], T : real[3, 3], R : real[2, 4], Q : real[2, 3], Q2 : real[2, 2], R2 : real[4, 3]
  net e(v) = v |> dense(2)
  net ey(y) = onehot(y) |> dense(2)
  net D(v, y) = concat(v, onehot(y)) |> dense(1) |> sum
  ${body}
}`;

const errorsOf = (text: string) => compile({ path: "model.gm", text }).diagnostics.filter((d) => d.severity === "error");

const rbm = "density p(v, y, h) { energy -(v @ W @ h) - U[y] @ h }";
const given = "density p(v, h | y) { energy -(v @ W @ h) - U[y] @ h }";
const mixture = "density p(v, y, c) { c ~ Categorical(logits = b)   v ~ Bernoulli(logits = mu[c])   y ~ Categorical(logits = T[c]) }";
const decoder = "density p(v, y, z) { z ~ Normal(0, 1)   v ~ Bernoulli(logits = z @ R)   y ~ Categorical(logits = z @ Q) }";
const noisy = "density p(x | z) { x ~ Normal(z @ Q2, 1) }";
const train = (statement: string): string => `train { ${statement}   batch = 4 }`;

describe("a density that couples rows of two streams", () => {
  it.each<readonly [string, string]>([
    ["an energy, through what is summed out", `${rbm} ${train("maximize log p(v, y)")}`],
    ["an energy, by chains", `${rbm} ${train("maximize log p(v, y) by cd(k = 1)")}`],
    ["an energy, by mean field", `${rbm} ${train("maximize log p(v, y) by mean_field(steps = 5) and cd(k = 1)")}`],
    ["an energy of both alone", `density p(v, y) { energy -(mu[y] @ v) } ${train("maximize log p(v, y)")}`],
    ["ratios of noise", `density p(v, y) { energy -(mu[y] @ v) } ${train("maximize log p(v, y) by nce")}`],
    ["what is conditioned on, of an energy", `${rbm} ${train("maximize log p(v | y)")}`],
    ["a condition of an energy", `${given} ${train("maximize log p(v | y) by cd(k = 1)")}`],
    ["one conditional", `density p(v | y) { v ~ Bernoulli(logits = mu[y]) } ${train("maximize log p(v | y)")}`],
    ["behind a name", `density p(v | y) { m = mu[y]   v ~ Bernoulli(logits = m) } ${train("maximize log p(v | y)")}`],
    ["rows that are drawn", `density p(v | y) { v ~ Bernoulli(logits = mu[y]) } ${train("maximize E[v ~ data, y ~ data](log p(v | y))")}`],
    [
      "another value of the row's own variable",
      `density p(v | y) { v ~ Bernoulli(logits = mu[y]) } ${train("maximize log p(v = 1 - v | y)")}`,
    ],
    [
      "a sample under another name",
      `density p(v | z) { v ~ Bernoulli(logits = z @ R) } density q(z | y) { z ~ Normal(ey(y), 1) } ${train("maximize E[zy ~ q(z | y)](log p(v | z = zy))")}`,
    ],
    [
      "the squared score",
      `density p(x | y) { energy sum(x^2 * exp(ey(y)[1])) } ${train("minimize sum(grad[s = x](log p(x = s | y)) ^ 2)")}`,
    ],
    [
      "score matching, written out",
      `density p(x | y) { energy sum(x^2 * exp(ey(y)[1])) } ${train("minimize 0.5 * sum(grad[s = x](log p(x = s | y)) ^ 2) + sum[i in 1..2](grad[s = x](grad[t = s](log p(x = t | y))[i])[i])")}`,
    ],
    ["a latent of both that is summed out", `${mixture} ${train("maximize log p(v, y)")}`],
    ["a latent of both that is maximized", `${mixture} ${train("maximize max[c](log p(v, y, c))")}`],
    ["a latent that is drawn given one", `${decoder} density q(z | v) { z ~ Normal(e(v), 1) } ${train("maximize ELBO(p, q)")}`],
    [
      "a posterior given one, a prior given the other",
      `density p(v, z | y) { z ~ Normal(ey(y), 1)   v ~ Bernoulli(logits = z @ R) } density q(z | v) { z ~ Normal(e(v), 1) } ${train("maximize ELBO(p, q)")}`,
    ],
    [
      "samples that are averaged within a log",
      `${decoder} density q(z) { z ~ Normal(0, 1) } ${train("maximize E[z[1..3] ~ q(z)](logmeanexp[i in 1..3](log p(v, y, z = z[i]) - log q(z = z[i]))) over p")}`,
    ],
  ])("%s", (_name, body) => {
    const found = errorsOf(model(body));
    expect(found.map((d) => d.code)).toEqual(["GM3535"]);
    const statement = /: `(data .*)`$/u.exec(found[0]?.help[0] ?? "")?.[1];
    expect(errorsOf(model(body, statement))).toEqual([]);
    expect(found[0]?.help[1]).toMatch(/`E\[(.)r ~ data\(\1\)\]\(…\)` around the log-density, with `\1 = \1r` in its brackets$/u);
  });
});

describe("what couples no rows of two streams", () => {
  it.each<readonly [string, string]>([
    [
      "densities of one each",
      `density p(v) { v ~ Bernoulli(logits = a) } density r(y) { y ~ Categorical(logits = b) } ${train("maximize log p(v) + log r(y)")}`,
    ],
    [
      "a joint density that falls apart",
      `density p(v, y) { v ~ Bernoulli(logits = a)   y ~ Categorical(logits = b) } ${train("maximize log p(v, y)")}`,
    ],
    ["an energy that falls apart", `density p(v, y, h) { energy -(v @ W @ h) - b[y] } ${train("maximize log p(v, y)")}`],
    [
      "a latent that is of one alone",
      `density p(v, y, c) { c ~ Categorical(logits = b)   v ~ Bernoulli(logits = mu[c])   y ~ Categorical(logits = b) } ${train("maximize log p(v, y)")}`,
    ],
    ["one of both, the other summed out", `${mixture} ${train("maximize log p(v) + log p(y)")}`],
    ["a joint of which one is drawn", `${mixture} ${train("maximize log p(v) + E[vf ~ p(v)](log p(v = vf))")}`],
    [
      "samples of one stream's condition",
      `density p(v | y) { v ~ Bernoulli(logits = mu[y]) } density r(v) { v ~ Bernoulli(logits = a) } ${train("maximize E[vf ~ p(v | y)](log r(v = vf)) + log r(v) over r")}`,
    ],
    [
      "rows that are drawn under other names",
      `density p(v | y) { v ~ Bernoulli(logits = mu[y]) } ${train("maximize E[w ~ data(v), k ~ data(y)](log p(v = w | y = k))")}`,
    ],
    [
      "a row that is drawn under another name, by its place",
      `density p(v | y) { v ~ Bernoulli(logits = mu[y]) } ${train("maximize E[k ~ data(y)](log p(v | k))")}`,
    ],
    ["an energy at such a row", `${rbm} ${train("maximize E[k ~ data(y)](log p(v, y = k)) by cd(k = 1)")}`],
    ["a condition that is computed of both", `${noisy} ${train("maximize log p(x | z = x + ey(y))")}`],
    ["the same of drawn rows", `${noisy} ${train("maximize E[x ~ data, y ~ data](log p(x | z = x + ey(y)))")}`],
    [
      "matched rows against unmatched ones",
      `density m(on | v, c) { on ~ Bernoulli(logits = D(v, c)) } ${train("maximize log m(on = 1 | v, c = argmax(v @ R2)) + log m(on = 0 | v, c = y)")}`,
    ],
    [
      "mixed rows",
      `density m(x | z) { x ~ Normal(z, 1) } ${train("maximize E[t ~ Uniform(0, 1)](t * log m(x | z = t * x + (1 - t) * ey(y)))")}`,
    ],
    ["a critic of both", train("maximize E[v ~ data, y ~ data](log(sigmoid(D(v, y)))) over D")],
    ["a measurement of both", `density p(v | y) { v ~ Bernoulli(logits = mu[y]) } evaluate { nll = -log p(v | y) }`],
    [
      "draws of both, each decoded by itself",
      `${decoder} density q(z) { z ~ Normal(0, 1) } ${train("maximize E[z ~ q(z)](log p(v, y, z)) over p")}`,
    ],
  ])("%s", (_name, body) => {
    expect(errorsOf(model(body))).toEqual([]);
  });
});
