/** Energies from templates: written out, so that they are analysed, printed and blamed as if they stood in the density. */
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compile.js";
import { printExpr } from "../../src/ir/print.js";
import { analysed, clean, summary } from "./energy-support.js";

const model = (energy: string, before = "", inside = ""): string => `${before}
model M(D = 6, H = 4) {
  data v : binary[D]
  latent h : binary[H]
  param W : real[D, H] init Normal(0, 0.01), a : real[H] = 0, b : real[D] = 0
  ${inside}
  density p(v, h) { energy ${energy} }
}`;

const spelled = "-(v @ W @ h) - a @ h - b @ v";
const printed = (text: string): string => {
  const { print, diagnostics } = compile({
    path: "m.gm",
    text: text.replace(/\}\s*$/u, "train { maximize log p(v) by cd(k = 1)\n optimizer = sgd(lr = 0.1), batch = 2, steps = 1 } }"),
  });
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  return print("ts")
    .replaceAll(/m\.gm:\d+/gu, "m.gm")
    .replaceAll(/sha256.*/gu, "");
};

describe("rbm_energy", () => {
  test("is the energy of an RBM, to the letter of the generated file", () => {
    expect(printed(model("rbm_energy(v, h, W, a, b)"))).toBe(printed(model(spelled)));
  });

  test("takes sums of tied copies and multiples of weights", () => {
    const text = `
      data v : binary[D]
      latent c : binary[D], h : binary[H]
      param W : real[D, H], a : real[H] = 0, b : real[D] = 0
      density p(v, c, h) { energy rbm_energy(v + c, h, 2 * W, a, b) }`;
    expect(summary(clean(text))).toEqual({
      laws: { v: "bernoulli", c: "bernoulli", h: "bernoulli" },
      edges: ["v-h", "c-h"],
      sweep: [["v", "c"], ["h"]],
    });
  });

  test("of real units", () => {
    const text = (sigma: string): string => `
      data v : real[D]
      latent h : binary[H]
      param W : real[D, H], a : real[H] = 0, b : real[D] = 0, s : positive[D] = 1
      density p(v, h) { energy grbm_energy(v, h, W, a, b${sigma}) }`;
    for (const sigma of ["", ", sigma = 0.5", ", s"]) {
      const { analysis, codes } = analysed(text(sigma));
      expect(codes.filter((c) => c.startsWith("GM3"))).toEqual([]);
      expect(analysis?.definite).toBe("proven");
      expect(analysis?.laws.get("v")?.kind).toBe("normal");
    }
  });
});

describe("templates of one's own", () => {
  const own = "net drive(v, W) { s = v @ W   return s }\nnet energyOf(v, h, W) { d = drive(v, W)   return -sum(d * h) }";

  test("with names inside, and calls of one another", () => {
    const analysis = clean(model("energyOf(v, h, W) - a @ h - b @ v", own));
    expect(analysis.terms.map((t) => printExpr(t.expr)).join(" ")).not.toContain("energyOf");
    expect(summary(analysis).edges).toEqual(["v-h"]);
    expect(printed(model("energyOf(v, h, W) - a @ h - b @ v", own))).not.toContain("energyOf");
  });

  test("of the model stay callable elsewhere", () => {
    const text = model("up(v, h)", "", "net up(v, h) = -sum(v) * sum(h)\n density q(h | v) { h ~ Bernoulli(logits = up(v, a) * ones(H)) }");
    expect(printed(text)).toContain("export function up(");
  });

  test("with weights stay nets", () => {
    expect(printed(model("sum(f(v) * h) - b @ v", "net f(v) = v |> dense(4)"))).toContain("f(w.p.f1, v)");
  });

  test("are to blame where they stand, those of the library where they are called", () => {
    const couples = "net bad(h, J) = -(h @ J @ h)";
    const blamed = (energy: string, before: string): string => {
      const text = model(energy, before, "param J : real[H, H]").replace(/\}\s*$/u, "train { maximize log p(v) by cd(k = 1) } }");
      return compile({ path: "m.gm", text })
        .diagnostics.map(
          (d) =>
            `${d.code} ${d.labels[0]?.span.file.path} ${d.labels[0]?.span.start === undefined ? "" : text.slice(d.labels[0].span.start, d.labels[0].span.end)}`,
        )
        .join("\n");
    };
    expect(blamed("rbm_energy(v, h, W, a, b) + bad(h, J)", couples)).toBe("GM3601 m.gm (h @ J @ h)");
    expect(blamed("rbm_energy(h, h, J, a, a) - b @ v", "")).toBe("GM3601 m.gm rbm_energy(h, h, J, a, a)");
  });
});
