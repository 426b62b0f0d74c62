/** Ways out that the help of an error tells: of parameters with too few axes, of evaluators that take no bound. */
import { expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const helpOf = (code: string, text: string): string =>
  compile({ path: "m.gm", text })
    .diagnostics.filter((d) => d.code === code)
    .flatMap((d) => d.help ?? [])
    .join("\n");

it("an entry where a row is asked for has the row as its way out", () => {
  const text = `model F(K = 3) { data x : real  latent z : category[K], c : category[K]  param A : real[K, K], start : real[K], mu : real[K]
    density p(x, z, c) { z ~ Categorical(logits = start)  c ~ Categorical(logits = A[z, 1])  x ~ Normal(mu[c], 1) }
    train { maximize log p(x) } }`;
  expect(helpOf("GM3014", text)).toContain("`A[z, 1]` is one entry: `A[z]` is the row that it stands in");
});

it("a perplexity of a bound has nats a word as its way out", () => {
  const text = `model P(V = 20, K = 3) { data x : count[V]  latent z : real[K]  param W : real[K, V]
    density p(x, z) { z ~ Normal(0, 1)  x ~ Multinomial(sum(x), logits = z @ W) }
    density q(z | x) { z ~ Normal(x |> dense(K), 1) }
    evaluate { b = perplexity(ELBO(p, q)) } }`;
  expect(helpOf("GM3046", text)).toContain("`-ELBO(p, q) / sum(x)`");
});
