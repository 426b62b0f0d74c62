/** Gradients through draws whose value is stopped: the weights that a statement is said to depend on are those with a gradient, measured on the value. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { explain } from "../../src/codegen/explain.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

const model = (objective: string, over = ""): string => `
model M {
  data x : real[2]
  latent z : real[2]
  latent c : binary
  net G(z) = z |> dense(2)
  net D(x) = x |> dense(3) |> tanh |> dense(1) |> sum
  param t : real = 0.5
  param s : real = 0.7
  density p(x, z) { z ~ Normal(t, 1)
    x = G(z) }
  density r(z) { z ~ Normal(t, 1) }
  density n(x | z) { x ~ Normal(z, 1) }
  density b(c) { c ~ Bernoulli(logits = s) }
  train { maximize ${objective}${over}  batch = 8 }
}`;

const codesOf = (text: string): readonly string[] => compile({ path: "model.gm", text }).diagnostics.map((d) => d.code);

const START: Readonly<Record<string, readonly number[]>> = {
  "G.dense1.kernel": [0.5, 0.25, -0.5, 1],
  "G.dense1.bias": [0.25, -0.5],
  "D.dense1.kernel": [0.5, -0.25, 0.75, 0.5, -0.5, 0.25],
  "D.dense1.bias": [0, 0.25, -0.25],
  "D.dense2.kernel": [0.5, -0.25, 0.75],
  "D.dense2.bias": [0],
  t: [0.5],
  s: [0.7],
};

const PARTS = ["G", "D", "t", "s"];

describe("a statement depends on the weights that it has a gradient in", () => {
  const objectives: readonly [objective: string, moves: string][] = [
    ["E[x ~ p(x)](D(x))", "G D t"],
    ["E[x ~ p(x)](D(stop(x)))", "D"],
    ["E[xf ~ p(x)](D(stop(xf)))", "D"],
    ["E[x ~ p(x)](stop(D(x)) * sum(x))", "G t"],
    ["E[x ~ p(x)](D(stop(x)) + s)", "D s"],
    ["stop(E[x ~ p(x)](D(x))) + s * E[xg ~ p(x)](D(stop(xg)))", "D s"],
    ["E[z ~ r(z)](log n(x | z = stop(z)) + s)", "s"],
    ["E[z ~ r(z)](log n(x | z))", "t"],
    ["E[x ~ p(x)](E[u ~ Normal(stop(x), 1)](D(u)))", "D"],
    ["E[x ~ p(x)](E[u ~ Normal(x, 1)](D(u)))", "G D t"],
    ["E[x ~ p(x)](E[u ~ Normal(x, 1)](D(stop(u))))", "D"],
    ["E[x ~ p(x)](D(stop(x))) + E[x ~ p(x)](sum(x))", "G D t"],
    ["E[x ~ p(x)](sum(grad[y = stop(x)](D(y))))", "D"],
    // the probabilities of states move it whatever holds the states
    ["E[c ~ b(c)](stop(c) * D(x))", "D s"],
    ["E[c ~ b(c)](stop(c)) + t", "t s"],
    // what a condition compares steps it, and has no slope
    ["where(greater(sum(x), t), D(x), s)", "D s"],
    ["where(greater(D(x), 0), s, 0)", "s"],
    ["E[z ~ r(z)](where(greater(sum(z), s), 2, 0)) + D(x)", "D t"],
  ];
  it.each(objectives)("%s: %s", async (objective, moves) => {
    const expected = moves.split(" ");
    for (const part of PARTS) {
      const found = codesOf(model(objective, ` over ${part}`)).includes("GM3511");
      expect([part, found]).toEqual([part, !expected.includes(part)]);
    }
    // with another term that reads all weights through values of its own, so that all are asked about
    const all = `${objective} + 0 * (sum(G(x)) + D(x) + t + s)`;
    const { gradients } = await gradientsOf(loadModel(model(all)).model, {
      weights: START,
      data: { x: Array.from({ length: 16 }, (_, i) => Math.sin(i)) },
      rows: 8,
    });
    const moved = PARTS.filter((part) =>
      Object.entries(gradients).some(([path, { mean }]) => path.split(".")[0] === part && mean.some((g) => Math.abs(g) > 1e-9)),
    );
    expect(moved).toEqual(PARTS.filter((part) => expected.includes(part)));
  });

  it.each(["stl", "reparam"])("by %s alike", (by) => {
    const text = model("E[z ~ r(z)](sum(stop(z)))").replace("  batch", ` by ${by}  batch`);
    expect(codesOf(text)).toContain("GM3513");
    const [first] = explain(compile({ path: "model.gm", text }).derived!).train;
    expect([first?.moves, first?.paths.map((p) => p.path)]).toEqual([[], ["none"]]);
  });

  it("and `explain` says which draws none comes to", () => {
    const { derived } = compile({ path: "model.gm", text: model("E[x ~ p(x)](D(stop(x)))") });
    const [first] = explain(derived!).train;
    expect(first?.moves).toEqual(["D"]);
    expect(first?.latents.find((l) => l.variable === "x")?.reason).toBe("what reads it stops the gradient");
    expect(first?.paths.every((p) => p.path === "none" && p.weights.length === 0)).toBe(true);
    expect(first?.surrogate).not.toContain("passes through x");
  });
});
