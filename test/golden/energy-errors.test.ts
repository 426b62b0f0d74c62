/** Mistakes that the analysis of energies finds, and what a statement asks of an energy that it cannot give: the framed output of each. */
import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { compile } from "../../src/compile.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";

const FOLDER = "golden/errors/gm3";

describe("errors of energies", () => {
  it.each(goldenCases(FOLDER, ".gm").filter((f) => f.startsWith("GM36")))("%s", (file) => {
    const { diagnostics } = compile({ path: file, text: readCase(`${FOLDER}/${file}`) });
    expect(new Set(diagnostics.map((d) => d.code))).toEqual(new Set([file.slice(0, 6)]));
    expectGolden(`${FOLDER}/${file.replace(/\.gm$/u, ".txt")}`, renderDiagnostics(diagnostics, { color: false }));
  });
});

describe("a conditional of an energy whose hidden units do not sum out", () => {
  const energies = "energy -v @ W @ h - y @ U @ h - u @ C @ h";
  const model = (header: string, quantity: string, by: string): string => `
model M {
  data v : binary[40], y : binary[3], u : real[2]
  latent h : binary[30]
  param W : real[40, 30] init Normal(0, 0.1)
  param U : real[3, 30] = 0, C : real[2, 30] = 0
  density ${header} { ${energies} }
  train { maximize ${quantity} ${by} optimizer = sgd(lr = 0.1), batch = 10, epochs = 1 }
  evaluate { nll = -${quantity} ${by && "by ais(chains = 100, temperatures = 1000)"} }
}`;
  const found = (text: string): ReturnType<typeof compile>["diagnostics"] => compile({ path: "m.gm", text }).diagnostics;

  it("is told of a density under the same conditions, which compiles", () => {
    const [error] = found(model("p(v, y, h | u)", "log p(v | y, u)", ""));
    expect(error).toMatchObject({ code: "GM3612" });
    const header = /density (p_given\(.*?\)) \{/u.exec(error!.help!.join())![1]!;
    expect(header).toBe("p_given(v, h | y, u)");
    expect(found(model(header, "log p_given(v | y, u)", "by cd(k = 1)"))).toEqual([]);
  });
});
