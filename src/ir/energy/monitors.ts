/** The cheap monitors of an energy, pseudo-likelihood and reconstruction error: what each takes of it, and findings where it has none. */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import type { DeriveContext } from "../derive/context.js";
import { hasBlockLaw, readFirst, summable } from "./graph.js";
import { listed } from "./listed.js";
import { hasMeanField, statesText } from "./require.js";
import type { EnergyAnalysis } from "./types.js";

/** States of hidden units that a pseudo-likelihood visits for every state of a unit. */
const mostLog2Hidden = 10;

/** Sweeps of hidden units that have to be made up first. */
const SWEEPS = 10;

export interface PseudoLikelihood {
  /** Observed variables of binary units and labels. */
  readonly names: readonly string[];
  readonly sum: readonly string[];
  readonly enumerate: readonly string[];
}

export interface Reconstruction {
  /** The observed variable that is compared with its conditional mean. */
  readonly name: string;
  /** Hidden variables that the first sweep reads before it draws them. */
  readonly fresh: readonly string[];
  readonly sweeps: number;
}

const isData = (analysis: EnergyAnalysis, v: string): boolean => analysis.variable.get(v)?.role === "data";

const hiddenOf = (analysis: EnergyAnalysis): readonly string[] => analysis.variables.filter((v) => !isData(analysis, v));

export function pseudoLikelihoodOf(analysis: EnergyAnalysis): PseudoLikelihood {
  const { sum, enumerate } = summable(analysis, hiddenOf(analysis));
  const names = analysis.variables.filter((v) => {
    const domain = analysis.variable.get(v)?.domain.name;
    return isData(analysis, v) && (domain === "binary" || domain === "category");
  });
  return { names, sum, enumerate };
}

/** Undefined where no observed variable has a conditional mean in closed form. */
export function reconstructionOf(analysis: EnergyAnalysis): Reconstruction | undefined {
  const data = analysis.variables.filter((v) => isData(analysis, v));
  const name = data.find((v) => lawful(analysis, v));
  if (name === undefined) return undefined;
  const fresh = readFirst(analysis, data);
  return { name, fresh, sweeps: fresh.length > 0 ? SWEEPS : 1 };
}

function lawful(analysis: EnergyAnalysis, v: string): boolean {
  const law = analysis.laws.get(v);
  return law !== undefined && hasBlockLaw(law);
}

/** Whether the monitor of that name has a form; else a finding at `at`. */
export function requireMonitor(context: DeriveContext, analysis: EnergyAnalysis, evaluator: string, at: Span): boolean {
  const found =
    evaluator === "pseudo_likelihood"
      ? whyNoPseudoLikelihood(analysis)
      : evaluator === "reconstruction_error"
        ? whyNoReconstruction(analysis)
        : undefined;
  if (!found) return true;
  const labels = analysis.terms.slice(0, 1).map((t) => ({ span: t.span, text: `the energy of \`${analysis.density}\`` }));
  report(
    context.diagnostics,
    "GM3616",
    at,
    { evaluator, density: analysis.density, reason: found.reason },
    { label: "asked for here", labels, notes: found.notes, help: found.help },
  );
  return false;
}

interface Obstacle {
  readonly reason: string;
  readonly notes: readonly string[];
  readonly help: readonly string[];
}

function whyNoPseudoLikelihood(analysis: EnergyAnalysis): Obstacle | undefined {
  const { names } = pseudoLikelihoodOf(analysis);
  const way = summable(analysis, hiddenOf(analysis));
  if (names.length === 0)
    return {
      reason: "it defines no observed binary variable or label",
      notes: [],
      help: reconstructionOf(analysis) ? [`\`reconstruction_error(${analysis.density})\` is for data of any domain`] : [],
    };
  if (way.log2States <= mostLog2Hidden) return undefined;
  const data = analysis.variables.filter((v) => isData(analysis, v)).join(", ");
  const canBound = hiddenOf(analysis).every((v) => hasMeanField(analysis, v, hiddenOf(analysis)));
  return {
    reason: statesText(analysis, way),
    notes: [`it sums hidden units out for each unit of the data, over at most 2^${mostLog2Hidden} states`],
    help: [
      ...(whyNoReconstruction(analysis) ? [] : [`\`reconstruction_error(${analysis.density})\` draws the hidden units`]),
      ...(canBound ? [`bound the likelihood: \`-log ${analysis.density}(${data}) by mean_field(steps = 30) and ais(chains = 100)\``] : []),
    ],
  };
}

function whyNoReconstruction(analysis: EnergyAnalysis): Obstacle | undefined {
  const data = analysis.variables.filter((v) => isData(analysis, v));
  const stuck = hiddenOf(analysis).filter((v) => !lawful(analysis, v) && analysis.variable.get(v)?.domain.name === "real");
  if (reconstructionOf(analysis) && stuck.length === 0) return undefined;
  const pseudo = whyNoPseudoLikelihood(analysis) ? [] : [`\`pseudo_likelihood(${analysis.density})\` is for units that interact too`];
  return stuck.length > 0
    ? { reason: `no Gibbs sweep draws ${listed(stuck)}, whose conditional has no closed form`, notes: [], help: pseudo }
    : { reason: `${listed(data)} ${data.length === 1 ? "has" : "have"} no conditional mean in closed form`, notes: [], help: pseudo };
}
