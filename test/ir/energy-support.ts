/** Analyses of energies in short texts, for tests. */
import { deriveContext, type DeriveContext } from "../../src/ir/derive/context.js";
import { analyseEnergy, type EnergyAnalysis } from "../../src/ir/energy/index.js";
import { renderDiagnostics } from "../../src/base/render.js";
import { elaborateText, isOfUnused, type Options } from "./support.js";

export interface Analysed {
  readonly context: DeriveContext;
  readonly analysis: EnergyAnalysis | undefined;
  readonly codes: readonly string[];
  readonly text: string;
}

/** The energy of density `p` of a whole model, or of the body of one. */
export function analysed(body: string, options: Options = {}): Analysed {
  const text = /^\s*(model|import|net)\b/u.test(body) ? body : `model M(D = 6, H = 4, K = 3) {\n${body}\n}`;
  const result = elaborateText(text, options);
  if (!result.ir) throw new Error(result.text);
  const context = deriveContext(result.ir, result.diagnostics);
  const analysis = analyseEnergy(context, "p");
  const list = result.diagnostics.list.filter((d) => !isOfUnused(d));
  return { context, analysis, codes: list.map((d) => d.code), text: renderDiagnostics(list, { color: false }) };
}

/** The analysis of an energy without findings. */
export function clean(body: string, options: Options = {}): EnergyAnalysis {
  const result = analysed(body, options);
  if (!result.analysis || result.codes.length > 0) throw new Error(result.text);
  return result.analysis;
}

/** The analysis of an energy of which nothing shows that it has a normaliser. */
export function suspected(body: string, options: Options = {}): EnergyAnalysis {
  const result = analysed(body, options);
  if (!result.analysis || result.codes.join() !== "GM3618") throw new Error(result.text);
  return result.analysis;
}

/** `v: bernoulli, h: coupled` as an object, edges as `v-h`, blocks as written. */
export function summary(analysis: EnergyAnalysis): {
  readonly laws: Readonly<Record<string, string>>;
  readonly edges: readonly string[];
  readonly sweep: readonly (readonly string[])[];
} {
  return {
    laws: Object.fromEntries([...analysis.laws].map(([name, law]) => [name, law.kind])),
    edges: analysis.edges.map((e) => `${e.a}-${e.b}`),
    sweep: analysis.sweep,
  };
}
