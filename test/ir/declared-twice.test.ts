/** A name that is declared twice is one mistake: the first declaration counts, and nothing is said of what uses the name. */
import { describe, expect, it } from "vitest";
import { elaborateText } from "./support.js";

/** A sound model, member by member; its hyperparameters are `D` and `Z`. */
const members: Readonly<Record<string, string>> = {
  x: "data x : binary[D]",
  z: "latent z : real[Z]",
  s: "param s : positive = 1",
  W: "const W = 7",
  dec: "net dec(z) = z |> dense(W) |> tanh |> dense(D)",
  enc: "net enc(x) = x |> dense(W) |> gaussian(Z)",
  p: "density p(x, z) { z ~ Normal(0, s)  x ~ Bernoulli(logits = dec(z)) }",
  q: "density q(z | x) { e = enc(x)  z ~ Normal(e.loc, e.scale) }",
  bound: "objective bound = ELBO(p, q)",
};
const rest = "train { maximize bound }\nevaluate { nll = -IWAE(p, q, k = 3) }";
const again = (name: string): readonly string[] => [
  `data ${name} : real`,
  `latent ${name} : real[2]`,
  `param ${name} : real[3]`,
  `const ${name} = 3`,
  `net ${name}(a, b) = a + b`,
  `density ${name}(x) { x ~ Bernoulli(logits = 0) }`,
  `objective ${name}(p) = log p(x)`,
  `flow ${name} = affine`,
];

const codes = (lines: readonly string[]): readonly string[] =>
  elaborateText(`model M(D = 6, Z = 2) {\n${[...lines, rest].join("\n")}\n}`).codes;

it("the model is sound", () => {
  expect(codes(Object.values(members))).toEqual([]);
});

describe.each([...Object.keys(members), "D", "Z"])("%s again", (name) => {
  it.each(again(name))("%s", (twice) => {
    const lines = Object.values(members);
    expect(codes([...lines, twice])).toEqual(["GM2002"]);
  });

  it.each(again(name))("as another kind, and before: %s", (twice) => {
    const kind = (text = ""): string => text.split(" ")[0] ?? "";
    if (kind(members[name]) === kind(twice)) return;
    expect(codes([twice, ...Object.values(members)])).toEqual(["GM2002"]);
  });
});

it("the first one counts, in one statement too", () => {
  const { ir } = elaborateText("model M {\n data x : real[4]\n density p(x) { x ~ Normal(0, 1) }\n objective o = log p(x)\n}");
  expect(ir).toBeDefined();
  const { diagnostics } = elaborateText(
    "model M {\n data x : real[4], x : real\n density p(x) { x ~ Normal(zeros(5), 1) }\n objective o = log p(x)\n}",
  );
  expect(diagnostics.list.map((d) => d.code)).toContain("GM2002");
  expect(diagnostics.list.map((d) => d.message).join("\n")).toContain("[4]");
});
