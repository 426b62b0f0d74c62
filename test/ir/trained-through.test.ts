/** Whether a draw wants a gradient: where no moved weight acts through its parameters but by a choice, it is only sampled. */
import { expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { explain } from "../../src/codegen/explain.js";

const estimators = (logits: string): readonly string[] => {
  const { derived } = compile({
    path: "test.gm",
    text: `
    net nearest(z, codes) = argmax(2 * z @ transpose(codes) - sum(codes^2, axis = 2))
    model M {
      data x : real[2]
      latent b : binary[40]
      param codes : real[3, 2], W : real[3, 40]
      net encoder(x) = x |> dense(2)
      density q(b | x) { b ~ Bernoulli(logits = ${logits}) }
      train { maximize E[b ~ q(b | x)](sum(b) - sum(encoder(x))) over encoder  optimizer = sgd(0.1) }
    }`,
  });
  if (!derived) throw new Error("it does not compile");
  return explain(derived).train[0]?.latents.map((l) => l.estimator) ?? [];
};

it.each([
  ["onehot(nearest(encoder(x), codes), 3) @ W", ["sampled"]],
  ["W[nearest(encoder(x), codes)]", ["sampled"]],
  ["sign(encoder(x)) @ W[1..2]", ["sampled"]],
  ["stop(encoder(x)) @ W[1..2]", ["sampled"]],
  ["where(greater(encoder(x), 0), 1, x) @ W[1..2]", ["sampled"]],
  ["quantize(encoder(x), codes) @ W[1..2]", ["score"]],
  ["encoder(x) @ W[1..2]", ["score"]],
])("%s", (logits, wanted) => expect(estimators(logits)).toEqual(wanted));
