/** Probabilities that are squashed once more: told by what functions make of all numbers, and the way out compiles without a word. */
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compile.js";

const model = (draw: string): string => `model M {
  data x : ${draw.startsWith("Bern") ? "binary[4]" : "category[4]"}, z : real[2]
  net h(z) = z |> dense(4)
  net k(z) = z |> dense(4) |> softmax
  density p(x | z) { x ~ ${draw} }
  train { maximize log p(x | z) }
}`;

const told = (draw: string): readonly (readonly [string, string])[] =>
  compile({ path: "m.gm", text: model(draw) }, {}).diagnostics.flatMap((d) =>
    d.code === "GM3019" || d.severity === "error" ? [[d.message, d.help.join("; ")] as const] : [],
  );

describe("probabilities that are squashed once more", () => {
  test.each([
    ["Categorical(probs = softmax(softmax(h(z))))", "probs = softmax(h(z))"],
    ["Categorical(probs = softmax(sigmoid(h(z))))", "probs = softmax(h(z))"],
    ["Bernoulli(probs = sigmoid(sigmoid(h(z))))", "probs = sigmoid(h(z))"],
    ["Bernoulli(sigmoid(sigmoid(h(z))))", "logits = h(z)"],
    ["Categorical(probs = k(z) |> softmax)", undefined],
  ])("%s", (draw, way) => {
    const [[message, help] = ["", ""]] = told(draw);
    expect(message).toMatch(/is squashed twice: `\w+` takes log-odds, found a value between 0 and 1/u);
    if (way === undefined) return;
    expect(help).toContain(`\`${way}\``);
    expect(told(`${draw.slice(0, draw.indexOf("("))}(${way})`)).toEqual([]);
  });

  // legal: `probs` of classes are divided by their sum; log-probabilities are log-odds; a scale gives the range back
  test.each([
    "Categorical(probs = softmax(h(z)))",
    "Categorical(probs = sigmoid(h(z)))",
    "Categorical(probs = softmax(log_softmax(h(z))))",
    "Categorical(probs = softmax(3 * softmax(h(z))))",
    "Categorical(probs = softmax(tanh(h(z))))",
    "Categorical(probs = 0.9 * softmax(h(z)) + 0.025)",
    "Bernoulli(probs = sigmoid(softplus(h(z))))",
  ])("%s is none", (draw) => expect(told(draw)).toEqual([]));
});
