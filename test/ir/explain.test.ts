/** What `gmc explain` says of objectives, as text. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { explain } from "../../src/codegen/explain.js";

function explained(text: string): ReturnType<typeof explain> {
  const { derived } = compile({ path: "test.gm", text });
  if (!derived) throw new Error("it does not compile");
  return explain(derived);
}

it("keeps the sign of a line of `evaluate`", () => {
  const { evaluate } = explained(`model M {
    data x : real[2]
    latent z : real[2]
    density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z, 1) }
    density q(z | x) { z ~ Normal(x, 1) }
    train { maximize ELBO(p, q)  optimizer = sgd(0.1) }
    evaluate { a = -log p(x)  b = log p(x)  c = -ELBO(p, q)  d = -(log p(x | z = x) - 2 * log p(z = x)) }
  }`);
  expect(evaluate.map((e) => e.text)).toEqual([
    "-log ∫ p(x | z) p(z) dz",
    "log ∫ p(x | z) p(z) dz",
    "-E[z ~ q(z | x)](log p(x | z) - KL(q(z | x), p(z)))",
    "-log p(x | x) + 2 * log p(x)",
  ]);
  expect(evaluate.map((e) => e.latex[0])).toEqual(["-", "\\", "-", "-"]);
});

it("marks what may be missing, and the rows in which a term stands", () => {
  const { variables, train } = explained(`model M {
    data x : real, y : category[3]?
    param w : real[3], mu : real[3]
    density p(x, y) { y ~ Categorical(logits = w)  x ~ Normal(mu[y], 1) }
    train { maximize log p(x, y) }
  }`);
  expect(variables.map((v) => v.domain)).toEqual(["real", "category[3]?"]);
  expect(train[0]?.text).toBe("([y there] * (log p(y) + log p(x | y)) + [y missing] * (log sum[y](exp(log p(y) + log p(x | y)))))");
});

it("groups a sum that stands in some rows", () => {
  const { train } = explained(`model M {
    data x : real[2]?
    latent z : real[2]
    param a : positive = 1
    flow f on real[2] -> real[2] {
      forward(z) = a * z
      inverse(x) = x / a
    }
    density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
    train { maximize log p(x) }
  }`);
  expect(train[0]?.text).toBe("[x there] * (log p(z = f^-1(x)) + log |det dz/dx|)");
});

it("says of no weight that it moves where no gradient passes to it", () => {
  const { train } = explained(`
    net nearest(z, codes) = argmax(2 * z @ transpose(codes) - sum(codes^2, axis = 2))
    net both(a, b) { kept = stop(a)  return kept + b }
    model M {
      data x : real[2]
      latent k : category[3]
      param codes : real[3, 2], w : real[3], a : real[2], b : real[2]
      net encoder(x) = x |> dense(2)
      density p(k) { k ~ Categorical(logits = w) }
      density r(x) { x ~ Normal(both(a, b), 1) }
      train {
        maximize log p(k = nearest(encoder(x), codes))
        maximize log r(x)
        maximize log r(x) - sum((codes[nearest(encoder(x), codes)] - x)^2) - sum(floor(a))
        maximize -sum((encoder(x) - stop(codes[nearest(encoder(x), codes)]))^2)
        optimizer = sgd(0.1)
      }
    }`);
  expect(train.map((t) => t.moves)).toEqual([["w"], ["b"], ["b", "codes"], ["encoder"]]);
});

it("says where the gradient passes straight through a choice, and of what it is made", () => {
  const { train } = explained(`
    net hardened(s) = s + stop(where(greater(s, 0), 1, 0) - s)
    net deep(x, codes) { e = x |> dense(2)  return quantize(e, codes) |> dense(2) }
    model M {
      data x : real[2]
      param codes : real[3, 2], a : real[2], b : real[2], c : real[2]
      net encoder(x) = x |> dense(2)
      objective Deep = -sum((1 + deep(c * x, codes))^2)
      train {
        maximize -sum((quantize(encoder(x), codes) - x)^2)
        maximize -sum((quantize(x, codes) - a)^2)
        maximize -sum((quantize(a * x, codes) - b)^2) over b
        maximize -sum((hardened(a) * x - b)^2)
        maximize -sum((stop(floor(a) - a) + a - b)^2)
        maximize Deep
        maximize -sum((stop(a) - a * b * x)^2)
        maximize -sum((stop(x) - b * x)^2)
        maximize -sum((a - stop(b - c))^2) - sum(b * x)
        optimizer = sgd(0.1)
      }
    }`);
  expect(train.map((t) => t.straightThrough.map((s) => `${s.expression.replace(/\d\(/u, "(")}: ${s.weights.join(", ")}`))).toEqual([
    ["quantize(encoder(x), codes): encoder"],
    [],
    [],
    ["hardened(a): a"],
    [expect.stringMatching(/: a$/u)],
    ["quantize(e, codes): Deep.deep1.dense1, c"],
    [],
    [],
    [],
  ]);
  expect(train.map((t) => t.surrogate.includes("what `stop` holds counts as given"))).toEqual([
    false,
    false,
    false,
    false,
    false,
    false,
    true,
    false,
    true,
  ]);
  expect(train.map((t) => t.surrogate.includes("exact"))).toEqual([false, true, true, false, false, false, false, true, false]);
});

it("calls nets of templates as they are written, whichever instance they are", () => {
  const { train, evaluate } = explained(readFileSync("examples/vq_vae.gm", "utf8"));
  const shown = JSON.stringify({ train, evaluate });
  expect(shown).toContain("log p(nearest_code(encoder(x), codebook))");
  expect(shown).not.toMatch(/(?:nearest_code|quantize|commitment)\d/u);
});

it.each([
  ["maximize log p(v) by score_matching", "(tr(grad[v](grad[v](E(v)))) - |grad[v](E(v))|^2 / 2)"],
  [
    "minimize -2 * log p(v) by denoising_score_matching(sigma = 0.1)",
    "-2 * E[eps ~ Normal(0, 1)](-|eps / 0.1 - grad[v](E(v + 0.1 * eps))|^2 / 2)",
  ],
  [
    "maximize log p(v) by nce(ratio = 5)",
    "(log sigmoid(-E(v) - log Z - log (5 * noise(v))) + 5 * E[u ~ noise](log sigmoid(E(u) + log Z + log (5 * noise(u)))))",
  ],
  ["minimize -log p(v) by langevin(k = 20, step = 0.01)", "E(v) + log Z"],
  ["minimize -3 * log p(v) by langevin(k = 20, step = 0.01)", "3 * E(v) + 3 * log Z"],
])("says of `%s` what is computed", (statement, text) => {
  const { train } = explained(`model M {
    data v : real[2]
    param b : real[2], s : positive[2] = 1
    density p(v) { energy sum(s * v^2) / 2 - b @ v }
    train { ${statement}  optimizer = sgd(0.1) }
  }`);
  expect(train[0]?.text).toBe(text);
});

it.each([
  ["score_matching", "exact up to 64 entries"],
  ["denoising_score_matching(sigma = 0.1)", "draws noise"],
])("says what `by %s` draws", (by, said) => {
  const { train } = explained(`model M {
    data v : real[2]
    param b : real[2]
    density p(v) { energy sum(v^2) / 2 - b @ v }
    train { maximize log p(v) by ${by} }
  }`);
  expect(train[0]?.surrogate).toContain(said);
});

it("refuses a power below 0 of what is 0 when compiled", () => {
  const { diagnostics } = compile({
    path: "m.gm",
    text: `model M(a = 1) { data x : real[4]  param w : real[4]  density p(x) { x ~ Normal(w, 1) }
      train { maximize log p(x) }  evaluate { m = sum(x) * (a - 1)^(-1) } }`,
  });
  expect(diagnostics.map((d) => d.code)).toContain("GM2018");
});

it("tells each bound's own number of samples, with an index that is no variable of the model", () => {
  const { evaluate } = explained(`model V { data x : real[2]  latent k : real, i : real  param a : real
    density p(x, k, i) { k ~ Normal(a, 1)  i ~ Normal(0, 1)  x ~ Normal(stack(k, i), 1) }
    density q(k, i | x) { k ~ Normal(x[1], 1)  i ~ Normal(x[2], 1) }
    train { maximize ELBO(p, q) }
    evaluate { one = IWAE(p, q, k = 3)  gap = IWAE(p, q, k = 20) - IWAE(p, q, k = 5) } }`);
  const [one, gap] = evaluate.map((e) => e.text);
  expect(one).toContain("E[k[1..3] ~ q(k | x), i[1..3] ~ q(i | x)](logmeanexp[ii in 1..3](log p(k[ii]) + log p(i[ii])");
  expect(gap).toMatch(/k\[1\.\.20\].* in 1\.\.20\].* - E\[k\[1\.\.5\].* in 1\.\.5\]/u);
});
