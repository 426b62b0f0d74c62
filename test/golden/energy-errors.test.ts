/**
 * Mistakes that the analysis of energies finds: the framed output of each, kept beside its model. What a statement of `train` asks for is
 * checked as derivation does it: no estimator asks for an exact normaliser, `mean_field` for an energy affine in each hidden unit, a sampler for
 * conditionals that are drawn at once.
 */
import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { deriveContext, type DeriveContext } from "../../src/ir/derive/context.js";
import { analyseEnergy, hasEnergy, requireBlocks, requireExact, requireMultiAffine } from "../../src/ir/energy/index.js";
import { elaborateText } from "../ir/support.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";

const FOLDER = "golden/errors/gm3";

function check(context: DeriveContext, density: string): void {
  const analysis = analyseEnergy(context, density);
  const hidden = analysis?.variables.filter((v) => analysis.variable.get(v)?.role === "latent") ?? [];
  for (const update of analysis ? context.model.train.flatMap((phase) => phase.updates) : []) {
    const names = update.by.flatMap((choice) => choice.estimators.map((e) => e.name));
    if (!analysis) continue;
    if (names.length === 0) requireExact(context, analysis, { quantity: update.text, span: update.span, hidden: analysis.variables });
    else if (names.includes("mean_field")) requireMultiAffine(context, analysis, hidden, update.span);
    else requireBlocks(context, analysis, analysis.variables, update.span);
  }
}

describe("errors of energies", () => {
  it.each(goldenCases(FOLDER, ".gm").filter((f) => f.startsWith("GM36")))("%s", (file) => {
    const { ir, diagnostics, text } = elaborateText(readCase(`${FOLDER}/${file}`), { path: file });
    if (!ir) throw new Error(text);
    const context = deriveContext(ir, diagnostics);
    for (const density of ir.densities) if (hasEnergy(context, density.name)) check(context, density.name);
    expect(new Set(diagnostics.list.map((d) => d.code))).toEqual(new Set([file.slice(0, 6)]));
    expectGolden(`${FOLDER}/${file.replace(/\.gm$/u, ".txt")}`, renderDiagnostics(diagnostics.list, { color: false }));
  });
});
